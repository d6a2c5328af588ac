"""The features of the light on a face, on shaded drawings of the mean face."""

from __future__ import annotations

import numpy as np
import pytest

from screening.headpose import mean_face
from screening.networks.lighting import ENLARGED, FEATURES, SIZE, Cut, cut, features
from screening.types import Floats, Image

SKIN = (180, 140, 120)


def mesh() -> Floats:
    """(468, 3): the mean face in the middle of the square."""
    place = mean_face()
    low, high = place.min(0), place.max(0)
    middle = np.array([*((low + high)[:2] / 2), 0])
    return np.asarray(
        (place - middle) / (high - low)[:2].max() * SIZE / ENLARGED + (SIZE / 2, SIZE / 2, 0), np.float32
    )


def lit(shade: Floats | float = 1.0, colour: tuple[int, int, int] = SKIN) -> Cut:
    """An even face under `shade` times the light (linear), before a wall as bright as the face."""
    linear = (np.array(colour) / 255) ** 2.2 * np.broadcast_to(np.asarray(shade), (SIZE, SIZE))[..., None]
    stored: Image = np.asarray((255 * linear.clip(0, 1) ** (1 / 2.2)).round(), np.uint8)
    return Cut(stored, mesh(), np.full((48, 48, 3), colour, np.uint8))


def of(one: Cut) -> dict[str, float]:
    return dict(zip(FEATURES, features(one).tolist(), strict=True))


def half(dark: float) -> Floats:
    """The left half gets the share `dark` of the light."""
    return np.where(np.arange(SIZE)[None, :] < SIZE / 2, dark, 1.0).astype(np.float32)


def test_an_even_face_has_no_shadow() -> None:
    found = of(lit())
    for name in ("difference_cheek", "mirror_sides", "spread", "deep", "tilt", "gap", "clipped", "dark"):
        assert found[name] == pytest.approx(0, abs=0.02), name


def test_a_dark_side_shows_in_stops_whatever_the_skin() -> None:
    """Two stops less light on one side, on light, medium and dark skin: what is relative to the skin is equal."""
    for colour in (SKIN, (230, 190, 170), (110, 80, 65)):
        found = of(lit(half(0.25), colour))
        assert found["mirror_sides"] == pytest.approx(2, abs=0.25)
        assert found["difference_cheek"] == pytest.approx(2, abs=0.25)
        assert found["gap"] == pytest.approx(2, abs=0.35)
        assert 0.3 < found["deep"] < 0.7


def test_mirroring_changes_nothing() -> None:
    one = lit(half(0.3))
    flipped = mesh()
    flipped[:, 0] = SIZE - 1 - flipped[:, 0]
    order = np.array(
        [int(np.argmin(((mean_face()[:, :2] * (-1, 1) - p) ** 2).sum(1))) for p in mean_face()[:, :2]]
    )
    other = Cut(np.ascontiguousarray(one.face[:, ::-1]), flipped[order], one.around)
    a, b = of(one), of(other)
    for name in FEATURES:
        assert a[name] == pytest.approx(b[name], abs=0.12), name


def test_over_exposure_and_coloured_light_are_seen() -> None:
    assert of(lit(4.0))["clipped"] > 0.9
    assert of(lit(0.01))["dark"] == 1
    red = of(lit(colour=(200, 60, 60)))
    assert red["red"] > of(lit())["red"] + 1


def test_light_from_behind_shows_against_the_photo() -> None:
    one = lit(0.1)
    assert of(one)["photo_median"] > of(lit())["photo_median"] + 2.5


def test_the_cut_is_the_square_around_the_face_at_any_size() -> None:
    """Points keep their places on the face whatever the photo's size and the face's place in it."""
    rng = np.random.default_rng(0)
    for scale, left, top in ((1.0, 40, 30), (3.0, 200, 100)):
        points = mesh() * np.float32(scale) + np.array([left, top, 0], np.float32)
        height, width = int(top + 1.5 * SIZE * scale), int(left + 1.5 * SIZE * scale)
        found = cut(rng.integers(0, 255, (height, width, 3), dtype=np.uint8), points)
        assert found.face.shape == (SIZE, SIZE, 3)
        assert found.around.shape == (48, 48, 3)
        assert np.abs(found.points - mesh()).max() < 0.01
