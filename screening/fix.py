"""Mends what can be mended without inventing pixels: orientation, format, colour profile, and a crop."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image as PillowImage

from screening.decode import decode
from screening.policy import Policy
from screening.report import Crop, Report
from screening.screener import Screener
from screening.source import read
from screening.types import Box, Image, ImageFacts

QUALITY = 95
"""Of the JPEG written; with all colour samples kept, its traces lie below what any rule looks at."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """The mended photo (JPEG, or PNG where the given one was), the report on it, and what was done, a sentence each."""

    image_bytes: bytes
    report: Report
    actions: tuple[str, ...]


def fix(source: str | Path | bytes | BinaryIO, policy: str | Path | Policy = "tavus-image") -> Fixed:
    """Mend a photo and screen the result. Where there is nothing to mend, `image_bytes` are the given ones.

    The crop is the report's own; it never enlarges. Raises SourceError or DecodeError where there is no photo to mend,
    and ModelError where a network is missing.
    """
    screener = Screener(policy)
    data, name = read(source)
    before = screener.screen(data, name)
    photo = decode(data, name, full=True)
    actions = _reasons(photo.facts)
    if before.crop is not None:
        actions.append(_crop_sentence(before.crop))
    if not actions:
        return Fixed(data, before, ())
    pixels = photo.pixels if before.crop is None else _cropped(photo.pixels, before.crop.box)
    mended = _encoded(pixels, "PNG" if photo.facts.format == "PNG" else "JPEG")
    return Fixed(mended, screener.screen(mended, name), tuple(actions))


def _reasons(facts: ImageFacts) -> list[str]:
    """Why the file is to be written anew, apart from the crop."""
    reasons = []
    if facts.orientation != 1:
        reasons.append("Turned upright: the file only had a note of how to turn it.")
    if facts.format not in ("JPEG", "PNG"):
        reasons.append(f"Saved as JPEG instead of {facts.format}.")
    elif facts.mode not in ("RGB", "L") or facts.frames > 1 or facts.bit_depth > 8:
        reasons.append(
            f"Saved as a plain {facts.format} of one picture with 8-bit colours (it was {facts.mode})."
        )
    if facts.profile is not None and "srgb" not in facts.profile.lower():
        reasons.append(f"Colours converted to sRGB from the profile {facts.profile}.")
    return reasons


def _crop_sentence(crop: Crop) -> str:
    size = f"{crop.box.width:.0f} x {crop.box.height:.0f} pixels"
    return f"Cropped to {size} at ({crop.box.left:.0f}, {crop.box.top:.0f}), which mends {' and '.join(crop.mends)}."


def _cropped(pixels: Image, box: Box) -> Image:
    left, top, right, bottom = (round(v) for v in (box.left, box.top, box.right, box.bottom))
    return pixels[top:bottom, left:right]


def _encoded(pixels: Image, kind: str) -> bytes:
    file = io.BytesIO()
    options = {"quality": QUALITY, "subsampling": 0} if kind == "JPEG" else {}
    PillowImage.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()
