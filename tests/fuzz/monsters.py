"""Files built to hurt: what each claims, and how it must end."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

from PIL import Image

from tests.fuzz import seeds
from tests.fuzz.seeds import encoded, png, png_chunk

SHOWN = "shown"
"""It ends in a picture; anything else is the code of an error."""


def segment(marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def in_jpeg(*segments: bytes) -> bytes:
    """A whole JPEG with segments put in behind its start."""
    whole = encoded("JPEG")
    return whole[:2] + b"".join(segments) + whole[2:]


def endless_exif() -> bytes:
    """A directory whose next directory and whose sub-directories are itself."""
    entry = struct.pack("<HHII", 0x8769, 4, 1, 8)
    orientation = struct.pack("<HHIHH", 0x0112, 3, 1, 1, 0)
    directory = struct.pack("<H", 2) + orientation + entry + struct.pack("<I", 8)
    return b"Exif\0\0II*\0\x08\0\0\0" + directory


def lying_exif() -> bytes:
    """A tag that claims four thousand million values."""
    entry = struct.pack("<HHII", 0x0112, 5, 0xFFFFFFFF, 0xFFFFFFF0)
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 65535) + entry


def many_profiles() -> bytes:
    """255 chunks of a colour profile, in reverse order, some 16 MB of it."""
    body = b"\xaa" * 65000
    return in_jpeg(*(segment(0xE2, b"ICC_PROFILE\0" + bytes([i, 255]) + body) for i in range(255, 0, -1)))


def saying(data: bytes, width: int, height: int) -> bytes:
    """A baseline JPEG that claims other dimensions."""
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def text_bomb(chunk: bytes) -> bytes:
    """A PNG whose compressed metadata unfolds to 200 MB."""
    packed = zlib.compress(bytes(200 << 20), 9)
    heads = {b"zTXt": b"k\0\0", b"iCCP": b"k\0\0", b"iTXt": b"k\0\1\0\0\0"}
    whole = encoded("PNG")
    return whole[:33] + png_chunk(chunk, heads[chunk] + packed) + whole[33:]


def pixel_bomb(width: int, height: int) -> bytes:
    """A few hundred kilobytes that unfold to width x height pixels of one bit."""
    squeeze = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    body = b"".join(squeeze.compress(row) for _ in range(height)) + squeeze.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", body), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*c) for c in chunks)


def zip_behind() -> bytes:
    out = io.BytesIO(encoded("JPEG"))
    out.seek(0, 2)
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("evil.sh", "#!/bin/sh")
    return out.getvalue()


def endless_tiff() -> bytes:
    """A TIFF whose directory follows itself."""
    whole = bytearray(encoded("TIFF"))
    first = struct.unpack_from("<I", whole, 4)[0]
    entries = struct.unpack_from("<H", whole, first)[0]
    struct.pack_into("<I", whole, first + 2 + 12 * entries, first)
    return bytes(whole)


def long(width: int, height: int, kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "grey").save(out, kind)
    return out.getvalue()


def scans(count: int) -> bytes:
    """A progressive JPEG whose last scan is repeated: little to store, much to decode."""
    whole = encoded("JPEG", progressive=True)
    last = whole.rindex(b"\xff\xda")
    return whole[:last] + whole[last:-2] * count + b"\xff\xd9"


MONSTERS: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "empty"),
    "one byte": (lambda: b"\xff", "not_an_image"),
    "only a start": (lambda: b"\xff\xd8\xff", "truncated"),
    "text": (lambda: b"not an image at all\n" * 100, "not_an_image"),
    "endless EXIF": (lambda: in_jpeg(segment(0xE1, endless_exif())), SHOWN),
    "lying EXIF": (lambda: in_jpeg(segment(0xE1, lying_exif())), SHOWN),
    "100 EXIF segments": (lambda: in_jpeg(*[segment(0xE1, b"Exif\0\0" + b"\xff" * 60000)] * 100), SHOWN),
    "huge XMP": (
        lambda: in_jpeg(*[segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b"<a>" * 20000)] * 200),
        SHOWN,
    ),
    "255 profile chunks": (many_profiles, SHOWN),
    "claims 65500 x 65500": (lambda: saying(encoded("JPEG"), 65500, 65500), "too_many_pixels"),
    "claims 9000 x 9000": (lambda: saying(encoded("JPEG"), 9000, 9000), "truncated"),
    "claims 0 x 0": (lambda: saying(encoded("JPEG"), 0, 0), "not_an_image"),
    "PNG of 0 x 0": (lambda: png(0, 0, b""), "not_an_image"),
    "PNG of 2^31 - 1": (lambda: png(2**31 - 1, 2**31 - 1, b""), "too_many_pixels"),
    "PNG without rows": (lambda: png(500, 500, b""), "truncated"),
    "PNG with a wrong sum": (lambda: encoded("PNG").replace(b"IEND\xaeB`\x82", b"IEND\0\0\0\0"), SHOWN),
    "zTXt bomb": (lambda: text_bomb(b"zTXt"), "not_an_image"),
    "iTXt bomb": (lambda: text_bomb(b"iTXt"), "not_an_image"),
    "iCCP bomb": (lambda: text_bomb(b"iCCP"), "not_an_image"),
    "a gigapixel in a hundred kB": (lambda: pixel_bomb(33000, 33000), "too_many_pixels"),
    "81 megapixels in ten kB": (lambda: pixel_bomb(9000, 9000), SHOWN),
    "1 x 65500": (lambda: long(1, 65500, "PNG"), "bad_dimensions"),
    "65500 x 1": (lambda: long(65500, 1, "JPEG"), "bad_dimensions"),
    "zip behind a JPEG": (zip_behind, SHOWN),
    "script in a GIF": (lambda: b"GIF89a=1;alert(1)/*" + encoded("GIF") + b"*/", "not_an_image"),
    "PDF and JPEG": (lambda: b"%PDF-1.4\n" + encoded("JPEG"), "unsupported_format"),
    "JPEG in a PNG's name": (lambda: encoded("JPEG"), SHOWN),
    "endless TIFF": (endless_tiff, SHOWN),
    "arithmetic-coded, or said to be": (seeds.arithmetic_jpeg, SHOWN),
    "2000 scans": (lambda: scans(2000), SHOWN),
    "interlaced": (seeds.interlaced_png, SHOWN),
    "animated PNG": (seeds.IMAGES["apng"], SHOWN),
    "16 bits": (seeds.IMAGES["png-16"], SHOWN),
    "CMYK": (seeds.IMAGES["jpeg-cmyk"], SHOWN),
    "palette with transparency": (seeds.IMAGES["png-palette"], SHOWN),
}
