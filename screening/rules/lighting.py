"""The face is lit evenly.

What it measures
----------------
The light on the skin points of the face mesh, relative to the face's own median: slopes and bends across the face,
differences between left and right, deep and bright parts, hard edges, clipping, colour, and the rest of the photo's
light against the face's. Boosted trees fitted to labels by eye, and to good photos put under other light, turn it into
one probability; the face network gives a second, and the two are put together with equal say. Where the mesh cannot
confirm the face, the face network decides alone.

Why
---
The training call asks for even lighting with minimal shadows across the face: shadows are learned as if they were skin.

Limits
------
The probability that a person calls the light plainly uneven. Few photos are (one in thirty of those it was calibrated
on), so that already a probability of 7 % stands out: the limit lies where one in twenty evenly lit photos is
stopped. Shadows are measured relative to the person's own skin, so that dark skin is not "dark" and pale skin not
"bright".

Blind spots
-----------
The border is wide: two careful people agree on three of four clear cases only. Beards, glasses, masks and hair across
the face look like shadows; black-and-white photos are judged by their shadows alone. Coloured light that falls
evenly on everything is often missed.
"""

from __future__ import annotations

from screening.rules.base import rule
from screening.scene import NO_FACE, Scene
from screening.types import Evidence, Measure, Measurement, NotMeasured

SIDE = 0.8
"""Difference of the cheeks, in stops, from which the sentence names the darker side."""
BEHIND = 1.5
"""The photo's light over the face's, in stops, from which the sentence says that it comes from behind."""
BRIGHT = 0.25
"""Share of the skin at its maximum from which the sentence says so."""


@rule(title="Even light", needs=("geometry", "light", "uneven_light"), measures=("uneven",))
def measure(scene: Scene) -> Measurement | NotMeasured:
    """`uneven`: probability."""
    g, uneven = scene.geometry, scene.uneven_light
    if g is None or uneven is None:
        return NO_FACE
    face = (Evidence.box("light", g.face),)
    return Measurement((Measure("uneven", uneven, "probability", {"what": _what(scene)}, face),))


def _what(scene: Scene) -> str:
    """The sentence for the kind of light it is."""
    light = scene.light
    if light is not None and light.photo_median > BEHIND and light.cheeks < SIDE:
        return "The light comes from behind you; your face is dark."
    if light is not None and light.cheeks >= SIDE:
        return "One side of your face is much darker than the other."
    if light is not None and light.clipped > BRIGHT:
        return "Your face is too bright in places."
    return "There are strong shadows or coloured light on your face."
