"""What the networks see in one photo: observations, each computed once on first need.

A rule asks for what it needs; nothing else runs. Points and boxes are in pixels of the upright photo at full
resolution, also where the pixels at hand are a reduced copy.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from screening.errors import ModelMissing
from screening.fusion import fuse, fuse_kind, mean_of, weigh
from screening.geometry import Geometry, regions_of
from screening.headpose import HeadPose, head_pose
from screening.networks import (
    face_detection,
    face_landmark,
    iris,
    lighting,
    manifest,
    pose_detection,
    pose_landmark,
    selfie_segmentation,
    trained,
)
from screening.networks.face import FaceAttributes, from_detection
from screening.networks.face_landmark import FaceMesh
from screening.networks.iris import Eye
from screening.networks.lighting import Light
from screening.networks.photo import PhotoAttributes
from screening.networks.pose_landmark import BodyLandmarks
from screening.networks.preprocess import Pyramid, Region
from screening.networks.ssd import Detection
from screening.networks.upper import UpperAttributes
from screening.types import Box, Image, ImageFacts, Measurement, NotMeasured, Photo

SUBJECT_CANDIDATES = 3
BODY_DROP, BODY_SIDE = 0.9, 4.2
"""The region that the body is looked for in: its centre below the face's and its side, in face boxes."""
UNSEEN = 0.5
"""Score where the detectors see no face, or only what is likelier none."""
SPECK = 0.15
"""Width of a face over the subject's below which it is far away."""
CROWN = 0.28
"""Height of the crown above the hairline, in heights of the face mesh (hairline to chin)."""
SHOULDER_SEEN = 0.5
"""Visibility from which a shoulder is taken as in view."""
PERSON = 0.5
"""Score of the pose detector from which there is a person."""

T = TypeVar("T")

NO_FACE = NotMeasured("No face was found to look at.")
NO_NETWORK = "There is no network for this yet."


class CannotObserve(Exception):
    """An observation that cannot be made; carries the sentence that the rule is left unassessed with."""


def observation(*networks: str) -> Callable[[Callable[[Scene], T]], cached_property[T]]:
    """A cached property that names the networks it runs; its first reading is timed and noted in `scene.observed`."""

    def wrap(method: Callable[[Scene], T]) -> cached_property[T]:
        name = method.__name__

        def first(self: Scene) -> T:
            self.observed.add(name)
            before, started = sum(self.timings.values()), time.perf_counter()
            try:
                found = method(self)
                if found is not None:  # None: nothing there to run the network on
                    self.ran.update(networks)
                return found
            finally:
                spent = (time.perf_counter() - started) * 1000
                self.timings[name] = max(0.0, spent - (sum(self.timings.values()) - before))

        first.__doc__ = method.__doc__
        return cached_property(first)

    return wrap


class Scene:
    """One photo and what was seen in it so far. Not for sharing between threads."""

    def __init__(self, photo: Photo) -> None:
        self.photo = photo
        self.width = float(photo.facts.width)
        self.height = float(photo.facts.height)
        self.observed: set[str] = set()
        self.ran: set[str] = set()
        self.timings: dict[str, float] = {}
        """Milliseconds per observation, without those that it needed itself."""
        self.pyramid = Pyramid(photo.pixels)

    @property
    def facts(self) -> ImageFacts:
        return self.photo.facts

    @property
    def pixels(self) -> Image:
        """The pixels at hand: full resolution times `scale`."""
        return self.photo.pixels

    @property
    def scale(self) -> float:
        return self.photo.scale

    def models_used(self) -> dict[str, str]:
        """SHA-256 of each network that ran."""
        return {name: manifest.network(name).sha256 for name in sorted(self.ran)}

    def run(self, measure: Callable[[Scene], Measurement | NotMeasured]) -> Measurement | NotMeasured:
        """What a rule measures here; an observation that cannot be made leaves it unassessed."""
        try:
            return measure(self)
        except CannotObserve as why:
            return NotMeasured(str(why))

    def cropped(self, box: Box) -> Scene:
        """The same scene in the frame that a crop leaves: its size and geometry, for the geometric rules."""
        if self.geometry is None:
            raise CannotObserve(NO_FACE.reason)
        other = Scene(self.photo)
        other.width, other.height = box.width, box.height
        other.__dict__["geometry"] = self.geometry.cropped(box)
        return other

    @observation(*face_detection.NETWORKS)
    def faces(self) -> tuple[Detection, ...]:
        """Faces of any size, the best first, in pixels at hand."""
        return tuple(face_detection.detect_faces_everywhere(self.pyramid, 0.3, 0.4))

    @observation(face_landmark.NETWORK)
    def subject(self) -> Subject | None:
        """The face the photo is of: the largest that the mesh confirms, else the surest detection.

        An unsure detection counts for less than its area, as it may be a large pattern that looks like a face.
        """
        largest = sorted(self.faces, key=lambda f: -f.box.area * f.score**2)[:SUBJECT_CANDIDATES]
        if not largest:
            return None
        looks = []
        for face in largest:
            mesh = face_landmark.face_mesh(self.pyramid, face_landmark.region_of(face))
            if mesh.presence >= face_landmark.PRESENCE:
                finer = face_landmark.face_mesh(self.pyramid, face_landmark.region_of_points(mesh.points))
                mesh = finer if finer.presence >= face_landmark.PRESENCE else mesh
            looks.append(Subject(face, mesh))
            if mesh.presence >= face_landmark.PRESENCE:
                break
        return max(looks, key=lambda s: (s.seen, s.face.score))

    @observation(iris.NETWORK)
    def eyes(self) -> tuple[Eye, Eye] | None:
        """The subject's right and left eye, in pixels at hand; None without a face that the mesh confirms."""
        if self.subject is None or not self.subject.seen:
            return None
        return iris.eyes(self.pyramid, self.subject.mesh.points)

    @observation(pose_detection.NETWORK)
    def people(self) -> tuple[Detection, ...]:
        """People by the pose detector, the best first, in pixels at hand."""
        return tuple(pose_detection.detect_people(self.pyramid, 0.2))

    @observation(pose_landmark.NETWORK)
    def body(self) -> BodyLandmarks | None:
        """The subject's body in pixels at hand, looked for below the face; None without a face."""
        if self.subject is None:
            return None
        box = self.subject.face.box
        region = Region(
            box.center[0], box.center[1] + BODY_DROP * box.height, *(2 * (BODY_SIDE * box.width,))
        )
        return pose_landmark.body_landmarks(self.pyramid, region)

    @observation()
    def head_pose(self) -> HeadPose | None:
        """The subject's head's angles; None without a face that the mesh confirms."""
        return head_pose(self.subject.mesh.points) if self.subject is not None and self.subject.seen else None

    @observation(lighting.NETWORK)
    def light(self) -> Light | None:
        """The light on the subject's face; None without a face that the mesh confirms."""
        subject = self.subject
        if subject is None or not subject.seen:
            return None
        return _trained(lambda: lighting.light(self.pyramid, subject.mesh.points))

    @observation()
    def uneven_light(self) -> float | None:
        """Probability of plainly uneven light on the face, by its mesh and the face network together; None without a
        face. Where the mesh does not confirm the face, the face network decides alone."""
        if self.face_attributes is None:
            return None
        seen = [self.face_attributes.attributes["strong_shadow"]]
        if self.light is not None:
            seen.append(self.light.uneven)
        return mean_of(seen)

    @observation()
    def geometry(self) -> Geometry | None:
        """Head and shoulders in full-resolution pixels; None without a face."""
        if self.subject is None:
            return None
        points = self.subject.mesh.points[:, :2] if self.subject.seen else self.subject.face.keypoints
        face = Box.around(points) if self.subject.seen else self.subject.face.box
        return self._geometry(face, self.subject.seen)

    @observation()
    def nobody(self) -> bool:
        """Neither a face nor a person anywhere."""
        return self.subject is None and not any(p.score >= PERSON for p in self.people)

    def _face_box(self) -> Box | None:
        """The subject's face as the networks of ours want it, in pixels at hand: of the mesh, else of the detector."""
        if self.subject is None:
            return None
        if self.subject.seen:
            return Box.around(self.subject.mesh.points)
        return from_detection(self.subject.face.box)

    @observation(trained.FACE)
    def face_attributes(self) -> FaceAttributes | None:
        """Age, attributes and kind from the face crop; None without a face."""
        box = self._face_box()
        return None if box is None else _trained(trained.face).run(self.pixels, box)

    @observation(trained.UPPER)
    def upper(self) -> UpperAttributes | None:
        """Attributes and parsing of head and shoulders; None without a face."""
        box = self._face_box()
        return None if box is None else _trained(trained.upper).run(self.pyramid, box)

    @observation(trained.PHOTO)
    def whole(self) -> PhotoAttributes:
        """What the whole photo shows: second persons, kind, nobody."""
        return _trained(trained.photo).run(self.pyramid)

    @observation(trained.DETAIL)
    def detail(self) -> Mapping[str, float] | None:
        """Small things near ears, mouth and neck, from a closer crop; None without a face."""
        box = self._face_box()
        return None if box is None else _trained(trained.detail).run(self.pyramid, box)

    @observation(trained.CLOSEUPS)
    def closeups(self) -> Mapping[str, float] | None:
        """Jewelry and headphones, by pictures of the ears and the neck; None without a face that the mesh confirms."""
        if self.subject is None or not self.subject.seen:
            return None
        return _trained(trained.closeups).run(self.pyramid, self.subject.mesh.points)

    @observation(selfie_segmentation.NETWORK, trained.OTHERS)
    def others(self) -> float | None:
        """Probability of a second person, by where there is person that is not the subject; None without a face."""
        box = self._face_box()
        if box is None:
            return None
        mask = selfie_segmentation.person_probability(self.pyramid)
        return _trained(trained.others).run(mask, self.pyramid.width, self.pyramid.height, box)

    @observation()
    def attributes(self) -> Mapping[str, float] | None:
        """What the subject wears and shows, by all crops of the person together; None without a face."""
        return None if self.answers is None else fuse(self.answers)

    @observation()
    def kind(self) -> Mapping[str, float]:
        """Probabilities of human, drawn, statue, animal, nothing, by whole photo and crops together."""
        if self.face_attributes is None or self.upper is None or self.detail is None:
            return fuse_kind(self.whole.kind, None, {})
        crops = {"upper": self.upper.attributes, "detail": self.detail}
        humans = {network: 1 - found["not_human"] for network, found in crops.items()}
        return fuse_kind(self.whole.kind, self.face_attributes.kind, humans)

    @observation()
    def other_faces(self) -> list[Detection]:
        """The faces that are not the subject's."""
        return [f for f in self.faces if self.subject is None or f is not self.subject.face]

    @observation()
    def other_face(self) -> float:
        """The detectors' highest score of a face that is not the subject's and no speck, `UNSEEN` at least."""
        if self.subject is None:
            return UNSEEN
        least = SPECK * self.subject.face.box.width
        return max([UNSEEN, *(f.score for f in self.other_faces if f.box.width >= least)])

    @observation()
    def second_person(self) -> float:
        """Probability of a second person, by whole photo and the crops around the subject together."""
        answers = {
            "photo.second_person": self.whole.attributes["second_person"],
            "faces.second_face": self.other_face,
        }
        if self.others is not None:
            answers["others.second_person"] = self.others
        return weigh("second_person", answers | dict(self.answers or {}))

    @observation()
    def answers(self) -> Mapping[str, float] | None:
        """`network.attribute` -> probability, of the networks that look at the subject; None without a face."""
        if self.face_attributes is None or self.upper is None or self.detail is None:
            return None
        parts = {
            "face": self.face_attributes.attributes, "upper": self.upper.attributes, "detail": self.detail,
            "closeups": self.closeups or {},
        }  # fmt: skip
        return {f"{part}.{name}": value for part, found in parts.items() for name, value in found.items()}

    @observation()
    def regions(self) -> Mapping[str, tuple[Box, ...]] | None:
        """Where to show what was found, in full-resolution pixels; None without a face."""
        return None if self.geometry is None else regions_of(self.geometry)

    def _geometry(self, face: Box, confirmed: bool) -> Geometry:
        up = 1 / self.scale
        head = Box(
            face.left - 0.06 * face.width,
            face.top - CROWN * face.height,
            face.right + 0.06 * face.width,
            face.bottom,
        )
        shoulders, seen = None, False
        if self.body is not None:
            sides = [pose_landmark.RIGHT_SHOULDER, pose_landmark.LEFT_SHOULDER]
            seen = bool(self.body.visibility[sides].min() >= SHOULDER_SEEN)
            right, left = self.body.points[sides, :2] * up
            shoulders = (float(right[0]), float(right[1])), (float(left[0]), float(left[1]))
        middle = face.center[0] * up, face.center[1] * up
        return Geometry(
            self.width, self.height, _scaled(face, up), _scaled(head, up), middle, shoulders, seen, confirmed
        )


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """The face that the photo is of, in pixels at hand."""

    face: Detection
    mesh: FaceMesh

    @property
    def seen(self) -> bool:
        """Whether the mesh confirms the detection; where not, the mesh's points mean nothing."""
        return self.mesh.presence >= face_landmark.PRESENCE


def _scaled(box: Box, by: float) -> Box:
    return Box(box.left * by, box.top * by, box.right * by, box.bottom * by)


def _trained(load: Callable[[], T]) -> T:
    try:
        return load()
    except ModelMissing as error:
        raise CannotObserve(NO_NETWORK) from error
