"""Fit the boosted trees that judge the light on a face, from labels by eye.

    python -m models.training.lighting PORTRAITS_DIR PORTRAITS_CSV KEEP_OUT_PY OUT_DIR

Writes lighting.onnx (a TreeEnsembleRegressor) and prints cross-validated figures by page of origin.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from PIL import Image, ImageOps
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from screening.decode import decode_array
from screening.networks.lighting import FEATURES, features
from screening.scene import Scene

TARGET = {"0": 0.0, "1": 0.4, "2": 1.0}
WEIGHT = {"0": 1.0, "1": 1.0, "2": 8.0}
SEEDS = 3


def table(photos: Path, labels: Path, keep_out: Any) -> dict[str, np.ndarray]:
    """Features, labels and groups of every labelled portrait whose face the mesh confirms."""
    rows = []
    for row in csv.DictReader(labels.open()):
        if row["lighting"] == "":
            continue
        picture = Image.open(photos / row["file"])
        if keep_out.benchmark_distance(picture) <= 6:
            continue
        scene = Scene(decode_array(ImageOps.exif_transpose(picture).convert("RGB"), row["file"]))
        if scene.subject is None or not scene.subject.seen:
            continue
        x = features(scene.pixels, scene.subject.mesh.points)
        rows.append((x, row["lighting"], row["person_group"] or row["file"], row["skin"]))
    x, y, group, skin = zip(*rows, strict=True)
    return {
        "x": np.nan_to_num(np.array(x)),
        "y": np.array(y),
        "group": np.array(group),
        "skin": np.array(skin),
    }


def fit(x: np.ndarray, y: np.ndarray, seed: int) -> HistGradientBoostingRegressor:
    model = HistGradientBoostingRegressor(
        max_iter=80, learning_rate=0.06, max_leaf_nodes=8, min_samples_leaf=20, max_features=0.4,
        l2_regularization=5, random_state=seed,
    )  # fmt: skip
    return model.fit(x, np.array([TARGET[v] for v in y]), np.array([WEIGHT[v] for v in y]))


def to_onnx(models: list[HistGradientBoostingRegressor]) -> onnx.ModelProto:
    """The mean of the models as one tree ensemble: input (n, features) float32, output (n, 1)."""
    nodes: dict[str, list[Any]] = {k: [] for k in ("tree", "id", "feature", "mode", "value", "true", "false")}
    leaves: dict[str, list[Any]] = {k: [] for k in ("tree", "node", "id", "weight")}
    tree = 0
    for model in models:
        for (predictor,) in model._predictors:
            for i, node in enumerate(predictor.nodes):
                leaf = bool(node["is_leaf"])
                # thresholds are compared in float32 at run time; rounding down keeps "<=" on the same side
                threshold = (
                    np.nextafter(np.float32(node["num_threshold"]), np.float32(-np.inf)) if not leaf else 0.0
                )
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
    graph = helper.make_graph(
        [op], "lighting",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, len(FEATURES)])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1])],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("photos", "labels", "keep_out", "out"):
        parser.add_argument(name, type=Path)
    args = parser.parse_args()
    spec = importlib.util.spec_from_file_location("keep_out", args.keep_out)
    assert spec is not None
    assert spec.loader is not None
    keep_out = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(keep_out)
    data = table(args.photos, args.labels, keep_out)
    x, y = data["x"], data["y"]
    score = np.zeros(len(y))
    for train, test in GroupKFold(6).split(x, y, data["group"]):
        score[test] = fit(x[train], y[train], 0).predict(x[test])
    clear = y != "1"
    print(json.dumps({
        "photos": len(y), "clear": int(clear.sum()), "broken": int((y == "2").sum()),
        "auc_cross_validated": round(float(roc_auc_score(y[clear] == "2", score[clear])), 3),
        "auc_by_skin": {
            s: round(float(roc_auc_score(y[clear & (data["skin"] == s)] == "2", score[clear & (data["skin"] == s)])), 3)
            for s in "123"
        },
    }))  # fmt: skip
    onnx.save(to_onnx([fit(x, y, seed) for seed in range(SEEDS)]), args.out / "lighting.onnx")


if __name__ == "__main__":
    main()
