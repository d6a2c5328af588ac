"""The versioned report, which every front end shows: a verdict, then one result per rule, always in one order."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from importlib import resources
from typing import Any, Literal

from screening.annotate import annotate
from screening.types import Box, Evidence, Image, ImageFacts

SCHEMA = 1
Status = Literal["pass", "warn", "fail", "unassessed", "not_run"]
Verdict = Literal["pass", "fail", "unsure", "error"]
LIMITS = ("fail_above", "fail_below", "warn_above", "warn_below")


@dataclass(frozen=True, slots=True)
class MeasureResult:
    """A measure beside the limits that judged it."""

    name: str
    value: float
    unit: str
    fail_above: float | None = None
    fail_below: float | None = None
    warn_above: float | None = None
    warn_below: float | None = None
    words: Mapping[str, str] = field(default_factory=dict)
    """Fill the sentence's placeholders; kept so that a stored report can be judged by another policy."""


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One rule's answer. `margin` is signed and normalised: below 0 the rule is broken; None when not measured."""

    id: str
    title: str
    status: Status
    reason: str
    fix: str
    probability: float | None = None
    margin: float | None = None
    measures: tuple[MeasureResult, ...] = ()
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Crop:
    """A crop of the upright photo that would mend the named rules without breaking another geometric one."""

    box: Box
    mends: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The answer for one photo. `error` is None or the stable code and sentence of what made it unscreenable."""

    verdict: Verdict
    image: ImageFacts | None
    name: str
    policy: str
    policy_sha256: str
    rules: tuple[RuleResult, ...]
    crop: Crop | None = None
    error: tuple[str, str] | None = None
    software: str = ""
    models: Mapping[str, str] = field(default_factory=dict)
    """Network name -> SHA-256 of those that ran."""
    timings_ms: Mapping[str, float] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return self.verdict == "pass"

    def annotate(self, image: Image, rules: Collection[str] | None = None) -> Image:
        """A copy of `image` (upright photo, (h, w, 3) uint8 RGB, any size) with the evidence of broken rules drawn."""
        return annotate(image, self, rules)

    def __getitem__(self, rule_id: str) -> RuleResult:
        return next(r for r in self.rules if r.id == rule_id)

    def to_dict(self) -> dict[str, Any]:
        """The wire form: plain JSON types, rounded so that equal photos give equal bytes."""
        return {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "passed": self.passed,
            "image": _image(self.image, self.name),
            "policy": {"name": self.policy, "sha256": self.policy_sha256},
            "rules": [_rule(r) for r in self.rules],
            "crop": None
            if self.crop is None
            else {"box": _box(self.crop.box), "mends": list(self.crop.mends)},
            "error": None if self.error is None else {"code": self.error[0], "message": self.error[1]},
            "software": {"name": "screening", "version": self.software},
            "models": [{"name": n, "sha256": s} for n, s in sorted(self.models.items())],
            "timings_ms": {k: round(v, 2) for k, v in self.timings_ms.items()},
        }

    def to_json(self, indent: int | None = None) -> str:
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False, indent=indent)

    @staticmethod
    def json_schema() -> dict[str, Any]:
        """The JSON Schema (draft 2020-12) of what `to_dict` gives."""
        text = resources.files("screening.data").joinpath("report.schema.json").read_text("utf-8")
        return dict(json.loads(text))

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Report:
        """The report of a wire form (numbers as rounded there). Raises ValueError where it is not of this schema."""
        try:
            if data["schema"] != SCHEMA:
                raise ValueError(f"schema {data['schema']} is not {SCHEMA}")
            image = dict(data["image"])
            name = image["name"]
            facts = None
            if image.get("format") is not None:
                image["notes"] = tuple(image["notes"])
                facts = ImageFacts(**image)
            crop = data["crop"]
            return Report(
                verdict=data["verdict"],
                image=facts,
                name=name,
                policy=data["policy"]["name"],
                policy_sha256=data["policy"]["sha256"],
                rules=tuple(_rule_from(r) for r in data["rules"]),
                crop=None if crop is None else Crop(Box(*crop["box"]), tuple(crop["mends"])),
                error=None if data["error"] is None else (data["error"]["code"], data["error"]["message"]),
                software=data["software"]["version"],
                models={m["name"]: m["sha256"] for m in data["models"]},
                timings_ms=dict(data["timings_ms"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a screening report: {error!r}") from error


def _box(box: Box) -> list[float]:
    return [round(v, 1) for v in (box.left, box.top, box.right, box.bottom)]


def _image(facts: ImageFacts | None, name: str) -> dict[str, Any]:
    if facts is None:
        return {"name": name}
    return asdict(facts) | {"name": name, "notes": list(facts.notes)}


def _rule(r: RuleResult) -> dict[str, Any]:
    def number(v: float | None) -> float | None:
        return None if v is None else round(v, 4)

    def measure(m: MeasureResult) -> dict[str, Any]:
        limits = {k: getattr(m, k) for k in LIMITS if getattr(m, k) is not None}
        words = {"words": dict(m.words)} if m.words else {}
        return {"name": m.name, "value": number(m.value), "unit": m.unit} | limits | words

    return {
        "id": r.id,
        "title": r.title,
        "status": r.status,
        "probability": number(r.probability),
        "margin": number(r.margin),
        "reason": r.reason,
        "fix": r.fix,
        "measures": [measure(m) for m in r.measures],
        "evidence": [
            {"kind": e.kind, "label": e.label, "points": [[round(x, 1), round(y, 1)] for x, y in e.points]}
            for e in r.evidence
        ],
    }


def _rule_from(data: Mapping[str, Any]) -> RuleResult:
    return RuleResult(
        **{k: data[k] for k in ("id", "title", "status", "reason", "fix", "probability", "margin")},
        measures=tuple(MeasureResult(**m) for m in data["measures"]),
        evidence=tuple(
            Evidence(e["kind"], e["label"], tuple((p[0], p[1]) for p in e["points"]))
            for e in data["evidence"]
        ),
    )
