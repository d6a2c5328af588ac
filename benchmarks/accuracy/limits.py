"""Limits for a wished false-alarm rate, with the cross-validated figure beside the fitted one.

One number is fitted per rule: how far all its limits move together, in margins. A rule breaks where its margin is below
0; a new policy breaks it where the old margin is below `shift`, whatever measures the margin is made of.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.figures import Share, share
from benchmarks.accuracy.labels import Photo
from screening.policy import MeasurePolicy, Policy, policy_names

FOLDS = 5
REPEATS = 10

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Fit:
    """The shift of one rule's limits; fitted and cross-validated recall and false alarm."""

    shift: float
    recall: Share
    false_alarm: Share
    recall_cv: Share
    false_alarm_cv: Share


def fit(photos: Sequence[Photo], rule: str, wished: float) -> Fit | None:
    """None without photos on both sides, or where nothing was assessed."""
    clear = [p for p in photos if p.label.marks[rule] in ("0", "2") and p.status(rule) != "not_run"]
    # What was not assessed never fails, and is never let through either.
    margin = np.array([np.nan if (m := p.margin(rule)) is None else m for p in clear])
    broken = np.array([p.label.marks[rule] == "2" for p in clear], bool)
    if not broken.any() or broken.all() or np.isnan(margin).all():
        return None
    shift = threshold(margin[broken], margin[~broken], wished)
    found, alarms = outcome(margin, broken, shift)
    n, m = int(broken.sum()), int((~broken).sum())
    people = np.unique([p.label.person for p in clear], return_inverse=True)[1]
    found_cv, alarms_cv = cross_validated(margin, broken, people, wished)
    return Fit(shift, share(found, n), share(alarms, m), share(found_cv, n), share(alarms_cv, m))


def threshold(broken: Array, kept: Array, wished: float) -> float:
    """The shift that finds the most of `broken` with at most the share `wished` of `kept` below it (margins; NaN: not
    assessed). Between the highest margin that must be found and the lowest that must not, it takes the middle.
    """
    unassessed = int(np.isnan(kept).sum())
    may = max(0, int(wished * len(kept) + 1e-9) - unassessed)
    margins = np.sort(kept[~np.isnan(kept)])
    high = float(margins[min(may, len(margins) - 1)]) if len(margins) else 0.0
    below = broken[broken < high]
    return (float(below.max()) + high) / 2 if len(below) else min(0.0, high)


def outcome(margin: Array, broken: Flags, shift: float) -> tuple[int, int]:
    """(found, false alarms), as counted in `figures`."""
    fails = margin < shift
    return int(fails[broken].sum()), int((fails | np.isnan(margin))[~broken].sum())


def cross_validated(
    margin: Array, broken: Flags, people: NDArray[np.intp], wished: float
) -> tuple[float, float]:
    """(found, false alarms), mean of `REPEATS` splits into `FOLDS` parts, each judged by limits fitted on the others.

    Photos of the same people stay in one part; the parts have like numbers of broken ones.
    """
    random = np.random.default_rng(0)
    found = alarms = 0
    breaks = np.zeros(people.max() + 1, bool)
    np.logical_or.at(breaks, people, broken)
    for _ in range(REPEATS):
        order = random.permutation(len(breaks))
        order = order[np.argsort(~breaks[order], kind="stable")]
        fold = np.empty(len(breaks), np.intp)
        fold[order] = np.arange(len(breaks)) % FOLDS
        for i in range(FOLDS):
            test = fold[people] == i
            train = ~test
            shift = threshold(margin[train & broken], margin[train & ~broken], wished)
            one = outcome(margin[test], broken[test], shift)
            found, alarms = found + one[0], alarms + one[1]
    return found / REPEATS, alarms / REPEATS


def moved(limits: MeasurePolicy, shift: float) -> dict[str, float]:
    """The measure's limits so that it fails where its margin was below `shift`; a warning limit gives way."""
    new: dict[str, float] = {}
    for fail, warn, sign in (("fail_above", "warn_above", 1), ("fail_below", "warn_below", -1)):
        old = getattr(limits, fail)
        if old is None:
            continue
        new[fail] = old - sign * shift * (limits.scale or abs(old) or 1.0)
        gap = getattr(limits, warn)
        if gap is not None and sign * (gap - new[fail]) > 0:
            new[warn] = new[fail]
    if len([k for k in new if k.startswith("fail")]) == 1:  # keeps the margins of measures comparable
        new["scale"] = (
            limits.scale or abs(next(getattr(limits, k) for k in new if k.startswith("fail"))) or 1.0
        )
    return new


def policy_text(name: str, base: str, at: Path, policy: Policy, fits: Mapping[str, Fit]) -> str:
    """TOML that extends `base` (a shipped policy's name, or a path) with the moved limits; it is to lie at `at`."""
    extends = base if base in policy_names() else os.path.relpath(base, at.parent)
    lines = [f'name = "{name}"', f'extends = "{extends}"']
    for rule, found in fits.items():
        lines += [
            "",
            f"# {rule}: recall {_text(found.recall)}, cross-validated {_text(found.recall_cv)};",
            f"# false alarm {_text(found.false_alarm)}, cross-validated {_text(found.false_alarm_cv)}",
        ]
        for measure, limits in policy.rules[rule].measures.items():
            if new := moved(limits, found.shift):
                lines.append(f"[rules.{rule}.measures.{measure}]")
                lines += [f"{key} = {value:.6g}" for key, value in new.items()]
    return "\n".join(lines) + "\n"


def _text(s: Share) -> str:
    return f"{s.share:.3f} ({s.low:.2f}-{s.high:.2f})"
