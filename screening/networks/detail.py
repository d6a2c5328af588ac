"""Small things near ears, mouth and neck, from a closer crop than head and shoulders.

Input: the photo and the box around the face mesh. Output: a probability for each of `upper.ATTRIBUTES`, calibrated on
photos that the network was not trained on (`models/detail.json`, written by `models/training/upper_train.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from ..types import Box, Floats, Image
from . import upper
from .preprocess import BORDER_ZERO, Pyramid, Region, crop_region, sigmoid, to_tensor
from .upper import ATTRIBUTES, Session

SIZE = 224
"""Side of the network's input, pixels. Outside of the photo is black."""
SPAN = 2.2
"""Side of the crop, in sizes of the face (`upper.face_size`)."""
DROP = 0.55
"""How far the crop's centre lies below the face's, in sizes of the face."""


def region(face: Box, span: float = SPAN) -> Region:
    """The square around ears, mouth and neck for a face's box. Raises ValueError for an empty box."""
    return upper.region(face, span, DROP)


def preprocess(image: Image | Pyramid, face: Box) -> Floats:
    """(1, 3, 224, 224) float32 in 0-1: the network's input."""
    return to_tensor(crop_region(image, region(face), (SIZE, SIZE), BORDER_ZERO), low=0)


class DetailNetwork:
    """The network with its calibration. Calls are independent: threads may share one."""

    def __init__(self, session: Session, calibration: Mapping[str, Any]) -> None:
        """`calibration` is the content of `detail.json`. Raises ValueError when it is for other outputs than these."""
        if tuple(calibration["attributes"]) != ATTRIBUTES:
            raise ValueError(
                "detail.json names other outputs than this version knows; export the network again."
            )
        self._session = session
        lines = np.array([calibration["platt"][name] for name in ATTRIBUTES], np.float32)
        self._slope, self._offset = lines[:, 0], lines[:, 1]

    def run(self, image: Image | Pyramid, face: Box) -> Mapping[str, float]:
        """Attribute -> probability of one person: `image` (H, W, 3) uint8 RGB or its pyramid, `face` the box of the
        face mesh in photo pixels.

        Raises ValueError for an empty box.
        """
        (logits,) = self._session.run(preprocess(image, face), "attributes")
        probabilities = sigmoid(logits[0] * self._slope + self._offset)
        return MappingProxyType(dict(zip(ATTRIBUTES, probabilities.tolist(), strict=True)))
