"""33 points of a body, by mediapipe's full pose network.

Input [0, 1], 256 x 256, a square region turned so that the body is upright. Decoding, refinement by heat maps
and projection follow the published graph (pose_landmark_cpu, without its smoothing over time).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from screening.networks.face_landmark import turned
from screening.networks.pose_detection import HIPS, WHOLE_BODY
from screening.networks.preprocess import BORDER_REPLICATE, Pyramid, Region, crop_region, sigmoid, to_tensor
from screening.networks.session import session
from screening.networks.ssd import Detection
from screening.types import Floats, Image

NETWORK = "pose_landmark_full"
SIZE = 256
POINTS = 33
ENLARGED = 1.25
PRESENCE = 0.5
"""Presence below which the published graph takes the region for no person."""

NOSE = 0
RIGHT_EAR, LEFT_EAR = 8, 7
RIGHT_SHOULDER, LEFT_SHOULDER = 12, 11
RIGHT_ELBOW, LEFT_ELBOW = 14, 13
RIGHT_WRIST, LEFT_WRIST = 16, 15
RIGHT_HIP, LEFT_HIP = 24, 23

_KERNEL = 7
_REFINE_FROM = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class BodyLandmarks:
    """`points` float32 (33, 3): x, y in photo pixels, z in pixels of the same scale, from the hips.

    `visibility` and `presence` float32 (33,) 0-1: seen and not hidden; inside the picture. `score` 0-1: how
    sure the network is that the region holds a person. `region` is what it looked at.
    """

    points: Floats
    visibility: Floats
    presence: Floats
    score: float
    region: Region


def region_of(person: Detection) -> Region:
    """The square round the whole body of a detected person."""
    start, end = person.keypoints[HIPS], person.keypoints[WHOLE_BODY]
    side = 2 * float(np.hypot(*(end - start))) * ENLARGED
    return Region(float(start[0]), float(start[1]), max(side, 1.0), max(side, 1.0), _upright(start, end))


def _upright(start: Floats, end: Floats) -> float:
    return turned(start, end, math.pi / 2)


def body_landmarks(image: Image | Pyramid, region: Region) -> BodyLandmarks:
    """The body in a square region (`region_of` a detection, or any other the caller knows)."""
    tensor = to_tensor(crop_region(image, region, (SIZE, SIZE), BORDER_REPLICATE), low=0)
    raw, score, heat = session(NETWORK).run(tensor, "landmarks", "presence", "heatmap")
    values = raw.reshape(-1, 5)[:POINTS]
    local = _refined(values[:, :2], heat[0, :POINTS])
    depth = values[:, 2:3] * np.float32(region.width / SIZE)
    points = np.concatenate([region.to_photo(local, SIZE, SIZE), depth], 1)
    certain = sigmoid(values[:, 3:5])
    return BodyLandmarks(points, certain[:, 0], certain[:, 1], float(score.reshape(-1)[0]), region)


def _refined(points: Floats, heat: Floats) -> Floats:
    """Points (n, 2) moved to the heat map's centre of mass around them; `heat` (n, rows, columns) logits."""
    rows, columns = heat.shape[1:]
    cell = np.array([SIZE / columns, SIZE / rows], np.float32)
    column, row = (points / cell).astype(np.intp).T
    inside = np.flatnonzero((column >= 0) & (column < columns) & (row >= 0) & (row < rows))
    reach = _KERNEL // 2
    around = np.arange(_KERNEL)
    padded = np.pad(heat, ((0, 0), (reach, reach), (reach, reach)), constant_values=-np.inf)
    y, x = row[inside, None] + around, column[inside, None] + around  # in the padded map
    weights = sigmoid(padded[inside[:, None, None], y[:, :, None], x[:, None, :]])
    sure = weights.max((1, 2)) >= _REFINE_FROM
    weights, y, x, inside = weights[sure], y[sure] - reach, x[sure] - reach, inside[sure]
    total = weights.sum((1, 2))
    middle = np.stack([(weights.sum(1) * x).sum(1), (weights.sum(2) * y).sum(1)], 1) / total[:, None]
    refined = points.copy()
    refined[inside] = middle * cell
    return refined
