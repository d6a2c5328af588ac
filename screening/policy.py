"""Policies: limits on the rules' measures and the sentences that go with them, in TOML.

    name = "mine"
    extends = "tavus-image"

    [rules.headwear]
    enabled = false

    [rules.centering.measures.offset_x]
    fail_above = 0.2

A value beyond `fail_above`/`fail_below` breaks the rule, beyond `warn_above`/`warn_below` it warns. The margin of a
measure is its distance to the fail limit (to the warn limit where there is none to fail) divided by `scale` (default:
the limit's absolute value, or 1): positive keeps the rule, negative breaks it. A rule's margin is its least one.
"""

from __future__ import annotations

import hashlib
import json
import string
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

from screening.errors import PolicyInvalid
from screening.report import LIMITS, MeasureResult, RuleResult, Status
from screening.rules.base import ORDER, Rule, registry
from screening.types import Evidence, Measure, Measurement, NotMeasured

_MEASURE_KEYS = {*LIMITS, "scale", "fail", "warn", "fix"}
_RULE_KEYS = {"enabled", "ok", "measures"}
_TOP_KEYS = {"name", "title", "extends", "rules"}


@dataclass(frozen=True, slots=True)
class MeasurePolicy:
    """Limits on one measure and its sentences (placeholders in braces are filled with the measure's words)."""

    fail_above: float | None = None
    fail_below: float | None = None
    warn_above: float | None = None
    warn_below: float | None = None
    scale: float | None = None
    fail: str = ""
    warn: str = ""
    fix: str = ""

    @property
    def limited(self) -> bool:
        return any(getattr(self, key) is not None for key in LIMITS)

    def status(self, value: float) -> Status:
        if (self.fail_above is not None and value > self.fail_above) or (
            self.fail_below is not None and value < self.fail_below
        ):
            return "fail"
        if (self.warn_above is not None and value > self.warn_above) or (
            self.warn_below is not None and value < self.warn_below
        ):
            return "warn"
        return "pass"

    def margin(self, value: float) -> float | None:
        """Signed distance to the nearest fail limit over `scale`; None when nothing is limited to fail."""
        sides = []
        for limit, sign in ((self.fail_above, 1), (self.fail_below, -1)):
            if limit is not None:
                sides.append(sign * (limit - value) / (self.scale or abs(limit) or 1.0))
        return min(sides) if sides else None


@dataclass(frozen=True, slots=True)
class RulePolicy:
    enabled: bool = True
    ok: str = ""
    measures: Mapping[str, MeasurePolicy] = field(default_factory=dict)


@dataclass(frozen=True)
class Policy:
    """A validated policy. `rules` has every rule's id."""

    name: str
    title: str
    rules: Mapping[str, RulePolicy]

    @staticmethod
    def load(source: str | Path) -> Policy:
        """A shipped policy by name, or a TOML file by path. Raises PolicyInvalid with a sentence that names the key."""
        return _load(source, ())

    @cached_property
    def sha256(self) -> str:
        """Of its content, not of the file."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        def plain(m: MeasurePolicy) -> dict[str, Any]:
            return {k: v for k, v in asdict(m).items() if v not in (None, "")}

        return {
            "name": self.name,
            "title": self.title,
            "rules": {
                i: {
                    "enabled": r.enabled,
                    "ok": r.ok,
                    "measures": {n: plain(m) for n, m in r.measures.items()},
                }
                for i, r in self.rules.items()
            },
        }


def policy_names() -> tuple[str, ...]:
    """The shipped policies, the default first."""
    files = resources.files("screening.policies").iterdir()
    names = sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml"))
    return tuple(sorted(names, key=lambda n: n != "tavus-image"))


def _load(source: str | Path, seen: tuple[str, ...]) -> Policy:
    if str(source) in seen:
        raise PolicyInvalid(f"policy {source}: it extends itself by way of {' -> '.join(seen)}")
    if str(source) in policy_names():
        text = resources.files("screening.policies").joinpath(f"{source}.toml").read_text("utf-8")
    else:
        path = Path(source)
        if not path.is_file():
            raise PolicyInvalid(f"policy {source}: no such file, and not one of {', '.join(policy_names())}")
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PolicyInvalid(f"policy {source}: cannot be read as UTF-8 text ({error})") from error
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise PolicyInvalid(f"policy {source}: not valid TOML ({error})") from error
    base = data.get("extends")
    if base is not None and not isinstance(base, str):
        raise PolicyInvalid(f"policy {source}: extends must be a name or a path")
    if base and base not in policy_names():
        base = str(Path(source).parent / base)
    parent = _load(base, (*seen, str(source))) if base else None
    return _build(str(source), data, parent)


def _build(where: str, data: Mapping[str, Any], parent: Policy | None) -> Policy:
    _known(where, data, _TOP_KEYS)
    rules = dict(parent.rules) if parent else {}
    registered = registry()
    for rule_id, table in _table(where, "rules", data.get("rules", {})).items():
        if rule_id not in registered:
            raise PolicyInvalid(
                f"policy {where}: rules.{rule_id} is no rule; the rules are {', '.join(ORDER)}"
            )
        rules[rule_id] = _rule(
            f"policy {where}: rules.{rule_id}", table, registered[rule_id], rules.get(rule_id)
        )
    missing = [i for i in ORDER if i not in rules]
    if missing:
        raise PolicyInvalid(
            f"policy {where}: no table for {', '.join(missing)}; add them or extend a shipped policy"
        )
    name = data.get("name", Path(where).stem)
    title = data.get("title", parent.title if parent else name)
    if not isinstance(name, str) or not isinstance(title, str):
        raise PolicyInvalid(f"policy {where}: name and title must be text")
    return Policy(name, title, {i: rules[i] for i in ORDER})


def _rule(where: str, table: Any, rule: Rule, parent: RulePolicy | None) -> RulePolicy:
    table = _table(where, "", table)
    _known(where, table, _RULE_KEYS)
    base = parent or RulePolicy()
    measures = dict(base.measures)
    for name, values in _table(where, "measures", table.get("measures", {})).items():
        if name not in rule.measures:
            raise PolicyInvalid(f"{where}.measures.{name}: this rule measures {', '.join(rule.measures)}")
        measures[name] = _measure(f"{where}.measures.{name}", values, measures.get(name))
    enabled, ok = table.get("enabled", base.enabled), table.get("ok", base.ok)
    if not isinstance(enabled, bool):
        raise PolicyInvalid(f"{where}.enabled must be true or false")
    if not isinstance(ok, str):
        raise PolicyInvalid(f"{where}.ok must be text")
    _check_template(f"{where}.ok", ok)
    return RulePolicy(enabled, ok, measures)


def _measure(where: str, values: Any, parent: MeasurePolicy | None) -> MeasurePolicy:
    values = _table(where, "", values)
    _known(where, values, _MEASURE_KEYS)
    merged = {k: v for k, v in asdict(parent).items() if v not in (None, "")} if parent else {}
    for key, value in values.items():
        if key in ("fail", "warn", "fix"):
            if not isinstance(value, str):
                raise PolicyInvalid(f"{where}.{key} must be text")
            _check_template(f"{where}.{key}", value)
        elif value is False:  # "warn_above = false" takes an inherited limit away
            merged.pop(key, None)
            continue
        elif isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9:
            raise PolicyInvalid(f"{where}.{key} must be a number, or false to take it away")
        if key == "scale" and value <= 0:
            raise PolicyInvalid(f"{where}.scale must be above 0")
        merged[key] = value
    result = MeasurePolicy(**merged)
    for low, high in (("warn_above", "fail_above"), ("fail_below", "warn_below")):
        a, b = merged.get(low), merged.get(high)
        if a is not None and b is not None and a > b:
            raise PolicyInvalid(f"{where}: {low} ({a}) must not be above {high} ({b})")
    return result


def _check_template(where: str, text: str) -> None:
    try:
        fields = [part for part in string.Formatter().parse(text) if part[1] is not None]
    except ValueError as error:
        raise PolicyInvalid(f"{where}: {error}") from error
    if any(spec or conversion or not str(name).isidentifier() for _, name, spec, conversion in fields):
        raise PolicyInvalid(f"{where}: placeholders are plain names in braces")


def _known(where: str, table: Mapping[str, Any], keys: set[str]) -> None:
    prefix = where if where.startswith("policy ") else f"policy {where}:"
    for key in table:
        if key not in keys:
            raise PolicyInvalid(f"{prefix} unknown key {key!r}; known are {', '.join(sorted(keys))}")


def _table(where: str, key: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise PolicyInvalid(f"{where}{'.' + key if key else ''} must be a table")
    return value


class _Words(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return ""


_RANK = {"pass": 0, "warn": 1, "fail": 2}


def judge(policy: Policy, rule: Rule, found: Measurement | NotMeasured) -> RuleResult:
    """The rule's result under the policy."""
    settings = policy.rules[rule.id]
    if isinstance(found, NotMeasured):
        return RuleResult(rule.id, rule.title, "unassessed", found.reason, "")
    judged = []
    for m in found.measures:
        limits = settings.measures.get(m.name, MeasurePolicy())
        margin = limits.margin(m.value)
        judged.append((limits.status(m.value), margin if margin is not None else float("inf"), m, limits))
    status, _, worst, limits = min(judged, key=lambda j: (-_RANK[j[0]], j[1]))
    margins = [margin for _, margin, _, _ in judged if margin != float("inf")]
    reason, fix = settings.ok, ""
    if status != "pass":
        reason, fix = (limits.fail if status == "fail" else limits.warn or limits.fail), limits.fix
    value = format(worst.value, ".0f" if abs(worst.value) >= 10 else ".2g")
    words = _Words({**worst.words, "value": value, "percent": format(worst.value, ".0%")})
    judged.sort(key=lambda j: (-_RANK[j[0]], j[1]))
    evidence: list[Evidence] = []
    for found_status, _, m, p in judged:
        if p.limited and (status == "pass" or found_status != "pass"):
            evidence += [e for e in m.evidence if e not in evidence]
    probabilities = [m.value for _, _, m, p in judged if m.unit == "probability" and p.limited]
    return RuleResult(
        id=rule.id,
        title=rule.title,
        status=status,
        reason=_fill(reason, words),
        fix=_fill(fix, words),
        probability=max(probabilities) if probabilities else None,
        margin=min(margins) if margins else None,
        measures=tuple(_result(m, settings.measures.get(m.name, MeasurePolicy())) for m in found.measures),
        evidence=tuple(evidence),
    )


def not_run(rule: Rule, why: str) -> RuleResult:
    return RuleResult(rule.id, rule.title, "not_run", why, "")


def measurement_of(result: RuleResult) -> Measurement | NotMeasured:
    """What the rule had found, from a stored result; every measure is shown by all of the stored evidence."""
    if not result.measures:
        return NotMeasured(result.reason)
    return Measurement(
        tuple(Measure(m.name, m.value, m.unit, m.words, result.evidence) for m in result.measures)
    )


def _fill(text: str, words: Mapping[str, str]) -> str:
    return " ".join(string.Formatter().vformat(text, (), words).split())


def _result(m: Measure, p: MeasurePolicy) -> MeasureResult:
    return MeasureResult(
        m.name, m.value, m.unit, p.fail_above, p.fail_below, p.warn_above, p.warn_below, m.words
    )
