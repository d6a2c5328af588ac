"""The light on a face, on photos re-lit at known doses, with light and dark skin alike."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from PIL import Image

from fixtures import light as relit, photos
from fixtures.photos import CHIN, FACE_MIDDLE
from screening.networks import face_detection, face_landmark, lighting
from screening.networks.preprocess import Pyramid
from screening.types import Floats

pytestmark = pytest.mark.networks

FACE = (FACE_MIDDLE, 116.0, 62.0, CHIN - 110.0)
SKINS = ("light", "dark")
DOSES = (0.0, 1.0, 2.0)
"""Stops that the shadow takes away."""


@cache
def portrait(skin: str) -> Image.Image:
    image = photos.astronaut()
    return image if skin == "light" else relit.darker_skin(image, FACE)


@cache
def mesh() -> Floats:
    """The face's points, found once: re-lighting moves nothing."""
    pyramid = Pyramid(np.asarray(photos.astronaut()))
    face = face_detection.detect_faces_everywhere(pyramid)[0]
    return face_landmark.face_mesh(pyramid, face_landmark.region_of(face)).points


def measured(image: Image.Image) -> dict[str, float]:
    return dict(zip(lighting.FEATURES, lighting.features(np.asarray(image), mesh()).tolist(), strict=True))


def shadowed(skin: str, dose: float) -> Image.Image:
    return relit.side_shadow(portrait(skin), middle=FACE_MIDDLE, width=24, remaining=2.0**-dose)


@pytest.mark.parametrize("skin", SKINS)
def test_a_shadow_on_one_side_measures_as_its_dose(skin: str) -> None:
    without = measured(portrait(skin))["difference_cheek"]
    found = [measured(shadowed(skin, dose))["difference_cheek"] for dose in DOSES]
    assert found == sorted(found)
    assert np.allclose(np.array(found), np.array(DOSES), atol=0.4 + without)


def test_skin_in_the_same_light_measures_the_same() -> None:
    """Relative to the face's own median: what is left is the camera's floor, which eats a little of the darkest."""
    light, dark = (measured(portrait(skin)) for skin in SKINS)
    for name in ("slope_x", "slope_y", "p10", "p90", "spread", "mirror_mean", "difference_cheek"):
        assert dark[name] == pytest.approx(light[name], abs=0.25), name


@pytest.mark.parametrize("skin", SKINS)
@pytest.mark.parametrize("gain", [0.5, 0.7])
def test_less_light_everywhere_is_no_shadow(skin: str, gain: float) -> None:
    before, after = measured(portrait(skin)), measured(relit.exposed(portrait(skin), gain))
    for name in ("slope_x", "p10", "spread", "difference_cheek", "photo_median"):
        assert after[name] == pytest.approx(before[name], abs=0.3), name


@pytest.mark.parametrize("skin", SKINS)
def test_the_verdict_follows_the_dose(skin: str) -> None:
    """Even light is not called uneven for dark skin, and a deep shadow is likelier to be called so for either."""
    even, deep = (lighting.light(np.asarray(shadowed(skin, dose)), mesh()).uneven for dose in (0.0, 3.0))
    assert even < 0.5
    assert deep > even + 0.1


def test_mirroring_changes_nothing() -> None:
    image = shadowed("light", 1.0)
    there = measured(image)
    turned = mesh().copy()
    turned[:, 0] = image.width - turned[:, 0]
    mirrored = np.ascontiguousarray(np.asarray(image)[:, ::-1])
    back = dict(zip(lighting.FEATURES, lighting.features(mirrored, turned).tolist(), strict=True))
    for name in ("slope_x", "difference_cheek", "mirror_sides", "spread", "p10"):
        assert back[name] == pytest.approx(there[name], abs=0.1), name
