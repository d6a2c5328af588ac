"""468 points of a face, by mediapipe's face mesh (without the attention layers).

Input [0, 1], 192 x 192, a square 1.5 times the longer side of the detected face, turned so that the eyes are
level. Region, projection and presence follow the published graph (face_landmark_front_cpu). "Right" and
"left" are the person's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from screening.networks.preprocess import BORDER_REPLICATE, Pyramid, Region, crop_region, sigmoid, to_tensor
from screening.networks.session import session
from screening.networks.ssd import Detection
from screening.types import Floats, Image

NETWORK = "face_landmark"
SIZE = 192
ENLARGED = 1.5
PRESENCE = 0.5
"""Presence below which the published graph takes the region for no face."""

RIGHT_EYE_CORNERS = (33, 133)
"""Outer and inner corner of the person's right eye."""
LEFT_EYE_CORNERS = (263, 362)
"""Outer and inner corner of the person's left eye."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceMesh:
    """`points` float32 (468, 3): x, y in photo pixels, z in the same unit (towards the camera < 0).

    `presence` 0-1: how sure the network is that the region is a face. `region` is what it looked at.
    """

    points: Floats
    presence: float
    region: Region


def turned(start: Floats, end: Floats, target: float = 0.0) -> float:
    """Rotation (radians, clockwise) of a region in which the line start-end has the angle `target`.

    `target` counts anticlockwise from the x axis, as in the published graphs.
    """
    angle = target - math.atan2(-float(end[1] - start[1]), float(end[0] - start[0]))
    return angle - 2 * math.pi * math.floor((angle + math.pi) / (2 * math.pi))


def region_of(face: Detection) -> Region:
    """The square the mesh looks at for a detected face (its first two keypoints are the eyes)."""
    side = max(face.box.width, face.box.height) * ENLARGED
    return Region(*face.box.center, side, side, turned(face.keypoints[0], face.keypoints[1]))


def region_of_points(points: Floats) -> Region:
    """The square for a face whose points (468, >= 2) are known: for a second, better centred look."""
    rotation = turned(points[RIGHT_EYE_CORNERS[0]], points[LEFT_EYE_CORNERS[0]])
    cos, sin = math.cos(rotation), math.sin(rotation)
    axes = np.array([[cos, -sin], [sin, cos]], np.float32)
    upright = points[:, :2] @ axes
    low, high = upright.min(0), upright.max(0)
    center = axes @ ((low + high) / 2)
    side = float((high - low).max()) * ENLARGED
    return Region(float(center[0]), float(center[1]), side, side, rotation)


def face_mesh(image: Image | Pyramid, region: Region) -> FaceMesh:
    """The mesh of the face in a square region; look at `presence` before using it."""
    tensor = to_tensor(crop_region(image, region, (SIZE, SIZE), BORDER_REPLICATE), low=0)
    raw, presence = session(NETWORK).run(tensor, "landmarks", "presence")
    local = raw.reshape(-1, 3)
    depth = local[:, 2:] * np.float32(region.width / SIZE)
    points = np.concatenate([region.to_photo(local[:, :2], SIZE, SIZE), depth], 1)
    return FaceMesh(points, float(sigmoid(presence).reshape(-1)[0]), region)
