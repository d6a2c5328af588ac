"""One probability from two networks that looked at the same thing in different crops."""

from __future__ import annotations

import math
from collections.abc import Mapping

PAIRS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "glasses": (("glasses",), ("glasses",)),
    "eyeglasses": (("eyeglasses",), ()),
    "sunglasses": (("sunglasses",), ("sunglasses",)),
    "headwear": (("headwear",), ("headwear",)),
    "hat": (("hat",), ("hat",)),
    "scarf_turban": (("scarf_or_turban",), ("scarf_turban",)),
    "hood": (("hood",), ("hood",)),
    "headphones": (("headphones",), ("headphones",)),
    "covered": (("covered",), ("face_covered",)),
    "mask": (("mask",), ("face_mask",)),
    "hand": (("hand",), ("face_hand",)),
    "object": (("object",), ("face_object",)),
    "earring": (("earring",), ("earrings",)),
    "necklace": ((), ("necklace",)),
    "hair_over_shoulder": ((), ("hair_over_shoulder",)),
    "hair_across_face": (("hair_across_face",), ("hair_across_face",)),
    "strong_shadow": (("strong_shadow",), ()),
    "second_person": (("second_face",), ("second_person",)),
}
"""Attribute: its names in the face network and in the head-and-shoulders network."""


def logit(p: float) -> float:
    p = min(max(p, 1e-4), 1 - 1e-4)
    return math.log(p / (1 - p))


def mean_of(probabilities: list[float]) -> float:
    """The probability whose log-odds are the mean of the given ones' (a product of experts with equal say)."""
    return 1 / (1 + math.exp(-sum(map(logit, probabilities)) / len(probabilities)))


def fuse(face: Mapping[str, float], upper: Mapping[str, float]) -> Mapping[str, float]:
    """Attribute -> probability; the keys of `PAIRS` and `jewelry`, which is either of its parts."""
    fused = {
        name: mean_of([face[n] for n in in_face] + [upper[n] for n in in_upper])
        for name, (in_face, in_upper) in PAIRS.items()
    }
    fused["jewelry"] = 1 - (1 - fused["earring"]) * (1 - fused["necklace"])
    return fused


def fuse_kind(whole: Mapping[str, float], face: Mapping[str, float] | None) -> Mapping[str, float]:
    """Kind -> probability, summing to 1. Without a face the whole photo decides.

    The whole-photo network knows figures as one kind; the face network says which.
    """
    if face is None:
        return {
            "human": whole["human"],
            "drawn": whole["figure"],
            "statue": 0.0,
            "animal": whole["animal"],
            "nothing": whole["nothing"],
        }
    human = mean_of([whole["human"], face["human"]])
    others = {
        "drawn": whole["figure"] * 0.5 + face["drawn"],
        "statue": whole["figure"] * 0.5 + face["statue"],
        "animal": whole["animal"] + face["animal"],
        "nothing": whole["nothing"] + face["nothing"],
    }
    total = sum(others.values()) or 1.0
    return {"human": human} | {k: (1 - human) * v / total for k, v in others.items()}
