"""A photograph of a human.

What it measures
----------------
The probability that the subject is no photographed human but a drawing, anime, cartoon or 3-D figure, a statue, doll or
mascot, an animal, or that nothing of the kind is there; from the face crop and the whole photo together. For policies
that take drawn people, the probability that it is not even of human shape (an animal, or nothing), and that it is a
statue, doll or mascot, are given apart.

Why
---
The training call works on photographs of people only. Photo-real generated people count as human.

Limits
------
The limit is a probability calibrated on photos held back from training.

Blind spots
-----------
Highly polished 3-D renders and heavily filtered photos lie in between. Painted portraits in a photographic style may
pass. Statues, dolls and mascots are one kind: which of them it is, and so whether it has a human shape, is not told.
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


@rule(
    title="A photographed human",
    needs=("kind", "geometry"),
    measures=("not_human", "not_human_shaped", "statue"),
)
def measure(scene: Scene) -> Measurement | NotMeasured:
    """Probabilities of the kinds named above."""
    kind, g = scene.kind, scene.geometry

    def probability(name: str, value: float, of: tuple[str, ...]) -> Measure:
        likeliest = WORDS[max(of, key=lambda k: kind[k])]
        evidence = () if g is None else (Evidence.box(likeliest, g.head),)
        return Measure(name, value, "probability", {"kind": likeliest}, evidence)

    return Measurement(
        (
            probability("not_human", 1 - kind["human"], tuple(WORDS)),
            probability("not_human_shaped", kind["animal"] + kind["nothing"], ("animal", "nothing")),
            probability("statue", kind["statue"], ("statue",)),
        )
    )
