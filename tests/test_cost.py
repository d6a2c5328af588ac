"""What a photo costs, in runs of networks: the count is exact where a time is not."""

from __future__ import annotations

from collections import Counter

import pytest
from PIL import Image

from screening import Screener
from screening.networks.session import Session
from screening.types import Floats

pytestmark = pytest.mark.networks

ONCE = {"pose_landmark_full", "upper", "scene", "face", "lighting"}
FACE = {"face_detection_short_range", "face_detection_full_range_sparse", "face_landmark"}


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each network ran, by name."""
    counted: Counter[str] = Counter()
    original = Session.run

    def run(self: Session, tensor: Floats, *outputs: str) -> list[Floats]:
        counted[self.name] += 1
        return original(self, tensor, *outputs)

    monkeypatch.setattr(Session, "run", run)
    return counted


def off_centre(portrait: Image.Image) -> Image.Image:
    large = portrait.resize((1024, 1024), Image.Resampling.LANCZOS)
    wide = Image.new("RGB", (1536, 1024), large.getpixel((1020, 100)))
    wide.paste(large, (0, 0))
    return wide


def test_looking_for_a_crop_runs_no_network_again(portrait: Image.Image, runs: Counter[str]) -> None:
    report = Screener().screen(off_centre(portrait))
    assert report.crop is not None
    assert {name: runs[name] for name in ONCE} == dict.fromkeys(ONCE, 1)
    assert runs["face_detection_full_range_sparse"] == 2  # the whole photo, and once in detail
    assert runs["iris_landmark"] == 2
    assert runs["pose_detection"] == 0  # asked only where there is no face


@pytest.mark.parametrize(
    ("rules", "networks"),
    [
        (
            ["format", "resolution"],
            {
                "face_detection_short_range",
                "face_detection_full_range_sparse",
                "face_landmark",
                "pose_landmark_full",
            },
        ),
        (["format"], set()),
        (["sharpness"], {"face_detection_short_range", "face_detection_full_range_sparse", "face_landmark"}),
        (
            ["adult"],
            {
                "face_detection_short_range",
                "face_detection_full_range_sparse",
                "face_landmark",
                "pose_landmark_full",
                "face",
            },
        ),
    ],
)
def test_a_rule_runs_only_the_networks_it_needs(
    portrait: Image.Image, runs: Counter[str], rules: list[str], networks: set[str]
) -> None:
    Screener(rules=rules).screen(portrait)
    assert set(runs) == networks
