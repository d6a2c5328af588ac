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
    """The astronaut cut out, on a grey canvas: her face `share` of its height, the face's middle at (x, y).

    Head and chest fade into the canvas, so that no frame of the small picture shows.
    """
    outline = np.zeros((512, 512), np.float32)
    for center, axes in (((225, 105), (75, 90)), ((205, 330), (125, 160))):
        cv2.ellipse(outline, center, axes, 0, 0, 360, 1.0, -1)
    outline = np.asarray(cv2.GaussianBlur(outline, (0, 0), 12), np.float32)
    scale = share * height / FACE.height
    blended = astronaut() * outline[..., None] + 128.0 * (1 - outline[..., None])
    size = (round(512 * scale), round(512 * scale))
    small = cv2.resize(blended.astype(np.uint8), size, interpolation=cv2.INTER_AREA)
    x, y = FACE.center
    move = np.array([[1, 0, middle[0] - x * scale], [0, 1, middle[1] - y * scale]])
    canvas = np.full((height, width, 3), 128, np.uint8)
    cv2.warpAffine(small, move, (width, height), dst=canvas, borderMode=cv2.BORDER_TRANSPARENT)
    return canvas
