"""Hands, by mediapipe's lite palm detector.

Input [0, 1], 192 x 192, letterboxed with black. The box is that of the palm; seven keypoints in photo pixels:
wrist, the first joints of the index, middle, ring and little finger, and two of the thumb. Anchors, decoding
and suppression follow hand_landmark_tracking_cpu.
"""

from __future__ import annotations

from functools import cache

from screening.networks import ssd
from screening.networks.preprocess import BORDER_ZERO, Pyramid, Region, crop_region, to_tensor, whole_square
from screening.networks.session import session
from screening.types import Floats, Image

NETWORK = "palm_detection_lite"
SIZE = 192


@cache
def _anchors() -> Floats:
    return ssd.anchors(SIZE, SIZE, ((8, 2), (16, 6)))


def detect_palms(
    image: Image | Pyramid, minimum: float = 0.5, region: Region | None = None
) -> list[ssd.Detection]:
    """Palms in an upright square region (None: the whole photo); best first."""
    square = region or whole_square(image)
    tensor = to_tensor(crop_region(image, square, (SIZE, SIZE), BORDER_ZERO), low=0)
    boxes, scores = session(NETWORK).run(tensor, "boxes", "scores")
    found = ssd.decode(boxes, scores, _anchors(), square, (SIZE, SIZE), minimum)
    return ssd.weighted_suppression(found).detections()
