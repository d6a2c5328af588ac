"""The file is a JPEG or PNG picture.

What it measures
----------------
The format by the file's content (its name does not matter) and the number of frames.

Why
---
The training call takes JPG and PNG only. A file that a phone or a browser saved as HEIC, WebP or AVIF is refused even
when it carries the ending `.jpg`.

Limits
------
Anything but JPEG and PNG fails; an animated PNG warns, since only its first frame would be used.

Blind spots
-----------
A JPEG that is valid but unusual (CMYK, 12 bit) is accepted here and named in the report's notes; the vendor's own
decoder may still refuse it.
"""

from __future__ import annotations

from screening.rules.base import rule
from screening.scene import Scene
from screening.types import Measure, Measurement

ACCEPTED = ("JPEG", "PNG", "MPO", "ARRAY")
"""MPO is a JPEG with further pictures behind it (phones write it); ARRAY are pixels given without a file."""


@rule(title="JPG or PNG", needs=(), measures=("accepted_format", "frames"))
def measure(scene: Scene) -> Measurement:
    """`accepted_format`: 1 or 0; `frames`: pictures in the file."""
    facts = scene.facts
    words = {"format": facts.format}
    frames = facts.frames if facts.format == "PNG" else 1
    return Measurement(
        (
            Measure("accepted_format", float(facts.format in ACCEPTED), "", words),
            Measure("frames", float(frames), "frames", words),
        )
    )
