"""What the rules that ask a trained network have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from screening.scene import NO_FACE, CannotObserve, Scene
from screening.types import Evidence, Measure, Measurement, NotMeasured


def probability(
    scene: Scene, name: str, kinds: Mapping[str, str], regions: Sequence[str]
) -> Measurement | NotMeasured:
    """One measure `name`: the probability that any of `kinds` (attribute -> words) is there.

    The sentence's {kind} is the likeliest one; the evidence are the `regions` where it would be.
    """
    try:
        attributes = scene.attributes
        found = scene.regions
    except CannotObserve as error:
        return NotMeasured(str(error))
    if attributes is None or found is None:
        return NO_FACE
    likeliest = max(kinds, key=lambda k: attributes.get(k, 0.0))
    evidence = tuple(Evidence.box(kinds[likeliest], box) for region in regions for box in found[region])
    return Measurement(
        (Measure(name, attributes[name], "probability", {"kind": kinds[likeliest]}, evidence),)
    )
