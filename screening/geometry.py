"""Where the subject's head and shoulders lie in a frame, and the places named in what is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from screening.types import Box, Point


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the subject's head and shoulders lie in a frame. All in pixels."""

    width: float
    height: float
    face: Box
    """Around the face mesh: hairline to chin, temple to temple."""
    head: Box
    """Crown to chin, ear to ear; may reach outside the photo."""
    middle: Point
    """Middle of the face mesh's outline; what centering measures."""
    shoulders: tuple[Point, Point] | None
    """The outer ends of the person's right and left shoulder; may lie outside the photo. None without a body."""
    shoulders_seen: bool = False
    """Whether both are in view rather than guessed."""
    face_confirmed: bool = True
    """Whether the mesh sees the face; where not, `face` is the detector's box."""

    def cropped(self, box: Box) -> Geometry:
        """The same head in the frame that a crop leaves."""

        def move(b: Box) -> Box:
            return Box(b.left - box.left, b.top - box.top, b.right - box.left, b.bottom - box.top)

        def shift(p: Point) -> Point:
            return p[0] - box.left, p[1] - box.top

        shoulders = None if self.shoulders is None else (shift(self.shoulders[0]), shift(self.shoulders[1]))
        return replace(
            self,
            width=box.width,
            height=box.height,
            face=move(self.face),
            head=move(self.head),
            middle=shift(self.middle),
            shoulders=shoulders,
        )


def regions_of(g: Geometry) -> Mapping[str, tuple[Box, ...]]:
    """Boxes of the places that attributes are shown at, from the proportions of an upright face."""
    f, w, h = g.face, g.face.width, g.face.height

    def at(left: float, top: float, right: float, bottom: float) -> Box:
        """In shares of the face's box."""
        box = Box(f.left + left * w, f.top + top * h, f.left + right * w, f.top + bottom * h)
        return box.clipped(g.width, g.height)

    ears = at(-0.2, 0.25, 0.1, 0.8), at(0.9, 0.25, 1.2, 0.8)
    neck = at(0.05, 1.0, 0.95, 1.6)
    return {
        "eyes": (at(-0.02, 0.18, 1.02, 0.5),),
        "crown": (at(-0.15, -0.45, 1.15, 0.15),),
        "ears": ears,
        "lower": (at(-0.05, 0.4, 1.05, 1.08),),
        "neck": (neck,),
        "ears_neck": (*ears, neck),
        "shoulders": (at(-0.8, 0.9, 0.05, 2.2), at(0.95, 0.9, 1.8, 2.2)),
        "face": (at(0.0, 0.0, 1.0, 1.0),),
    }
