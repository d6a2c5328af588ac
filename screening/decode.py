"""Bytes to the upright sRGB picture that a viewer would show, with the facts about the file.

The format is told by the first bytes, never by the name. Everything that costs memory is refused from the header
alone: Pillow's own plugin classes are called directly rather than `Image.open`, so that no other format is tried and
no limit of the whole process (`Image.MAX_IMAGE_PIXELS`) is read or changed. Pillow's warnings end as notes.
"""

from __future__ import annotations

import hashlib
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image as PillowImage, ImageFile

from screening import errors
from screening.formats import FORMATS, UNSUPPORTED, plugin, sniff
from screening.source import MAX_BYTES, UNNAMED
from screening.tones import bit_depth, profile_name, to_rgb
from screening.types import Image, ImageFacts, Photo

REDUCE_ABOVE = 4_000_000
"""Photos of more pixels are reduced to a half or a quarter; no rule needs more."""
LONG_SIDE = 1600
"""A reduced photo keeps at least this many pixels on its longer side."""

_UPRIGHT = {
    2: PillowImage.Transpose.FLIP_LEFT_RIGHT,
    3: PillowImage.Transpose.ROTATE_180,
    4: PillowImage.Transpose.FLIP_TOP_BOTTOM,
    5: PillowImage.Transpose.TRANSPOSE,
    6: PillowImage.Transpose.ROTATE_270,
    7: PillowImage.Transpose.TRANSVERSE,
    8: PillowImage.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112

# `warnings.catch_warnings` swaps state of the whole process before Python 3.14, so one header is read at a time.
_header_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Limits:
    """What decoding refuses. Sides in pixels; aspect = longer side / shorter side.

    Below 16 px there is nothing to look at, and no portrait is 20 times as long as wide: such files are icons, rules
    and banners, and the networks' inputs would be nothing but padding.
    """

    max_bytes: int = MAX_BYTES
    max_pixels: int = 100_000_000
    min_side: int = 16
    max_aspect: float = 20.0


def decode(data: bytes, name: str = UNNAMED, limits: Limits = Limits(), *, full: bool = False) -> Photo:
    """The photo in `data`: upright, sRGB, transparent parts on white, the first picture of several.

    A photo of more than 4 megapixels comes reduced (`Photo.scale` 1/2 or 1/4) unless `full`; its facts tell the full
    size. `facts.frames`: 2 stands for "more than one" in GIF and TIFF, whose pictures only a walk through the whole
    file would count.

    Raises TooLargeBytes, Empty, NotAnImage, Truncated, UnsupportedFormat, TooManyPixels or BadDimensions.
    """
    if len(data) > limits.max_bytes:
        raise errors.TooLargeBytes(
            f"{name} has {len(data) / 1e6:.0f} MB, more than the {limits.max_bytes / 1e6:.4g} MB accepted; "
            "save it smaller."
        )
    if not data:
        raise errors.Empty(f"{name} has no content (0 bytes); copy or download it again.")
    kind = sniff(data)
    if kind in UNSUPPORTED:
        raise errors.UnsupportedFormat(f"{name} is {UNSUPPORTED[kind]}; save it as JPEG or PNG.")
    if kind not in FORMATS:
        raise errors.NotAnImage(f"{name} is not an image, whatever its name says; give a JPEG or PNG photo.")
    notes: list[str] = []
    try:
        with _heard(kind, notes):
            picture = plugin(kind, name)(BytesIO(data))
            _check_size(picture.size, name, limits)
            _check_enough(picture.size, kind, len(data), name)
            orientation = _orientation(picture)
        photo = _photo(
            picture, name, kind, orientation, notes, hashlib.sha256(data).hexdigest(), len(data), full
        )
    except errors.ScreeningError:
        raise
    except MemoryError as error:
        raise errors.TooManyPixels(f"{name} needs more memory than there is; save it smaller.") from error
    except Exception as error:
        raise _broken(data, name, kind, error) from error
    return photo


def decode_array(
    picture: Image | PillowImage.Image,
    name: str = UNNAMED,
    limits: Limits = Limits(),
) -> Photo:
    """The photo of pixels: a (height, width, 3) uint8 RGB array as it is, or a PIL image shown as a viewer would.

    `facts.format` is "ARRAY", or the PIL image's own if it was opened from a file; `facts.sha256` and `facts.bytes`
    are those of the upright full-size pixels, since there is no file.

    Raises NotAnImage, Truncated, UnsupportedFormat, TooManyPixels or BadDimensions.
    """
    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise errors.NotAnImage(
                f"{name} is an array of {picture.dtype} {picture.shape}; give uint8 of shape (height, width, 3), RGB."
            )
        _check_size((picture.shape[1], picture.shape[0]), name, limits)
        picture = PillowImage.fromarray(np.ascontiguousarray(picture))
        kind = "ARRAY"
    else:
        _check_size(picture.size, name, limits)
        kind = picture.format or "ARRAY"
    notes: list[str] = []
    try:
        with _heard(kind, notes):
            orientation = _orientation(picture)
        picture.load()
        full = to_rgb(picture, name, notes)
    except errors.ScreeningError:
        raise
    except Exception as error:
        raise _broken(b"", name, kind, error) from error
    if orientation in _UPRIGHT:
        full = full.transpose(_UPRIGHT[orientation])
    facts = ImageFacts(
        name=name,
        sha256=hashlib.sha256(full.tobytes()).hexdigest(),
        format=kind,
        width=full.width,
        height=full.height,
        bytes=full.width * full.height * 3,
        orientation=orientation,
        mode=picture.mode,
        frames=_frames(picture),
        profile=profile_name(picture),
        notes=tuple(notes),
    )
    factor = reduction(full.size)
    return Photo(np.asarray(full.reduce(factor) if factor > 1 else full), facts, 1 / factor)


def reduction(size: tuple[int, int]) -> int:
    """By how much a photo of that size is reduced: 1, 2 or 4."""
    if size[0] * size[1] <= REDUCE_ABOVE:
        return 1
    return next((s for s in (4, 2) if max(size) / s >= LONG_SIDE), 1)


@contextmanager
def _heard(kind: str, notes: list[str]) -> Iterator[None]:
    """Warnings that Pillow gives inside become notes."""
    with _header_lock, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    notes += [f"{kind} decoder: {w.message}" for w in caught]


def _photo(
    picture: ImageFile.ImageFile,
    name: str,
    kind: str,
    orientation: int,
    notes: list[str],
    sha256: str,
    size: int,
    full: bool,
) -> Photo:
    width, height = picture.size
    mode, frames, depth, profile = picture.mode, _frames(picture), bit_depth(picture), profile_name(picture)
    _note(picture, kind, frames, depth, notes)
    factor = 1 if full else reduction((width, height))
    if factor > 1:
        picture.draft(None, (width // factor, height // factor))  # JPEG only: decodes at that scale
    with _heard(kind, notes) if kind == "TIFF" else nullcontext():  # TIFF's tags are read again while loading
        picture.load()
    upright = to_rgb(picture, name, notes)
    if factor > 1 and upright.width == width:
        upright = upright.reduce(factor)
    if kind == "TIFF":  # Pillow itself turns a TIFF, and tells its size upright
        pass
    elif orientation in _UPRIGHT:
        upright = upright.transpose(_UPRIGHT[orientation])
        if orientation >= 5:
            width, height = height, width
    facts = ImageFacts(
        name,
        sha256,
        kind,
        width,
        height,
        size,
        orientation,
        mode,
        frames,
        depth,
        profile,
        tuple(dict.fromkeys(notes)),
    )
    return Photo(np.asarray(upright), facts, 1 / factor)


def _note(picture: ImageFile.ImageFile, kind: str, frames: int, depth: int, notes: list[str]) -> None:
    if frames > 1:
        what = "several pages" if kind == "TIFF" else "several pictures (it is animated)"
        notes.append(f"The file holds {what}; the first is looked at.")
    if "mp" in picture.info:
        notes.append("The JPEG carries further pictures behind the first, which is looked at.")
    if depth > 8:
        notes.append(f"The file has {depth} bits per channel; it is looked at with 8, as a screen shows it.")
    if picture.mode == "CMYK":
        notes.append("The file has printing colours (CMYK); it is looked at in RGB.")


def _check_size(size: tuple[int, int], name: str, limits: Limits) -> None:
    width, height = size
    if width * height > limits.max_pixels:
        raise errors.TooManyPixels(
            f"{name} has {width}x{height} pixels, more than the {limits.max_pixels / 1e6:.4g} megapixels accepted; "
            "save it smaller."
        )
    if min(size) < limits.min_side:
        raise errors.BadDimensions(
            f"{name} is {width}x{height} pixels; a photo needs at least {limits.min_side} on each side: "
            "give the original."
        )
    if max(size) > limits.max_aspect * min(size):
        raise errors.BadDimensions(
            f"{name} is {width}x{height} pixels, more than {limits.max_aspect:.4g} times as long as wide; "
            "give a portrait."
        )


def _check_enough(size: tuple[int, int], kind: str, length: int, name: str) -> None:
    """A JPEG spends at least a bit on each block of 8 x 8 pixels; one that claims more blocks shows mostly nothing."""
    if kind == "JPEG" and size[0] * size[1] > length * 8 * 64:
        raise errors.Truncated(
            f"{name} has far less content than its {size[0]}x{size[1]} pixels need; copy or download it again."
        )


def _orientation(picture: PillowImage.Image) -> int:
    """EXIF orientation, 1 where there is none or a wrong one. XMP's is left out: viewers do not follow it."""
    if picture.format == "TIFF":
        value = getattr(picture, "tag_v2", {}).get(_ORIENTATION, 1)
    else:
        # Looked up in `info` rather than by `getexif`, which would decode the whole PNG first.
        raw = picture.info.get("exif")
        exif = PillowImage.Exif()
        try:
            exif.load(raw or b"")
        except Exception:  # noqa: BLE001 damaged EXIF is no reason to refuse the pixels
            return 1
        value = exif.get(_ORIENTATION, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _frames(picture: PillowImage.Image) -> int:
    if picture.format in ("GIF", "TIFF"):
        return 2 if getattr(picture, "is_animated", False) else 1
    return int(getattr(picture, "n_frames", 1))


def _broken(data: bytes, name: str, kind: str, error: Exception) -> errors.DecodeError:
    """What to say of a file that begins as an image and cannot be decoded: cut off, or damaged."""
    if "-bit layers" in str(error):  # Pillow's words for a JPEG with 12 bits per channel
        return errors.UnsupportedFormat(
            f"{name} is a JPEG with more than 8 bits per channel; save it with 8."
        )
    ends = {"JPEG": b"\xff\xd9", "PNG": b"IEND", "GIF": b"\x3b"}.get(kind)
    cut = ends is not None and ends not in data[-4096:]
    if kind == "WEBP":
        cut = len(data) < 12 or len(data) < int.from_bytes(data[4:8], "little") + 8
    if cut or any(
        word in str(error).lower() for word in ("truncated", "eof", "unexpected end", "not enough")
    ):
        return errors.Truncated(
            f"{name} ends before the {kind} picture is complete; copy or download it again."
        )
    return errors.NotAnImage(
        f"{name} begins like a {kind} picture but is damaged; save it anew as JPEG or PNG."
    )
