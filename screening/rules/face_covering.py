"""Mask, veil, hand, microphone, phone or another object over part of the face.

What it measures
----------------
The probability that something covers part of the face, from the face crop and the head-and-shoulders crop
together. The word in the sentence is the likeliest kind.

Why
---
What is covered cannot be learned; the training call refuses face coverings.

Limits
------
The limits are probabilities calibrated on photos held back from training; see the policy.

Blind spots
-----------
A hand at the chin or hair that touches it borders on covering. A microphone in front of the neck, not the
face, should only warn.
"""

from __future__ import annotations

from screening.rules.base import rule
from screening.rules.learned import probability
from screening.scene import Scene
from screening.types import Measurement, NotMeasured

KINDS = {"mask": "a mask", "hand": "a hand", "object": "an object"}
"""Attributes that break this rule, and what the sentence calls them."""


@rule(title="Nothing over the face", needs=("attributes", "regions"), measures=("covered",))
def measure(scene: Scene) -> Measurement | NotMeasured:
    """`covered`: probability that it is there."""
    return probability(scene, "covered", KINDS, regions=("lower",))
