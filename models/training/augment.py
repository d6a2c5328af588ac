"""Random views of packed face crops: geometry, borders, pasted accessories, colour, loss of quality.

Everything is drawn from the generator that is handed in, so that a view is a function of its seed. The loss of
quality (rescaling, blur, noise, JPEG) is the same for every kind of picture: the sets differ in size and
compression, and a network would learn that instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from screening.networks.face import GREY, Image

from .overlays import Overlays

Generator = np.random.Generator


@dataclass(frozen=True)
class Crop:
    """A packed crop: `image` (160, 160, 3) RGB; `valid` x0, y0, x1, y1 of the photo in it; `points` (9, 2)."""

    image: Image
    valid: NDArray[np.float32]
    points: NDArray[np.float32]
    tight: bool  # hardly anything around the face


def fill_border(crop: Crop, backdrop: Image, rng: Generator) -> Image:
    """What lies outside of the photo: grey, a reflection of it, or another picture.

    Tight sets are mostly border; a network that only saw them in grey would not know them in a room.
    """
    size = crop.image.shape[0]
    x0, y0 = np.ceil(crop.valid[:2] + 1).astype(int)
    x1, y1 = np.floor(crop.valid[2:] - 1).astype(int)
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, size), min(y1, size)
    if (x0 <= 1 and y0 <= 1 and x1 >= size - 1 and y1 >= size - 1) or x1 - x0 < 16 or y1 - y0 < 16:
        return crop.image
    choice = rng.random()
    if choice < 0.35:
        return crop.image
    inner = crop.image[y0:y1, x0:x1]
    if choice < 0.65:
        return np.asarray(
            cv2.copyMakeBorder(inner, y0, size - y1, x0, size - x1, cv2.BORDER_REFLECT), np.uint8
        )
    out = backdrop.copy()
    out[y0:y1, x0:x1] = inner
    return out


def view(image: Image, tight: bool, size: int, margin: float, rng: Generator) -> Image:
    """Rotation to 20 degrees, scale, shift, mirror; (size, size, 3)."""
    angle = np.clip(rng.normal(0, 7), -20, 20)
    zoom = rng.uniform(0.74, 1.02) if tight else rng.uniform(0.84, 1.12)
    side = image.shape[0] / margin * zoom
    shift = rng.normal(0, 0.03, 2).clip(-0.08, 0.08) * side
    scale = size / side
    matrix = cv2.getRotationMatrix2D((0.0, 0.0), float(angle), float(scale))
    if rng.random() < 0.5:
        matrix[0] *= -1
    middle = np.full(2, image.shape[0] / 2 - 0.5) + shift
    matrix[:, 2] = size / 2 - 0.5 - matrix[:, :2] @ middle
    border = cv2.BORDER_REFLECT if rng.random() < 0.5 else cv2.BORDER_CONSTANT
    flags = cv2.INTER_LINEAR if rng.random() < 0.7 else cv2.INTER_AREA
    return np.asarray(
        cv2.warpAffine(image, matrix, (size, size), flags=flags, borderMode=border, borderValue=(GREY,) * 3),
        np.uint8,
    )


def colour(image: Image, rng: Generator) -> Image:
    """Brightness, contrast, gamma, white balance, saturation; sometimes grey."""
    gains = np.ones(3)
    if (choice := rng.random()) < 0.65:
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        keep = 0.0 if choice < 0.1 else float(rng.uniform(0.6, 1.4))
        image = np.asarray(cv2.addWeighted(image, keep, grey, 1 - keep, 0), np.uint8)
        if keep:
            gains = rng.uniform(0.9, 1.1, 3)
    table = np.linspace(0, 1, 256)[:, None] ** np.exp(rng.normal(0, 0.2))
    table = ((table - 0.5) * rng.uniform(0.75, 1.25) + 0.5 + rng.normal(0, 0.06)) * gains
    lookup = (table * 255).clip(0, 255).astype(np.uint8)[None]
    return np.asarray(cv2.LUT(image, lookup), np.uint8)


_WAYS = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC)


def degrade(image: Image, rng: Generator) -> Image:
    """Lose quality as files do: smaller and back, blur, noise, JPEG."""
    size = image.shape[0]
    if rng.random() < 0.4:
        small = max(24, int(size / np.exp(rng.uniform(0, 1.1))))
        image = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
        image = cv2.resize(image, (size, size), interpolation=_WAYS[1 + int(rng.random() < 0.4)])
    if rng.random() < 0.12:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.6)))
    if rng.random() < 0.15:
        noise = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(2, 10))
        image = cv2.add(image, noise, dtype=cv2.CV_8U)
    if rng.random() < 0.5:
        quality = [int(cv2.IMWRITE_JPEG_QUALITY), int(rng.integers(25, 96))]
        image = cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], cv2.IMREAD_COLOR)
    return np.asarray(image, np.uint8)


def erase(image: Image, rng: Generator) -> Image:
    """A small rectangle of one colour: small enough not to be an object over the face."""
    size = image.shape[0]
    height, width = (rng.uniform(0.06, 0.2, 2) * size).astype(int)
    y, x = int(rng.integers(0, size - height)), int(rng.integers(0, size - width))
    image = image.copy()
    image[y : y + height, x : x + width] = rng.integers(0, 256, 3)
    return image


def augment(
    crop: Crop,
    backdrop: Image,
    overlays: Overlays | None,
    size: int,
    margin: float,
    paste: float,
    rng: Generator,
) -> tuple[Image, dict[str, int]]:
    """A random view (size, size, 3) and the attributes that something pasted has changed."""
    image = fill_border(crop, backdrop, rng)
    changed: dict[str, int] = {}
    if overlays is not None and rng.random() < paste:
        image, changed = overlays.paste(image, crop.points, rng)
    image = view(image, crop.tight, size, margin, rng)
    image = degrade(colour(image, rng), rng)
    if rng.random() < 0.15:
        image = erase(image, rng)
    return image, changed


def plain(image: Image, size: int, margin: float, zoom: float = 1.0) -> Any:
    """The view of run time: the middle of the packed crop."""
    side = image.shape[0] / margin * zoom
    scale = size / side
    offset = size / 2 - 0.5 - scale * (image.shape[0] / 2 - 0.5)
    matrix = np.array([[scale, 0, offset], [0, scale, offset]])
    return cv2.warpAffine(
        image,
        matrix,
        (size, size),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(GREY,) * 3,
    )
