"""The face is in focus.

What it measures
----------------
Fine detail around the eyes: the strongest 3 % of the Laplacian's values over the eyes and their surroundings, relative
to the region's contrast (its standard deviation), after scaling the face to a width of 160 pixels. `blur` is minus the
natural logarithm of that ratio: about 0.6 in a crisp photo, above 1.7 in one out of focus, moved or enlarged.

Why
---
A replica learned from a soft face stays soft. The eyes are measured because beards, hair, skin smoothing and the
background cannot fool it there.

Limits
------
Chosen on labelled photos, where 9 of some 500 were plainly blurred: a coarse limit. `resolution` looks at the pixels on
the face. Where the mesh cannot confirm the face (turned away, mostly hidden), the eyes are those of the detector.

Blind spots
-----------
Dark glasses and closed eyes have less detail than open eyes. Noise counts as detail in very dark photos.
"""

from __future__ import annotations

import cv2
import numpy as np

from screening.rules.base import rule
from screening.scene import NO_FACE, Scene, Subject
from screening.types import Box, Evidence, Measure, Measurement, NotMeasured

WIDTH = 160
"""Face width, pixels, at which detail is compared."""
EYES = [33, 133, 263, 362, 159, 145, 386, 374]
"""Mesh points: corners and lids of both eyes."""
AROUND = 10
"""Pixels around the eyes at that width."""
DETECTION = 1.147
"""Width of the detector's box in widths of the mesh."""
EYE = 0.12
"""Half an eye, in widths of the mesh."""


@rule(title="Sharp face", needs=("subject",), measures=("blur",))
def measure(scene: Scene) -> Measurement | NotMeasured:
    """`blur`: minus log of detail over contrast around the eyes, without unit."""
    if scene.subject is None:
        return NO_FACE
    eyes, width = _eyes(scene.subject)
    zoom = WIDTH / width
    margin = AROUND / zoom
    box = Box(eyes.left - margin, eyes.top - margin, eyes.right + margin, eyes.bottom + margin)
    inside = box.clipped(scene.pixels.shape[1], scene.pixels.shape[0])
    left, top, right, bottom = (round(v) for v in (inside.left, inside.top, inside.right, inside.bottom))
    if right - left < 4 or bottom - top < 2:
        return NotMeasured("The eyes lie outside the photo.")
    grey = cv2.cvtColor(scene.pixels[top:bottom, left:right], cv2.COLOR_RGB2GRAY)
    method = cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
    size = max(4, round(grey.shape[1] * zoom)), max(4, round(grey.shape[0] * zoom))
    grey = cv2.resize(grey, size, interpolation=method)
    detail = cv2.Laplacian(cv2.GaussianBlur(grey, (0, 0), 0.8).astype(np.float32), cv2.CV_32F)
    # the constants keep a flat, noiseless region finite: one grey level of detail against five of contrast
    ratio = (float(np.percentile(np.abs(detail), 97)) + 0.1) / (float(grey.std()) + 5)
    up = 1 / scene.scale
    shown = Evidence.box("eyes", Box(box.left * up, box.top * up, box.right * up, box.bottom * up))
    return Measurement((Measure("blur", -float(np.log(ratio)), "", {}, (shown,)),))


def _eyes(subject: Subject) -> tuple[Box, float]:
    """Box around both eyes, and the face's width, in pixels at hand."""
    if subject.seen:
        points = subject.mesh.points[:, :2]
        return Box.around(points[EYES]), float(np.ptp(points[:, 0]))
    eyes, width = Box.around(subject.face.keypoints[:2]), subject.face.box.width / DETECTION
    return Box(eyes.left - EYE * width, eyes.top, eyes.right + EYE * width, eyes.bottom), width
