"""Glasses or sunglasses worn on the face.

What it measures
----------------
The probability that glasses or sunglasses are on the face, from the face crop and the head-and-shoulders crop
together. The word in the sentence (glasses or sunglasses) is the likelier one.

Why
---
The training call refuses visible glasses: reflections and frames are baked into the replica's face.

Limits
------
The limits are probabilities calibrated on photos held back from training; see the policy.

Blind spots
-----------
Rimless frames in small or blurred faces. Glasses pushed up on the head or hanging from the clothes should
only warn and can be taken for worn ones.
"""

from __future__ import annotations

from screening.rules.base import rule
from screening.rules.learned import probability
from screening.scene import Scene
from screening.types import Measurement, NotMeasured

KINDS = {"eyeglasses": "glasses", "sunglasses": "sunglasses"}
"""Attributes that break this rule, and what the sentence calls them."""


@rule(title="No glasses", needs=("attributes", "regions"), measures=("glasses",))
def measure(scene: Scene) -> Measurement | NotMeasured:
    """`glasses`: probability that it is there."""
    return probability(scene, "glasses", KINDS, regions=("eyes",))
