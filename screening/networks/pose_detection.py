"""People, by mediapipe's pose detector.

Input [-1, 1], 224 x 224, letterboxed with black. The box is that of the head; four keypoints in photo pixels:
middle of the hips, a point whose distance from it is the radius of a circle round the whole body, middle of
the shoulders, and the same for the upper body. Anchors, decoding and suppression follow pose_landmark_cpu.
"""

from __future__ import annotations

from functools import cache

from screening.networks import ssd
from screening.networks.preprocess import BORDER_ZERO, Pyramid, crop_region, to_tensor, whole_square
from screening.networks.session import session
from screening.types import Floats, Image

NETWORK = "pose_detection"
SIZE = 224
HIPS, WHOLE_BODY, SHOULDERS, UPPER_BODY = range(4)
"""What the keypoints are."""


@cache
def _anchors() -> Floats:
    return ssd.anchors(SIZE, SIZE, ((8, 2), (16, 2), (32, 6)))


def candidates(image: Image | Pyramid, minimum: float) -> ssd.Candidates:
    """Everything scoring at least `minimum`, before suppression, so that a crowd is still apart."""
    region = whole_square(image)
    tensor = to_tensor(crop_region(image, region, (SIZE, SIZE), BORDER_ZERO), low=-1)
    boxes, scores = session(NETWORK).run(tensor, "boxes", "scores")
    return ssd.decode(boxes, scores, _anchors(), region, (SIZE, SIZE), minimum)


def detect_people(image: Image | Pyramid, minimum: float = 0.5) -> list[ssd.Detection]:
    """People in the whole photo as the published graph finds them (it uses the best only); best first."""
    return ssd.weighted_suppression(candidates(image, minimum)).detections()
