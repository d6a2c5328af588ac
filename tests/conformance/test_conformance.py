"""Our networks against mediapipe 0.10.21 itself, on photos and their turned, scaled and mirrored copies.

Twice: with photos sampled as mediapipe's CPU path does it (from corner to corner, no averaging when shrinking),
where only arithmetic can differ; and with our own sampling (pixel centres, averaging), which moves the
reference's input by up to half a network's pixel and its noisier outputs by more.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from screening.networks import (
    face_detection,
    face_landmark,
    iris,
    palm_detection,
    pose_detection,
    pose_landmark,
    selfie_segmentation,
)
from screening.networks.preprocess import Pyramid, Region, as_pyramid
from screening.networks.ssd import Detection
from screening.types import Box, Image
from tests.conformance import environment
from tests.networks import drawing, photos


def _photos() -> dict[str, Image]:
    astronaut = photos.astronaut()
    admiral = photos.grace_hopper()
    return {"astronaut": astronaut, "astronaut_head": astronaut[20:240, 110:350], "hopper": admiral}


def _turned(degrees: float) -> Callable[[Image], Image]:
    def turn(image: Image) -> Image:
        height, width = image.shape[:2]
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
        return np.asarray(cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_CUBIC), np.uint8)

    return turn


def _scaled(factor: float) -> Callable[[Image], Image]:
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return lambda image: np.asarray(
        cv2.resize(image, None, fx=factor, fy=factor, interpolation=method), np.uint8
    )


VARIANTS: dict[str, Callable[[Image], Image]] = {
    "plain": lambda image: image,
    "mirrored": lambda image: np.ascontiguousarray(image[:, ::-1]),
    "turned_left": _turned(15),
    "turned_right": _turned(-25),
    "half": _scaled(0.5),
    "double": _scaled(2.0),
}
PHOTOS = {
    f"{name}_{variant}": np.ascontiguousarray(change(photo))
    for name, photo in _photos().items()
    for variant, change in VARIANTS.items()
}
NAMES = sorted(PHOTOS)
HANDS = {
    f"hand_{variant}": np.ascontiguousarray(change(drawing.hand())) for variant, change in VARIANTS.items()
}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reference's results for all photos: `results.json` and masks."""
    target = tmp_path_factory.mktemp("conformance")
    for name, photo in (PHOTOS | HANDS).items():
        cv2.imwrite(str(target / f"{name}.png"), cv2.cvtColor(photo, cv2.COLOR_RGB2BGR))
    script = Path(__file__).with_name("reference.py")
    command = [str(environment.ensure()), str(script), str(target), str(target / "results.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="session")
def reference(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    assert set(found) == {*PHOTOS, *HANDS}
    return found


@dataclass(frozen=True)
class Limits:
    """How far we may be off; `mesh` and `middle` in face widths, `body` in shoulder breadths."""

    face_iou: float
    keypoints: float
    score: float
    mesh: float
    mesh_95: float
    person_iou: float
    body: float
    body_most: float
    mask_iou: float


LIMITS = {
    "theirs": Limits(0.97, 0.03, 0.02, 0.001, 0.0015, 0.95, 0.02, 0.06, 0.999),
    "ours": Limits(0.87, 0.08, 0.08, 0.012, 0.017, 0.6, 0.05, 0.1, 0.97),
}
NETWORK_MODULES = (
    face_detection, face_landmark, iris, palm_detection, pose_detection, pose_landmark, selfie_segmentation,
)  # fmt: skip


def _corner_to_corner(image: Image | Pyramid, region: Region, size: tuple[int, int], border: int) -> Image:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    photo = as_pyramid(image).image
    return np.asarray(
        cv2.warpAffine(photo, region.matrix(*size), size, flags=flags, borderMode=border), np.uint8
    )


@pytest.fixture(params=sorted(LIMITS))
def limits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Limits:
    if request.param == "theirs":
        for module in NETWORK_MODULES:
            monkeypatch.setattr(module, "crop_region", _corner_to_corner)
    return LIMITS[request.param]


def _same_detections(
    ours: list[Detection],
    theirs: list[dict[str, Any]],
    iou: float,
    keypoints: float,
    score: float,
    minimum: float,
) -> None:
    """Each of theirs has its match; one of ours without is a borderline score."""
    left = list(ours)
    for other in theirs:
        if other["score"] < minimum + score:
            continue
        assert left, other
        match = max(left, key=lambda one: one.box.iou(Box(*other["box"])))
        left.remove(match)
        assert match.box.iou(Box(*other["box"])) >= iou
        assert match.score == pytest.approx(other["score"], abs=score)
        off = np.hypot(*(match.keypoints - np.array(other["keypoints"])).T)
        assert off.max() <= keypoints * match.box.width
    assert all(one.score < minimum + score for one in left)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("network", "minimum"), [(face_detection.SHORT, 0.5), (face_detection.FULL, 0.6)])
def test_faces(name: str, network: str, minimum: float, reference: dict[str, Any], limits: Limits) -> None:
    ours = face_detection.detect_faces(PHOTOS[name], network, minimum)
    theirs = reference[name]["short" if network == face_detection.SHORT else "full"]
    _same_detections(ours, theirs, limits.face_iou, limits.keypoints, limits.score, minimum)


def _mesh(photo: Image) -> face_landmark.FaceMesh:
    return face_landmark.face_mesh(photo, face_landmark.region_of(face_detection.detect_faces(photo)[0]))


@pytest.mark.parametrize("name", NAMES)
def test_face_mesh(name: str, reference: dict[str, Any], limits: Limits) -> None:
    mesh, theirs = _mesh(PHOTOS[name]), np.array(reference[name]["mesh"])
    width = np.ptp(theirs[:, 0])
    off = np.hypot(*(mesh.points[:, :2] - theirs[:, :2]).T) / width
    assert mesh.presence > 0.9
    assert off.mean() < limits.mesh
    assert np.percentile(off, 95) < limits.mesh_95
    assert np.abs(mesh.points[:, 2] - theirs[:, 2]).mean() < limits.mesh * width


@pytest.mark.parametrize("name", NAMES)
def test_irises(name: str, reference: dict[str, Any], limits: Limits) -> None:
    """The reference is another network (the attention mesh), so that this is agreement, not conformance."""
    right, left = iris.eyes(PHOTOS[name], _mesh(PHOTOS[name]).points)
    theirs = np.array(reference[name]["irises"])[:, :2]
    width = np.ptp(np.array(reference[name]["mesh"])[:, 0])
    for eye, other in ((right, theirs[:5]), (left, theirs[5:])):
        assert np.hypot(*(eye.iris[0] - other[0])) < 0.015 * width
        diameter = (np.hypot(*(other[1] - other[3])) + np.hypot(*(other[2] - other[4]))) / 2
        assert eye.diameter == pytest.approx(diameter, rel=0.2)


@pytest.mark.parametrize("name", NAMES)
def test_person(name: str, reference: dict[str, Any], limits: Limits) -> None:
    """The one person that the reference passes on. Half bodies leave the hips' place open: boxes only."""
    ours, theirs = pose_detection.detect_people(PHOTOS[name])[0], reference[name]["person"]
    assert ours.box.iou(Box(*theirs["box"])) >= limits.person_iou
    assert ours.score == pytest.approx(theirs["score"], abs=max(0.2, limits.score))


@pytest.mark.parametrize("name", NAMES)
def test_body(name: str, reference: dict[str, Any], limits: Limits) -> None:
    """Face and shoulders: what every photo shows (the reference is a coin toss for limbs cut by the frame)."""
    photo, theirs = PHOTOS[name], np.array(reference[name]["pose"])
    person = pose_detection.detect_people(photo)[0]
    body = pose_landmark.body_landmarks(photo, pose_landmark.region_of(person))
    shown = slice(0, pose_landmark.RIGHT_SHOULDER + 1)
    breadth = np.hypot(*(theirs[pose_landmark.LEFT_SHOULDER] - theirs[pose_landmark.RIGHT_SHOULDER])[:2])
    off = np.hypot(*(body.points[shown, :2] - theirs[shown, :2]).T) / breadth
    assert body.score > 0.9
    assert off.mean() < limits.body
    assert off.max() < limits.body_most
    assert np.abs(body.visibility - np.array(reference[name]["visibility"]))[shown].max() < 0.2


@pytest.mark.parametrize("name", NAMES)
def test_selfie_mask(name: str, reference: dict[str, Any], folder: Path, limits: Limits) -> None:
    assert name in reference
    theirs = np.asarray(PillowImage.open(folder / f"{name}.mask.png")) > 0
    ours = selfie_segmentation.person_mask(PHOTOS[name]) > 0.5
    assert (ours & theirs).sum() / (ours | theirs).sum() > limits.mask_iou


@pytest.mark.parametrize("name", sorted(PHOTOS | HANDS))
def test_palms(name: str, reference: dict[str, Any], limits: Limits) -> None:
    assert reference[name]["palms"] or name in PHOTOS
    ours = palm_detection.detect_palms((PHOTOS | HANDS)[name])
    # a flat drawing leaves scores and fingers to how its few edges are interpolated
    keypoints, score = limits.keypoints * 2.5, limits.score + 0.03
    _same_detections(ours, reference[name]["palms"], limits.face_iou, keypoints, score, 0.5)
