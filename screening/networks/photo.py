"""What the whole photo shows: other people, nobody, a drawing, a collage, a person lying or far away.

Input: the photo, letterboxed with black. Output: `PhotoAttributes`; every probability is calibrated on
photos that the network was
not trained on (`models/scene.json`, written by `models/training/scene_train.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from ..types import Floats, Image
from .preprocess import BORDER_ZERO, Pyramid, crop_region, sigmoid, to_tensor, whole_square, with_mirror

SIZE = 224
"""Side of the network's input, pixels."""

ATTRIBUTES = ("second_person", "nobody", "collage_or_text", "lying_or_leaning", "face_not_visible", "far")
"""Each is a question of its own: they do not exclude each other."""
KINDS = ("human", "figure", "animal", "nothing")
"""Photographed human; human-shaped but not one (drawn, rendered, statue, doll, mascot); animal; none of these."""


class Session(Protocol):
    """What is needed of a loaded network."""

    def run(self, tensor: Floats, *outputs: str) -> list[Floats]: ...


@dataclass(frozen=True, slots=True)
class PhotoAttributes:
    """What the whole photo shows; probabilities 0-1. `attributes` has the keys `ATTRIBUTES`; `kind` has
    `KINDS` and sums to 1.
    """

    attributes: Mapping[str, float]
    kind: Mapping[str, float]


def preprocess(image: Image | Pyramid) -> Floats:
    """(2, 3, 224, 224) float32 in -1..1: the network's input, as it is and mirrored."""
    return with_mirror(to_tensor(crop_region(image, whole_square(image), (SIZE, SIZE), BORDER_ZERO), low=-1))


class PhotoNetwork:
    """The network with its calibration. Calls are independent: threads may share one."""

    def __init__(self, session: Session, calibration: Mapping[str, Any]) -> None:
        """`calibration` is the content of `scene.json`. Raises ValueError when it is for other outputs than these."""
        if tuple(calibration["attributes"]) != ATTRIBUTES or tuple(calibration["kinds"]) != KINDS:
            raise ValueError(
                "scene.json names other outputs than this version knows; export the network again."
            )
        self._session = session
        lines = np.array([calibration["platt"][name] for name in ATTRIBUTES], np.float32)
        self._slope, self._offset = lines[:, 0], lines[:, 1]
        self._temperature = float(calibration["kind_temperature"])

    @classmethod
    def load(cls, session: Session, path: Path) -> PhotoNetwork:
        """With the calibration of that JSON file. Raises OSError, ValueError."""
        return cls(session, json.loads(path.read_text(encoding="utf-8")))

    def run(self, image: Image | Pyramid) -> PhotoAttributes:
        """Look at a whole photo, (H, W, 3) uint8 RGB or its pyramid."""
        attributes, kinds = self._session.run(preprocess(image), "attributes", "kind")
        probabilities = sigmoid(attributes.mean(0) * self._slope + self._offset)
        kind = kinds.mean(0)
        powers = np.exp((kind - kind.max()) / self._temperature)
        return PhotoAttributes(
            MappingProxyType(dict(zip(ATTRIBUTES, probabilities.tolist(), strict=True))),
            MappingProxyType(dict(zip(KINDS, (powers / powers.sum()).tolist(), strict=True))),
        )
