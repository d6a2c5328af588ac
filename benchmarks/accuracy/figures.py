"""The figures: plain counts with intervals, from labelled photos with their reports.

recall: share of the broken (2) with status fail; false alarm: share of the kept (0) with fail or unassessed, since a
photo that a rule could not look at is not let through; borderline (1) counts neither way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.accuracy.labels import STOPS, Photo

Z = 1.96
"""Of a 95 % interval."""
BINS = 10


@dataclass(frozen=True, slots=True)
class Share:
    """k of n; `low`, `high`: Wilson's 95 % interval (1927). Without any photo the share is None."""

    k: float
    n: int
    share: float | None
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Bin:
    """Photos whose probability of breaking lies between `start` and `end`: its mean, and the share that break."""

    start: float
    end: float
    mean: float
    broken: Share


@dataclass(frozen=True, slots=True)
class Reliability:
    """`brier`: mean squared error; `error`: expected calibration error, both over clear labels."""

    bins: tuple[Bin, ...]
    brier: float
    error: float


@dataclass(frozen=True, slots=True)
class RuleFigures:
    """`auc` and `average_precision` from the margin (lower is worse), None where a side is empty.

    `groups`: (missed, false alarm) per group.
    """

    recall: Share
    false_alarm: Share
    unassessed: Share
    balanced_accuracy: Share
    auc: float | None
    average_precision: float | None
    reliability: Reliability | None
    groups: Mapping[str, tuple[Share, Share]]


@dataclass(frozen=True, slots=True)
class Figures:
    """`let_through`: clean photos that no labelled rule stops; `stopped`: violating ones that one does."""

    photos: int
    rules: Mapping[str, RuleFigures]
    let_through: Share
    let_through_acceptable: Share
    stopped: Share
    groups: Mapping[str, Share]
    """Acceptable photos let through, by group."""


def share(k: float, n: int) -> Share:
    """Wilson, E. B. (1927): Probable inference, the law of succession, and statistical inference."""
    if not n:
        return Share(0, 0, None, 0.0, 1.0)
    p, d = k / n, 1 + Z * Z / n
    middle = (p + Z * Z / (2 * n)) / d
    half = Z * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n)) / d
    return Share(k, n, p, max(0.0, middle - half), min(1.0, middle + half))


def balanced(recall: Share, false_alarm: Share) -> Share:
    """Mean of recall and 1 - false alarm; the interval joins theirs by squares (Newcombe 1998, method 10)."""
    n = recall.n + false_alarm.n
    if recall.share is None or false_alarm.share is None:
        return Share(0, n, None, 0.0, 1.0)
    value = (recall.share + 1 - false_alarm.share) / 2
    down = math.hypot(recall.share - recall.low, false_alarm.high - false_alarm.share) / 2
    up = math.hypot(recall.high - recall.share, false_alarm.share - false_alarm.low) / 2
    return Share(value * n, n, value, max(0.0, value - down), min(1.0, value + up))


def auc(broken: Sequence[float], kept: Sequence[float]) -> float | None:
    """Area under the ROC curve of margins: the chance that a broken one is the lower, ties counted half."""
    if not broken or not kept:
        return None
    low, high = (np.searchsorted(np.sort(kept), broken, side) for side in ("left", "right"))
    return float(1 - (low + high).mean() / 2 / len(kept))


def average_precision(broken: Sequence[float], kept: Sequence[float]) -> float | None:
    """Mean over recall steps of the precision there, from the lowest margin up; equal margins are one step."""
    if not broken or not kept:
        return None
    at = np.unique(broken)
    found = np.searchsorted(np.sort(broken), at, "right")
    alarms = np.searchsorted(np.sort(kept), at, "right")
    return float((found / (found + alarms) * np.diff(found, prepend=0)).sum() / len(broken))


def reliability(probabilities: Sequence[float], broken: Sequence[bool]) -> Reliability | None:
    if not probabilities:
        return None
    p, y = np.array(probabilities), np.array(broken)
    place = np.minimum((p * BINS).astype(int), BINS - 1)
    bins = []
    error = 0.0
    for i in range(BINS):
        inside = place == i
        count = int(inside.sum())
        if count:
            one = Bin(i / BINS, (i + 1) / BINS, float(p[inside].mean()), share(int(y[inside].sum()), count))
            bins.append(one)
            error += count / len(p) * abs(one.mean - float(y[inside].mean()))
    return Reliability(tuple(bins), float(((p - y) ** 2).mean()), error)


def mistakes(photos: Iterable[Photo], rule: str) -> tuple[list[Photo], list[Photo]]:
    """The photos that the rule missed, and its false alarms."""
    missed, alarms = [], []
    for photo in photos:
        mark, status = photo.label.marks[rule], photo.status(rule)
        if mark == "2" and status != "fail":
            missed.append(photo)
        elif mark == "0" and status in STOPS:
            alarms.append(photo)
    return missed, alarms


def rule_figures(photos: Sequence[Photo], rule: str, groups: Mapping[str, Sequence[Photo]]) -> RuleFigures:
    broken = [p for p in photos if p.label.marks[rule] == "2"]
    kept = [p for p in photos if p.label.marks[rule] == "0"]
    recall, false_alarm = rates(broken, kept, rule)
    margins = [[m for p in side if (m := p.margin(rule)) is not None] for side in (broken, kept)]
    learned = [
        (result.probability, is_broken)
        for side, is_broken in ((broken, True), (kept, False))
        for photo in side
        if (result := photo.result(rule)) is not None and result.probability is not None
    ]
    by_group = {}
    for name, members in groups.items():
        inside = {id(p) for p in members}
        found, alarm = rates(
            [p for p in broken if id(p) in inside], [p for p in kept if id(p) in inside], rule
        )
        by_group[name] = share(found.n - found.k, found.n), alarm
    return RuleFigures(
        recall=recall,
        false_alarm=false_alarm,
        unassessed=counted([*broken, *kept], lambda p: p.status(rule) == "unassessed"),
        balanced_accuracy=balanced(recall, false_alarm),
        auc=auc(*margins),
        average_precision=average_precision(*margins),
        reliability=reliability([p for p, _ in learned], [y for _, y in learned]),
        groups=by_group,
    )


def rates(broken: Sequence[Photo], kept: Sequence[Photo], rule: str) -> tuple[Share, Share]:
    """Recall and false alarm."""
    return (
        counted(broken, lambda p: p.status(rule) == "fail"),
        counted(kept, lambda p: p.status(rule) in STOPS),
    )


def counted(photos: Sequence[Photo], test: Callable[[Photo], bool]) -> Share:
    return share(sum(map(test, photos)), len(photos))


def grouped(photos: Sequence[Photo], skin: Mapping[str, str]) -> dict[str, list[Photo]]:
    """Photos by "column=value": the label file's columns of groups, head covering, and `skin` (tone by file name)."""
    found: dict[str, list[Photo]] = {}
    for photo in photos:
        values = dict(photo.label.groups)
        if "headwear" in photo.label.marks:
            values["head_covering"] = {"0": "no", "2": "yes"}.get(photo.label.marks["headwear"], "")
        if skin:
            values["ita"] = skin.get(photo.label.file, "")
        for column, value in values.items():
            found.setdefault(f"{column}={value or '-'}", []).append(photo)
    return dict(sorted(found.items()))


def figures(photos: Sequence[Photo], skin: Mapping[str, str]) -> Figures:
    """Of photos that have all the same rules labelled; `skin`: tone by file name, may be empty."""
    rules = list(photos[0].label.marks) if photos else []
    groups = grouped(photos, skin)
    clean = [p for p in photos if p.label.clean]
    acceptable = [p for p in photos if p.label.acceptable]
    violating = [p for p in photos if p.label.violating]

    def passes(photo: Photo) -> bool:
        return photo.passes(rules)

    return Figures(
        photos=len(photos),
        rules={rule: rule_figures(photos, rule, groups) for rule in rules},
        let_through=counted(clean, passes),
        let_through_acceptable=counted(acceptable, passes),
        stopped=counted(violating, lambda p: not p.passes(rules)),
        groups={
            name: counted([p for p in members if p.label.acceptable], passes)
            for name, members in groups.items()
        },
    )
