"""The crop of a photo that mends its geometry without inventing pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from screening.geometry import Geometry
from screening.report import Crop, RuleResult
from screening.scene import Scene
from screening.types import Box

GEOMETRIC = ("resolution", "framing", "centering")
"""The rules that a crop can mend or break; a crop must leave none of them worse than a warning."""

_HEAD_SHARES = (0.42, 0.36, 0.5, 0.32, 0.56, 0.28)
"""Shares of the height that the head may take in the crop, the most pleasing first: a chest-up portrait."""
_ASPECTS = (0.8, 1.0, 0.75, 0.67)
"""Width over height tried, portrait formats first; the photo's own is tried before these."""
_RANK = {"pass": 0, "warn": 1, "unassessed": 2, "fail": 2, "not_run": 0}

Judge = Callable[[Scene], Mapping[str, RuleResult]]


def crop(scene: Scene, now: Mapping[str, RuleResult], judge: Judge) -> Crop | None:
    """The first good crop that mends framing or centering, or None where nothing needs it or none can.

    `now`: results of the `GEOMETRIC` rules on the photo; `judge`: their results on a cropped scene.
    """
    if all(now[i].status == "pass" for i in ("framing", "centering")):
        return None
    geometry = scene.geometry
    if geometry is None:
        return None
    best: tuple[tuple[int, int], Crop] | None = None
    for box in candidates(geometry):
        then = judge(scene.cropped(box))
        if any(_RANK[then[i].status] > _RANK[now[i].status] or then[i].status == "fail" for i in GEOMETRIC):
            continue
        mends = tuple(i for i in GEOMETRIC if _RANK[then[i].status] < _RANK[now[i].status])
        rank = (sum(_RANK[then[i].status] for i in GEOMETRIC), -len(mends))
        if mends and (best is None or rank < best[0]):
            best = rank, Crop(box, mends)
            if rank[0] == 0:
                break
    return best[1] if best else None


def candidates(geometry: Geometry) -> Iterator[Box]:
    """Crops inside the frame with the head centred, a tenth of the crop above the crown."""
    own = geometry.width / geometry.height
    middle = geometry.middle[0]
    half = min(middle, geometry.width - middle)
    for aspect in (own, *_ASPECTS):
        for share in _HEAD_SHARES:
            height = min(geometry.head.height / share, geometry.height, 2 * half / aspect)
            width = height * aspect
            top = min(max(geometry.head.top - 0.1 * height, 0.0), geometry.height - height)
            box = Box(round(middle - width / 2), round(top), round(middle + width / 2), round(top + height))
            box = box.clipped(geometry.width, geometry.height)
            if box.width >= 16 and box.height >= 16:
                yield box
