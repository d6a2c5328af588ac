"""Hair is behind the shoulders and off the face.

What it measures
----------------
The probability that hair lies in front of a shoulder, the chest or the neck, and the probability that it lies across an
eye or a cheek, from the head-and-shoulders crop and the face crop.

Why
---
The training call asks for hair behind the shoulders and away from face and neck: hair in front moves with the clothes
instead of the head.

Limits
------
Calibrated probabilities, one for each place. A normal fringe that leaves the eyes free is no hair across the face;
beards are not hair here; short hair passes.

Blind spots
-----------
Dark hair on dark clothes, hair that just reaches the shoulder, hoods and scarves that look like hair.
"""

from __future__ import annotations

from screening.rules.base import rule
from screening.scene import NO_FACE, Scene
from screening.types import Evidence, Measure, Measurement, NotMeasured


@rule(
    title="Hair behind the shoulders",
    needs=("attributes", "regions"),
    measures=("hair_over_shoulder", "hair_across_face"),
)
def measure(scene: Scene) -> Measurement | NotMeasured:
    """Two probabilities."""
    attributes, regions = scene.attributes, scene.regions
    if attributes is None or regions is None:
        return NO_FACE
    shoulders = tuple(Evidence.box("hair", box) for box in regions["shoulders"])
    face = tuple(Evidence.box("hair", box) for box in regions["face"])
    return Measurement(
        (
            Measure("hair_over_shoulder", attributes["hair_over_shoulder"], "probability", {}, shoulders),
            Measure("hair_across_face", attributes["hair_across_face"], "probability", {}, face),
        )
    )
