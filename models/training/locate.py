"""Where the face of a training picture is: with the networks that look for it at run time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from screening.networks import face
from screening.networks.face_detection import FULL, SHORT, detect_faces
from screening.networks.preprocess import BORDER_REPLICATE, Region, crop_region, sigmoid, to_tensor
from screening.networks.session import session
from screening.types import Box, Floats, Image

#: Outer eye corners (the person's right, left), nose tip, mouth corners, chin, top of the forehead, sides of the face.
POINTS = (33, 263, 1, 61, 291, 152, 10, 234, 454)
PRESENT = 0.5


def mesh(image: Image, box: Box) -> Floats | None:
    """(468, 2) face landmarks in photo pixels near a mesh-like box, or None if no face is there. Not roll-aligned."""
    side = 1.5 * face.DETECTION_WIDTH * face.face_width(box)
    region = Region(*box.center, side, side)
    tensor = to_tensor(crop_region(image, region, (192, 192), BORDER_REPLICATE), low=0)
    landmarks, presence = session("face_landmark").run(tensor, "landmarks", "presence")
    if sigmoid(presence.reshape(1))[0] < PRESENT:
        return None
    return region.to_photo(landmarks.reshape(468, 3)[:, :2], 192, 192)


def detect(image: Image, inside: Sequence[int] | None) -> Box | None:
    """The largest face (whose centre lies in `inside`: x0, y0, x1, y1), as a mesh-like box."""
    for network in (FULL, SHORT):
        boxes = [found.box for found in detect_faces(image, network)]
        if inside is not None:
            boxes = [
                b for b in boxes
                if inside[0] <= b.center[0] <= inside[2] and inside[1] <= b.center[1] <= inside[3]
            ]  # fmt: skip
        if boxes:
            return face.from_detection(max(boxes, key=lambda b: b.area))
    return None


def locate(
    image: Image, guess: tuple[float, float, float] | None, inside: Sequence[int] | None
) -> tuple[Box, Floats] | None:
    """(mesh-like box, (9, 2) `POINTS` in photo pixels, NaN where no mesh was found), or None without a face.

    `guess` is where the set's faces usually are (centre and width as shares of the picture's longer side).
    """
    height, width = image.shape[:2]
    box = None
    if guess is not None:
        half = guess[2] * max(width, height) / 2
        x, y = guess[0] * width, guess[1] * height
        box = Box(x - half, y - 1.15 * half, x + half, y + 1.15 * half)
    else:
        box = detect(image, inside)
    if box is None:
        return None
    found = mesh(image, box)
    if found is None:
        return box, np.full((len(POINTS), 2), np.nan, np.float32)
    return Box.around(found), found[list(POINTS)]
