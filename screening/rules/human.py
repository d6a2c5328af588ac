"""A photograph of a human.

What it measures
----------------
The probability that the subject is no photographed human but a drawing, anime, cartoon or 3-D figure, a statue, doll or
mascot, an animal, or that nothing of the kind is there; from the face crop and the whole photo together.

Why
---
The training call works on photographs of people only. Photo-real generated people count as human.

Limits
------
The limit is a probability calibrated on photos held back from training.

Blind spots
-----------
Highly polished 3-D renders and heavily filtered photos lie in between. Painted portraits in a photographic style may
pass.
"""

from __future__ import annotations

from screening.rules.base import rule
from screening.scene import Scene
from screening.types import Evidence, Measure, Measurement, NotMeasured

WORDS = {
    "drawn": "a drawing or a rendered figure",
    "animal": "an animal",
    "statue": "a statue, doll or mascot",
    "nothing": "no person",
}


@rule(title="A photographed human", needs=("kind", "geometry"), measures=("not_human",))
def measure(scene: Scene) -> Measurement | NotMeasured:
    """`not_human`: probability."""
    kind = scene.kind
    likeliest = max(WORDS, key=lambda k: kind.get(k, 0.0))
    g = scene.geometry
    evidence = () if g is None else (Evidence.box(WORDS[likeliest], g.head),)
    return Measurement(
        (Measure("not_human", 1 - kind["human"], "probability", {"kind": WORDS[likeliest]}, evidence),)
    )
