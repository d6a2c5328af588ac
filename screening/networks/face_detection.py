"""Faces, by mediapipe's short-range and full-range detectors.

Input [-1, 1], letterboxed with black. Six keypoints per face, in photo pixels: the person's right eye, left
eye, tip of the nose, middle of the mouth, right ear, left ear. Anchors, decoding, thresholds and suppression
are those of the published graphs (face_detection_short_range_cpu, face_detection_full_range_cpu).
"""

from __future__ import annotations

from functools import cache

from screening.networks import ssd
from screening.networks.preprocess import (
    BORDER_ZERO,
    Pyramid,
    Region,
    as_pyramid,
    crop_region,
    to_tensor,
    whole_square,
)
from screening.networks.session import session
from screening.types import Floats, Image

SHORT, FULL = "face_detection_short_range", "face_detection_full_range_sparse"
NETWORKS = (SHORT, FULL)

_SIZE = {SHORT: 128, FULL: 192}
_LAYERS = {SHORT: ((8, 2), (16, 6)), FULL: ((4, 1),)}


@cache
def _anchors(network: str, width: int, height: int) -> Floats:
    return ssd.anchors(width, height, _LAYERS[network])


def candidates(
    image: Image | Pyramid, network: str, region: Region, size: tuple[int, int], minimum: float
) -> ssd.Candidates:
    """What `network` sees in an upright region shown at `size` (width, height), before suppression.

    The short-range network takes 128 x 128 only, the full-range one any multiples of 32.
    """
    tensor = to_tensor(crop_region(image, region, size, BORDER_ZERO), low=-1)
    boxes, scores = session(network).run(tensor, "boxes", "scores")
    return ssd.decode(boxes, scores, _anchors(network, *size), region, size, minimum)


def detect_faces(image: Image | Pyramid, network: str = SHORT, minimum: float = 0.5) -> list[ssd.Detection]:
    """Faces in the whole photo by one network, as the published graph finds them; best first."""
    size = _SIZE[network]
    found = candidates(image, network, whole_square(image), (size, size), minimum)
    return ssd.weighted_suppression(found).detections()


DETAIL_HEIGHT = 448
"""Rows of the detail look: a face of 2 % of the height is then 9 pixels, near the least it sees."""
DETAIL_PIXELS = 170_000
"""Most pixels of the detail look, but for rounding (four to five times the full-range network's usual work)."""
SMALL = 8
"""A face less than the photo's height by this factor is looked at once more, closely."""
CLOSE_LOOKS = 6
"""Most close looks at one photo, for the best small faces."""
CLOSE_SIDE = 3.0
"""Side of a close look, in sides of the face's box."""
CONTAINED = 0.6
"""A face sharing this much of itself with a better one is a part of it, not a second face."""


def detail_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) of the detail look at a photo: multiples of 32, within `DETAIL_PIXELS`."""
    scale = min(DETAIL_HEIGHT / height, (DETAIL_PIXELS / (width * height)) ** 0.5)
    columns, rows = (max(1, int(side * scale / 32 + 0.5)) for side in (width, height))
    return 32 * columns, 32 * rows


def detect_faces_everywhere(
    image: Image | Pyramid, minimum: float = 0.5, detail_minimum: float = 0.5
) -> list[ssd.Detection]:
    """Faces of any size: both networks on the whole photo, and the full-range one at finer detail.

    The best small ones are looked at again from near, which places and scores them better. Best first. What
    overlaps a better face, or lies mostly inside it, is dropped. `detail_minimum` is the least score of a face
    that only the detail look finds.
    """
    pyramid = as_pyramid(image)
    found = [face for network in NETWORKS for face in detect_faces(pyramid, network, minimum)]
    width, height = detail_size(pyramid.width, pyramid.height)
    scale = max(pyramid.width / width, pyramid.height / height)
    region = Region(pyramid.width / 2, pyramid.height / 2, width * scale, height * scale)
    fine = candidates(pyramid, FULL, region, (width, height), detail_minimum)
    found = distinct(found + ssd.weighted_suppression(fine).detections())
    small = [face for face in found if face.box.height * SMALL < pyramid.height][:CLOSE_LOOKS]
    return distinct([_closer(pyramid, face) if face in small else face for face in found])


def _closer(pyramid: Pyramid, face: ssd.Detection) -> ssd.Detection:
    """The best face inside the box as seen from near, or the same if none is."""
    side = max(face.box.width, face.box.height) * CLOSE_SIDE
    size = (_SIZE[SHORT], _SIZE[SHORT])
    seen = candidates(pyramid, SHORT, Region(*face.box.center, side, side), size, 0.3)
    for close in ssd.weighted_suppression(seen).detections():
        x, y = close.box.center
        if face.box.left < x < face.box.right and face.box.top < y < face.box.bottom:
            return close
    return face


def distinct(found: list[ssd.Detection]) -> list[ssd.Detection]:
    """Detections of different things, best first."""
    kept: list[ssd.Detection] = []
    for face in sorted(found, key=lambda face: -face.score):
        if not any(_same(face, other) for other in kept):
            kept.append(face)
    return kept


def _same(face: ssd.Detection, other: ssd.Detection) -> bool:
    smaller = min(face.box.area, other.box.area)
    shared = face.box.intersection(other.box)
    return face.box.iou(other.box) > ssd.OVERLAP or shared > CONTAINED * smaller
