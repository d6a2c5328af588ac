"""A rule's mistakes side by side, with the evidence drawn."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from benchmarks.accuracy.labels import Photo
from screening.types import Image

CELL, TEXT, COLUMNS = 260, 40, 6
"""Pixels of a picture's square and of the text below it; pictures a row."""
INK, PAPER = (30, 30, 30), 255


def cell(photo: Photo, pixels: Image, rule: str) -> Image:
    """(CELL + TEXT, CELL, 3): the photo with the rule's evidence, what went wrong, and the lookers' codes."""
    drawn = photo.report.annotate(pixels, [rule])
    zoom = CELL / max(drawn.shape[:2])
    size = max(1, round(drawn.shape[1] * zoom)), max(1, round(drawn.shape[0] * zoom))
    small = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA)
    out = np.full((CELL + TEXT, CELL, 3), PAPER, np.uint8)
    left, top = (CELL - small.shape[1]) // 2, CELL - small.shape[0]
    out[top:CELL, left : left + small.shape[1]] = small
    margin = photo.margin(rule)
    kind = "missed" if photo.label.marks[rule] == "2" else "false alarm"
    number = "" if margin is None else f" {margin:+.2f}"
    for i, line in enumerate((f"{photo.label.file} {kind}: {photo.status(rule)}{number}", photo.label.codes)):
        at = (3, CELL + 15 + 17 * i)
        cv2.putText(out, line[:46], at, cv2.FONT_HERSHEY_SIMPLEX, 0.36, INK, 1, cv2.LINE_AA)
    return out


def sheet(cells: Sequence[Image]) -> Image:
    """The cells in rows of `COLUMNS`."""
    rows = -(-len(cells) // COLUMNS)
    out = np.full((rows * (CELL + TEXT), COLUMNS * CELL, 3), PAPER, np.uint8)
    for i, one in enumerate(cells):
        y, x = divmod(i, COLUMNS)
        out[y * (CELL + TEXT) : (y + 1) * (CELL + TEXT), x * CELL : (x + 1) * CELL] = one
    return out
