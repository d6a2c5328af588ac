"""Controlled defects on the fixture: the right rule flips, once, at a sensible dose; the others do not."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from benchmarks import defects
from benchmarks.defects import DEFECTS, Series
from screening import Screener
from screening.rules.base import ORDER

DRAWN = "a drawing of a thing proves little about the thing: shown as XPASS where the network knows it"
ALONE = (
    "headwear", "headphones", "jewelry", "glasses", "hair", "face_covering", "one_person", "adult", "human",
)  # fmt: skip
"""Rules of networks that learn: what they say of a drawing or an effect is told by the plots, not held by a test."""

SHORT = {"coloured_light"}
"""Known to fall short: coloured light that falls evenly is a blind spot of `lighting`."""


@cache
def screener() -> Screener:
    return Screener()


@cache
def portrait() -> defects.Portrait:
    return defects.fixture(screener())


@cache
def series(name: str) -> Series:
    return defects.measured(DEFECTS[name], portrait(), screener())


def named(drawn: bool) -> list[str]:
    return [name for name, d in DEFECTS.items() if d.rule and (d.rule in ALONE) == drawn]


def check(name: str) -> None:
    defect, found = DEFECTS[name], series(name)
    assert defect.rule is not None
    assert found.status[defect.rule][0] != "fail", "the untouched photo must keep the rule"
    assert found.once(defect.rule), found.status[defect.rule]
    flip = found.flip(defect.rule)
    assert flip is not None
    assert defect.flip[0] <= flip <= defect.flip[1]


@pytest.mark.networks
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            n, marks=[pytest.mark.xfail(reason="a known shortfall", strict=False)] if n in SHORT else []
        )
        for n in named(drawn=False)
    ],
)
def test_the_right_rule_flips_once(name: str) -> None:
    check(name)


@pytest.mark.networks
@pytest.mark.xfail(reason=DRAWN, strict=False)
@pytest.mark.parametrize("name", named(drawn=True))
def test_the_right_rule_flips_once_drawn(name: str) -> None:
    check(name)


@pytest.mark.networks
@pytest.mark.parametrize("name", list(DEFECTS))
def test_the_other_rules_do_not_flip(name: str) -> None:
    defect, found = DEFECTS[name], series(name)
    quiet = set(ORDER) - {defect.rule} - defect.also - set(ALONE)
    assert [rule for rule in sorted(quiet) if found.flip(rule) is not None] == []


def test_the_first_dose_leaves_the_photo_as_it_is() -> None:
    for name in ("rotation", "shift", "zoom_in", "blur", "shadow", "under_exposure", "glasses"):
        defect = DEFECTS[name]
        spoiled = np.asarray(defect.apply(stub(), defect.doses[0]), np.int16)
        assert np.abs(spoiled - np.asarray(stub().image, np.int16)).max() <= 2, name


def test_a_larger_dose_is_a_larger_change() -> None:
    for name in ("rotation", "shift", "blur", "noise", "shadow", "coloured_light", "under_exposure", "mask"):
        defect = DEFECTS[name]
        before = np.asarray(stub().image, np.float32)
        change = [
            float(np.abs(np.asarray(defect.apply(stub(), d), np.float32) - before).mean())
            for d in defect.doses
        ]
        assert change == sorted(change), name
        assert change[-1] > 1, name


@cache
def stub() -> defects.Portrait:
    """The fixture with its face as read off by eye: no network."""
    from fixtures import make
    from screening.types import Box

    return defects.Portrait("astronaut", make.conforming(), Box(360, 140, 545, 355))


def test_a_series_tells_where_and_how_often_it_flips() -> None:
    rising = Series("d", "p", (0, 1, 2), {"pose": ("pass", "warn", "fail")}, {})
    assert (rising.flip("pose"), rising.once("pose")) == (2, True)
    back = Series("d", "p", (0, 1, 2), {"pose": ("pass", "fail", "warn")}, {})
    assert (back.flip("pose"), back.once("pose")) == (1, False)
    never = Series("d", "p", (0, 1, 2), {"pose": ("pass", "pass", "warn")}, {})
    assert (never.flip("pose"), never.once("pose")) == (None, True)
