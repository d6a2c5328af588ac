"""Attributes, age and kind of one face, from a square crop around it.

Input: the photo and the box around the face; output: `FaceAttributes`, every probability calibrated on photos the
network was not trained on (piecewise-linear maps in `models/face.json`, made by `models/training/export.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from ..types import Box, Floats, Image

SIZE = 128
"""Side of the network's input, pixels."""
SIDE = 1.6
"""Side of the crop, in widths of the face."""
RISE = 0.1
"""How far the crop's centre lies above the face's, in widths of the face."""
ZOOMS = (1.0, 0.87)
"""Sides of the crops that are looked at, in sides of the usual crop; each also mirrored, and the answers averaged."""
GREY = 128
"""What is outside the photo."""
DETECTION_WIDTH = 1.147
"""Width of mediapipe's face detection in widths of the face mesh (median of 17,086 faces)."""
YEARS = 91
"""The age distribution covers 0 to 90 years."""

ATTRIBUTES = (
    "glasses", "eyeglasses", "sunglasses", "headwear", "hat", "scarf_or_turban", "hood", "covered", "mask", "hand",
    "object", "earring", "hair_across_face", "beard", "strong_shadow", "headphones", "second_face",
)  # fmt: skip
"""`glasses`, `headwear` and `covered` mean any of the kinds that follow them."""
KINDS = ("human", "drawn", "animal", "statue", "nothing")
"""Photographed human, drawn or 3-D human-shaped, animal, statue-doll-mascot, nothing of these."""


class Session(Protocol):
    """What is needed of a loaded network."""

    def run(self, tensor: Floats, *outputs: str) -> list[Floats]: ...


@dataclass(frozen=True, slots=True)
class FaceAttributes:
    """What one face looks like; probabilities 0-1.

    `age_distribution` is float32 (91,), summing to 1: index = years. `age_median` is in years. `attributes` has the
    keys `ATTRIBUTES`; `kind` the keys `KINDS`, summing to 1. `sex_male` is an aid to measuring fairness only.
    """

    age_distribution: Floats
    under_18: float
    age_median: float
    sex_male: float
    attributes: Mapping[str, float]
    kind: Mapping[str, float]


def face_width(box: Box) -> float:
    """Width of the face in photo pixels; of a face turned aside (a narrow mesh box) as if it were frontal."""
    return max(box.width, 0.8 * box.height)


def from_detection(box: Box) -> Box:
    """The face-mesh-like box for a box of mediapipe's face detector, which is wider."""
    x, y = box.center
    half = box.width / DETECTION_WIDTH / 2
    return Box(x - half, y - half, x + half, y + half)


def crop_square(box: Box) -> tuple[float, float, float]:
    """(centre x, centre y, side) in photo pixels of the crop for a face's box."""
    x, y = box.center
    width = face_width(box)
    return x, y - RISE * width, SIDE * width


def crop(image: Image, square: tuple[float, float, float], size: int) -> Image:
    """(size, size, 3) uint8 RGB of a square of the photo (centre x, centre y, side), mid grey outside of it.

    Bilinear; where the photo is more than twice as fine, from an area average, so that nothing aliases.
    """
    x, y, side = square
    scale = size / side
    height, width = image.shape[:2]
    if scale < 0.5:
        half = 0.55 * side  # only the part that is needed is averaged
        left, top = max(0, math.floor(x - half)), max(0, math.floor(y - half))
        right, bottom = min(width, math.ceil(x + half)), min(height, math.ceil(y + half))
        part = image[top : max(0, bottom), left : max(0, right)]
        if part.size:
            to = (max(1, round(part.shape[1] * scale * 1.5)), max(1, round(part.shape[0] * scale * 1.5)))
            fx, fy = to[0] / part.shape[1], to[1] / part.shape[0]
            image = np.asarray(cv2.resize(part, to, interpolation=cv2.INTER_AREA), np.uint8)
            return _warp(image, (x - left) * fx, (y - top) * fy, side * fx, side * fy, size)
    return _warp(image, x, y, side, side, size)


def _warp(image: Image, x: float, y: float, side_x: float, side_y: float, size: int) -> Image:
    fx, fy = size / side_x, size / side_y
    # from index to index: pixel centres lie at index + 0.5 in both
    matrix = np.array([
        [fx, 0.0, size / 2 - x * fx + 0.5 * fx - 0.5],
        [0.0, fy, size / 2 - y * fy + 0.5 * fy - 0.5],
    ])  # fmt: skip
    return np.asarray(
        cv2.warpAffine(
            image,
            matrix,
            (size, size),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(GREY,) * 3,
        ),
        np.uint8,
    )


def normalise(crops: NDArray[np.uint8]) -> Floats:
    """(n, 3, H, W) float32 in -1..1 from (n, H, W, 3) uint8 RGB."""
    return np.ascontiguousarray(crops.transpose(0, 3, 1, 2), np.float32) / np.float32(127.5) - np.float32(1)


def preprocess(image: Image, box: Box) -> Floats:
    """(4, 3, 128, 128) float32: the network's input for a face of the photo, at each zoom as it is and mirrored; `box`
    as of the face mesh.
    """
    x, y, side = crop_square(box)
    views = [crop(image, (x, y, side * zoom), SIZE) for zoom in ZOOMS]
    return normalise(np.stack([*views, *(view[:, ::-1] for view in views)]))


@dataclass(frozen=True, slots=True)
class Calibration:
    """A monotone, piecewise-linear map from logit to probability; constant beyond its ends."""

    logits: tuple[float, ...]
    probabilities: tuple[float, ...]

    def __call__(self, logit: float) -> float:
        return float(np.interp(logit, self.logits, self.probabilities))


class FaceNetwork:
    """The network with its calibration. Calls are independent: threads may share one."""

    def __init__(self, session: Session, calibration: Mapping[str, Any]) -> None:
        """`calibration` is the content of `face.json`.

        Raises ValueError when it is for other outputs than these.
        """
        if tuple(calibration["attributes"]) != ATTRIBUTES or tuple(calibration["kinds"]) != KINDS:
            raise ValueError(
                "face.json names other outputs than this version knows; export the network again."
            )
        self._session = session
        self._maps = {
            name: Calibration(tuple(points["logits"]), tuple(points["probabilities"]))
            for name, points in calibration["maps"].items()
        }
        self._age_temperature = float(calibration["age_temperature"])
        self._kind_temperature = float(calibration["kind_temperature"])
        self._minor_weights = tuple(float(w) for w in calibration["minor_weights"])

    def run(self, image: Image, box: Box) -> FaceAttributes:
        """Look at one face: `image` (H, W, 3) uint8 RGB, `box` of its face mesh in photo pixels."""
        if box.width <= 0 or box.height <= 0:
            raise ValueError(f"empty face box: {box}")
        outputs = self._session.run(preprocess(image, box), "age", "minor", "sex", "attributes", "kind")
        age, minor, sex, attributes, kind = (output.astype(np.float64).mean(0) for output in outputs)
        years = softmax(age / self._age_temperature)
        logit = minor_logit(softmax(age), float(minor[0]), self._minor_weights)
        return FaceAttributes(
            age_distribution=years.astype(np.float32),
            under_18=self._maps["under_18"](logit),
            age_median=median_age(years),
            sex_male=float(1 / (1 + np.exp(-sex[0]))),
            attributes=MappingProxyType(
                {
                    name: self._maps[name](float(value))
                    for name, value in zip(ATTRIBUTES, attributes, strict=True)
                }
            ),
            kind=MappingProxyType(
                dict(zip(KINDS, softmax(kind / self._kind_temperature).tolist(), strict=True)),
            ),
        )


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Along the last axis."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def minor_logit(years: NDArray[np.float64], minor: float, weights: tuple[float, ...]) -> float:
    """One score for "under 18" from the age distribution and the head trained for it: bias, weight, weight."""
    below = float(np.clip(years[:18].sum(), 1e-6, 1 - 1e-6))
    return weights[0] + weights[1] * math.log(below / (1 - below)) + weights[2] * minor


def median_age(years: NDArray[np.float64]) -> float:
    """The age in years that halves the distribution, between years interpolated."""
    total = np.concatenate([[0.0], np.cumsum(years)])
    return float(np.interp(0.5 * total[-1], total, np.arange(len(total))))
