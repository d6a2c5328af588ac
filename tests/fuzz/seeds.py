"""Small whole files of every kind, from one public-domain portrait: what mutants are made from."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from PIL import Image, ImageCms

SIDE = 96
"""Pixels: far below what the rule `resolution` asks for, so that no mutant may pass."""


@cache
def portrait(side: int = SIDE) -> Image.Image:
    from skimage import data

    return Image.fromarray(data.astronaut()[:330, 60:390]).resize((side, side))  # type: ignore[no-untyped-call]


def encoded(kind: str, mode: str = "RGB", **options: Any) -> bytes:
    out = io.BytesIO()
    portrait().convert(mode).save(out, kind, **options)
    return out.getvalue()


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(
    width: int, height: int, rows: bytes, *, depth: int = 8, colour: int = 2, interlaced: bool = False
) -> bytes:
    """A PNG of raw filtered rows, whatever they are."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*c) for c in chunks)


def interlaced_png() -> bytes:
    """Adam7, which Pillow reads and does not write."""
    pixels = np.asarray(portrait())
    passes = (0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)
    rows = (b"\0" + row.tobytes() for y, x, dy, dx in passes for row in pixels[y::dy, x::dx])
    return png(SIDE, SIDE, b"".join(rows), interlaced=True)


def arithmetic_jpeg() -> bytes:
    """A JPEG that says it is arithmetic-coded (SOF9) and is not: decoders with and without it meet garbage."""
    return encoded("JPEG").replace(b"\xff\xc0", b"\xff\xc9", 1)


def with_metadata() -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x9286] = 6, "maker", "comment" * 50
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return encoded("JPEG", exif=exif, icc_profile=profile, xmp=b"<x:xmpmeta/>", comment=b"comment")


IMAGES: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: encoded("JPEG"),
    "jpeg-progressive": lambda: encoded("JPEG", progressive=True),
    "jpeg-cmyk": lambda: encoded("JPEG", "CMYK"),
    "jpeg-grey": lambda: encoded("JPEG", "L"),
    "jpeg-restarts": lambda: encoded("JPEG", restart_marker_rows=1, subsampling="4:4:4"),
    "jpeg-arithmetic": arithmetic_jpeg,
    "jpeg-metadata": with_metadata,
    "png": lambda: encoded("PNG"),
    "png-palette": lambda: encoded("PNG", "P", transparency=0),
    "png-alpha": lambda: encoded("PNG", "RGBA"),
    "png-16": lambda: encoded("PNG", "I;16"),
    "png-interlaced": interlaced_png,
    "apng": lambda: encoded("PNG", save_all=True, append_images=[portrait().rotate(90)]),
    "gif": lambda: encoded("GIF", save_all=True, append_images=[portrait().rotate(90).convert("P")]),
    "webp": lambda: encoded("WEBP"),
    "tiff": lambda: encoded("TIFF", compression="tiff_lzw"),
    "tiff-jpeg": lambda: encoded("TIFF", compression="jpeg"),
    "bmp": lambda: encoded("BMP"),
    "avif": lambda: encoded("AVIF"),
}


def archive_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a.jpg", "folder/b.png", "notes.txt"):
            archive.writestr(name, encoded("JPEG")[:600])
    return out.getvalue()


def archive_tar(mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name in ("a.jpg", "folder/b.png", "notes.txt"):
            info = tarfile.TarInfo(name)
            info.size = 600
            archive.addfile(info, io.BytesIO(encoded("JPEG")[:600]))
    return out.getvalue()


ARCHIVES: dict[str, Callable[[], bytes]] = {
    "a.zip": archive_zip,
    "a.tar": archive_tar,
    "a.tar.gz": lambda: archive_tar("w:gz"),
    "a.tar.xz": lambda: archive_tar("w:xz"),
    "a.tar.bz2": lambda: archive_tar("w:bz2"),
}


def policies() -> dict[str, Callable[[], bytes]]:
    small = b'name = "mine"\nextends = "tavus-image"\n'
    small += b'[rules.pose.measures.yaw]\nfail_above = 20.0\nfix = "Turn {side}."\n'
    shipped = resources.files("screening.policies").joinpath("tavus-image.toml").read_bytes()
    return {"small.toml": lambda: small, "shipped.toml": lambda: shipped}


def reports() -> dict[str, Callable[[], bytes]]:
    """A report of an assessed photo and one of an error, as lines."""
    from screening import Screener
    from screening.errors import NotAnImage

    screener = Screener(rules=["format"])
    lines = (
        screener.screen(encoded("JPEG"), "a.jpg").to_json(),
        screener.error_report("b", NotAnImage("b: no.")),
    )
    whole = lines[0] + "\n" + lines[1].to_json() + "\n"
    return {"reports.jsonl": lambda: whole.encode(), "line.jsonl": lambda: (lines[0] + "\n").encode()}
