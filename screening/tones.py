"""Pixels as stored to 8-bit sRGB as a viewer shows them: palette, 16 bit, CMYK, profile, transparency."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image as PillowImage, ImageCms

from screening.errors import UnsupportedFormat

_ALPHA = ("RGBA", "LA", "PA", "La", "RGBa")
_BITS_PER_SAMPLE = 258
_srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def to_rgb(picture: PillowImage.Image, name: str, notes: list[str]) -> PillowImage.Image:
    """A loaded picture of any mode as mode RGB: its profile applied, then its transparent parts laid on white.

    Adds a sentence to `notes` for a profile that was applied or could not be, and for transparent parts.

    Raises UnsupportedFormat for pixels of 32 bits or in colours that no viewer shows.
    """
    profile = picture.info.get("icc_profile")
    picture = _eight_bit(picture, name)
    alpha = None
    if picture.mode in _ALPHA or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        alpha = picture.getchannel("A")
        picture = picture.convert("RGB")
    elif picture.mode == "P":
        picture = picture.convert("RGB")
    elif picture.mode == "1":
        picture = picture.convert("L")
    if profile:
        picture = _apply(profile, picture, notes)
    if picture.mode != "RGB":
        picture = picture.convert("RGB")
    if alpha is not None and alpha.getextrema()[0] != 255:
        white = PillowImage.new("RGB", picture.size, "white")
        white.paste(picture, mask=alpha)
        picture = white
        notes.append("Transparent parts are looked at on white, as most viewers show them.")
    return picture


def profile_name(picture: PillowImage.Image) -> str | None:
    """Description of the embedded ICC profile; "unreadable" for a broken one, None without one."""
    data = picture.info.get("icc_profile")
    if not data:
        return None
    try:
        return ImageCms.getProfileDescription(_open(data)).strip() or "unnamed"
    except (OSError, ImageCms.PyCMSError, ValueError, TypeError):
        return "unreadable"


def bit_depth(picture: PillowImage.Image) -> int:
    """Bits per channel as stored, where Pillow tells (16-bit PNG and TIFF), else 8."""
    tags = getattr(picture, "tag_v2", None)
    if tags is not None:
        bits = tags.get(_BITS_PER_SAMPLE, (8,))
        return int(max(bits) if isinstance(bits, tuple) else bits)
    tile = getattr(picture, "tile", ())
    raw = str(tile[0].args) if tile else picture.mode
    return 16 if ";16" in raw or picture.mode.startswith("I;16") else 8


def _eight_bit(picture: PillowImage.Image, name: str) -> PillowImage.Image:
    if picture.mode.startswith("I;16"):
        return PillowImage.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode in ("I", "F"):
        raise UnsupportedFormat(
            f"{name} has 32 bits per channel, which there is no one way of showing; save it as JPEG or PNG."
        )
    if picture.mode in ("LAB", "HSV"):
        raise UnsupportedFormat(f"{name} has {picture.mode} colours; save it as JPEG or PNG in RGB.")
    return picture


def _open(data: bytes) -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(BytesIO(data))


def _apply(data: bytes, picture: PillowImage.Image, notes: list[str]) -> PillowImage.Image:
    """The picture in sRGB, or as it is where the profile is sRGB, broken or meant for other channels."""
    try:
        profile = _open(data)
        name = ImageCms.getProfileDescription(profile).strip()
        if picture.mode == "RGB" and name.lower().startswith("srgb"):
            return picture
        shown = ImageCms.profileToProfile(
            picture,
            profile,
            _srgb,
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (OSError, ImageCms.PyCMSError, ValueError, TypeError):
        notes.append("The colour profile is broken and was ignored, as viewers do.")
        return picture
    notes.append(f"The colours were converted from the profile {name or 'unnamed'} to sRGB.")
    return shown or picture
