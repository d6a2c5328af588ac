"""Measure the face network on what was held out: python -m models.training.evaluate MODEL.onnx CACHE [--json FILE].

MODEL is what `export.py` wrote, CACHE what `pack.py` wrote. Intervals: 95 %, of 500 bootstrap samples (AUC,
errors) or Wilson's (shares).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from screening.networks.face import ATTRIBUTES, KINDS, SIZE, minor_logit, softmax

from .data import Packed, validation_images
from .sources import SKIN_GROUPS

Array = NDArray[Any]
WIDE = (
    "portraits",
    "ccp",
    "celeb1k_hair",
    "celebamask",
    "celeba_and_avatars",
    "kinds",
    "humans",
    "yalefaces",
)
"""Sets that show what is around the face, as photos at run time do."""


def predict(model: Path, packed: Packed, rows: Array, zoom: float = 1.0) -> dict[str, Array]:
    """Logits per output, (n, ...)."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    parts = []
    for start in range(0, len(rows), 64):
        images = validation_images(packed, rows[start : start + 64], SIZE, zoom)
        parts.append(session.run(names, {"image": images}))
    return {
        name: np.concatenate([part[i] for part in parts]).astype(np.float64) for i, name in enumerate(names)
    }


def auc(scores: Array, labels: Array) -> float:
    """Area under the ROC curve (Mann-Whitney, ties count half)."""
    order = np.argsort(scores, kind="stable")
    _, inverse, counts = np.unique(scores[order], return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    positive = labels[order].astype(bool)
    n, m = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m)) if n and m else float("nan")


def recall_at(positives: Array, negatives: Array, alarm: float) -> tuple[float, float]:
    """(recall, limit): share of the positives above the limit that `alarm` of the negatives exceed."""
    if not len(positives) or not len(negatives):
        return float("nan"), float("nan")
    limit = float(np.sort(negatives)[::-1][min(int(alarm * len(negatives)), len(negatives) - 1)])
    return float((positives > limit).mean()), limit


def wilson(share: float, n: int) -> tuple[float, float]:
    """95 % interval of a share."""
    if not n or not np.isfinite(share):
        return float("nan"), float("nan")
    z = 1.96
    middle, spread = share + z * z / (2 * n), z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return float((middle - spread) / (1 + z * z / n)), float((middle + spread) / (1 + z * z / n))


def interval(statistic: Callable[[Array], float], n: int, times: int = 500) -> tuple[float, float]:
    """95 % bootstrap interval of a statistic of row numbers."""
    rng = np.random.default_rng(0)
    values = [statistic(rng.integers(0, n, n)) for _ in range(times)]
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)


def minor_scores(outputs: Mapping[str, Array], minor_weights: tuple[float, ...]) -> Array:
    years = softmax(outputs["age"])
    return np.array(
        [minor_logit(y, float(m), minor_weights) for y, m in zip(years, outputs["minor"][:, 0], strict=True)]
    )


def age_figures(
    outputs: Mapping[str, Array], table: Mapping[str, Array], minor_weights: tuple[float, ...]
) -> dict[str, Any]:
    """On UTKFace (exact ages): errors of the median, recall of minors at fixed false alarms, by group."""
    utk = table["set"] == "utkface"
    ages = table["low"][utk].astype(int)
    totals = np.cumsum(softmax(outputs["age"][utk]), 1)
    median = np.array([np.interp(0.5, np.r_[0, row], np.arange(len(row) + 1)) for row in totals])
    error = np.abs(median - ages - 0.5)
    bands = {
        "0-12": (0, 12),
        "13-17": (13, 17),
        "18-25": (18, 25),
        "26-40": (26, 40),
        "41-60": (41, 60),
        "61+": (61, 90),
    }
    out: dict[str, Any] = {
        "n": len(ages), "mae": error.mean(), "mae_interval": interval(lambda i: float(error[i].mean()), len(error)),
        "mae_by_age": {name: error[(ages >= a) & (ages <= b)].mean() for name, (a, b) in bands.items()},
    }  # fmt: skip
    scores = minor_scores(outputs, minor_weights)[utk]
    adults = {"18-25": (ages >= 18) & (ages <= 25), "26+": ages >= 26, "18+": ages >= 18}
    minors = {
        "0-17": ages < 18,
        "0-12": ages <= 12,
        "13-17": (ages >= 13) & (ages < 18),
        "13-15": (ages >= 13) & (ages < 16),
    }
    groups: dict[str, Array] = {"all": np.ones(len(ages), bool)}
    groups |= {name: table["male"][utk] == value for name, value in (("male", 1), ("female", 0))}
    groups |= {name: table["skin"][utk] == index for index, name in enumerate(SKIN_GROUPS)}
    recalls: dict[str, Any] = {}
    for against, adult in adults.items():
        for alarm in (0.01, 0.02, 0.05):
            limit = recall_at(scores[minors["0-17"]], scores[adult], alarm)[1]
            for group, inside in groups.items():
                found = {}
                for name, minor in minors.items():
                    hits = scores[minor & inside] > limit
                    found[name] = [float(hits.mean()), *wilson(float(hits.mean()), len(hits)), len(hits)]
                # one limit for all: the alarm rate differs between groups
                found["false_alarm"] = float((scores[adult & inside] > limit).mean())
                recalls[f"{alarm:.0%} of {against}, {group}"] = found
    out["minors"] = recalls
    return out


def attribute_figures(outputs: Mapping[str, Array], table: Mapping[str, Array]) -> dict[str, Any]:
    """AUC and recall at 2 % false alarm, on everything, on wide sets and on portraits alone."""
    views = {
        "all": np.ones(len(table["set"]), bool),
        "wide": np.isin(table["set"], WIDE),
        "portraits": table["set"] == "portraits",
    }
    out: dict[str, Any] = {}
    for index, name in enumerate(ATTRIBUTES):
        for view, inside in views.items():
            labels = table["attributes"][:, index]
            known = inside & (labels >= 0)
            scores, truth = outputs["attributes"][known, index], labels[known] == 1
            if truth.sum() < 2 or (~truth).sum() < 2:
                continue
            recall, _ = recall_at(scores[truth], scores[~truth], 0.02)
            out.setdefault(name, {})[view] = {
                "yes": int(truth.sum()), "no": int((~truth).sum()), "auc": auc(scores, truth),
                "auc_interval": interval(lambda i, s=scores, t=truth: auc(s[i], t[i]), len(truth), 200),
                "recall_at_2%": recall, "recall_interval": wilson(recall, int(truth.sum())),
            }  # fmt: skip
    return out


def kind_figures(outputs: Mapping[str, Array], table: Mapping[str, Array]) -> dict[str, Any]:
    """Confusion, rows = truth."""
    known = table["kind"] >= 0
    guess = outputs["kind"][known].argmax(1)
    matrix = np.zeros((len(KINDS), len(KINDS)), int)
    np.add.at(matrix, (table["kind"][known], guess), 1)
    return {"kinds": KINDS, "confusion": matrix.tolist()}


def figures(model: Path, cache: Path, minor_weights: tuple[float, ...]) -> dict[str, Any]:
    """Everything measured, of the held-out rows."""
    packed = Packed.read(cache)
    rows = packed.rows(validation=True)
    table = {name: value[rows] for name, value in packed.table.items()}
    outputs = predict(model, packed, rows)
    return {
        "age": age_figures(outputs, table, minor_weights),
        "attributes": attribute_figures(outputs, table),
        "kind": kind_figures(outputs, table),
    }


def summary(found: Mapping[str, Any]) -> str:
    """The figures as a few lines of text."""
    age = found["age"]
    by_age = {name: round(float(value), 1) for name, value in age["mae_by_age"].items()}
    lines = [f"UTKFace ({age['n']}): MAE {age['mae']:.2f}, by age {by_age}"]
    lines += [
        f"minors at {key}: 0-17 {value['0-17'][0]:.2f}, 13-17 {value['13-17'][0]:.2f}, alarm {value['false_alarm']:.3f}"
        for key, value in age["minors"].items()
    ]
    for name, views in found["attributes"].items():
        parts = [
            f"{v} ({f['yes']}) AUC {f['auc']:.3f} recall {f['recall_at_2%']:.2f}" for v, f in views.items()
        ]
        lines.append(f"{name}: " + "; ".join(parts))
    lines += [f"{k}: {row}" for k, row in zip(KINDS, found["kind"]["confusion"], strict=True)]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--json", type=Path, help="write everything there")
    arguments = parser.parse_args()
    calibration = json.loads(arguments.model.with_suffix(".json").read_text())
    found = figures(arguments.model, arguments.cache, tuple(calibration["minor_weights"]))
    print(summary(found))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
