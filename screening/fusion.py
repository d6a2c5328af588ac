"""One probability from what several networks say of the same thing, in different crops.

Each answer is a weighted sum of log-odds. The weights (`data/fusion.json`) were fitted on labelled photos that none of
the networks was trained on, by `models/training/fuse.py`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from types import MappingProxyType

Answers = Mapping[str, float]
"""`network.attribute` -> probability, for the networks that looked."""

SOURCES: Mapping[str, tuple[str, ...]] = {
    "glasses": ("face.glasses", "upper.glasses", "detail.glasses"),
    "headwear": ("face.headwear", "upper.headwear"),
    "headphones": ("face.headphones", "upper.headphones", "detail.headphones", "closeups.headphones"),
    "covered": ("face.covered", "upper.face_covered", "detail.face_covered"),
    "earring": ("face.earring", "upper.earrings", "detail.earrings", "closeups.earrings"),
    "necklace": ("upper.necklace", "detail.necklace", "closeups.necklace"),
    "hair_over_shoulder": ("upper.hair_over_shoulder", "detail.hair_over_shoulder"),
    "hair_across_face": ("face.hair_across_face", "upper.hair_across_face", "detail.hair_across_face"),
    "second_person": (
        "photo.second_person", "others.second_person", "upper.second_person", "detail.second_person",
        "face.second_face", "faces.second_face",
    ),
    "human": ("photo.human", "upper.human", "detail.human"),
}  # fmt: skip
"""Attribute -> whose answers are weighed for it. Where the subject has no face, only the whole photo answers."""

KINDS: Mapping[str, tuple[str, ...]] = {
    "eyeglasses": ("face.eyeglasses",),
    "sunglasses": ("face.sunglasses", "upper.sunglasses"),
    "hat": ("face.hat", "upper.hat"),
    "scarf_turban": ("face.scarf_or_turban", "upper.scarf_turban"),
    "hood": ("face.hood", "upper.hood"),
    "mask": ("face.mask", "upper.face_mask", "detail.face_mask"),
    "hand": ("face.hand", "upper.face_hand", "detail.face_hand"),
    "object": ("face.object", "upper.face_object", "detail.face_object"),
}
"""Kinds that only choose the word of a sentence: whose answers are averaged."""


def log_odds(p: float) -> float:
    """Of a probability, kept within 1 in 10,000 of certainty."""
    p = min(max(p, 1e-4), 1 - 1e-4)
    return math.log(p / (1 - p))


def mean_of(probabilities: Sequence[float]) -> float:
    """The probability whose log-odds are the mean of the given ones'."""
    return 1 / (1 + math.exp(-sum(map(log_odds, probabilities)) / len(probabilities)))


@cache
def weights() -> Mapping[str, Mapping[str, float]]:
    """Attribute -> {"bias": ..., source: weight}."""
    text = resources.files("screening.data").joinpath("fusion.json").read_text("utf-8")
    found: dict[str, dict[str, float]] = json.loads(text)
    if {name: {"bias", *of} for name, of in SOURCES.items()} != {name: set(w) for name, w in found.items()}:
        raise ValueError("fusion.json weighs other answers than this version knows; fit it again.")
    return MappingProxyType(found)


def weigh(name: str, answers: Answers) -> float:
    """The probability of one attribute of `SOURCES`. Without all the answers, the mean of those there."""
    own = weights()[name]
    there = [source for source in SOURCES[name] if source in answers]
    if not there:
        raise ValueError(f"nothing was answered about {name}")
    if len(there) < len(SOURCES[name]):
        total = sum(log_odds(answers[source]) for source in there) / len(there)
    else:
        total = own["bias"] + sum(own[source] * log_odds(answers[source]) for source in there)
    return 1 / (1 + math.exp(-total))


def fuse(answers: Answers) -> Mapping[str, float]:
    """What a subject wears and shows: the keys of `SOURCES` and `KINDS` but for `human` and `second_person`, and
    `jewelry`, which is either of its parts.
    """
    fused = {name: weigh(name, answers) for name in SOURCES if name not in ("human", "second_person")}
    for name, sources in KINDS.items():
        fused[name] = mean_of([answers[source] for source in sources])
    fused["jewelry"] = 1 - (1 - fused["earring"]) * (1 - fused["necklace"])
    return fused


def fuse_kind(
    whole: Mapping[str, float], face: Mapping[str, float] | None, crops: Mapping[str, float]
) -> Mapping[str, float]:
    """Kind -> probability, summing to 1. Without a face the whole photo decides.

    The whole-photo network (`whole`) knows figures as one kind; the face network (`face`) says which; `crops`: network
    -> probability of a human, of those that look at head and shoulders.
    """
    answers = {"photo.human": whole["human"]} | {f"{network}.human": p for network, p in crops.items()}
    human = weigh("human", answers)
    seen = face or {}
    others = {
        "drawn": whole["figure"] * 0.5 + seen.get("drawn", 0.0),
        "statue": whole["figure"] * 0.5 * (face is not None) + seen.get("statue", 0.0),
        "animal": whole["animal"] + seen.get("animal", 0.0),
        "nothing": whole["nothing"] + seen.get("nothing", 0.0),
    }
    total = sum(others.values()) or 1.0
    return {"human": human} | {kind: (1 - human) * value / total for kind, value in others.items()}
