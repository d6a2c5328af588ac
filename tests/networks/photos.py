"""Photos that come with declared dependencies: nobody's private pictures."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from matplotlib import cbook
from PIL import Image as PillowImage
from skimage import data

from screening.types import Box, Image

_data: Any = data
FACE = Box(178, 72, 272, 175)
"""The astronaut's face, forehead to chin and ear to ear, measured by hand to a few pixels."""


def astronaut() -> Image:
    """(512, 512, 3): scikit-image's portrait of Eileen Collins."""
    return np.asarray(_data.astronaut(), np.uint8)


def grace_hopper() -> Image:
    """(600, 512, 3): matplotlib's portrait of Grace Hopper."""
    with PillowImage.open(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))) as image:
        return np.asarray(image.convert("RGB"))


def far_astronaut(height: int, width: int, share: float, middle: tuple[float, float]) -> Image:
    """The astronaut on a grey canvas, the face `share` of its height and its middle at (x, y)."""
    small = astronaut()[:330]
    scale = share * height / FACE.height
    size = (round(small.shape[1] * scale), round(small.shape[0] * scale))
    small = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_AREA), np.uint8)
    canvas = np.full((height, width, 3), 128, np.uint8)
    left = round(middle[0] - FACE.center[0] * scale)
    top = round(middle[1] - FACE.center[1] * scale)
    canvas[top : top + size[1], left : left + size[0]] = small
    return canvas
