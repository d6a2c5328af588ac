"""Scenes whose observations are stated, so that a rule can be tested without a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from screening.fusion import KINDS, SOURCES
from screening.geometry import Geometry, regions_of
from screening.headpose import HeadPose, mean_face
from screening.networks.face import FaceAttributes
from screening.networks.face_landmark import FaceMesh
from screening.networks.lighting import Light
from screening.networks.preprocess import Region
from screening.networks.ssd import Detection
from screening.scene import CROWN, Scene, Subject
from screening.types import Box, Floats, ImageFacts, Photo

FACE_ASPECT = 0.87
"""Width over height (hairline to chin) of a face, as of the fixtures' portraits."""


def stated(
    facts: Mapping[str, Any] | None = None, *, size: tuple[int, int] = (800, 1000), **seen: Any
) -> Scene:
    """A scene of `size` (width, height) in which the observations `seen` are as given.

    `facts` change the file's. Any other observation would run a network: tests forbid that (`no_networks`).
    """
    width, height = size
    given: dict[str, Any] = {
        "name": "stated.jpg",
        "sha256": "0" * 64,
        "format": "JPEG",
        "width": width,
        "height": height,
        "bytes": 9,
    }
    photo = Photo(np.full((height, width, 3), 128, np.uint8), ImageFacts(**given | dict(facts or {})))
    scene = Scene(photo)
    scene.__dict__.update(seen)
    return scene


def layout(
    size: tuple[int, int] = (800, 1000),
    *,
    head: float = 0.36,
    middle: float = 0.5,
    above: float = 0.1,
    shoulders: bool = True,
) -> Geometry:
    """A person in a frame of `size`: the head's share of the height, the face's middle as a share of the width, the
    room above the crown as a share of the height. Shoulder joints 0.55 face widths to the sides, 0.02 faces below."""
    width, height = size
    face_height = head * height / (1 + CROWN)
    face_width = FACE_ASPECT * face_height
    x, top = middle * width, above * height + CROWN * face_height
    face = Box(x - face_width / 2, top, x + face_width / 2, top + face_height)
    ends = (x - 0.55 * face_width, face.bottom + 0.02 * face_height), (x + 0.55 * face_width, face.bottom)
    whole = Box(face.left - 0.06 * face_width, above * height, face.right + 0.06 * face_width, face.bottom)
    return Geometry(
        float(width), float(height), face, whole, face.center, ends if shoulders else None, shoulders
    )


def detection(box: Box, score: float = 0.9) -> Detection:
    return Detection(box, score, np.zeros((6, 2), np.float32))


def subject(geometry: Geometry, presence: float = 1.0) -> Subject:
    """The face at the place of `geometry`, with a mesh of the mean face's shape."""
    mean = mean_face()
    low, high = mean[:, :2].min(0), mean[:, :2].max(0)
    face = geometry.face
    flat = (mean[:, :2] - low) / (high - low) * (face.width, face.height) + (face.left, face.top)
    points: Floats = np.column_stack([flat, mean[:, 2] * face.width]).astype(np.float32)
    region = Region(*face.center, face.width, face.height)
    return Subject(detection(face), FaceMesh(points, presence, region))


def alone(**seen: Any) -> dict[str, Any]:
    """Observations of one person in a good frame with nothing to complain of; `seen` change or add to them."""
    geometry = layout()
    who = subject(geometry)
    good = {
        "geometry": geometry,
        "subject": who,
        "faces": (who.face,),
        "nobody": False,
        "second_person": 0.01,
        "head_pose": HeadPose(0.0, 0.0, 0.0),
        "eyes": None,
        "attributes": dict.fromkeys([*SOURCES, *KINDS, "jewelry"], 0.01),
        "kind": {"human": 0.96, "drawn": 0.01, "statue": 0.01, "animal": 0.01, "nothing": 0.01},
        "face_attributes": face_attributes(0.01, 35),
        "light": Light(0.01, 0.1, 0.0, 0.0),
        "uneven_light": 0.01,
        "regions": regions_of(geometry),
    }
    return good | seen


def face_attributes(under_18: float, age: float) -> FaceAttributes:
    return FaceAttributes(np.zeros(91, np.float32), under_18, age, 0.5, {}, {})
