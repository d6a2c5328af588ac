"""Mending: the result is upright, plain and centred, and no pixel of it is invented."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from typer.testing import CliRunner

from screening.cli.app import app
from screening.errors import NotAnImage
from screening.fix import fix
from tests.conftest import Encode

pytestmark = pytest.mark.networks


@pytest.fixture(scope="module")
def off_centre(portrait: Image.Image) -> Image.Image:
    """The portrait twice as large, with half its width of plain background on one side."""
    large = portrait.resize((1024, 1024), Image.Resampling.LANCZOS)
    wide = Image.new("RGB", (1536, 1024), large.getpixel((1020, 100)))
    wide.paste(large, (0, 0))
    return wide


def test_an_off_centre_photo_is_cropped_and_only_cropped(off_centre: Image.Image, encode: Encode) -> None:
    fixed = fix(encode(off_centre, "PNG"))
    with Image.open(io.BytesIO(fixed.image_bytes)) as picture:
        assert picture.format == "PNG"
        mended = np.asarray(picture)
    assert fixed.report["centering"].status == "pass"
    assert min(mended.shape[:2]) >= 512
    (action,) = fixed.actions
    assert "centering" in action
    left, top = (int(v) for v in action.split("(")[1].split(")")[0].split(","))
    height, width = mended.shape[:2]
    assert np.array_equal(mended, np.asarray(off_centre)[top : top + height, left : left + width])


def test_orientation_and_format_are_mended(portrait: Image.Image, encode: Encode) -> None:
    turned = portrait.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    fixed = fix(encode(turned, "WEBP", exif=exif, lossless=True))
    with Image.open(io.BytesIO(fixed.image_bytes)) as picture:
        assert picture.format == "JPEG"
        assert picture.getexif().get(0x0112, 1) == 1
        assert ImageOps.exif_transpose(picture).size == picture.size
    assert any("upright" in a for a in fixed.actions)
    assert any("WEBP" in a for a in fixed.actions)
    assert fixed.report["format"].status == "pass"


def test_what_needs_no_mending_stays_byte_for_byte(off_centre: Image.Image, encode: Encode) -> None:
    once = fix(encode(off_centre, "PNG"))
    twice = fix(once.image_bytes)
    assert twice.actions == ()
    assert twice.image_bytes == once.image_bytes


def test_what_is_no_photo_is_not_mended() -> None:
    with pytest.raises(NotAnImage):
        fix(b"no photo")


def test_the_command_leaves_the_photo_and_replaces_nothing_unasked(
    off_centre: Image.Image, encode: Encode, tmp_path: Path
) -> None:
    photo, output = tmp_path / "photo.png", tmp_path / "new" / "fixed.png"
    photo.write_bytes(before := encode(off_centre, "PNG"))
    arguments = ["fix", str(photo), "-o", str(output)]
    found = CliRunner().invoke(app, arguments)
    assert found.exit_code in (0, 1)
    assert "Cropped to" in found.stdout
    assert photo.read_bytes() == before
    assert output.read_bytes() == fix(before).image_bytes
    assert CliRunner().invoke(app, arguments).exit_code == 2
