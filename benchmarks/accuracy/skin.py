"""The tone of a face's skin, by the individual typology angle."""

from __future__ import annotations

import cv2
import numpy as np

from screening.report import Report
from screening.types import Box, Image

CHEEKS = (0.14, 0.34), (0.66, 0.86)
CHEEK_HEIGHT = (0.52, 0.72)
"""Where the cheeks are, in shares of the face's box."""
TONES = ((55, "very light"), (41, "light"), (28, "intermediate"), (10, "tan"), (-30, "brown"), (-90, "dark"))
"""Lower bounds in degrees: Chardon, Cretois and Hourseau (1991), Skin colour typology and suntanning pathways."""
COLOURLESS = 4.0
"""b* below which a cheek tells nothing: a black-and-white photo, or blue light."""


def face_of(report: Report) -> Box | None:
    """The subject's face in pixels of the upright photo; None where the face is not seen."""
    framing = next((r for r in report.rules if r.id == "framing"), None)
    if framing is None or any(m.name == "hidden_face" and m.value > 0.5 for m in framing.measures):
        return None
    for evidence in framing.evidence:
        if evidence.kind == "box" and evidence.label == "face":
            return Box(*evidence.points[0], *evidence.points[1])
    return None


def ita(pixels: Image, face: Box) -> float | None:
    """Degrees, arctan((L* - 50) / b*) of the brighter cheek's median colour (so that a shadow is not taken for skin).

    `pixels`: (h, w, 3) uint8 RGB. None in a black-and-white photo, or where the cheeks lie outside.
    """
    found: list[tuple[float, float]] = []
    top, bottom = (round(face.top + y * face.height) for y in CHEEK_HEIGHT)
    for start, end in CHEEKS:
        left, right = round(face.left + start * face.width), round(face.left + end * face.width)
        patch = pixels[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
        if patch.size:
            lab = cv2.cvtColor(patch.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
            light, _, b = (float(v) for v in np.median(lab.reshape(-1, 3), axis=0))
            if b >= COLOURLESS:
                found.append((light, b))
    if not found:
        return None
    light, b = max(found)
    return float(np.degrees(np.arctan2(light - 50, b)))


def tone(angle: float) -> str:
    return next(name for bound, name in TONES if angle > bound)
