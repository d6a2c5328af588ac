"""Irises and eye contours, by mediapipe's iris network on the eyes of a face mesh.

Input [0, 1], 64 x 64, a square 2.3 times the eye's width between its corners, turned level. The network knows
one side only: the person's left eye is shown mirrored. "Right" and "left" are the person's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from screening.networks.face_landmark import LEFT_EYE_CORNERS, RIGHT_EYE_CORNERS, turned
from screening.networks.preprocess import (
    BORDER_REPLICATE,
    Pyramid,
    Region,
    as_pyramid,
    crop_region,
    to_tensor,
)
from screening.networks.session import session
from screening.types import Floats, Image

NETWORK = "iris_landmark"
SIZE = 64
ENLARGED = 2.3


@dataclass(frozen=True, slots=True, eq=False)
class Eye:
    """Photo pixels, float32: `iris` (5, 2) the middle, then four points of the rim; `contour` (71, 2)."""

    iris: Floats
    contour: Floats

    @property
    def diameter(self) -> float:
        """Mean of the iris' two diameters, pixels."""
        first, second = self.iris[1] - self.iris[3], self.iris[2] - self.iris[4]
        return float((np.hypot(*first) + np.hypot(*second)) / 2)


def region_of(start: Floats, end: Floats) -> Region:
    """The square around an eye with its corners in the photo from left to right."""
    x, y = (start[:2] + end[:2]) / 2
    side = float(np.hypot(*(end[:2] - start[:2]))) * ENLARGED
    return Region(float(x), float(y), side, side, turned(start, end))


def eye(image: Image | Pyramid, region: Region, mirrored: bool) -> Eye:
    """Iris and contour in a square region; `mirrored` for the person's left eye."""
    crop = crop_region(image, region, (SIZE, SIZE), BORDER_REPLICATE)
    contour, iris = session(NETWORK).run(to_tensor(crop[:, ::-1] if mirrored else crop, low=0), "eye", "iris")

    def project(raw: Floats) -> Floats:
        points = raw.reshape(-1, 3)[:, :2].copy()
        if mirrored:
            points[:, 0] = SIZE - points[:, 0]
        return region.to_photo(points, SIZE, SIZE)

    return Eye(project(iris), project(contour))


def eyes(image: Image | Pyramid, mesh: Floats) -> tuple[Eye, Eye]:
    """The person's right and left eye; `mesh` are the face's points (468, >= 2) in photo pixels."""
    pyramid = as_pyramid(image)
    right_outer, right_inner = mesh[list(RIGHT_EYE_CORNERS)]
    left_outer, left_inner = mesh[list(LEFT_EYE_CORNERS)]
    return (
        eye(pyramid, region_of(right_outer, right_inner), mirrored=False),
        eye(pyramid, region_of(left_inner, left_outer), mirrored=True),
    )
