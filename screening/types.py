"""Values that pass between the layers: frozen and validated.

Coordinates are pixels of the upright photo (after EXIF orientation): x to the right, y down, (0, 0) the top-left
corner of the top-left pixel. Images are `numpy.uint8` arrays of shape (height, width, 3), RGB.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""(height, width, 3) uint8 RGB."""

Floats = NDArray[np.float32]
Point = tuple[float, float]
EvidenceKind = Literal["box", "points", "polygon", "line"]


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned rectangle in photo pixels; may reach outside the photo."""

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        if not all(math.isfinite(v) for v in (self.left, self.top, self.right, self.bottom)):
            raise ValueError(f"box with a coordinate that is not finite: {self}")
        if self.right < self.left or self.bottom < self.top:
            raise ValueError(f"box with negative size: {self}")

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def area(self) -> float:
        return self.width * self.height

    @property
    def center(self) -> Point:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def intersection(self, other: Box) -> float:
        """Area shared with `other`, square pixels."""
        w = min(self.right, other.right) - max(self.left, other.left)
        h = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, w) * max(0.0, h)

    def iou(self, other: Box) -> float:
        """Intersection over union, 0-1."""
        shared = self.intersection(other)
        union = self.area + other.area - shared
        return shared / union if union > 0 else 0.0

    def clipped(self, width: float, height: float) -> Box:
        """The part inside a photo of that size (zero-sized if outside)."""

        def clip(v: float, high: float) -> float:
            return min(max(v, 0.0), high)

        return Box(
            clip(self.left, width), clip(self.top, height), clip(self.right, width), clip(self.bottom, height)
        )

    @staticmethod
    def around(points: NDArray[np.floating]) -> Box:
        """Bounding box of (n, >=2) points."""
        low, high = points[:, :2].min(0), points[:, :2].max(0)
        return Box(float(low[0]), float(low[1]), float(high[0]), float(high[1]))

    def corners(self) -> tuple[Point, Point]:
        return (self.left, self.top), (self.right, self.bottom)


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What decoding found out about a file. Sizes are of the upright photo at full resolution."""

    name: str
    sha256: str
    format: str
    """Pillow's name by content ("JPEG", "PNG", "GIF", ...); "ARRAY" for pixels given directly."""
    width: int
    height: int
    bytes: int
    orientation: int = 1
    """EXIF orientation 1-8 as stored; the pixels are already upright."""
    mode: str = "RGB"
    """Pillow's mode as stored (RGB, CMYK, P, I;16, RGBA, ...)."""
    frames: int = 1
    bit_depth: int = 8
    profile: str | None = None
    """Description of the embedded ICC profile, if any; the pixels are already sRGB."""
    notes: tuple[str, ...] = ()
    """Plain sentences about what was done to show the photo as a viewer would (alpha on white, first frame, ...)."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A decoded photo: `pixels` may be a reduced copy; `scale` = pixels' width / full width (<= 1)."""

    pixels: Image
    facts: ImageFacts
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """Something to draw: `points` are two corners of a box, single points, a polygon's or a line's vertices."""

    kind: EvidenceKind
    label: str
    points: tuple[Point, ...]

    @staticmethod
    def box(label: str, box: Box) -> Evidence:
        return Evidence("box", label, box.corners())


@dataclass(frozen=True, slots=True)
class Measure:
    """One measured number. `words` fill the sentence's placeholders; `evidence` shows where."""

    name: str
    value: float
    unit: str = ""
    words: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    evidence: tuple[Evidence, ...] = ()

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"measure {self.name} is not finite")


@dataclass(frozen=True, slots=True)
class NotMeasured:
    """Why a rule could not look: a sentence for the user. Ends as `unassessed`, never as a pass."""

    reason: str


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a rule found: its measures (a policy puts limits on them)."""

    measures: tuple[Measure, ...]

    def __post_init__(self) -> None:
        names = [m.name for m in self.measures]
        if len(set(names)) != len(names) or not names:
            raise ValueError(f"measures must be present and named once each: {names}")

    def __getitem__(self, name: str) -> Measure:
        return next(m for m in self.measures if m.name == name)
