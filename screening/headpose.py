"""The angles of a head from its face mesh."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from screening.types import Floats


@dataclass(frozen=True, slots=True)
class HeadPose:
    """Degrees. `yaw` > 0: turned to the person's left; `pitch` > 0: looking up; `roll` > 0: tilted to their left."""

    yaw: float
    pitch: float
    roll: float


@cache
def mean_face() -> NDArray[np.float64]:
    """(468, 3): the mean mesh of near-frontal faces, made symmetric; unit size, x right, y down, z away."""
    data = resources.files("screening.data").joinpath("mean_face.csv").read_text("utf-8")
    return np.loadtxt(data.splitlines(), delimiter=",")


def head_pose(points: Floats) -> HeadPose:
    """Of a face mesh (468, 3): the rotation that best turns the mean face into it (Kabsch 1976), as angles."""
    template = mean_face()
    face = np.asarray(points, np.float64) - points.mean(0)
    u, _, vt = np.linalg.svd(template.T @ face)
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = (u @ flip @ vt).T  # face = rotation @ template
    # rotation = Rz(roll) @ Ry(yaw) @ Rx(pitch), in a frame with x right, y down, z away from the camera
    # there yaw > 0 brings the person's left side nearer and pitch > 0 the top of the head; hence the signs
    yaw = np.degrees(np.arcsin(np.clip(rotation[2, 0], -1, 1)))
    pitch = -np.degrees(np.arctan2(rotation[2, 1], rotation[2, 2]))
    roll = np.degrees(np.arctan2(rotation[1, 0], rotation[0, 0]))
    return HeadPose(float(yaw), float(pitch), float(roll))
