"""Draws a report's evidence onto the photo."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import cv2
import numpy as np

from screening.types import Evidence, Image

if TYPE_CHECKING:
    from screening.report import Report

COLOURS = {"fail": (214, 40, 40), "warn": (240, 150, 0), "unassessed": (120, 120, 120), "pass": (30, 140, 60)}
"""RGB by status; also told apart by the label's text."""


def annotate(image: Image, report: Report, rules: Collection[str] | None = None) -> Image:
    """A copy of `image` ((h, w, 3) uint8 RGB, the upright photo at any size) with evidence drawn.

    `rules`: ids to draw whatever their status; None draws those that fail or warn, and the crop that would mend some.
    """
    out = np.ascontiguousarray(image).copy()
    if report.image is None:
        return out
    scale = out.shape[1] / report.image.width
    labels: list[tuple[int, int]] = []
    for result in report.rules:
        wanted = result.status in ("fail", "warn") if rules is None else result.id in rules
        if wanted:
            for evidence in result.evidence:
                _draw(out, evidence, scale, COLOURS.get(result.status, (120, 120, 120)), labels)
    if rules is None and report.crop is not None:
        _draw(out, Evidence.box("crop", report.crop.box), scale, COLOURS["pass"], labels)
    return out


def _draw(
    out: Image, evidence: Evidence, scale: float, colour: tuple[int, int, int], labels: list[tuple[int, int]]
) -> None:
    unit = max(out.shape[:2]) / 500
    thick = max(1, round(unit * 1.6))
    points = np.round(np.array(evidence.points, np.float64) * scale).astype(np.int32)
    if evidence.kind == "box":
        cv2.rectangle(out, points[0].tolist(), points[1].tolist(), colour, thick, cv2.LINE_AA)
    elif evidence.kind == "points":
        for p in points:
            cv2.circle(out, p.tolist(), max(2, round(unit * 2.5)), colour, -1, cv2.LINE_AA)
    else:
        cv2.polylines(out, [points], evidence.kind == "polygon", colour, thick, cv2.LINE_AA)
    _label(out, evidence.label, points, unit, colour, labels)


def _label(
    out: Image,
    text: str,
    points: np.ndarray,
    unit: float,
    colour: tuple[int, int, int],
    labels: list[tuple[int, int]],
) -> None:
    """Text on a filled tab above the evidence, inside the photo, moved down while it would cover another label."""
    size = 0.42 * unit
    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    x = int(np.clip(points[:, 0].min(), 0, max(0, out.shape[1] - width - 4)))
    y = int(np.clip(points[:, 1].min() - 2, height + base, out.shape[0] - base))
    while (
        any(abs(x - a) < width and abs(y - b) < height + base for a, b in labels)
        and y < out.shape[0] - height
    ):
        y += height + base + 2
    labels.append((x, y))
    cv2.rectangle(out, (x, y - height - base), (x + width + 4, y + base // 2), colour, -1)
    cv2.putText(
        out,
        text,
        (x + 2, y - base // 2),
        cv2.FONT_HERSHEY_SIMPLEX,
        size,
        (255, 255, 255),
        max(1, round(unit)),
        cv2.LINE_AA,
    )
