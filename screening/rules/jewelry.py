"""Earrings or a necklace plainly visible.

What it measures
----------------
The probability that an earring or a necklace is plainly visible, from the face crop and the head-and-
shoulders crop together. The word in the sentence is the likelier one.

Why
---
The training call asks to avoid visible jewelry such as large earrings or necklaces: they shake and smear when
the replica moves.

Limits
------
The limits are probabilities calibrated on photos held back from training; see the policy.

Blind spots
-----------
Studs, thin chains and piercings should only warn; they are a few pixels wide and often missed. Lanyards,
ties, badges and decorated collars are none, and can be taken for one.
"""

from __future__ import annotations

from screening.rules.base import rule
from screening.rules.learned import probability
from screening.scene import Scene
from screening.types import Measurement, NotMeasured

KINDS = {"earring": "earrings", "necklace": "a necklace"}
"""Attributes that break this rule, and what the sentence calls them."""


@rule(title="No visible jewelry", needs=("attributes", "regions"), measures=("jewelry",))
def measure(scene: Scene) -> Measurement | NotMeasured:
    """`jewelry`: probability that it is there."""
    return probability(scene, "jewelry", KINDS, regions=("ears_neck",))
