"""Bad and unusual images: each has its code and one sentence, or looks as a viewer would show it."""

from __future__ import annotations

import struct
import warnings
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.Image import Transpose

from screening import errors
from screening.decode import Limits, decode, decode_array, reduction
from screening.formats import FORMATS
from tests.conftest import Encode

STORED_AS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_90,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_270,
}
"""How a camera that writes this orientation has stored an upright scene (the inverse of what a viewer does)."""


def oriented(upright: Image.Image, orientation: int) -> Image.Image:
    return upright.transpose(STORED_AS[orientation]) if orientation > 1 else upright


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


def png(width: int, height: int, *, depth: int = 8, colour: int = 2, body: bytes = b"") -> bytes:
    """A PNG made of its header and `body` alone, whatever it says about its size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(body))
        + chunk(b"IEND", b"")
    )


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF"])
def test_formats_are_told_by_content_and_decoded(portrait: Image.Image, encode: Encode, kind: str) -> None:
    photo = decode(encode(portrait, kind), "misnamed.txt")
    facts = photo.facts
    assert (facts.format, facts.width, facts.height, facts.name) == (kind, 512, 512, "misnamed.txt")
    assert photo.pixels.shape == (512, 512, 3)
    assert photo.pixels.dtype == np.uint8
    assert difference(photo.pixels, np.asarray(portrait)) < (12 if kind == "GIF" else 4)


def test_heic_needs_its_extra(portrait: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    heif = pytest.importorskip("pillow_heif")
    out = BytesIO()
    heif.from_pillow(portrait).save(out)
    assert decode(out.getvalue()).facts.format == "HEIC"
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)  # as if it were not installed
    with pytest.raises(errors.UnsupportedFormat, match=r"a\.heic .* extra `screening\[heic\]`"):
        decode(out.getvalue(), "a.heic")


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (b"", errors.Empty, "0 bytes"),
        (b"hello, this is a text", errors.NotAnImage, "not an image"),
        (b"\0" * 1000, errors.NotAnImage, "not an image"),
        (b"MZ\x90\0" + b"\0" * 100, errors.NotAnImage, "not an image"),
        (b"%PDF-1.7\n...", errors.UnsupportedFormat, "PDF"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', errors.UnsupportedFormat, "SVG"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1", errors.UnsupportedFormat, "video"),
        (b"RIFF\0\0\0\0AVI LIST", errors.UnsupportedFormat, "video"),
        (b"\xff\x0a\0\0", errors.UnsupportedFormat, "JPEG XL"),
        (b"\xff\xd8\xff", errors.Truncated, "complete"),
        (b"\x89PNG\r\n\x1a\n", errors.Truncated, "complete"),
        (b"\x89PNG\r\n\x1a\n" + b"IEND" * 9, errors.NotAnImage, "damaged"),
        (b"BMW is a maker of cars", errors.NotAnImage, "not an image"),
        (b"BM" + b"\0" * 60, errors.NotAnImage, "damaged"),
        (png(64, 64, colour=9, body=b"\0" * 64), errors.NotAnImage, "damaged"),
    ],
)
def test_what_is_no_image(data: bytes, error: type[errors.DecodeError], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        decode(data, "x.jpg")
    assert str(caught.value).startswith("x.jpg ")
    assert caught.value.code == error.code


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_cut_off_files_are_refused(portrait: Image.Image, encode: Encode, kind: str, share: float) -> None:
    data = encode(portrait, kind)
    with pytest.raises((errors.Truncated, errors.NotAnImage)) as caught:
        decode(data[: int(len(data) * share)], "half.img")
    assert str(caught.value).startswith("half.img ")
    if kind in ("JPEG", "PNG", "GIF", "WEBP"):
        assert isinstance(caught.value, errors.Truncated)


def test_bombs_are_refused_from_the_header(portrait: Image.Image, encode: Encode) -> None:
    # 40,000 x 40,000 black pixels in 5 MB of file would be 4.8 GB of memory.
    with pytest.raises(errors.TooManyPixels, match="40000x40000"):
        decode(png(40_000, 40_000, body=b"\0" * 1000), "bomb.png")
    with pytest.raises(errors.TooManyPixels):
        decode_array(np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (11_000, 11_000, 3)), "bomb")
    with pytest.raises(errors.TooLargeBytes, match=r"big\.jpg"):
        decode(b"\xff\xd8\xff" * 100, "big.jpg", Limits(max_bytes=100))
    assert decode(encode(portrait, "PNG"), limits=Limits(max_pixels=512 * 512)).facts.width == 512
    with pytest.raises(errors.TooManyPixels):
        decode(encode(portrait, "PNG"), limits=Limits(max_pixels=512 * 512 - 1))


def test_the_limits_of_the_process_are_left_alone(portrait: Image.Image, encode: Encode) -> None:
    before = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    decode(encode(portrait, "JPEG"))
    assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters)) == before


@pytest.mark.parametrize("size", [(1, 1), (15, 15), (3000, 15), (4000, 100), (100, 4000)])
def test_tiny_and_extremely_long_images(size: tuple[int, int], encode: Encode) -> None:
    with pytest.raises(errors.BadDimensions, match=f"{size[0]}x{size[1]}"):
        decode(encode(Image.new("RGB", size), "PNG"), "strip.png")
    with pytest.raises(errors.BadDimensions):
        decode_array(np.zeros((size[1], size[0], 3), np.uint8))


def test_a_png_without_pixels_is_refused() -> None:
    with pytest.raises(errors.DecodeError):
        decode(png(0, 0))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientations_show_the_same_photo(
    portrait: Image.Image, encode: Encode, kind: str, orientation: int
) -> None:
    upright = portrait.crop((0, 0, 512, 384))
    data = encode(
        oriented(upright, orientation),
        kind,
        exif=exif(orientation),
        **{"quality": 95} if kind == "JPEG" else {},
    )
    photo = decode(data)
    assert photo.facts.orientation == orientation
    assert (photo.facts.width, photo.facts.height) == (512, 384)
    assert photo.pixels.shape == (384, 512, 3)
    assert difference(photo.pixels, np.asarray(upright)) < 4


@pytest.mark.parametrize("raw", [exif(0), exif(9), b"Exif\0\0garbage", b"\xff" * 40])
def test_wrong_orientations_count_as_none(portrait: Image.Image, encode: Encode, raw: bytes) -> None:
    photo = decode(encode(portrait, "JPEG", exif=raw))
    assert photo.facts.orientation == 1
    assert difference(photo.pixels, np.asarray(portrait)) < 4


def test_transparency_shows_on_white(encode: Encode) -> None:
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    image.paste((200, 0, 0, 255), (0, 0, 32, 64))
    image.paste((0, 0, 0, 128), (32, 0, 64, 32))
    photo = decode(encode(image, "PNG"))
    assert photo.pixels[40, 10].tolist() == [200, 0, 0]
    assert photo.pixels[60, 60].tolist() == [255, 255, 255]
    assert photo.pixels[5, 60].tolist() == [127, 127, 127]
    assert any("white" in n for n in photo.facts.notes)
    opaque = decode(encode(image.crop((0, 0, 32, 64)), "PNG"))
    assert not any("white" in n for n in opaque.facts.notes)


def test_palette_with_and_without_transparency(portrait: Image.Image, encode: Encode) -> None:
    palette = portrait.quantize(256)
    expected = np.asarray(palette.convert("RGB"))
    photo = decode(encode(palette, "PNG"))
    assert photo.facts.mode == "P"
    assert np.array_equal(photo.pixels, expected)
    index = palette.getpixel((0, 0))
    clear = decode(encode(palette, "PNG", transparency=index))
    assert clear.pixels[0, 0].tolist() == [255, 255, 255]
    several = decode(encode(palette, "PNG", transparency=bytes([0] * 256)))
    assert (several.pixels == 255).all()


def test_sixteen_bits_show_as_eight(encode: Encode) -> None:
    ramp = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    grey = decode(encode(Image.fromarray(ramp), "PNG"))
    assert grey.facts.bit_depth == 16
    assert np.array_equal(grey.pixels, np.repeat((ramp >> 8).astype(np.uint8)[..., None], 3, 2))
    assert np.array_equal(decode(encode(Image.fromarray(ramp), "TIFF")).pixels, grey.pixels)
    rows = b"".join(b"\0" + struct.pack(">HHH", 65535, 32896, 0) * 64 for _ in range(64))
    colour = decode(png(64, 64, depth=16, body=rows))
    assert colour.facts.bit_depth == 16
    assert colour.pixels[30, 30].tolist() == [255, 128, 0]
    assert any("16 bits" in n for n in colour.facts.notes)


def test_a_jpeg_of_twelve_bits_is_named(portrait: Image.Image, encode: Encode) -> None:
    data = bytearray(encode(portrait, "JPEG"))
    data[data.index(b"\xff\xc0") + 4] = 12
    with pytest.raises(errors.UnsupportedFormat, match="8 bits"):
        decode(bytes(data))


@pytest.mark.parametrize("mode", ["I", "F"])
def test_thirty_two_bits_are_refused(mode: str, encode: Encode) -> None:
    with pytest.raises(errors.UnsupportedFormat, match=r"deep\.tif has 32 bits"):
        decode(encode(Image.new(mode, (64, 64)), "TIFF"), "deep.tif")


def test_black_and_white_and_grey(portrait: Image.Image, encode: Encode) -> None:
    grey = portrait.convert("L")
    photo = decode(encode(grey, "PNG"))
    assert np.array_equal(photo.pixels, np.repeat(np.asarray(grey)[..., None], 3, 2))
    bits = decode(encode(portrait.convert("1"), "PNG"))
    assert set(np.unique(bits.pixels)) == {0, 255}
    both = decode(encode(portrait.convert("LA"), "PNG"))
    assert np.array_equal(both.pixels, photo.pixels)


def test_cmyk_looks_as_its_rgb(portrait: Image.Image, encode: Encode) -> None:
    photo = decode(encode(portrait.convert("CMYK"), "JPEG", quality=95))
    assert photo.facts.mode == "CMYK"
    assert any("CMYK" in n for n in photo.facts.notes)
    assert difference(photo.pixels, np.asarray(portrait)) < 4


def test_profiles_are_applied(portrait: Image.Image, encode: Encode) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    same = decode(encode(portrait, "PNG", icc_profile=srgb.tobytes()))
    assert "sRGB" in (same.facts.profile or "")
    assert np.array_equal(same.pixels, np.asarray(portrait))
    swapped = decode(encode(portrait, "PNG", icc_profile=swapped_primaries(srgb.tobytes())))
    assert difference(swapped.pixels, np.asarray(portrait)[..., ::-1]) < 2
    assert any("converted" in n for n in swapped.facts.notes)


def swapped_primaries(profile: bytes) -> bytes:
    """An sRGB profile with the primaries of red and blue exchanged, and another description."""
    data = bytearray(profile)
    count = struct.unpack(">I", data[128:132])[0]
    where = {bytes(data[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i for i in range(count)}
    red, blue = where[b"rXYZ"] + 4, where[b"bXYZ"] + 4
    data[red : red + 8], data[blue : blue + 8] = data[blue : blue + 8], data[red : red + 8]
    return bytes(data).replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be"))


@pytest.mark.parametrize("profile", [b"broken", b"\0" * 200, "grey"])
def test_broken_profiles_are_ignored_with_a_note(
    portrait: Image.Image, encode: Encode, profile: bytes | str
) -> None:
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes() if profile == "grey" else profile
    photo = decode(encode(portrait, "PNG", icc_profile=data))
    assert np.array_equal(photo.pixels, np.asarray(portrait))
    assert any("profile" in n and "ignored" in n for n in photo.facts.notes)


def test_animations_show_their_first_picture(portrait: Image.Image, encode: Encode) -> None:
    small = portrait.resize((64, 64))
    black = Image.new("RGB", (64, 64))
    for kind in ("PNG", "GIF", "WEBP", "TIFF"):
        photo = decode(encode(small, kind, save_all=True, append_images=[black]))
        assert photo.facts.frames == 2, kind
        assert any("first" in n for n in photo.facts.notes), kind
        assert difference(photo.pixels, np.asarray(small)) < 14, kind
    assert decode(encode(small, "GIF")).facts.frames == 1


def test_large_photos_are_reduced_and_say_so(portrait: Image.Image, encode: Encode) -> None:
    large = portrait.resize((4000, 3000))
    jpeg, lossless = decode(encode(large, "JPEG", quality=95)), decode(encode(large, "PNG", compress_level=1))
    for photo in (jpeg, lossless, decode_array(np.asarray(large)), decode_array(large)):
        assert (photo.facts.width, photo.facts.height, photo.scale) == (4000, 3000, 0.5)
        assert photo.pixels.shape == (1500, 2000, 3)
    assert difference(jpeg.pixels, lossless.pixels) < 3
    turned = decode(encode(oriented(large, 6), "JPEG", exif=exif(6)))
    assert (turned.facts.width, turned.pixels.shape, turned.scale) == (4000, (1500, 2000, 3), 0.5)


@pytest.mark.parametrize(
    ("size", "factor"),
    [((2000, 2000), 1), ((2001, 2000), 1), ((3200, 1300), 2), ((4032, 3024), 2), ((6400, 4800), 4)],
)
def test_reduction_keeps_1600_pixels(size: tuple[int, int], factor: int) -> None:
    assert reduction(size) == factor


def test_arrays_and_pil_images(portrait: Image.Image, encode: Encode) -> None:
    array = np.asarray(portrait)
    photo = decode_array(array, "a")
    assert np.array_equal(photo.pixels, array)
    assert (photo.facts.format, photo.facts.name, photo.scale) == ("ARRAY", "a", 1.0)
    assert decode_array(portrait).facts.sha256 == photo.facts.sha256
    opened = Image.open(BytesIO(encode(oriented(portrait, 6), "PNG", exif=exif(6))))
    turned = decode_array(opened)
    assert (turned.facts.format, turned.facts.orientation) == ("PNG", 6)
    assert np.array_equal(turned.pixels, array)
    wrongs: list[Any] = [array[..., 0], array.astype(np.float32), np.zeros((64, 64, 4), np.uint8)]
    for wrong in wrongs:
        with pytest.raises(errors.NotAnImage, match="uint8"):
            decode_array(wrong)
    half = encode(portrait, "JPEG")[:9000]
    with pytest.raises(errors.DecodeError, match="lazy"):
        decode_array(Image.open(BytesIO(half)), "lazy")


def failure(data: bytes) -> errors.ScreeningError | None:
    try:
        decode(data, "fuzz")
    except errors.ScreeningError as error:
        return error
    return None


def test_garbage_behind_every_signature_ends_in_one_of_our_errors(
    portrait: Image.Image, encode: Encode, capfd: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(0)
    for kind in FORMATS:
        if kind == "HEIC":
            continue
        whole = encode(portrait.resize((64, 64)), kind)
        for _ in range(60):
            data = bytearray(whole)
            for at in random.integers(0, len(data), 12):
                data[at] = random.integers(256)
            error = failure(bytes(data))
            assert error is None or str(error).startswith("fuzz "), kind
            assert not isinstance(error and error.__cause__, Warning), (
                "a warning that would have been printed"
            )
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err == ""


def test_a_folder_of_the_same_photo_gives_one_hash(
    tmp_path: Path, portrait: Image.Image, encode: Encode
) -> None:
    data = encode(portrait, "JPEG")
    one, two = decode(data, "a.jpg"), decode(data, "b.png")
    assert one.facts.sha256 == two.facts.sha256
    assert np.array_equal(one.pixels, two.pixels)
