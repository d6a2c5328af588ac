"""The same photos give the same bytes, times apart, whoever screens them and in whatever company."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from io import BytesIO

import pytest
from PIL import Image

from screening import Policy, Screener
from screening.batch.inputs import Item
from screening.batch.local import Settings, screen_items
from screening.networks import manifest
from screening.report import Report

pytestmark = pytest.mark.networks

RULES = ["format", "resolution", "human", "framing", "centering", "pose", "sharpness", "glasses", "lighting"]


@pytest.fixture(scope="module")
def photos(portrait: Image.Image) -> dict[str, bytes]:
    """Ten different photos, one of them no photo."""
    found = {}
    for number in range(9):
        out = BytesIO()
        picture = portrait.rotate(4 * number).crop((0, 0, 512 - 20 * number, 512)).resize((600, 600))
        picture.save(out, "JPEG" if number % 2 else "PNG")
        found[f"{number}.jpg"] = out.getvalue()
    return found | {"9.jpg": b"\xff\xd8\xff nothing"}


def text(reports: Iterator[Report]) -> list[str]:
    untimed = ({k: v for k, v in r.to_dict().items() if k != "timings_ms"} for r in reports)
    return [json.dumps(report) for report in untimed]


@pytest.fixture(scope="module")
def alone(photos: dict[str, bytes]) -> list[str]:
    screener = Screener(rules=RULES)
    return text(screener.screen(data, name) for name, data in photos.items())


def test_again_and_in_another_order(photos: dict[str, bytes], alone: list[str]) -> None:
    screener = Screener(rules=RULES)
    backwards = list(photos.items())[::-1]
    assert text(screener.screen(data, name) for name, data in backwards)[::-1] == alone


def test_threads(photos: dict[str, bytes], alone: list[str]) -> None:
    files = []
    for name, data in photos.items():
        files.append(BytesIO(data))
        files[-1].name = name
    assert text(Screener(rules=RULES).screen_many(files, workers=3)) == alone


@pytest.mark.parametrize("workers", [1, 2])
def test_processes(photos: dict[str, bytes], alone: list[str], workers: int) -> None:
    make = partial(Screener, Policy.load("tavus-image"), RULES)
    items = (Item(name, data=data) for name, data in photos.items())
    assert text(r.report for r in screen_items(items, make, Settings(workers))) == alone


def test_a_report_names_what_made_it(photos: dict[str, bytes]) -> None:
    report = Screener().screen(photos["0.jpg"]).to_dict()
    assert report["software"]["version"]
    assert report["policy"]["sha256"] == Policy.load("tavus-image").sha256
    known = {network.name: network.sha256 for network in manifest.networks()}
    named = {model["name"]: model["sha256"] for model in report["models"]}
    assert named.items() <= known.items()
    assert {"face_landmark", "face", "upper", "scene", "lighting"} <= named.keys()
