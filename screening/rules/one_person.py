"""Exactly one person is visible.

What it measures
----------------
The probability that a second real person, or a part of one, is in the photo (from the whole photo and from the crop
around the subject), the size of the largest other face relative to the subject's, and whether there is anybody at all.

Why
---
The training call takes exactly one person. An arm or a shoulder at the edge, a blurred passer-by and a face turned away
count as well.

Limits
------
Calibrated probabilities; another plain face of at least 15 % of the subject's width fails by itself. Pictures on a
wall and far specks should only warn.

Blind spots
-----------
Parts of a body without a head, people behind glass, mirrors and screens, collages of one person, lifelike mannequins.
"""

from __future__ import annotations

from screening.rules.base import rule
from screening.scene import Scene
from screening.types import Box, Evidence, Measure, Measurement

PLAIN = 0.7
"""Detector score of a face that is plainly one."""


@rule(
    title="Exactly one person",
    needs=("other_faces", "subject", "nobody", "second_person"),
    measures=("nobody", "other_face", "second_person"),
)
def measure(scene: Scene) -> Measurement:
    """`nobody`: 1 or 0; `other_face`: width over the subject's; `second_person`: probability."""
    if scene.nobody:
        return Measurement((Measure("nobody", 1.0),))
    up = 1 / scene.scale
    subject = scene.subject
    plain = sorted((f for f in scene.other_faces if f.score >= PLAIN), key=lambda f: -f.box.width)
    boxes = [Box(f.box.left * up, f.box.top * up, f.box.right * up, f.box.bottom * up) for f in plain]
    evidence = tuple(Evidence.box("another person", b) for b in boxes[:5])
    ratio = plain[0].box.width / subject.face.box.width if plain and subject is not None else 0.0
    return Measurement(
        (
            Measure("nobody", 0.0),
            Measure("other_face", ratio, "face widths", {}, evidence),
            Measure("second_person", scene.second_person, "probability", {}, evidence),
        )
    )
