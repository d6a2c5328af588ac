"""The person looks at least 18 years old.

What it measures
----------------
The apparent age as a distribution over years, from the face crop at two distances and mirrored: the probability of
being under 18, and the median.

Why
---
The training call refuses people under 18. Only how old a person looks can be measured, so the sentences say "looks".

Limits
------
A calibrated probability; the policy's limits trade adults refused against minors let through. Near the limit it warns.

Blind spots
-----------
Teenagers of 15 to 17 are often taken for 18 to 22 and the other way round, also by people. Heavy make-up, beards and
grey light add years; small faces and smoothing filters take them away.
"""

from __future__ import annotations

from screening.rules.base import rule
from screening.scene import NO_FACE, Scene
from screening.types import Evidence, Measure, Measurement, NotMeasured


@rule(title="Adult", needs=("face_attributes", "geometry"), measures=("under_18", "age"))
def measure(scene: Scene) -> Measurement | NotMeasured:
    """`under_18`: probability; `age`: median of the apparent age, years."""
    face, g = scene.face_attributes, scene.geometry
    if face is None or g is None:
        return NO_FACE
    words = {"age": format(face.age_median, ".0f")}
    return Measurement(
        (
            Measure("under_18", face.under_18, "probability", words, (Evidence.box("face", g.face),)),
            Measure("age", face.age_median, "years", words),
        )
    )
