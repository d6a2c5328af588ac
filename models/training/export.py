"""Checkpoint to ONNX and calibration.

    python -m models.training.export models/training/config/face.toml RUN CACHE models/face.onnx

Writes the network and, beside it, `face.json`: temperatures and piecewise-linear maps fitted on held-out pictures.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from screening.networks.face import ATTRIBUTES, KINDS, SIZE

from . import onnx_file
from .data import Packed
from .evaluate import Array, minor_scores, predict
from .networks import FaceNet

OUTPUTS = ("age", "minor", "sex", "attributes", "kind")
KNOTS = 21


class _Ordered(nn.Module):
    """The outputs as a tuple, in the order of `OUTPUTS`."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        found = self.network(image)
        return tuple(found[name] for name in OUTPUTS)


def averaged_network(config: Mapping[str, Any], checkpoint: Path) -> FaceNet:
    """The averaged weights of a checkpoint, ready to run."""
    network = FaceNet(tuple(config["channels"]), config["dropout"])
    state = torch.load(checkpoint, weights_only=True)["averaged"]
    network.load_state_dict(
        {k.removeprefix("module."): v for k, v in state.items() if k.startswith("module.")}
    )
    return network.eval()


def write_onnx(network: nn.Module, path: Path) -> float:
    """Opset 17, dynamic batch; the largest difference from torch on random input.

    The weights are stored in eight bits, which costs some hundredths of a logit. Raises ValueError above 0.5.
    """
    example = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    wrapped = _Ordered(network).eval()
    onnx_file.write(wrapped, example, path, "image", OUTPUTS, batch=True, eight_bits=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = [value.numpy() for value in wrapped(example)]
    found = session.run(list(OUTPUTS), {"image": example.numpy()})
    worst = max(float(np.abs(a - b).max()) for a, b in zip(expected, found, strict=True))
    if worst > 0.5:
        raise ValueError(f"ONNX differs from torch by {worst}")
    return worst


def temperature(logits: Array, loss_of: Any) -> float:
    """The divisor of the logits that makes the held-out likelihood largest (Guo 2017), by search on a grid."""
    grid = np.exp(np.linspace(np.log(0.4), np.log(4), 41))
    return float(grid[int(np.argmin([loss_of(logits / t) for t in grid]))])


def _log_softmax(logits: Array) -> Array:
    shifted = logits - logits.max(1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(1, keepdims=True)))


def logistic_map(scores: Array, labels: Array) -> dict[str, list[float]]:
    """Platt's sigmoid on held-out scores as a piecewise-linear map; never decreasing."""
    center, spread = float(scores.mean()), float(scores.std()) + 1e-6
    model = LogisticRegression(C=100.0).fit(((scores - center) / spread)[:, None], labels)
    slope = max(float(model.coef_[0, 0]), 0.05) / spread
    bias = float(model.intercept_[0]) - slope * center
    targets = np.linspace(-7, 7, KNOTS)
    return {
        "logits": [round(float((t - bias) / slope), 5) for t in targets],
        "probabilities": [round(float(1 / (1 + np.exp(-t))), 6) for t in targets],
    }


def calibrate(model: Path, cache: Path) -> dict[str, Any]:
    """Everything `face.json` holds, fitted on the held-out rows."""
    packed = Packed.read(cache)
    rows = packed.rows(validation=True)
    table = {name: value[rows] for name, value in packed.table.items()}
    outputs = predict(model, packed, rows)
    low, high = table["low"].astype(int), table["high"].astype(int)
    exact = (low >= 0) & (low == high)
    kind = table["kind"].astype(int)
    minor = np.where((low >= 0) & (high < 18), 1, np.where(low >= 18, 0, -1))
    # the two heads for "under 18", weighted where it is decided: minors and young adults
    near = (minor == 1) | ((minor == 0) & (low <= 30))
    parts = np.stack([minor_scores(outputs, (0, 1, 0)), minor_scores(outputs, (0, 0, 1))], 1)
    fit = LogisticRegression().fit(parts[near], minor[near])
    weights = (0.0, *(max(float(w), 0.0) for w in fit.coef_[0]))
    scores = minor_scores(outputs, weights)
    maps = {"under_18": logistic_map(scores[minor >= 0], minor[minor >= 0])}
    for index, name in enumerate(ATTRIBUTES):
        labels = table["attributes"][:, index]
        known = labels >= 0
        maps[name] = logistic_map(outputs["attributes"][known, index], labels[known])
    ages = low[exact]
    return {
        "attributes": list(ATTRIBUTES), "kinds": list(KINDS), "minor_weights": weights, "maps": maps,
        "age_temperature": temperature(
            outputs["age"][exact], lambda x: -_log_softmax(x)[np.arange(len(ages)), ages].mean()
        ),
        "kind_temperature": temperature(
            outputs["kind"][kind >= 0], lambda x: -_log_softmax(x)[np.arange((kind >= 0).sum()), kind[kind >= 0]].mean()
        ),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("config", "run", "cache", "model"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    config = tomllib.loads(arguments.config.read_text())
    network = averaged_network(config, arguments.run / "last.pt")
    worst = write_onnx(network, arguments.model)
    calibration = calibrate(arguments.model, arguments.cache)
    arguments.model.with_suffix(".json").write_text(json.dumps(calibration, indent=1) + "\n")
    print(f"{arguments.model}: {arguments.model.stat().st_size} bytes, differs from torch by {worst:.1e}")


if __name__ == "__main__":
    main()
