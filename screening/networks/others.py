"""Other people by where there is person that is not the subject: the person mask, laid out around the face.

Input: the mask of people over the whole photo and the box around the subject's face mesh. Output: the calibrated
probability of a second person (`models/others.json`, written by `models/training/others_train.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import cv2
import numpy as np

from ..types import Box, Floats
from .preprocess import sigmoid
from .upper import face_size

SIZE = 40
"""Side of the network's input, cells."""
SPAN = 8.0
"""Side of the square that it covers, in sizes of the face (`upper.face_size`)."""
DROP = 1.0
"""How far the square's centre lies below the face's, in sizes of the face."""


class Session(Protocol):
    """What is needed of a loaded network."""

    def run(self, tensor: Floats, *outputs: str) -> list[Floats]: ...


def layout(mask: Floats, width: float, height: float, face: Box) -> Floats:
    """(1, 2, 40, 40) float32 0-1: how much of each cell is a person, and how much of it lies in the photo.

    `mask` (n, m) is stretched over the whole photo of `width` x `height` pixels. Raises ValueError for an empty box.
    """
    size = face_size(face)
    if size <= 0:
        raise ValueError(f"empty face box: {face}")
    rows, columns = mask.shape
    x, y = face.center
    cell = SPAN * size / SIZE
    left, top = x - SPAN * size / 2, y + (DROP - SPAN / 2) * size
    # from cells to mask pixels, both by index
    across, down = columns / width, rows / height
    matrix = np.array([
        [cell * across, 0.0, (left + cell / 2) * across - 0.5],
        [0.0, cell * down, (top + cell / 2) * down - 0.5],
    ])  # fmt: skip
    # averaged first, so that a cell stands for all the pixels in it
    blur = [max(0.01, 0.35 * cell * step) for step in (across, down)]
    smooth = cv2.GaussianBlur(mask, (0, 0), sigmaX=blur[0], sigmaY=blur[1])
    planes = [
        cv2.warpAffine(plane, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        for plane in (smooth, np.ones_like(mask))
    ]
    return np.asarray(np.stack(planes)[None], np.float32)


class OthersNetwork:
    """The network with its calibration. Calls are independent: threads may share one."""

    def __init__(self, session: Session, calibration: Mapping[str, Any]) -> None:
        """`calibration` is the content of `others.json`."""
        self._session = session
        self._slope, self._offset = (float(value) for value in calibration["platt"])

    def run(self, mask: Floats, width: float, height: float, face: Box) -> float:
        """Probability of a second person; arguments as of `layout`."""
        seen = layout(mask, width, height, face)
        sides = [
            self._session.run(view, "second_person")[0].item() for view in (seen, seen[..., ::-1].copy())
        ]
        return float(sigmoid(np.array(sides).mean(keepdims=True) * self._slope + self._offset)[0])
