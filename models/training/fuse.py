"""Fits how much each network's answer counts: `python -m models.training.fuse RAW LABELS PHOTOS`.

Every network answers on the labelled portraits that none was trained on; a logistic regression per attribute, held near
equal weights, goes to `screening/data/fusion.json`. PHOTOS holds `keep_out.py`.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from screening.decode import decode
from screening.fusion import SOURCES, log_odds
from screening.scene import Scene

from .pack import distance_function, usable
from .sources import portrait_validates
from .upper_data import labels_of_portrait, read_rows
from .upper_scores import score

HELD_NEAR = 2.0
"""Weight of the squared distance from equal weights, against the sum of the losses."""
UPPER = {
    "glasses": "glasses", "headwear": "headwear", "headphones": "headphones", "covered": "face_covered",
    "earring": "earrings", "necklace": "necklace", "hair_over_shoulder": "hair_over_shoulder",
    "hair_across_face": "hair_across_face",
}  # fmt: skip
"""Attributes whose labels are those of `upper.ATTRIBUTES`."""


def answers(path: Path) -> dict[str, float]:
    """What every network says of one photo, and whether there was a face."""
    scene = Scene(decode(path.read_bytes(), path.name))
    found = dict(scene.answers or {})
    found["photo.second_person"] = scene.whole.attributes["second_person"]
    if scene.others is not None:
        found["others.second_person"] = scene.others
    found["photo.human"] = scene.whole.kind["human"]
    if scene.face_attributes is not None:
        found["face.human"] = scene.face_attributes.kind["human"]
    return found


def truth(row: dict[str, str], name: str) -> float:
    """1, 0 or NaN."""
    from screening.networks import upper

    if name in UPPER:
        value = labels_of_portrait(row)[upper.ATTRIBUTES.index(UPPER[name])]
        return float(value) if value in (0.0, 1.0) else float("nan")
    rule = {"second_person": "one_person", "human": "human"}[name]
    if row[rule] not in ("0", "2") or "N2" in row["codes"].split():
        return float("nan")
    return float(row[rule] == "2") if name == "second_person" else float(row[rule] == "0")


def fit(scores: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """(bias, weights >= 0) of log-odds (n, k); the two labels count alike."""
    start = np.full(scores.shape[1], 1 / scores.shape[1])
    ones = max(labels.sum(), 1)
    weight = np.where(labels == 1, 1.0, np.minimum(1.0, 4 * ones / max((labels == 0).sum(), 1)))

    def loss(p: np.ndarray) -> float:
        z = p[0] + scores @ p[1:]
        return float(
            (weight * (np.logaddexp(0, z) - labels * z)).sum() + HELD_NEAR * ((p[1:] - start) ** 2).sum()
        )

    bounds = [(-5.0, 5.0)] + [(0.0, 2.0)] * len(start)
    found = minimize(loss, np.concatenate([[0.0], start]), bounds=bounds).x
    return float(found[0]), found[1:]


def held_out(raw: Path, labels: Path, photos: Path) -> list[dict[str, str]]:
    """The rows of the portraits that no network was trained on and the benchmark does not hold."""
    from PIL import Image

    distance = distance_function(photos)
    rows = [r for r in read_rows(labels / "portraits.csv") if portrait_validates(r["person_group"])]
    return [r for r in rows if usable(Image.open(raw / r["file"]), distance)]


def main(raw: Path, labels: Path, photos: Path) -> None:
    rows = held_out(raw, labels, photos)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.map(answers, [raw / row["file"] for row in rows], 8)
    result = {}
    for name, sources in SOURCES.items():
        known = [
            ([log_odds(f[s]) for s in sources], truth(row, name))
            for row, f in zip(rows, found, strict=True) if all(s in f for s in sources)
        ]  # fmt: skip
        scores = np.array([s for s, t in known if np.isfinite(t)])
        target = np.array([t for _, t in known if np.isfinite(t)])
        bias, weights = fit(scores, target)
        result[name] = {"bias": round(bias, 4)} | {
            s: round(float(w), 4) for s, w in zip(sources, weights, strict=True)
        }
        each = {s: score(scores[:, k], target == 1).get("auc") for k, s in enumerate(sources)}
        print(name, result[name], score(bias + scores @ weights, target == 1), each, flush=True)
    out = Path(__file__).parents[2] / "screening/data/fusion.json"
    out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main(*(Path(a) for a in sys.argv[1:4]))
