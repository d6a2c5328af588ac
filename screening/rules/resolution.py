"""The photo is at least 512 pixels wide and high, as displayed.

What it measures
----------------
The shorter side of the upright photo and the width of the face in pixels.

Why
---
The training call refuses smaller photos, and a face of few pixels gives a soft replica even in a large photo.

Limits
------
A shorter side below 512 px fails. A face narrower than 128 px warns: that is what a 512 px portrait with the head at a
third of the height would have.

Blind spots
-----------
Enlarged photos count with the pixels they have; `sharpness` sees that they hold no more detail.
"""

from __future__ import annotations

from screening.rules.base import rule
from screening.scene import Scene
from screening.types import Measure, Measurement


@rule(title="Large enough", needs=("geometry",), measures=("short_side", "face_width"))
def measure(scene: Scene) -> Measurement:
    """`short_side` and, where there is a face, `face_width`; both in pixels."""
    size = f"{scene.width:.0f}x{scene.height:.0f}"
    measures = [Measure("short_side", float(min(scene.width, scene.height)), "px", {"size": size})]
    if scene.geometry is not None:
        measures.append(Measure("face_width", scene.geometry.face.width, "px"))
    return Measurement(tuple(measures))
