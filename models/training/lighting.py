"""Fit the boosted trees that judge the light on a face, from labels by eye and from good photos under other light.

    python -m models.training.lighting RAW LABELS PHOTOS OUT [--cuts FILE.npz]

RAW is the folder of the training sets, LABELS that of the labels by eye, PHOTOS that of the benchmark (`keep_out.py`).
Writes lighting.onnx and prints figures, cross-validated by people. `--cuts` keeps what was cut out, for the next time.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
from PIL import Image, ImageOps
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from screening.decode import decode_array
from screening.networks.lighting import FEATURES, Cut, cut, features
from screening.scene import Scene

from .pack import distance_function
from .relight import relit

Array = NDArray[Any]
TARGET = {"0": 0.0, "1": 0.4, "2": 1.0}
SEEDS = 3
RELIT = 4000
"""Good faces put under other light."""
FAIRFACE_GOOD = 2500
"""Labelled FairFace crops without a strong shadow that are taken, of some 11,000."""
NARROW = [i for i, name in enumerate(FEATURES) if name.startswith("photo_")]
"""Features that a face crop says nothing about: what surrounds the face was cut off."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A picture of a set with its mark: "0", "1" or "2". Photos of one `group` show the same people."""

    set: str
    file: str
    mark: str
    group: str
    skin: str = ""


def weight(set_name: str, mark: str) -> float:
    """Clear portraits count most: there are few. FairFace's label is loose, relit faces are made up."""
    return {"portraits": 8.0 if mark == "2" else 1.0, "fairface": 0.5, "yalefaces": 1.0, "relit": 0.5}[
        set_name
    ]


def labelled(raw: Path, labels: Path) -> Iterator[Labelled]:
    for row in csv.DictReader((labels / "portraits.csv").open()):
        if row["lighting"]:
            group = row["person_group"] or row["file"]
            yield Labelled("portraits", row["file"], row["lighting"], group, row["skin"])
    rows = list(csv.DictReader((labels / "faces_labels.csv").open()))
    random.Random(0).shuffle(rows)
    good = 0
    for row in rows:
        shadow = "L2" in row["codes"]
        good += not shadow
        if shadow or good <= FAIRFACE_GOOD:
            file = f"fairface/fair_face/{row['file']}"
            yield Labelled("fairface", file, "2" if shadow else "0", row["file"])
    for path in sorted((raw / "yalefaces/yalefaces").iterdir()):
        person, _, kind = path.name.partition(".")
        yield Labelled(
            "yalefaces",
            str(path.relative_to(raw)),
            "2" if kind in ("leftlight", "rightlight") else "0",
            person,
        )


def cuts(samples: Iterator[Labelled], raw: Path, distance: Callable[[Image.Image], int]) -> dict[str, Array]:
    """What is cut out of every picture whose face the mesh confirms and that is not in a benchmark."""
    rows = []
    for sample in samples:
        picture = ImageOps.exif_transpose(Image.open(raw / sample.file)).convert("RGB")
        if distance(picture) <= 6:
            continue
        scene = Scene(decode_array(np.asarray(picture), sample.file))
        if scene.subject is not None and scene.subject.seen:
            found = cut(scene.pyramid, scene.subject.mesh.points)
            rows.append(
                (found.face, found.points, found.around, sample.set, sample.mark, sample.group, sample.skin)
            )
    names = ("face", "points", "around", "set", "mark", "group", "skin")
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def cut_of(data: dict[str, Array], i: int) -> Cut:
    return Cut(data["face"][i], data["points"][i], data["around"][i])


def table(data: dict[str, Array]) -> dict[str, Array]:
    """Features `x`, marks `y`, weights `w`, groups and skin of the pictures, then of relit good portraits."""
    x = [features(cut_of(data, i)) for i in range(len(data["mark"]))]
    rows = {key: list(data[key]) for key in ("set", "mark", "group", "skin")}
    rng = np.random.default_rng(0)
    good = np.flatnonzero((data["mark"] == "0") & (data["set"] == "portraits"))
    for i in rng.choice(good, RELIT):
        other, mark = relit(cut_of(data, int(i)), rng)
        x.append(features(other))
        for key, value in (
            ("set", "relit"),
            ("mark", mark),
            ("group", data["group"][i]),
            ("skin", data["skin"][i]),
        ):
            rows[key].append(value)
    out = {key: np.array(values) for key, values in rows.items()}
    out["x"] = np.nan_to_num(np.array(x, np.float32))
    out["x"][np.ix_(out["set"] == "fairface", NARROW)] = np.nan
    return out | {"w": np.array([weight(s, m) for s, m in zip(out["set"], out["mark"], strict=True)])}


def fit(data: dict[str, Array], rows: Array, seed: int) -> HistGradientBoostingRegressor:
    model = HistGradientBoostingRegressor(
        max_iter=160, learning_rate=0.06, max_leaf_nodes=10, min_samples_leaf=20, max_features=0.4,
        l2_regularization=5, random_state=seed,
    )  # fmt: skip
    target = np.array([TARGET[m] for m in data["mark"][rows]])
    return model.fit(data["x"][rows], target, data["w"][rows])


def cross_validated(data: dict[str, Array]) -> Array:
    """Scores of the portraits from models that saw none of the same people (NaN for the rest)."""
    score = np.full(len(data["mark"]), np.nan)
    for train, test in GroupKFold(6).split(data["x"], data["mark"], data["group"]):
        test = test[data["set"][test] == "portraits"]
        score[test] = fit(data, train, 0).predict(data["x"][test])
    return score


def calibration(score: Array, broken: Array) -> tuple[float, float]:
    """(slope, offset) of the log-odds in the score (Platt 1999), on cross-validated scores."""
    model = LogisticRegression(C=1e4).fit(score[:, None], broken)
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def to_onnx(models: list[HistGradientBoostingRegressor], slope: float, offset: float) -> onnx.ModelProto:
    """The calibrated mean of the models as a tree ensemble: input (n, features) float32, output (n, 1) probability."""
    nodes: dict[str, list[Any]] = {k: [] for k in ("tree", "id", "feature", "mode", "value", "true", "false")}
    leaves: dict[str, list[Any]] = {k: [] for k in ("tree", "node", "id", "weight")}
    tree = 0
    for model in models:
        for (predictor,) in model._predictors:
            for i, node in enumerate(predictor.nodes):
                leaf = bool(node["is_leaf"])
                # compared in float32 at run time: the largest float32 that is not above keeps "<=" as it was
                exact = 0.0 if leaf else float(node["num_threshold"])
                threshold = np.float32(exact)
                if float(threshold) > exact:
                    threshold = np.nextafter(threshold, np.float32(-np.inf))
                for key, value in (
                    ("tree", tree), ("id", i), ("feature", 0 if leaf else int(node["feature_idx"])),
                    ("mode", "LEAF" if leaf else "BRANCH_LEQ"), ("value", float(threshold)),
                    ("true", 0 if leaf else int(node["left"])), ("false", 0 if leaf else int(node["right"])),
                ):  # fmt: skip
                    nodes[key].append(value)
                if leaf:
                    for key, value in (
                        ("tree", tree), ("node", i), ("id", 0), ("weight", float(node["value"]) / len(models)),
                    ):  # fmt: skip
                        leaves[key].append(value)
            tree += 1
    base = float(np.mean([np.ravel(m._baseline_prediction)[0] for m in models]))
    op = helper.make_node(
        "TreeEnsembleRegressor", ["features"], ["score"], domain="ai.onnx.ml", n_targets=1, base_values=[base],
        nodes_treeids=nodes["tree"], nodes_nodeids=nodes["id"], nodes_featureids=nodes["feature"],
        nodes_modes=nodes["mode"], nodes_values=nodes["value"], nodes_truenodeids=nodes["true"],
        nodes_falsenodeids=nodes["false"], target_treeids=leaves["tree"], target_nodeids=leaves["node"],
        target_ids=leaves["id"], target_weights=leaves["weight"],
    )  # fmt: skip
    calibrate = [
        helper.make_node("Mul", ["score", "slope"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offset"], ["log_odds"]),
        helper.make_node("Sigmoid", ["log_odds"], ["probability"]),
    ]
    graph = helper.make_graph(
        [op, *calibrate], "lighting",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, len(FEATURES)])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 1])],
        [helper.make_tensor(name, TensorProto.FLOAT, [1], [v]) for name, v in (("slope", slope), ("offset", offset))],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("raw", "labels", "photos", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--cuts", type=Path)
    args = parser.parse_args()
    if args.cuts and args.cuts.is_file():
        with np.load(args.cuts) as stored:
            found = {name: stored[name] for name in stored.files}
    else:
        found = cuts(labelled(args.raw, args.labels), args.raw, distance_function(args.photos))
        if args.cuts:
            np.savez_compressed(args.cuts, **found)
    data = table(found)
    score = cross_validated(data)
    clear = (data["set"] == "portraits") & (data["mark"] != "1")
    broken = data["mark"] == "2"
    slope, offset = calibration(score[clear], broken[clear])
    print(json.dumps({
        "pictures": {s: int((data["set"] == s).sum()) for s in np.unique(data["set"])},
        "clear_portraits": int(clear.sum()), "broken_portraits": int(broken[clear].sum()),
        "auc_cross_validated": round(float(roc_auc_score(broken[clear], score[clear])), 3),
        "auc_by_skin": {
            s: round(float(roc_auc_score(broken[of], score[of])), 3)
            for s in "123"
            if len(set(broken[of := clear & (data["skin"] == s)])) == 2
        },
    }))  # fmt: skip
    every = np.arange(len(data["mark"]))
    models = [fit(data, every, seed) for seed in range(SEEDS)]
    onnx.save(to_onnx(models, slope, offset), args.out / "lighting.onnx")


if __name__ == "__main__":
    main()
