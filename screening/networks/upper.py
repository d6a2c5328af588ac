"""Attributes and parsing of head and shoulders, from an upright square crop around them.

Input: the photo and the box around the face mesh. Output: `UpperAttributes`; every probability is calibrated
on photos that
the network was not trained on (`models/upper.json`, written by `models/training/upper_train.py`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..types import Box, Floats, Image
from .preprocess import BORDER_ZERO, Pyramid, Region, crop_region, sigmoid, to_tensor, with_mirror

SIZE = 256
"""Side of the network's input, pixels. Outside of the photo is black."""
SPAN = 3.6
"""Side of the crop, in sizes of the face (`face_size`)."""
DROP = 0.48
"""How far the crop's centre lies below the face's, in sizes of the face."""

ATTRIBUTES = (
    "hair_over_shoulder", "hair_across_face", "hat", "scarf_turban", "hood", "headwear", "headphones", "glasses",
    "sunglasses", "face_mask", "face_hand", "face_object", "face_covered", "earrings", "necklace", "second_person",
    "under_18", "not_human",
)  # fmt: skip
"""`headwear`, `glasses` and `face_covered` mean any kind; `not_human` a drawing, render, statue or animal."""
CLASSES = (
    "background", "face", "hair", "neck", "clothes", "eyewear", "headwear", "earrings", "necklace",
)  # fmt: skip


class Session(Protocol):
    """What is needed of a loaded network."""

    def run(self, tensor: Floats, *outputs: str) -> list[Floats]: ...


@dataclass(frozen=True, slots=True)
class UpperAttributes:
    """What head and shoulders look like.

    `attributes`: probabilities 0-1, keys `ATTRIBUTES`. `parsing`: (64, 64) uint8, index into `CLASSES`;
    `to_photo` is the
    (2, 3) matrix from its pixels, both continuous, to photo pixels. `shares`: float32 (9, 64, 64), the probability of
    each class.
    """

    attributes: Mapping[str, float]
    parsing: NDArray[np.uint8]
    shares: Floats
    to_photo: NDArray[np.float64]


def face_size(face: Box) -> float:
    """Geometric mean of the sides, photo pixels: nearly the same for the mesh's box and the detector's (1 : 1.07)."""
    return math.sqrt(face.width * face.height)


def region(face: Box, span: float = SPAN, drop: float = DROP) -> Region:
    """The square around head and shoulders for a face's box; `span` and `drop` in sizes of the face.

    Raises ValueError for an empty box.
    """
    x, y = face.center
    size = face_size(face)
    return Region(x, y + drop * size, span * size, span * size)


def preprocess(image: Image | Pyramid, face: Box) -> Floats:
    """(2, 3, 256, 256) float32 in 0-1: the network's input, as it is and mirrored."""
    return with_mirror(to_tensor(crop_region(image, region(face), (SIZE, SIZE), BORDER_ZERO), low=0))


class UpperNetwork:
    """The network with its calibration. Calls are independent: threads may share one."""

    def __init__(self, session: Session, calibration: Mapping[str, Any]) -> None:
        """`calibration` is the content of `upper.json`. Raises ValueError when it is for other outputs than these."""
        if tuple(calibration["attributes"]) != ATTRIBUTES or tuple(calibration["classes"]) != CLASSES:
            raise ValueError(
                "upper.json names other outputs than this version knows; export the network again."
            )
        self._session = session
        lines = np.array([calibration["platt"][name] for name in ATTRIBUTES], np.float32)
        self._slope, self._offset = lines[:, 0], lines[:, 1]

    @classmethod
    def load(cls, session: Session, path: Path) -> UpperNetwork:
        """With the calibration of that JSON file. Raises OSError, ValueError."""
        return cls(session, json.loads(path.read_text(encoding="utf-8")))

    def run(self, image: Image | Pyramid, face: Box) -> UpperAttributes:
        """Look at one person: `image` (H, W, 3) uint8 RGB or its pyramid, `face` the box of the face mesh in
        photo pixels.

        Raises ValueError for an empty box.
        """
        attributes, parsing = self._session.run(preprocess(image, face), "attributes", "parsing")
        probabilities = sigmoid(attributes.mean(0) * self._slope + self._offset)
        height, width = parsing.shape[2:]
        return UpperAttributes(
            attributes=MappingProxyType(dict(zip(ATTRIBUTES, probabilities.tolist(), strict=True))),
            parsing=parsing[0].argmax(0).astype(np.uint8),
            shares=parsing[0],
            to_photo=region(face).matrix(width, height),
        )
