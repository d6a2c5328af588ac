"""Which image format a file has, by its first bytes, and Pillow's decoder for it."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from screening.errors import UnsupportedFormat

Decoder = Callable[[BytesIO], ImageFile.ImageFile]

_DECODERS: dict[str, Decoder] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
}
FORMATS = (*_DECODERS, "HEIC")
"""What can be decoded, HEIC only with the extra `heic`. The rule `format` fails all but JPEG and PNG."""

UNSUPPORTED = {
    "JPEG2000": "a JPEG 2000 picture, which this software does not open",
    "JXL": "a JPEG XL picture, which this software does not open",
    "PSD": "a Photoshop document, not a photo",
    "PDF": "a PDF document, not a photo",
    "SVG": "a vector drawing (SVG), not a photo",
    "ICO": "an icon, not a photo",
    "VIDEO": "a video, not a photo",
}

_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    (b"\xff\x0a", "JXL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JXL"),
    (b"8BPS", "PSD"),
    (b"%PDF-", "PDF"),
    (b"\0\0\x01\0", "ICO"),
    (b"\x1aE\xdf\xa3", "VIDEO"),
)
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_AVIF = {b"avif", b"avis"}


def sniff(data: bytes) -> str | None:
    """A name of `FORMATS` or of `UNSUPPORTED`, or None for what is no picture at all."""
    if data[4:8] == b"ftyp":
        return _media(data)
    if data[:4] == b"RIFF":
        return {b"WEBP": "WEBP", b"AVI ": "VIDEO"}.get(data[8:12])
    if (
        data[:2] == b"BM" and data[6:10] == b"\0\0\0\0"
    ):  # the reserved field: two letters alone begin many texts
        return "BMP"
    found = next((kind for start, kind in _SIGNATURES if data.startswith(start)), None)
    if found is None and data.lstrip()[:5].lower() in (b"<svg ", b"<?xml") and b"<svg" in data[:4096].lower():
        return "SVG"
    return found


def _media(data: bytes) -> str:
    """ISO base media files: the brands behind `ftyp` tell pictures from videos, and AVIF from HEIC."""
    size = min(int.from_bytes(data[:4], "big"), 256)
    brands = {data[8:12], *(data[i : i + 4] for i in range(16, size, 4))}
    if brands & _AVIF:
        return "AVIF"
    if brands & _HEIC or data[8:12] in (b"mif1", b"msf1"):
        return "HEIC"
    return "VIDEO"


def plugin(kind: str, name: str) -> Decoder:
    """The decoder of a format. Raises UnsupportedFormat for HEIC without its extra."""
    if kind != "HEIC":
        return _DECODERS[kind]
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise UnsupportedFormat(
            f"{name} is a HEIC picture, which opens only with the extra `screening[heic]`; "
            "save it as JPEG, or install the extra."
        ) from error
    decoder: Decoder = HeifImageFile
    return decoder
