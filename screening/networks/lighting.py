"""How evenly a face is lit: features of the light on its skin, judged by boosted trees.

The face is cut out at 128 pixels, smoothed a little, and its luminance is read at the mesh points that lie on skin
(brows, eyes and lips left out), as the binary logarithm relative to the face's own median, so that dark and pale skin
count alike. The trees (`lighting.onnx`) were fitted to labels by eye; see `models/cards/lighting.md`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from screening.headpose import mean_face
from screening.networks.preprocess import BORDER_REPLICATE, Pyramid, Region, as_pyramid, crop_region
from screening.networks.session import session
from screening.types import Box, Floats, Image

NETWORK = "lighting"
SIZE = 128
ENLARGED = 1.3
BLUR = 2.0
AROUND = 48
"""Side, pixels, at which the whole photo's light is read."""
SIDE = 0.25
"""|x| in the mean face's units from which a point lies on one side."""
FLOOR = 0.003
"""Added to linear luminance (0-1) before the logarithm: what a camera's noise hides."""
_LINEAR = ((np.arange(256) / 255) ** 2.2).astype(np.float32)
"""Linear light, 0-1, of a stored value."""
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Rec. 709."""

_LIPS = (
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409, 78, 95, 88, 178, 87, 14,
    317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415,
)  # fmt: skip
_EYES = (
    33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246, 263, 249, 390, 373, 374, 380, 381,
    382, 362, 398, 384, 385, 386, 387, 388, 466,
)  # fmt: skip
_BROWS = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46, 300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
SKIN = np.setdiff1d(np.arange(468), np.array(_LIPS + _EYES + _BROWS))
"""Mesh points on skin."""
_REGIONS = {
    "forehead": (0.3, 0.9, -1.6, -0.9),
    "cheek": (0.5, 1.1, -0.1, 0.6),
    "jaw": (0.4, 1.1, 0.7, 1.4),
    "eye": (0.25, 1.0, -0.55, -0.2),
    "nose": (0.12, 0.4, -0.3, 0.3),
}
"""Where (|x| from, to, y from, to), in the mean face's units; each has a left and a right one."""
FEATURES = (
    "slope_x", "slope_y", "bend_xx", "bend_yy", "bend_xy", "residual",
    "p2", "p5", "p10", "p25", "p75", "p90", "p95", "p98", "spread",
    "mirror_mean", "mirror_p90", "mirror_sides",
    *(f"{kind}_{region}" for region in _REGIONS for kind in ("difference", "mean", "least")),
    "deep", "deeper", "split", "gap", "tilt", "planar",
    "clipped", "white", "dark", "level", "level_p90", "red", "blue", "chroma", "red_spread", "blue_spread",
    "red_sides", "blue_sides",
    "photo_level", "photo_median", "photo_p90", "photo_p97", "photo_p10", "grey", "photo_red", "photo_blue",
    "edge_p50", "edge_p90", "edge_p97",
)  # fmt: skip
"""In the order of the network's input; left/right differences carry no sign, so a mirrored photo measures the same."""


@cache
def _layout() -> tuple[
    NDArray[np.float64], NDArray[np.intp], dict[str, tuple[NDArray[np.intp], NDArray[np.intp]]]
]:
    """Skin points' places on the mean face, each one's mirror partner (positions in `SKIN`), and the regions."""
    place = mean_face()[SKIN, :2]
    place = place / np.sqrt((mean_face()[:, :2] ** 2).sum(1).mean())
    partner = np.array([np.argmin(((place - (-x, y)) ** 2).sum(1)) for x, y in place])
    x, y = place.T
    regions = {}
    for name, (x0, x1, y0, y1) in _REGIONS.items():
        inside = (np.abs(x) >= x0) & (np.abs(x) <= x1) & (y >= y0) & (y <= y1)
        regions[name] = np.flatnonzero(inside & (x < 0)), np.flatnonzero(inside & (x > 0))
    return place, partner, regions


@cache
def _fit() -> NDArray[np.float64]:
    """(6, n): least-squares projection of values at the skin points onto 1, x, y, x^2, y^2, xy."""
    x, y = _layout()[0].T
    return np.linalg.pinv(np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], 1))


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """What the features are read from, all RGB uint8: `face` (128, 128, 3), the square around it; `points` (468, 3) the
    mesh in pixels of it; `around` (48, 48, 3), the whole photo squeezed."""

    face: Image
    points: Floats
    around: Image


def cut(image: Image | Pyramid, mesh: Floats) -> Cut:
    """`mesh` (468, 3) in pixels of `image`, (H, W, 3) uint8 RGB."""
    pyramid = as_pyramid(image)
    box = Box.around(mesh)
    side = max(box.width, box.height) * ENLARGED
    left, top = box.center[0] - side / 2, box.center[1] - side / 2
    face = crop_region(pyramid, Region(*box.center, side, side), (SIZE, SIZE), BORDER_REPLICATE)
    points = (mesh - np.array([left, top, 0], np.float32)) * np.float32(SIZE / side)
    shortest = min(pyramid.width, pyramid.height)
    fine = pyramid.level(max(0, math.floor(math.log2(shortest / (2 * AROUND)))))
    around = cv2.resize(fine, (AROUND, AROUND), interpolation=cv2.INTER_AREA)
    return Cut(np.asarray(face, np.uint8), np.asarray(points, np.float32), np.asarray(around, np.uint8))


def features(cut: Cut) -> Floats:
    """(len(FEATURES),) float32."""
    smooth = np.asarray(cv2.GaussianBlur(cut.face, (0, 0), BLUR), np.uint8)
    log = np.log2(_LINEAR[smooth] @ LUMINANCE + FLOOR)
    index = np.clip(cut.points[:, :2].round().astype(np.intp), 0, SIZE - 1)
    at = index[SKIN, 1], index[SKIN, 0]
    level = float(np.median(log[at]))
    relative = log[at] - level
    found = _shape(relative) | _two_parts(relative) | _exposure(smooth[at]) | _surroundings(cut.around, level)
    edges = np.hypot(cv2.Sobel(log, cv2.CV_32F, 1, 0), cv2.Sobel(log, cv2.CV_32F, 0, 1))[at] / 8
    found |= dict(zip(("edge_p50", "edge_p90", "edge_p97"), np.percentile(edges, (50, 90, 97)), strict=True))
    return np.array([found[name] for name in FEATURES], np.float32)


def _shape(relative: Floats) -> dict[str, float]:
    """Slopes, bends, spread, and left against right of the skin's log luminance relative to its median."""
    place, partner, regions = _layout()
    bend = _fit() @ relative
    x, y = place.T
    found = dict(zip(("slope_x", "slope_y", "bend_xx", "bend_yy", "bend_xy"), bend[1:], strict=True))
    found["slope_x"], found["bend_xy"] = abs(found["slope_x"]), abs(found["bend_xy"])
    found["residual"] = (relative - np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], 1) @ bend).std()
    shares = (2, 5, 10, 25, 75, 90, 95, 98)
    found |= {f"p{p}": v for p, v in zip(shares, np.percentile(relative, shares), strict=True)}
    found["spread"] = relative.std()
    mirror = np.abs(relative - relative[partner])
    found["mirror_mean"], found["mirror_p90"] = mirror.mean(), np.percentile(mirror, 90)
    found["mirror_sides"] = abs(np.median(relative[x < -SIDE]) - np.median(relative[x > SIDE]))
    for name, (left, right) in regions.items():
        a, b = np.median(relative[left]), np.median(relative[right])
        found |= {f"difference_{name}": abs(a - b), f"mean_{name}": (a + b) / 2, f"least_{name}": min(a, b)}
    return found


def _two_parts(relative: Floats) -> dict[str, float]:
    """How much of the skin lies in shadow: far below the bright quarter, and by Otsu's split (1979) into two parts.

    `split`: share of the variance between the parts, `gap`: stops between their means, `tilt` and `planar`: steepness
    of the best plane and the share of the variance that it explains.
    """
    bright = float(np.percentile(relative, 75))
    values = np.sort(relative)
    n = len(values)
    k = np.arange(n // 10, n - n // 10)
    total = np.cumsum(values)
    gaps = (total[-1] - total[k - 1]) / (n - k) - total[k - 1] / k
    between = k * (n - k) / n**2 * gaps**2
    best = int(between.argmax())
    x, y = _layout()[0].T
    plane = np.stack([np.ones_like(x), x, y], 1)
    weights = np.linalg.lstsq(plane, relative, rcond=None)[0]
    variance = max(float(relative.var()), 1e-4)
    return {
        "deep": float((relative < bright - 1.5).mean()),
        "deeper": float((relative < bright - 2.5).mean()),
        "split": float(between[best]) / variance,
        "gap": float(gaps[best]),
        "tilt": float(np.hypot(weights[1], weights[2])),
        "planar": 1 - float((relative - plane @ weights).var()) / variance,
    }


def _exposure(values: Image) -> dict[str, float]:
    """Level, clipping and colour of the skin: `values` (n, 3) uint8."""
    linear = _LINEAR[values]
    luminance = linear @ LUMINANCE
    logs = np.log2(linear + FLOOR)
    red, blue = logs[:, 0] - logs[:, 1], logs[:, 2] - logs[:, 1]
    x = _layout()[0][:, 0]
    left, right = x < -SIDE, x > SIDE
    return {
        "clipped": float((values.max(1) >= 250).mean()),
        "white": float((values.min(1) >= 240).mean()),
        "dark": float((luminance < 0.02).mean()),
        "level": float(np.median(np.log2(luminance + FLOOR))),
        "level_p90": float(np.percentile(np.log2(luminance + FLOOR), 90)),
        "red": float(np.median(red)),
        "blue": float(np.median(blue)),
        "chroma": float(np.hypot(np.median(red), np.median(blue))),
        "red_spread": float(red.std()),
        "blue_spread": float(blue.std()),
        "red_sides": abs(float(np.median(red[left]) - np.median(red[right]))),
        "blue_sides": abs(float(np.median(blue[left]) - np.median(blue[right]))),
    }


def _surroundings(around: Image, face: float) -> dict[str, float]:
    """The whole photo's light relative to the face's (`face`: log luminance), and its colour."""
    linear = _LINEAR[around]
    log = np.log2(linear @ LUMINANCE + FLOOR)
    p10, p50, p90, p97 = np.percentile(log, (10, 50, 90, 97))
    chroma = around.max(2).astype(np.int16) - around.min(2)
    ratio = np.log2(linear + FLOOR)
    return {
        "photo_level": p50,
        "photo_median": p50 - face,
        "photo_p90": p90 - face,
        "photo_p97": p97 - face,
        "photo_p10": p10 - face,
        "grey": float(chroma.mean() < 0.02 * 255),
        "photo_red": float(np.median(ratio[..., 0] - ratio[..., 1])),
        "photo_blue": float(np.median(ratio[..., 2] - ratio[..., 1])),
    }


@dataclass(frozen=True, slots=True)
class Light:
    """`uneven`: probability, 0-1, that a person calls the light plainly uneven. The rest says what kind of light it is:

    `cheeks`: difference between them in stops; `clipped`: share of the skin with a channel near its maximum;
    `photo_median`: the photo's light over the face's, in stops.
    """

    uneven: float
    cheeks: float
    clipped: float
    photo_median: float


def light(image: Image | Pyramid, mesh: Floats) -> Light:
    """The light on a face; arguments as of `cut`."""
    found = features(cut(image, mesh))
    (score,) = session(NETWORK).run(found[None])
    value = dict(zip(FEATURES, found.tolist(), strict=True))
    uneven = float(np.clip(score.reshape(-1)[0], 0, 1))
    return Light(uneven, value["difference_cheek"], value["clipped"], value["photo_median"])
