"""Faces under other light: what a lamp, the sun, a cap's brim or a wrong exposure would do, on linear light.

Clear cases of bad light are few among the labelled portraits; of these there are as many as wanted. Doses below what a
person would call plain are borderline (1) or good (0), so that the trees learn where the border lies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from screening.headpose import mean_face
from screening.networks.lighting import SIZE, SKIN, Cut

Array = NDArray[np.float32]
Random = np.random.Generator
_Y, _X = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)


@dataclass(frozen=True, slots=True)
class Lit:
    """Linear light, 0-1: the face's square and the whole photo; where the face lies in its square (middle, width)."""

    face: Array
    around: Array
    middle: Array
    width: float
    skin: tuple[NDArray[np.intp], NDArray[np.intp]]


Relit = tuple[Array, Array, str]
"""Face, surroundings, mark."""


def mark(dose: float, slight: float, clear: float) -> str:
    return "2" if dose > clear else "1" if dose > slight else "0"


def _ramp(lit: Lit, angle: float, offset: float, width: float) -> Array:
    """(SIZE, SIZE, 1), 0 to 1 across the face in that direction; `offset` and `width` in face widths."""
    x, y = lit.middle + offset * lit.width * np.array([np.cos(angle), np.sin(angle)])
    along = ((_X - x) * np.cos(angle) + (_Y - y) * np.sin(angle)) / (width * lit.width)
    return (1 / (1 + np.exp(-4 * along)))[..., None].astype(np.float32)


def side(lit: Lit, random: Random) -> Relit:
    """A lamp or window at one side."""
    dose = random.uniform(0.2, 4)
    shade = _ramp(
        lit,
        random.choice([0, np.pi]) + random.normal(0, 0.5),
        random.normal(0, 0.15),
        random.uniform(0.08, 0.8),
    )
    gain = random.uniform(1, 1.6) if random.random() < 0.5 else 1.0
    rest = 2 ** -random.uniform(0, min(dose, 2))
    return lit.face * 2 ** (-dose * shade) * gain, lit.around * rest, mark(dose, 0.9, 1.8)


def above(lit: Lit, random: Random) -> Relit:
    """Light from above or below: a brim's or a brow's shadow, a shaded chin."""
    dose = random.uniform(0.2, 4)
    angle = random.choice([np.pi / 2, -np.pi / 2]) + random.normal(0, 0.4)
    shade = _ramp(lit, angle, random.normal(0, 0.2), random.uniform(0.05, 0.5))
    return lit.face * 2 ** (-dose * shade), lit.around, mark(dose, 1, 2)


def patches(lit: Lit, random: Random) -> Relit:
    """Hard-edged shadows of leaves, hands, other people."""
    dose = random.uniform(0.2, 3.5)
    shade = np.zeros((SIZE, SIZE), np.float32)
    size = random.uniform(0.12, 0.4) * lit.width
    for _ in range(random.integers(1, 6)):
        x, y = lit.middle + random.normal(0, 0.35 * lit.width, 2)
        a, b = np.maximum(2, size * np.exp(random.normal(0, 0.4, 2)))
        cv2.ellipse(shade, (int(x), int(y)), (int(a), int(b)), random.uniform(0, 180), 0, 360, 1.0, -1)
    shade = cv2.GaussianBlur(shade, (0, 0), random.uniform(0.5, 4))[..., None]
    return lit.face * 2 ** (-dose * shade), lit.around, mark(dose, 0.8, 1.6)


def behind(lit: Lit, random: Random) -> Relit:
    """Light from behind: the face dark before bright surroundings, sometimes a bright sky."""
    dose = random.uniform(0.5, 4.5)
    around = np.minimum(lit.around * random.uniform(1, 3), 1)
    if random.random() < 0.5:
        rows = random.integers(15, len(around))
        around[:rows] = np.maximum(around[:rows], random.uniform(0.3, 1))
    return lit.face * 2**-dose, around, mark(dose, 1.3, 2.8)


def dark(lit: Lit, random: Random) -> Relit:
    dose = random.uniform(0.5, 6)
    return lit.face * 2**-dose, lit.around * 2**-dose, mark(dose, 1.6, 3.2)


def bright(lit: Lit, random: Random) -> Relit:
    """Over-exposed; the mark goes by the share of the skin that is white."""
    gain = 2 ** random.uniform(0.1, 3)
    white = float((stored(lit.face * gain).min(2)[lit.skin] >= 248).mean())
    return lit.face * gain, lit.around * gain, mark(white, 0.1, 0.35)


def coloured(lit: Lit, random: Random) -> Relit:
    """A coloured lamp, on the face alone or on everything."""
    gains = -random.uniform(0.2, 4) * random.dirichlet([0.7, 0.7, 0.7])
    gains -= gains.max()
    around = lit.around * 2 ** (gains * (1.0 if random.random() < 0.7 else 0.3))
    return lit.face * 2**gains * random.uniform(1, 1.8), around, mark(float(-gains.min()), 0.8, 2)


def two_colours(lit: Lit, random: Random) -> Relit:
    """A lamp of another colour at each side."""
    left, right = (2 ** (-random.uniform(0.5, 3) * random.dirichlet([0.6, 0.6, 0.6])) for _ in range(2))
    share = _ramp(lit, random.choice([0, np.pi]), 0.0, random.uniform(0.1, 0.6))
    apart = float(np.abs(np.log2(left / right)).max())
    return lit.face * (share * left + (1 - share) * right), lit.around, mark(apart, 0.6, 1.2)


def unchanged(lit: Lit, random: Random) -> Relit:
    """As it is: of use where the face is masked."""
    return lit.face, lit.around, "0"


KINDS: Mapping[Callable[[Lit, Random], Relit], float] = {
    side: 0.25, above: 0.09, patches: 0.14, behind: 0.12, dark: 0.08, bright: 0.09, coloured: 0.09, two_colours: 0.04,
    unchanged: 0.1,
}  # fmt: skip
"""How often each is drawn."""


MASKED = 0.3
"""Share of the faces that get a mask first, so that its colour is not taken for a shadow."""
_HEIGHT = mean_face()[:, 1] / np.sqrt((mean_face()[:, :2] ** 2).sum(1).mean())


def masked(cut: Cut, random: Random) -> Cut:
    """A mask of any colour from the bridge of the nose or the cheeks down, shaded like the face."""
    lower = cut.points[random.uniform(-0.3, 0.3) < _HEIGHT, :2].round().astype(np.int32)
    inside = np.zeros((SIZE, SIZE), np.float32)
    cv2.fillConvexPoly(inside, cv2.convexHull(lower), 1.0)
    inside = cv2.GaussianBlur(inside, (0, 0), 1)[..., None]
    grey = cv2.GaussianBlur(cut.face.astype(np.float32).mean(2), (0, 0), 10)
    shade = (grey / max(float(np.median(grey)), 1.0)).clip(0.6, 1.3)[..., None]
    tint = random.uniform(10, 245) + random.normal(0, random.choice([4, 40]), 3)
    face = cut.face * (1 - inside) + inside * shade * tint.clip(5, 250)
    return replace(cut, face=np.asarray(face.clip(0, 255), np.uint8))


def stored(linear: Array) -> NDArray[np.uint8]:
    """8-bit values of linear light, by the power that the features are read with."""
    return np.asarray((255 * linear.clip(0, 1) ** (1 / 2.2)).round(), np.uint8)


def relit(cut: Cut, random: Random) -> tuple[Cut, str]:
    """The cut under other light, with its mark; some masked, a little noise on some."""
    if random.random() < MASKED:
        cut = masked(cut, random)
    face, around = ((image / np.float32(255)) ** np.float32(2.2) for image in (cut.face, cut.around))
    low, high = cut.points[:, :2].min(0), cut.points[:, :2].max(0)
    index = np.clip(cut.points[SKIN, :2].round().astype(np.intp), 0, SIZE - 1)
    lit = Lit(face, around, (low + high) / 2, float(high[0] - low[0]), (index[:, 1], index[:, 0]))
    kinds = list(KINDS)
    kind = kinds[random.choice(len(kinds), p=[KINDS[k] for k in kinds])]
    face, around, said = kind(lit, random)
    if random.random() < 0.3:
        face = face + random.normal(0, 0.006, face.shape).astype(np.float32)
    return replace(cut, face=stored(face), around=stored(around)), said
