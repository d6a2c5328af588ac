"""The report on the wire: its schema, its way there and back, and that equal photos give equal bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image

from fixtures import make
from screening import Policy, Report, Screener, errors
from screening.policy import policy_names
from screening.screener import rejudge, verdict
from tests.test_render import failing

VALIDATOR = jsonschema.Draft202012Validator(Report.json_schema())


def untimed(report: Report) -> Report:
    return replace(report, timings_ms={})


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(Report.json_schema())


@pytest.fixture(scope="module")
def photos() -> dict[str, Path]:
    return {path.stem: path for path in make.make()}


@pytest.mark.networks
def test_every_kind_of_report_validates_and_comes_back_the_same(photos: dict[str, Path]) -> None:
    """Of whole photos, of a part of the rules, and of what is no photo (all fixture photos: tests/test_fixtures.py)."""
    screener = Screener()
    found = [screener.screen(photos[name]) for name in ("off_centre", "blank")]
    found.append(Screener(rules=["format", "pose"]).screen(photos["conforming"]))
    found.append(Screener("headshot", first_failure=True).screen(photos["far"]))
    found += [screener.screen(source) for source in (b"", b"no photo", Path("missing.jpg"), Path())]
    for report in found:
        wire = json.loads(report.to_json())
        VALIDATOR.validate(wire)
        assert Report.from_dict(wire).to_dict() == wire
    assert found[0].crop is not None
    assert {r.verdict for r in found} >= {"fail", "error"}


WRONG: list[dict[str, Any]] = [
    {"schema": 2},
    {"verdict": "maybe"},
    {"verdict": "pass"},
    {"passed": True},
    {"error": {"code": "truncated", "message": "x"}},
    {"error": {"code": "new", "message": "x"}, "verdict": "error"},
    {"image": {"name": "x"}},
    {"extra": 1},
    {"crop": {"box": [1, 2, 3], "mends": ["framing"]}},
]


@pytest.mark.parametrize("change", WRONG)
def test_the_schema_refuses_what_is_no_report(change: dict[str, Any]) -> None:
    wire = failing().to_dict()
    VALIDATOR.validate(wire)
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(wire | change)


def test_the_schema_knows_every_error_code() -> None:
    def codes(kind: type[errors.ScreeningError]) -> set[str]:
        own = [
            k for k in kind.__subclasses__() if k.__module__ == kind.__module__
        ]  # the service has more of its own
        return {kind.code}.union(*(codes(k) for k in own))

    listed = Report.json_schema()["properties"]["error"]["oneOf"][1]["properties"]["code"]["enum"]
    assert set(listed) == codes(errors.ScreeningError)


def test_wire_forms_that_are_no_reports_are_refused() -> None:
    for data in ({}, {"schema": 1}, {"schema": 7}, failing().to_dict() | {"rules": [3]}):
        with pytest.raises(ValueError, match=r"schema|report"):
            Report.from_dict(data)


@pytest.mark.networks
def test_the_same_photo_gives_the_same_bytes(photos: dict[str, Path]) -> None:
    first, second = (untimed(Screener().screen(photos["tilted"])).to_json() for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("statuses", "wanted"),
    [
        (("pass", "warn", "not_run"), "pass"),
        (("pass", "unassessed"), "unsure"),
        (("fail", "unassessed"), "fail"),
    ],
)
def test_the_verdict(statuses: tuple[Any, ...], wanted: str) -> None:
    rule = failing().rules[0]
    assert verdict(replace(rule, status=s) for s in statuses) == wanted


@pytest.mark.networks
def test_stored_measures_judged_by_another_policy_are_as_if_screened_by_it(photos: dict[str, Path]) -> None:
    """The measures are all that a verdict needs. Only a crop is not looked for again."""
    report = Screener().screen(photos["far"])
    for name in policy_names():
        fresh, judged = Screener(name).screen(photos["far"]), rejudge(report, Policy.load(name))
        assert judged.verdict == fresh.verdict
        assert [(r.id, r.status, r.reason) for r in judged.rules] == [
            (r.id, r.status, r.reason) for r in fresh.rules
        ]


@pytest.mark.networks
def test_annotate_draws_on_a_copy_where_the_evidence_lies(photos: dict[str, Path]) -> None:
    report = Screener(rules=["pose"]).screen(photos["tilted"])
    with Image.open(photos["tilted"]) as image:
        pixels = np.asarray(image.convert("RGB"))
    before = pixels.copy()
    changed = (report.annotate(pixels) != pixels).any(-1)
    assert np.array_equal(pixels, before)
    assert report["pose"].evidence
    for evidence in report["pose"].evidence:
        for x, y in evidence.points:
            assert changed[int(y) - 3 : int(y) + 4, int(x) - 3 : int(x) + 4].any(), evidence
    assert not (report.annotate(pixels, rules=[]) != pixels).any()
    small = pixels[::2, ::2]
    assert (report.annotate(small) != small).any()
