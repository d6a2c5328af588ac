"""Writes a network as an ONNX file with its weights as float16 or int8 and the way back to float32: a half or a quarter
of the size; onnxruntime folds that when it loads the file, so that it computes in float32 as before.

Eight bits (a scale per output channel) move the face network's logits by 0.04 on average, but those of networks
fine-tuned from mediapipe's by 0.2 to 0.3: these stay at float16, which costs some thousandths.
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
    network: nn.Module, example: Tensor, path: Path, name: str, outputs: Sequence[str], batch: bool = False,
    eight_bits: bool = False,
) -> None:  # fmt: skip
    """Opset 17; `name` is the input's, `batch` lets its first dimension vary. Raises ValueError as `store_small`."""
    axes = {of: {0: "batch"} for of in (name, *outputs)} if batch else None
    with warnings.catch_warnings():
        # the exporter that replaces this one needs another package and writes opset 18
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network, (example,), str(path), input_names=[name], output_names=list(outputs), dynamic_axes=axes,
            opset_version=17, dynamo=False,
        )  # fmt: skip
    store_small(path, eight_bits)
    onnx.checker.check_model(onnx.load(path))


def store_small(path: Path, eight_bits: bool) -> None:
    """Rewrites the file. Raises ValueError where a weight does not fit into float16."""
    model = onnx.load(path)
    graph, steps = model.graph, []
    for tensor in list(graph.initializer):
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < LEAST:
            continue
        name, values = tensor.name, numpy_helper.to_array(tensor)
        if np.abs(values).max() > np.finfo(np.float16).max:
            raise ValueError(f"{name} does not fit into float16.")
        if not eight_bits or values.ndim < 2:
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
            steps.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
            continue
        scale = np.abs(values).max(axis=tuple(range(1, values.ndim)), keepdims=True) / 127
        scale = np.where(scale > 0, scale, 1).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(np.round(values / scale).astype(np.int8), f"{name}_int8"))
        graph.initializer.append(numpy_helper.from_array(scale, f"{name}_scale"))
        steps.append(helper.make_node("Cast", [f"{name}_int8"], [f"{name}_cast"], to=TensorProto.FLOAT))
        steps.append(helper.make_node("Mul", [f"{name}_cast", f"{name}_scale"], [name]))
    for step in reversed(steps):
        graph.node.insert(0, step)
    onnx.save(model, path)
