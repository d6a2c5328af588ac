"""Pictures that the network tests draw themselves."""

from __future__ import annotations

import cv2
import numpy as np

from screening.types import Image

SKIN, EDGE = (214, 166, 140), (170, 120, 98)
FINGERS = (
    ((185, 300), (150, 165)),
    ((222, 285), (212, 125)),
    ((260, 287), (272, 132)),
    ((295, 305), (325, 175)),
)
THUMB = (((190, 370), (135, 310)), ((135, 310), (105, 255)))
PALM = (240, 345)
"""Middle of the drawn palm, (x, y)."""


def hand() -> Image:
    """(480, 480, 3) uint8: an open hand, fingers up, thumb on the left of the picture."""
    image = np.full((480, 480, 3), (120, 150, 170), np.uint8)
    for grow, colour in ((6, EDGE), (0, SKIN)):
        cv2.line(image, (240, 400), (240, 479), colour, 80 + grow)
        cv2.ellipse(image, PALM, (65 + grow // 2, 78 + grow // 2), 0, 0, 360, colour, -1)
        for start, end in FINGERS:
            cv2.line(image, start, end, colour, 34 + grow)
        for start, end in THUMB:
            cv2.line(image, start, end, colour, 36 + grow)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 2), np.uint8)
