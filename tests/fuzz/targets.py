"""What must hold for each kind of hostile input; a target raises where it does not."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from screening import Screener
from screening.batch.compare import compare
from screening.batch.inputs import Inputs
from screening.batch.journal import Journal, read_reports
from screening.errors import LONGEST, PolicyInvalid, ScreeningError, Unreadable
from screening.policy import Policy
from screening.report import Report
from screening.screener import rejudge
from tests.fuzz import mutate, seeds

CODES = {
    "empty", "not_an_image", "truncated", "too_large_bytes", "too_many_pixels", "bad_dimensions", "unsupported_format",
}  # fmt: skip
"""How a hostile image may end, besides in a picture."""
FULL_EVERY = 50
"""One mutant in so many is looked at by every network, if it shows a picture."""


@dataclass(frozen=True, slots=True)
class Target:
    """`check(name, data)` raises AssertionError, or whatever should never escape."""

    seeds: Callable[[], dict[str, Callable[[], bytes]]]
    mutant: Callable[[bytes, list[bytes], random.Random], bytes]
    check: Callable[[str, bytes], None]


@cache
def _screener(full: bool) -> Screener:
    return Screener() if full else Screener(rules=["format"])


def image(name: str, data: bytes) -> None:
    """It ends in a report: an error of a stable code in one sentence, or a picture that is not let through."""
    report = _screener(full=False).screen(data, name)
    json.loads(report.to_json())
    if report.error is not None:
        code, message = report.error
        assert code in CODES, report.error
        assert name in message, report.error
        assert "\n" not in message, report.error
        assert report.verdict == "error"
    elif random.Random(data).randrange(FULL_EVERY) == 0:
        full = _screener(full=True).screen(data, name)
        assert full.error is None
        assert full.verdict in ("fail", "unsure"), full.verdict


def archive(name: str, data: bytes) -> None:
    """Reading it to the end gives photos and errors, and raises nothing."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(data)
        inputs = Inputs([str(path)], max_bytes=1 << 20)
        inputs.total()
        for item in inputs:
            assert (item.data is None) != (item.error is None)
            assert item.data is None or len(item.data) <= 1 << 20
            item.name.encode()


def policy(name: str, data: bytes) -> None:
    """It is a policy, or invalid in one sentence; and what is one can judge."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(data)
        try:
            loaded = Policy.load(path)
        except PolicyInvalid as error:
            _one_sentence(error, "")
            return
        assert rejudge(_assessed(), loaded).verdict in ("pass", "fail", "unsure")


@cache
def _assessed() -> Report:
    return _screener(full=True).screen(seeds.encoded("JPEG"), "a.jpg")


def reports(name: str, data: bytes) -> None:
    """Resuming, comparing and judging again read them or name the line; nothing else is raised."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(data)
        judge = _screener(full=False).policy
        try:
            for report in read_reports(path):
                json.loads(rejudge(report, judge).to_json())
            list(compare(path, path))
        except Unreadable as error:
            _one_sentence(error, name)
        try:
            with Journal(path, resume=True, policy_sha256=judge.sha256, seen=lambda report: None):
                pass
        except ScreeningError as error:
            _one_sentence(error, name)


def _one_sentence(error: ScreeningError, name: str) -> None:
    assert name in error.message
    assert "\n" not in error.message
    assert len(error.message) <= LONGEST


TARGETS = {
    "image": Target(lambda: seeds.IMAGES, mutate.mutant, image),
    "archive": Target(lambda: seeds.ARCHIVES, mutate.mutant, archive),
    "policy": Target(seeds.policies, mutate.text_mutant, policy),
    "reports": Target(seeds.reports, mutate.text_mutant, reports),
}
"""By name."""
