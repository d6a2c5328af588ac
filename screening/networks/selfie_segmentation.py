"""Person or background, per pixel, by mediapipe's selfie segmentation.

Input [0, 1], 256 x 256, the upright region stretched to the square as the published graph does.
"""

from __future__ import annotations

import cv2
import numpy as np

from screening.networks.preprocess import BORDER_ZERO, Pyramid, Region, as_pyramid, crop_region, to_tensor
from screening.networks.session import session
from screening.types import Box, Floats, Image

NETWORK = "selfie_segmentation"
SIZE = 256


def person_probability(image: Image | Pyramid, box: Box | None = None) -> Floats:
    """(256, 256) float32, 0-1, over `box` (the whole photo if None): the square stretched over it."""
    pyramid = as_pyramid(image)
    whole = Box(0, 0, pyramid.width, pyramid.height)
    crop = crop_region(pyramid, Region.of(box or whole), (SIZE, SIZE), BORDER_ZERO)
    (mask,) = session(NETWORK).run(to_tensor(crop, low=0))
    return np.asarray(mask[0, 0], np.float32)


def person_mask(image: Image | Pyramid) -> Floats:
    """(height, width) float32, 0-1: `person_probability` of the whole photo at its own size."""
    pyramid = as_pyramid(image)
    size = (pyramid.width, pyramid.height)
    small = person_probability(pyramid)
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR), np.float32)
