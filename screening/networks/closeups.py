"""Earrings, necklaces and earphones from close up: both ears and the neck side by side, at twice `detail`'s scale.

Input: the photo and the face mesh. Output: a probability for each of `ATTRIBUTES`, calibrated on photos that the
network was not trained on (`models/closeups.json`, written by `models/training/upper_train.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from ..types import Box, Floats, Image
from . import upper
from .preprocess import BORDER_ZERO, Pyramid, Region, crop_region, sigmoid, to_tensor
from .upper import Session, face_size

SIZE = 128
"""Side of each of the three pictures, pixels. Outside of the photo is black."""
EAR_SPAN, NECK_SPAN = 0.76, 0.98
"""Sides of the pictures of an ear and of the neck, in sizes of the face (`upper.face_size`)."""
EARLOBES = (132, 361)
"""Points of the face mesh beside the earlobes: of the person's right ear, which lies left in the photo, and left."""
CHIN = 152
ATTRIBUTES = ("earrings", "necklace", "headphones")


def regions(mesh: Floats, wider: float = 1.0) -> tuple[Region, Region, Region]:
    """The squares around the ear on the photo's left, the neck, and the other ear, `wider` times as large.

    mesh: (468, 2) or (468, 3), photo pixels.

    Raises ValueError for a mesh without an extent.
    """
    size = face_size(Box.around(mesh))
    ear, neck = wider * EAR_SPAN * size, wider * NECK_SPAN * size
    left, right = (mesh[point] for point in EARLOBES)
    chin_x, chin_y = mesh[CHIN][:2]
    return (
        Region(float(left[0]) - 0.17 * size, float(left[1]) + 0.08 * size, ear, ear),
        Region(float(chin_x), float(chin_y) + 0.42 * size, neck, neck),
        Region(float(right[0]) + 0.17 * size, float(right[1]) + 0.08 * size, ear, ear),
    )


def strip(image: Image | Pyramid, mesh: Floats, wider: float = 1.0, size: int = SIZE) -> Image:
    """(size, 3 * size, 3) uint8 RGB: the squares of `regions`, side by side."""
    crops = [crop_region(image, area, (size, size), BORDER_ZERO) for area in regions(mesh, wider)]
    return np.concatenate(crops, 1)


def preprocess(image: Image | Pyramid, mesh: Floats) -> Floats:
    """(1, 3, 128, 384) float32 in 0-1: the network's input."""
    return to_tensor(strip(image, mesh), low=0)


class CloseupsNetwork:
    """The network with its calibration. Calls are independent: threads may share one."""

    def __init__(self, session: Session, calibration: Mapping[str, Any]) -> None:
        """`calibration` is the content of `closeups.json`.

        Raises ValueError when it is for other outputs than these.
        """
        if tuple(calibration["attributes"]) != upper.ATTRIBUTES:
            raise ValueError(
                "closeups.json names other outputs than this version knows; export the network again."
            )
        self._session = session
        self._places = [upper.ATTRIBUTES.index(name) for name in ATTRIBUTES]
        lines = np.array([calibration["platt"][name] for name in ATTRIBUTES], np.float32)
        self._slope, self._offset = lines[:, 0], lines[:, 1]

    def run(self, image: Image | Pyramid, mesh: Floats) -> Mapping[str, float]:
        """Attribute -> probability of one person: `image` (H, W, 3) uint8 RGB or its pyramid, `mesh` (468, 2) in
        photo pixels.

        Raises ValueError for a mesh without an extent.
        """
        (logits,) = self._session.run(preprocess(image, mesh), "attributes")
        probabilities = sigmoid(logits[0, self._places] * self._slope + self._offset)
        return MappingProxyType(dict(zip(ATTRIBUTES, probabilities.tolist(), strict=True)))
