"""What is done to a packed crop before the network sees it in training: geometry, light, resolution,
compression, accessories.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from screening.networks.upper import ATTRIBUTES

from .upper_data import UNKNOWN
from .upper_overlays import Overlays

#: Attributes that a paste may hide: no longer known.
_HIDDEN = {"headphones": ("earrings",), "mask": ("necklace",), "hat": ("hair_across_face",)}


def augment(
    crop: np.ndarray,
    mask: np.ndarray,
    labels: np.ndarray,
    mesh: np.ndarray,
    overlays: Overlays,
    rng: np.random.Generator,
    size: int,
    pasted: Mapping[str, float],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(size, size, 3) uint8, (size / 2, size / 2) uint8 codes and the labels from one row of the pack; of a strip of
    squares as many squares.

    `pasted`: share of the crops that get each kind of accessory.
    """
    crop, mask, labels = crop.copy(), mask.copy(), labels.copy()
    draw = rng.random()
    if np.isfinite(mesh).all():
        for kind, share in pasted.items():
            draw -= share
            if draw < 0:
                for name, value in overlays.add(kind, crop, mask, mesh, rng).items():
                    labels[ATTRIBUTES.index(name)] = value
                for name in _HIDDEN.get(kind, ()):
                    labels[ATTRIBUTES.index(name)] = np.nan
                break
    squares = [warp(c, m, rng, size) for c, m in zip(split(crop), split(mask), strict=True)]
    crop, mask = (np.concatenate(parts, 1) for parts in zip(*squares, strict=True))
    if rng.random() < 0.5:
        crop, mask = crop[:, ::-1], mask[:, ::-1]
    return photometric(np.ascontiguousarray(crop), rng), np.ascontiguousarray(mask), labels


def split(strip: np.ndarray) -> list[np.ndarray]:
    """The squares, side by side, of a picture (side, n * side, ...)."""
    return np.split(strip, strip.shape[1] // strip.shape[0], 1)


def middle(strip: np.ndarray, size: int) -> np.ndarray:
    """The middle (size, size) of each of the squares, side by side."""
    edge = (strip.shape[0] - size) // 2
    return np.concatenate([s[edge : edge + size, edge : edge + size] for s in split(strip)], 1)


def warp(
    crop: np.ndarray, mask: np.ndarray, rng: np.random.Generator, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """A random square of the wider crop: +-12 % in scale and shift (of the face: some 10 % of its size), +-8
    degrees.
    """
    side = crop.shape[0]
    scale = rng.uniform(0.88, 1.14)
    angle = rng.normal(0, 4) if rng.random() < 0.6 else 0.0
    matrix = cv2.getRotationMatrix2D((side / 2, side / 2), angle, scale)
    matrix[:, 2] += size / 2 - side / 2 + rng.uniform(-0.045, 0.045, 2) * size
    image = cv2.warpAffine(crop, matrix, (size, size), flags=cv2.INTER_LINEAR)
    small = np.diag([0.5, 0.5, 1]) @ np.vstack([matrix, [0, 0, 1]]) @ np.diag([2, 2, 1])
    half = (size // 2, size // 2)
    codes = cv2.warpAffine(
        mask, small[:2], half, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=UNKNOWN
    )
    return image, codes


def photometric(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light, colour, blur, resolution and compression, so that no set is known by its file format. (H, W, 3) uint8."""
    height, width = image.shape[:2]
    outside = image.max(-1) == 0
    if rng.random() < 0.5:
        scale = rng.uniform(0.35, 0.95)
        small = cv2.resize(image, (int(width * scale), int(height * scale)), interpolation=cv2.INTER_AREA)
        image = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    levels = np.arange(256, dtype=np.float32) / 255
    gamma, contrast, light = rng.uniform(0.75, 1.35), rng.uniform(0.75, 1.25), rng.uniform(-0.1, 0.1)
    table = [
        np.clip(((levels**gamma - 0.5) * contrast + 0.5 + light) * tint * 255, 0, 255)
        for tint in rng.uniform(0.92, 1.08, 3)
    ]
    image = cv2.LUT(image, np.stack(table, -1).astype(np.uint8)[None])
    if rng.random() < 0.08:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if rng.random() < 0.45:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 96))])
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    image[outside] = 0
    return image
