"""Hat, cap, helmet, hood, turban, headscarf or wide headband.

What it measures
----------------
The probability that something is worn on the head, from the face crop and the head-and-shoulders crop
together. The word in the sentence is the likeliest kind.

Why
---
The training call refuses hats and head coverings as worded, since the outline of head and hair is learned.
The sentence is neutral about the reason for wearing one; a policy may allow them.

Limits
------
The limits are probabilities calibrated on photos held back from training; see the policy.

Blind spots
-----------
Hair ornaments and thin hairbands should only warn. Dark caps before dark backgrounds, flags behind the head,
and heads cut by the frame are hard.
"""

from __future__ import annotations

from screening.rules.base import rule
from screening.rules.learned import probability
from screening.scene import Scene
from screening.types import Measurement, NotMeasured

KINDS = {"hat": "a hat or cap", "scarf_turban": "a headscarf or turban", "hood": "a hood"}
"""Attributes that break this rule, and what the sentence calls them."""


@rule(title="Nothing on the head", needs=("attributes", "regions"), measures=("headwear",))
def measure(scene: Scene) -> Measurement | NotMeasured:
    """`headwear`: probability that it is there."""
    return probability(scene, "headwear", KINDS, regions=("crown",))
