"""The joiner: every kind of source, threads, many photos in order, and errors that end in a report."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import screening
from fixtures import make
from screening import Report, Screener, screen
from screening.decode import Limits
from screening.errors import ModelAltered, ModelMissing, PolicyInvalid
from screening.rules.base import ORDER
from tests.conftest import Encode

pytestmark = pytest.mark.networks

CHEAP = ("format", "resolution", "framing", "centering", "pose")


@pytest.fixture(scope="module")
def paths() -> list[Path]:
    wanted = ("conforming", "off_centre", "small")
    return [p for p in make.make() if p.stem in wanted]


def plain(report: Report, name: str = "") -> str:
    """What must not depend on how the photo came: all but the timings (and the name)."""
    return replace(report, timings_ms={}, name=name).to_json()


def test_every_kind_of_source_gives_the_same_report(paths: list[Path]) -> None:
    path = paths[0]
    data = path.read_bytes()
    with path.open("rb") as file:
        reports = [screen(s, rules=CHEAP) for s in (path, str(path), data, io.BytesIO(data), file)]
    names = [r.name for r in reports]
    assert names == [path.name, path.name, "photo", "photo", path.name]
    bare = [replace(r, name="", image=replace(r.image, name="")) for r in reports if r.image is not None]
    assert len({plain(r) for r in bare}) == 1


def test_pixels_give_the_same_verdicts_as_their_file(paths: list[Path], encode: Encode) -> None:
    with Image.open(paths[0]) as image:
        rgb = image.convert("RGB")
    screener = Screener()
    from_file = screener.screen(encode(rgb, "PNG"))
    for source in (rgb, np.asarray(rgb)):
        found = screener.screen(source)
        assert [(r.id, r.status, r.margin) for r in found.rules] == [
            (r.id, r.status, r.margin) for r in from_file.rules
        ]


def test_one_screener_serves_many_threads(paths: list[Path]) -> None:
    screener = Screener()
    alone = [plain(screener.screen(p)) for p in paths]
    start = threading.Barrier(3)

    def work(number: int) -> list[str]:
        start.wait()
        order = paths[number:] + paths[:number]
        found = {p: plain(screener.screen(p)) for p in order}
        return [found[p] for p in paths]

    with ThreadPoolExecutor(3) as pool:
        assert all(found == alone for found in pool.map(work, range(3)))


@pytest.mark.parametrize("workers", [1, 3])
def test_many_photos_come_in_the_order_given(paths: list[Path], workers: int) -> None:
    sources: list[Any] = [*paths, b"no photo", Path("missing.jpg"), *reversed(paths)]
    found = [r.name for r in Screener(rules=CHEAP).screen_many(sources, workers=workers)]
    assert found == [s.name if isinstance(s, Path) else "photo" for s in sources]


def test_many_photos_are_read_no_further_ahead_than_they_are_wanted(paths: list[Path]) -> None:
    asked: list[int] = []

    def endless() -> Iterator[bytes]:
        data = paths[0].read_bytes()
        while True:
            asked.append(1)
            yield data

    reports = Screener(rules=["format"]).screen_many(endless(), workers=2)
    for _ in range(3):
        next(reports)
    assert len(asked) <= 3 + 2 * 2
    reports.close()  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="workers"):
        next(Screener().screen_many([], workers=0))


UNREADABLE: list[tuple[Any, str]] = [
    (b"", "empty"),
    (b"hello, this is text", "not_an_image"),
    (Path("missing.jpg"), "not_found"),
    (Path(), "not_a_file"),
    (np.zeros((4, 4, 3), np.uint8), "bad_dimensions"),
    (np.zeros((64, 64), np.uint8), "not_an_image"),
]


@pytest.mark.parametrize(("source", "code"), UNREADABLE)
def test_what_cannot_be_screened_gets_a_code_and_a_sentence(source: Any, code: str) -> None:
    report = screen(source)
    assert report.error is not None
    assert report.error[0] == code
    assert report.error[1].endswith(".")
    assert report.verdict == "error"
    assert not report.passed
    assert tuple(r.id for r in report.rules) == ORDER
    assert {r.status for r in report.rules} == {"unassessed"}


def test_limits_are_the_screeners_own(paths: list[Path]) -> None:
    report = Screener(limits=Limits(max_pixels=100_000)).screen(paths[0])
    assert report.error is not None
    assert report.error[0] == "too_many_pixels"


def test_stopping_at_the_first_failure_leaves_the_costly_rules_out(paths: list[Path]) -> None:
    small = next(p for p in paths if p.stem == "small")
    report = Screener(first_failure=True).screen(small)
    assert report.verdict == "fail"
    assert report["resolution"].status == "fail"
    assert report["glasses"].status == "not_run"
    assert "face" not in report.models
    assert tuple(r.id for r in report.rules) == ORDER


def test_wrong_names_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="glases"):
        Screener(rules=["glases"])
    with pytest.raises(PolicyInvalid, match="no-such"):
        Screener("no-such")


def test_a_network_that_is_missing_or_altered_is_named_and_nothing_passes(
    paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for error in (ModelMissing, ModelAltered):

        def refuse(name: str, error: type[Exception] = error) -> bytes:
            raise error(f"The network {name} cannot be used.")

        with monkeypatch.context() as patch:
            patch.setattr("screening.networks.store.read", refuse)
            patch.setattr("screening.networks.face_detection.session", refuse)
            with pytest.raises(error, match="face_detection"):
                Screener(rules=["framing"]).screen(paths[0])


def test_a_network_of_ours_that_is_not_there_leaves_its_rules_unassessed(
    paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> Any:
        raise ModelMissing("The network face is missing.")

    monkeypatch.setattr("screening.networks.trained.face", missing)
    report = Screener(rules=["adult", "glasses", "format"]).screen(paths[0])
    assert report.verdict == "unsure"
    assert not report.passed
    assert {r.id for r in report.rules if r.status == "unassessed"} == {"adult", "glasses"}


def test_the_public_names() -> None:
    assert set(screening.__all__) == {"Policy", "Report", "Screener", "__version__", "errors", "screen"}
    assert all(hasattr(screening, name) for name in screening.__all__)
