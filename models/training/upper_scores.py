"""Figures of one attribute or class, with what chance allows."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.stats import beta

FALSE_ALARM = 0.02


def score(logits: np.ndarray, truth: np.ndarray) -> dict[str, float | int | list[float]]:
    """AUC, recall at 2 % false alarm with its 95 % interval (Clopper-Pearson), and the counts."""
    positives, negatives = np.sort(logits[truth]), np.sort(logits[~truth])
    found: dict[str, float | int | list[float]] = {"n1": len(positives), "n0": len(negatives)}
    if len(positives) and len(negatives):
        below = np.searchsorted(negatives, positives, "left") + np.searchsorted(negatives, positives, "right")
        found["auc"] = round(float(below.mean() / 2 / len(negatives)), 4)
        limit = negatives[-1 - int(FALSE_ALARM * len(negatives))]
        hits = int((positives > limit).sum())
        found["recall"] = round(hits / len(positives), 3)
        found["interval"] = [round(v, 2) for v in interval(hits, len(positives))]
    return found


def interval(hits: int, of: int) -> tuple[float, float]:
    """The exact 95 % interval of a share."""
    low = 0.0 if hits == 0 else float(beta.ppf(0.025, hits, of - hits + 1))
    high = 1.0 if hits == of else float(beta.ppf(0.975, hits + 1, of - hits))
    return low, high


def platt(logits: np.ndarray, truth: np.ndarray) -> list[float]:
    """(slope, offset) so that sigmoid(slope * logit + offset) is calibrated; softened targets as Platt
    (1999) proposed.
    """
    ones, zeros = int(truth.sum()), int((~truth).sum())
    target = np.where(truth, (ones + 1) / (ones + 2), 1 / (zeros + 2))

    def loss(p: np.ndarray) -> float:
        z = p[0] * logits + p[1]
        return float((np.logaddexp(0, z) - target * z).sum() + 0.5 * (p[0] - 1) ** 2)

    slope, offset = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead").x
    return [round(max(0.05, float(slope)), 4), round(float(offset), 4)]


def iou_per_class(found: np.ndarray, codes: np.ndarray) -> dict[int, float]:
    """Intersection over union per class over the pixels whose code is one class; a hair-only set gives class
    2 alone.
    """
    hair_only = not np.isin(codes, (1, 3, 4)).any()
    known = codes < 9
    result = {}
    if hair_only:
        known = codes != 255
    for k in [2] if hair_only else range(9):
        is_found, true = (found == k) & known, codes == k
        union = (is_found | true).sum()
        if true.sum():
            result[k] = round(float((is_found & true).sum() / union), 3)
    return result
