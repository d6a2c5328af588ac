"""Headphones, headset or earbuds, also round the neck.

What it measures
----------------
The probability that headphones, a headset or earbuds are in view, from the head-and-shoulders crop and the
face crop together.

Why
---
The training call refuses them: they cover the ears and the outline of the head.

Limits
------
The limits are probabilities calibrated on photos held back from training; see the policy.

Blind spots
-----------
Trained mostly on pasted headphones, as few real ones are to be had. Earbuds without a wire, thin headset bows
and hair over the ears are easily missed.
"""

from __future__ import annotations

from screening.rules.base import rule
from screening.rules.learned import probability
from screening.scene import Scene
from screening.types import Measurement, NotMeasured

KINDS = {"headphones": "headphones"}
"""Attributes that break this rule, and what the sentence calls them."""


@rule(title="No headphones", needs=("attributes", "regions"), measures=("headphones",))
def measure(scene: Scene) -> Measurement | NotMeasured:
    """`headphones`: probability that it is there."""
    return probability(scene, "headphones", KINDS, regions=("ears",))
