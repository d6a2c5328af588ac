"""The face is lit evenly.

What it measures
----------------
The light on the skin points of the face mesh, relative to the face's own median: slopes and bends across the face,
differences between left and right, deep and bright parts, hard edges, clipping, colour, and the rest of the photo's
light against the face's. Boosted trees fitted to labels by eye turn it into one probability.

Why
---
The training call asks for even lighting with minimal shadows across the face: shadows are learned as if they were skin.

Limits
------
The probability that a person calls the light plainly uneven. All features are relative to the person's own skin, so
that dark skin is not "dark" and pale skin not "bright".

Blind spots
-----------
The border is wide: two careful people agree on three of four clear cases only. Beards, glasses and hair across the face
look like shadows; black-and-white photos are judged by their shadows alone.
"""

from __future__ import annotations

from screening.rules.base import rule
from screening.scene import NO_FACE, Scene
from screening.types import Evidence, Measure, Measurement, NotMeasured

SIDE = 0.8
"""Difference of the cheeks, in stops, from which the sentence names the darker side."""


@rule(title="Even light", needs=("geometry", "light"), measures=("uneven",))
def measure(scene: Scene) -> Measurement | NotMeasured:
    """`uneven`: probability."""
    light, g = scene.light, scene.geometry
    if g is None:
        return NO_FACE
    if light is None:
        return NotMeasured("The face cannot be seen well enough to judge the light on it.")
    if light.photo_median > 1.5 and light.cheeks < SIDE:
        what = "The light comes from behind you; your face is dark."
    elif light.cheeks >= SIDE:
        what = "One side of your face is much darker than the other."
    elif light.clipped > 0.25:
        what = "Your face is too bright in places."
    else:
        what = "There are strong shadows or coloured light on your face."
    face = (Evidence.box("light", g.face),)
    return Measurement((Measure("uneven", light.uneven, "probability", {"what": what}, face),))
