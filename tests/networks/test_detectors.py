"""The networks on photos: places are compared with what a person reads off the photo."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from screening.networks import (
    face_detection,
    face_landmark,
    iris,
    palm_detection,
    pose_detection,
    pose_landmark,
    selfie_segmentation,
)
from screening.networks.preprocess import Pyramid, Region
from screening.types import Box, Floats, Image
from tests.networks import drawing, photos

pytestmark = pytest.mark.networks

BLANK = np.full((600, 450, 3), 127, np.uint8)
# read off the photo by eye, pixels
RIGHT_PUPIL, LEFT_PUPIL, CHIN = (204, 101), (247, 103), (222, 175)


@pytest.fixture(scope="module")
def astronaut() -> Image:
    return photos.astronaut()


@pytest.fixture(scope="module")
def mesh(astronaut: Image) -> face_landmark.FaceMesh:
    return _mesh(astronaut)


def _mesh(image: Image) -> face_landmark.FaceMesh:
    return face_landmark.face_mesh(image, face_landmark.region_of(face_detection.detect_faces(image)[0]))


@pytest.mark.parametrize("network", face_detection.NETWORKS)
def test_face_and_its_keypoints(astronaut: Image, network: str) -> None:
    (face,) = face_detection.detect_faces(astronaut, network)
    assert face.box.iou(photos.FACE) > 0.7
    assert face.keypoints[0] == pytest.approx(RIGHT_PUPIL, abs=10)
    assert face.keypoints[1] == pytest.approx(LEFT_PUPIL, abs=10)


def test_everywhere_finds_the_one_face_once(astronaut: Image) -> None:
    for photo in (astronaut, astronaut[:300, 60:400], photos.grace_hopper()):
        assert len(face_detection.detect_faces_everywhere(photo)) == 1


@pytest.mark.parametrize(("width", "height"), [(1500, 1500), (1125, 1500)])
@pytest.mark.parametrize(("x", "y"), [(0.1, 0.1), (0.5, 0.5), (0.83, 0.3), (0.31, 0.86)])
def test_a_face_of_a_fiftieth_of_the_height(width: int, height: int, x: float, y: float) -> None:
    photo = photos.far_astronaut(height, width, 0.02, (x * width, y * height))
    found = face_detection.detect_faces_everywhere(photo, detail_minimum=0.4)
    (face,) = [f for f in found if f.box.center == pytest.approx((x * width, y * height), abs=10)]
    assert 0.01 * height < face.box.height < 0.03 * height


def test_a_near_and_a_far_face_are_two(astronaut: Image) -> None:
    photo = photos.far_astronaut(1200, 1200, 0.04, (1000, 250))
    photo[400:912, 100:612] = astronaut
    near, far = sorted(face_detection.detect_faces_everywhere(photo), key=lambda face: -face.box.area)
    assert near.box.iou(Box(278, 472, 372, 575)) > 0.7
    assert far.box.center == pytest.approx((1000, 250), abs=12)


@pytest.mark.parametrize("shade", [0, 127, 255])
def test_a_blank_photo_holds_nothing(shade: int) -> None:
    blank = np.full((900, 700, 3), shade, np.uint8)
    assert face_detection.detect_faces_everywhere(blank, 0.3, 0.3) == []
    assert pose_detection.detect_people(blank) == []
    assert palm_detection.detect_palms(blank) == []
    middle = Region(350, 450, 400, 400)
    assert face_landmark.face_mesh(blank, middle).presence < face_landmark.PRESENCE
    assert pose_landmark.body_landmarks(blank, middle).score < pose_landmark.PRESENCE


@pytest.mark.parametrize(
    ("width", "height"), [(866, 1155), (1155, 866), (1000, 1000), (3000, 400), (300, 3000), (64, 64)]
)
def test_the_detail_look_stays_within_its_budget(width: int, height: int) -> None:
    columns, rows = face_detection.detail_size(width, height)
    assert columns % 32 == rows % 32 == 0
    assert columns * rows <= 1.15 * face_detection.DETAIL_PIXELS


def test_mesh_points(mesh: face_landmark.FaceMesh) -> None:
    assert mesh.points.shape == (468, 3)
    assert mesh.presence > 0.95
    for corners, pupil in (
        (face_landmark.RIGHT_EYE_CORNERS, RIGHT_PUPIL),
        (face_landmark.LEFT_EYE_CORNERS, LEFT_PUPIL),
    ):
        assert mesh.points[list(corners), :2].mean(0) == pytest.approx(pupil, abs=5)
    assert mesh.points[152, :2] == pytest.approx(CHIN, abs=6)
    # the nose's tip is nearest to the camera, the ears are behind it
    assert mesh.points[1, 2] < -10 < 0 < mesh.points[[234, 454], 2].max()


def _turn(image: Image, degrees: float) -> tuple[Image, Floats]:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    return np.asarray(cv2.warpAffine(image, matrix, (width, height)), np.uint8), np.asarray(
        matrix, np.float32
    )


@pytest.mark.parametrize("degrees", [-35, -15, 20, 40])
def test_mesh_follows_a_turned_head(astronaut: Image, mesh: face_landmark.FaceMesh, degrees: float) -> None:
    photo, matrix = _turn(astronaut, degrees)
    expected = mesh.points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    off = np.hypot(*(_mesh(photo).points[:, :2] - expected).T) / np.ptp(mesh.points[:, 0])
    assert off.mean() < 0.02


def test_second_look_at_the_points_themselves(astronaut: Image, mesh: face_landmark.FaceMesh) -> None:
    again = face_landmark.face_mesh(astronaut, face_landmark.region_of_points(mesh.points))
    assert np.abs(again.points - mesh.points)[:, :2].mean() < 2
    assert again.region.rotation == pytest.approx(0.06, abs=0.04)


def test_irises(astronaut: Image, mesh: face_landmark.FaceMesh) -> None:
    right, left = iris.eyes(astronaut, mesh.points)
    assert right.iris[0] == pytest.approx(RIGHT_PUPIL, abs=2.5)
    assert left.iris[0] == pytest.approx(LEFT_PUPIL, abs=2.5)
    # an iris is 11.7 mm of a face 130 to 150 mm wide
    for eye in (right, left):
        assert 0.06 < eye.diameter / np.ptp(mesh.points[:, 0]) < 0.11
        assert eye.contour.shape == (71, 2)


def test_irises_of_a_mirrored_photo_are_mirrored(astronaut: Image, mesh: face_landmark.FaceMesh) -> None:
    flipped = np.ascontiguousarray(astronaut[:, ::-1])
    right, left = iris.eyes(astronaut, mesh.points)
    other_right, other_left = iris.eyes(flipped, _mesh(flipped).points)
    for one, other in ((right, other_left), (left, other_right)):
        assert 512 - other.iris[0, 0] == pytest.approx(one.iris[0, 0], abs=1.5)
        assert other.iris[0, 1] == pytest.approx(one.iris[0, 1], abs=1.5)


def test_person_and_body(astronaut: Image) -> None:
    (person,) = pose_detection.detect_people(astronaut)
    shoulders = person.keypoints[pose_detection.SHOULDERS]
    assert shoulders == pytest.approx((205, 245), abs=25)
    body = pose_landmark.body_landmarks(astronaut, pose_landmark.region_of(person))
    assert body.score > 0.9
    assert body.points[pose_landmark.NOSE, :2] == pytest.approx((222, 127), abs=10)
    assert body.points[pose_landmark.RIGHT_SHOULDER, :2] == pytest.approx((100, 240), abs=25)
    assert body.points[pose_landmark.LEFT_SHOULDER, :2] == pytest.approx((305, 255), abs=25)
    shown = [pose_landmark.NOSE, pose_landmark.RIGHT_SHOULDER, pose_landmark.LEFT_SHOULDER]
    assert body.visibility[shown].min() > 0.95
    # the hips are below the frame
    assert body.points[[pose_landmark.RIGHT_HIP, pose_landmark.LEFT_HIP], 1].min() > 480


def test_two_people_are_two_detections(astronaut: Image) -> None:
    pair = np.concatenate([astronaut, astronaut[:, ::-1]], 1)
    people = pose_detection.detect_people(pair)
    assert len(people) == 2
    assert len(pose_detection.candidates(pair, 0.2)) >= 2
    middles = sorted(person.keypoints[pose_detection.SHOULDERS][0] for person in people)
    assert middles == pytest.approx([205, 1024 - 205], abs=40)


def test_person_mask(astronaut: Image) -> None:
    mask = selfie_segmentation.person_mask(astronaut)
    assert mask.shape == astronaut.shape[:2]
    # face and chest are the person, the flag's corner and the shuttle's sky are not
    assert min(mask[125, 222], mask[350, 200]) > 0.9
    assert max(mask[30, 30], mask[30, 480]) < 0.1
    part = selfie_segmentation.person_probability(astronaut, Box(120, 20, 320, 300))
    assert part[150, 128] > 0.9


def test_palm() -> None:
    (palm,) = palm_detection.detect_palms(drawing.hand())
    assert palm.box.center == pytest.approx(drawing.PALM, abs=25)
    wrist, middle_finger = palm.keypoints[0], palm.keypoints[2]
    assert wrist[1] > middle_finger[1] + 60
    (near,) = palm_detection.detect_palms(drawing.hand(), region=Region(240, 280, 400, 400))
    assert near.box.center == pytest.approx(drawing.PALM, abs=25)


def test_threads_share_a_session_and_agree(astronaut: Image) -> None:
    pyramid = Pyramid(astronaut)
    region = face_landmark.region_of(face_detection.detect_faces(pyramid)[0])
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: face_landmark.face_mesh(astronaut, region).points, range(12)))
    for points in found[1:]:
        np.testing.assert_array_equal(points, found[0])
