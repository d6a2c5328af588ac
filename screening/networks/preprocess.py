"""Cutting regions out of photos, the same way for every network; training imports it from here.

Coordinates are photo pixels (x right, y down, (0, 0) the corner of the top-left pixel); sampling honours
pixel centres (a crop pixel's centre is index + 0.5). Rotation is in radians, clockwise on the screen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from screening.types import Box, Floats, Image

BORDER_REPLICATE = int(cv2.BORDER_REPLICATE)
"""Outside the photo the nearest edge pixel is repeated."""
BORDER_ZERO = int(cv2.BORDER_CONSTANT)
"""Outside the photo is black."""


@dataclass(frozen=True, slots=True)
class Region:
    """A rotated rectangle in photo pixels: centre, size and rotation (radians, clockwise on the screen)."""

    center_x: float
    center_y: float
    width: float
    height: float
    rotation: float = 0.0

    def __post_init__(self) -> None:
        values = (self.center_x, self.center_y, self.width, self.height, self.rotation)
        if not all(math.isfinite(value) for value in values) or self.width <= 0 or self.height <= 0:
            raise ValueError(f"region without a finite, positive size: {self}")

    @staticmethod
    def of(box: Box) -> Region:
        return Region(*box.center, box.width, box.height)

    def matrix(self, out_width: float, out_height: float) -> NDArray[np.float64]:
        """(2, 3): crop coordinates (0..out_width, 0..out_height) to photo coordinates, both continuous."""
        cos, sin = math.cos(self.rotation), math.sin(self.rotation)
        scale_x, scale_y = self.width / out_width, self.height / out_height
        a, b, c, d = cos * scale_x, -sin * scale_y, sin * scale_x, cos * scale_y
        x = self.center_x - a * out_width / 2 - b * out_height / 2
        y = self.center_y - c * out_width / 2 - d * out_height / 2
        return np.array([[a, b, x], [c, d, y]])

    def to_photo(self, points: Floats, out_width: float, out_height: float) -> Floats:
        """(n, 2) points of a crop of that size, in photo pixels."""
        matrix = self.matrix(out_width, out_height)
        return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


class Pyramid:
    """A photo and its halvings, each made on first need (area average, corners kept aligned).

    Sharing one among the networks of a photo saves halving it again for each. Not locked: one per thread.
    """

    def __init__(self, image: Image) -> None:
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
            raise ValueError(f"image should be (height, width, 3) uint8, is {image.shape} {image.dtype}")
        self._levels = [image]

    @property
    def image(self) -> Image:
        return self._levels[0]

    @property
    def width(self) -> int:
        return int(self.image.shape[1])

    @property
    def height(self) -> int:
        return int(self.image.shape[0])

    def level(self, number: int) -> Image:
        """The photo halved `number` times, or fewer where it is too small to halve."""
        while len(self._levels) <= number:
            last = self._levels[-1]
            height, width = last.shape[0] // 2, last.shape[1] // 2
            if min(height, width) < 1:
                return last
            even = last[: 2 * height, : 2 * width]
            halved = cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA)
            self._levels.append(np.asarray(halved, np.uint8))
        return self._levels[number]

    def shrink(self, number: int) -> int:
        """How often `level(number)` is really halved."""
        self.level(number)
        return min(number, len(self._levels) - 1)


def as_pyramid(image: Image | Pyramid) -> Pyramid:
    return image if isinstance(image, Pyramid) else Pyramid(image)


def crop_region(image: Image | Pyramid, region: Region, out_size: tuple[int, int], border: int) -> Image:
    """The region as an upright (height, width, 3) uint8 crop; `out_size` is (width, height).

    Bilinear; where the crop is less than half as fine as the photo, from the photo halved as often as
    leaves it at least as fine, which keeps fine texture from aliasing.
    """
    pyramid = as_pyramid(image)
    coarseness = min(region.width / out_size[0], region.height / out_size[1])
    halvings = pyramid.shrink(max(0, math.floor(math.log2(max(coarseness, 1.0)))))
    matrix = region.matrix(*out_size)
    # from index to index: pixel centres lie at index + 0.5 in both
    matrix[:, 2] += matrix[:, :2] @ np.array([0.5, 0.5])
    matrix /= 2**halvings
    matrix[:, 2] -= 0.5
    source, flags = pyramid.level(halvings), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(source, matrix, out_size, flags=flags, borderMode=border, borderValue=(0, 0, 0))
    return np.asarray(crop, np.uint8)


def crop_rotated(
    image: Image | Pyramid,
    center: tuple[float, float],
    size: float | tuple[float, float],
    rotation: float,
    out_size: int | tuple[int, int],
    border: int = BORDER_REPLICATE,
) -> Image:
    """`crop_region` by plain numbers: `size` and `out_size` are one number (square) or (width, height)."""
    width, height = size if isinstance(size, tuple) else (size, size)
    out = out_size if isinstance(out_size, tuple) else (out_size, out_size)
    return crop_region(image, Region(*center, width, height, rotation), out, border)


def whole_square(image: Image | Pyramid) -> Region:
    """The smallest upright square around the whole photo (letterboxing when cropped with `BORDER_ZERO`)."""
    pyramid = as_pyramid(image)
    side = float(max(pyramid.width, pyramid.height))
    return Region(pyramid.width / 2, pyramid.height / 2, side, side)


def to_tensor(crop: Image, low: float) -> Floats:
    """(1, 3, H, W) float32 from (H, W, 3) uint8: 0..255 to `low`..1 (`low` is 0 or -1)."""
    planar = np.ascontiguousarray(crop.transpose(2, 0, 1)[None], dtype=np.float32)
    planar *= np.float32((1 - low) / 255)
    if low:
        planar += np.float32(low)
    return planar


def sigmoid(values: Floats) -> Floats:
    """The logistic function, written with tanh so that no large logit overflows."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * values)), np.float32)


def with_mirror(tensor: Floats) -> Floats:
    """(2, C, H, W): the picture of (1, C, H, W) as it is and mirrored."""
    return np.concatenate([tensor, tensor[..., ::-1]])
