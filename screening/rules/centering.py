"""The head is in the middle of the frame.

What it measures
----------------
How far the middle of the face mesh is from the photo's middle line, as a share of the width, and how far down the
middle of the head (between crown and chin) is, as a share of the height.

Why
---
The training call refuses off-centre framing. Where there is a crop that centres the head and keeps every other
geometric limit, the report gives it.

Limits
------
More than 15 % of the width off the middle fails (8 % warns); by the mesh that is 13 %, since people who label photos
judge a turned head by the whole of it. A head whose middle lies in the lower part fails. The head's middle, not the
face's: in a close portrait the face lies low where the head fills the frame.

Blind spots
-----------
The middle of a turned face is that of its visible outline. A photo of several people is judged by the largest face.
"""

from __future__ import annotations

from screening.rules.base import rule
from screening.scene import NO_FACE, Scene
from screening.types import Evidence, Measure, Measurement, NotMeasured


@rule(title="Centred", needs=("geometry",), measures=("offset_x", "height_down"))
def measure(scene: Scene) -> Measurement | NotMeasured:
    """`offset_x`: share of the width; `height_down`: middle of the head from the top, share of the height."""
    g = scene.geometry
    if g is None:
        return NO_FACE
    x, y = g.middle
    height = g.head.center[1]
    off = x / g.width - 0.5
    words = {"side": "right" if off < 0 else "left", "towards": "left" if off < 0 else "right"}
    middle = g.width / 2
    evidence = (
        Evidence("line", "middle", ((middle, 0.0), (middle, g.height))),
        Evidence("points", "face", ((x, y),)),
    )
    return Measurement(
        (
            Measure("offset_x", abs(off), "width", words, evidence),
            Measure("height_down", height / g.height, "height", words, (Evidence.box("head", g.head),)),
        )
    )
