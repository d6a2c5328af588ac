"""Cutting regions: where pixels land, checked on pictures whose value says where they come from."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from screening.networks.preprocess import (
    BORDER_REPLICATE,
    BORDER_ZERO,
    Pyramid,
    Region,
    crop_region,
    crop_rotated,
    sigmoid,
    to_tensor,
    whole_square,
)
from screening.types import Image


def ramp(width: int = 200, height: int = 160) -> Image:
    """Red = x, green = y of each pixel's centre (rounded down), blue = 128."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x, y, np.full_like(x, 128)], -1).astype(np.uint8)


def test_a_region_of_whole_pixels_is_cut_exactly() -> None:
    crop = crop_rotated(ramp(), (50, 40), (20, 10), 0.0, (20, 10))
    np.testing.assert_array_equal(crop, ramp()[35:45, 40:60])


@pytest.mark.parametrize(("quarter", "turns"), [(1, 1), (2, 2), (3, 3)])
def test_rotation_is_clockwise_on_the_screen(quarter: int, turns: int) -> None:
    """A region turned clockwise shows its content turned anticlockwise."""
    crop = crop_rotated(ramp(), (60, 60), 40.0, quarter * math.pi / 2, 40)
    np.testing.assert_allclose(crop, np.rot90(ramp()[40:80, 40:80], turns), atol=1)


@given(
    st.floats(60, 140), st.floats(60, 100), st.floats(10, 60), st.floats(10, 60), st.floats(-4, 4),
    st.floats(0.05, 0.95), st.floats(0.05, 0.95),
)  # fmt: skip
def test_crop_and_projection_are_inverse(
    x: float, y: float, width: float, height: float, rotation: float, u: float, v: float
) -> None:
    region = Region(x, y, width, height, rotation)
    crop = crop_region(ramp(), region, (64, 64), BORDER_REPLICATE)
    column, row = int(u * 64), int(v * 64)
    (px, py), *_ = region.to_photo(np.array([[column + 0.5, row + 0.5]], np.float32), 64, 64)
    inside = 2 < px < 198 and 2 < py < 158
    if inside:
        # the ramp's value is the index, half a pixel below the centre's coordinate
        assert crop[row, column, 0] == pytest.approx(px - 0.5, abs=1.6)
        assert crop[row, column, 1] == pytest.approx(py - 0.5, abs=1.6)


@pytest.mark.parametrize("factor", [2, 3, 4, 7])
def test_shrinking_keeps_the_place(factor: int) -> None:
    crop = crop_region(ramp(), Region(84, 84, 28 * 5, 28 * 5), (28 * 5 // factor,) * 2, BORDER_REPLICATE)
    rows, columns = np.mgrid[: crop.shape[0], : crop.shape[1]]
    size = 28 * 5 / crop.shape[0]
    np.testing.assert_allclose(crop[..., 0], 14 + (columns + 0.5) * size - 0.5, atol=1.1)
    np.testing.assert_allclose(crop[..., 1], 14 + (rows + 0.5) * size - 0.5, atol=1.1)


def test_shrinking_averages_instead_of_skipping() -> None:
    """A chequerboard of single pixels becomes even grey; without averaging it would be black or white."""
    y, x = np.mgrid[:256, :256]
    board = np.repeat((((x + y) % 2) * 255).astype(np.uint8)[..., None], 3, 2)
    crop = crop_region(board, whole_square(board), (60, 60), BORDER_REPLICATE)
    assert 120 <= crop[2:-2, 2:-2].min() <= crop[2:-2, 2:-2].max() <= 135


def test_borders() -> None:
    white = np.full((40, 80, 3), 255, np.uint8)
    square = whole_square(white)
    assert (square.width, square.height) == (80, 80)
    assert (square.center_x, square.center_y) == (40, 20)
    boxed = crop_region(white, square, (80, 80), BORDER_ZERO)
    assert boxed[:19].max() == boxed[61:].max() == 0
    assert boxed[21:59].min() == 255
    assert crop_region(white, square, (80, 80), BORDER_REPLICATE).min() == 255


def test_a_shared_pyramid_changes_nothing() -> None:
    image = np.random.default_rng(3).integers(0, 256, (301, 203, 3), dtype=np.uint8)
    pyramid = Pyramid(image)
    for size in (16, 40, 90, 300):
        region = Region(100, 150, 200, 220, 0.3)
        alone, shared = (
            crop_region(source, region, (size, size), BORDER_ZERO) for source in (image, pyramid)
        )
        np.testing.assert_array_equal(alone, shared)


def test_a_thin_photo_is_halved_only_while_it_can_be() -> None:
    thin = Pyramid(np.full((3, 400, 3), 7, np.uint8))
    assert thin.shrink(5) == 1
    assert crop_region(thin, whole_square(thin), (16, 16), BORDER_REPLICATE).min() == 7


@pytest.mark.parametrize(
    ("shape", "dtype"), [((4, 4), "u1"), ((4, 4, 4), "u1"), ((4, 4, 3), "f4"), ((0, 4, 3), "u1")]
)
def test_other_arrays_are_refused(shape: tuple[int, ...], dtype: str) -> None:
    with pytest.raises(ValueError, match="uint8"):
        Pyramid(np.zeros(shape, dtype))


@pytest.mark.parametrize("size", [0.0, -1.0, math.nan, math.inf])
def test_regions_without_a_size_are_refused(size: float) -> None:
    with pytest.raises(ValueError, match="size"):
        Region(0, 0, size, 1)


@pytest.mark.parametrize("low", [0, -1])
def test_tensor_layout_and_range(low: float) -> None:
    crop = np.zeros((2, 3, 3), np.uint8)
    crop[1, 2] = (255, 51, 0)
    tensor = to_tensor(crop, low)
    assert tensor.shape == (1, 3, 2, 3)
    assert tensor.dtype == np.dtype(np.float32)
    assert tensor[0, 0, 0, 0] == low
    np.testing.assert_allclose(tensor[0, :, 1, 2], [1, low + 0.2 * (1 - low), low], atol=1e-6)


def test_sigmoid_has_no_overflow() -> None:
    values = sigmoid(np.array([-1e4, 0, np.log(3), 1e4], np.float32))
    np.testing.assert_allclose(values, [0, 0.5, 0.75, 1], atol=1e-6)
