"""Fits how much each network's answer counts: `python -m models.training.fuse HELD_OUT.json`.

HELD_OUT is what `held_out.py` wrote. A logistic regression per attribute, held near equal weights, goes to
`screening/data/fusion.json`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from screening.fusion import SOURCES, log_odds

from .held_out import truth
from .upper_scores import score

HELD_NEAR = 2.0
"""Weight of the squared distance from equal weights, against the sum of the losses."""
RATIO = 4.0
"""The commoner label counts at most this many times the rarer one, so that the fit is not all about the common case."""


RATIOS = {"human": (0.5, 0.25, 0.25)}
"""Weights of which only the scale is fitted: the held-out figures are mostly from galleries of dolls and paintings, cut
close, where the closer crops do better than on what people send."""


def fit(scores: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """(bias, weights >= 0) of log-odds (n, k)."""
    start = np.full(scores.shape[1], 1 / scores.shape[1])
    counts = {value: max(int((labels == value).sum()), 1) for value in (0, 1)}
    rarer = min(counts.values())
    weight = np.array([min(1.0, RATIO * rarer / counts[int(label)]) for label in labels])

    def loss(p: np.ndarray) -> float:
        z = p[0] + scores @ p[1:]
        far = ((p[1:] - start) ** 2).sum()
        return float((weight * (np.logaddexp(0, z) - labels * z)).sum() + HELD_NEAR * far)

    bounds = [(-5.0, 5.0)] + [(0.0, 2.0)] * len(start)
    found = minimize(loss, np.concatenate([[0.0], start]), bounds=bounds).x
    return float(found[0]), found[1:]


def main(held_out: Path) -> None:
    photos = json.loads(held_out.read_text())
    result = {}
    for name, sources in SOURCES.items():
        known = [
            ([log_odds(p["answers"][s]) for s in sources], truth(p["row"], name))
            for p in photos if all(s in p["answers"] for s in sources)
        ]  # fmt: skip
        scores = np.array([s for s, t in known if np.isfinite(t)])
        target = np.array([t for _, t in known if np.isfinite(t)])
        if name in RATIOS:
            bias, (scale,) = fit(scores @ np.array(RATIOS[name])[:, None], target)
            weights = scale * np.array(RATIOS[name])
        else:
            bias, weights = fit(scores, target)
        result[name] = {"bias": round(bias, 4)} | {
            s: round(float(w), 4) for s, w in zip(sources, weights, strict=True)
        }
        each = {s: score(scores[:, k], target == 1).get("auc") for k, s in enumerate(sources)}
        print(name, result[name], score(bias + scores @ weights, target == 1), each, flush=True)
    out = Path(__file__).parents[2] / "screening/data/fusion.json"
    out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
