"""Writes a network as an ONNX file with its weights as float16 and a cast back to float32: half the size; onnxruntime
folds the casts when it loads the file, so that it computes in float32 as before.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

LEAST = 512
"""Tensors of fewer values stay as they are: they weigh nothing, and biases matter more."""


def write(
    network: nn.Module, example: Tensor, path: Path, name: str, outputs: Sequence[str], batch: bool = False
) -> None:
    """Opset 17; `name` is the input's, `batch` lets its first dimension vary. Raises ValueError as `store_halved`."""
    axes = {of: {0: "batch"} for of in (name, *outputs)} if batch else None
    with warnings.catch_warnings():
        # the exporter that replaces this one needs another package and writes opset 18
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network, (example,), str(path), input_names=[name], output_names=list(outputs), dynamic_axes=axes,
            opset_version=17, dynamo=False,
        )  # fmt: skip
    store_halved(path)
    onnx.checker.check_model(onnx.load(path))


def store_halved(path: Path) -> None:
    """Rewrites the file. Raises ValueError where a weight does not fit into float16."""
    model = onnx.load(path)
    graph, casts = model.graph, []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < LEAST:
            continue
        values = numpy_helper.to_array(tensor)
        if np.abs(values).max() > np.finfo(np.float16).max:
            raise ValueError(f"{tensor.name} does not fit into float16.")
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    for cast in reversed(casts):
        graph.node.insert(0, cast)
    onnx.save(model, path)
