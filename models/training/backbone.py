"""A converted mediapipe graph as a torch module, so that its weights can be fine-tuned.

`OnnxBackbone` rebuilds the part of an ONNX graph that leads to the named tensors: convolutions become
`nn.Conv2d` with the graph's weights,
everything else is a function of its inputs. Batch normalisation is already folded into the convolutions,
hence a small learning rate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F


class OnnxBackbone(nn.Module):
    """The nodes of an ONNX graph that lead to `taps`.

    Takes a float32 (N, 3, H, W) tensor in the graph's own value range and returns one tensor per tap, in
    order. The height and width need not
    be the graph's own: every kept operation is translation-invariant. Raises ValueError for an operation
    that has no counterpart here.
    """

    def __init__(self, path: Path, taps: Sequence[str]) -> None:
        super().__init__()
        graph = onnx.load(path).graph
        constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        self.image = graph.input[0].name
        self.taps = list(taps)
        self.convolutions = nn.ModuleDict()
        self.steps: list[tuple[str, list[str], Callable[..., Tensor]]] = []
        for node in _needed(graph, set(taps)):
            inputs = [name for name in node.input if name and name not in constants]
            self.steps.append((node.output[0], inputs, self._step(node, constants)))
        self._last_use = {name: i for i, (_, inputs, _) in enumerate(self.steps) for name in inputs}

    def forward(self, image: Tensor) -> list[Tensor]:
        values = {self.image: image}
        for i, (output, inputs, step) in enumerate(self.steps):
            values[output] = step(*(values[name] for name in inputs))
            for name in inputs:
                if self._last_use[name] == i and name not in self.taps:
                    values.pop(name, None)
        return [values[name] for name in self.taps]

    def freeze_before(self, output: str) -> None:
        """Leaves the weights of all convolutions before the one named as they are (nothing is computed for
        their gradients).
        """
        names = list(self.convolutions)
        for name in names[: names.index(output)]:
            self.convolutions[name].requires_grad_(False)

    def freeze_depthwise(self) -> None:
        """Leaves the depthwise kernels as they are: a twentieth of the weights, but on a CPU their gradients
        cost more than all the rest.
        """
        for layer in self.convolutions.values():
            if layer.groups > 1:
                layer.requires_grad_(False)

    def _step(self, node: onnx.NodeProto, constants: dict[str, np.ndarray]) -> Callable[..., Tensor]:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "Conv":
            return self._convolution(node, constants, attributes)
        if node.op_type == "Clip":
            low, high = (constants[name].item() for name in node.input[1:3])
            return lambda x: F.hardtanh(x, low, high, inplace=True)
        if node.op_type == "Relu":
            return F.relu
        if node.op_type == "Add":
            return torch.add
        if node.op_type == "MaxPool":
            kernel, stride = attributes["kernel_shape"], attributes["strides"]
            return lambda x: F.max_pool2d(x, kernel, stride)
        if node.op_type == "Resize":
            scales = tuple(float(s) for s in constants[node.input[2]][2:])
            return lambda x: F.interpolate(x, scale_factor=scales, mode="bilinear", align_corners=False)
        raise ValueError(f"{node.op_type} has no counterpart in OnnxBackbone (node of {node.output[0]}).")

    def _convolution(
        self, node: onnx.NodeProto, constants: dict[str, np.ndarray], attributes: dict
    ) -> Callable[..., Tensor]:
        weight = constants[node.input[1]]
        groups = attributes.get("group", 1)
        top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
        even = (top, left) == (bottom, right)
        layer = nn.Conv2d(
            weight.shape[1] * groups,
            weight.shape[0],
            weight.shape[2:],
            tuple(attributes.get("strides", (1, 1))),
            (top, left) if even else 0,
            groups=groups,
        )
        bias = constants[node.input[2]] if len(node.input) > 2 else np.zeros(weight.shape[0], np.float32)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight.copy()))
            layer.bias.copy_(torch.from_numpy(bias.copy()))
        self.convolutions[node.output[0]] = layer
        return layer if even else lambda x: layer(F.pad(x, (left, right, top, bottom)))


def _needed(graph: onnx.GraphProto, names: set[str]) -> list[onnx.NodeProto]:
    """The nodes that the named tensors depend on, in the graph's order."""
    kept = []
    missing = names - {output for node in graph.node for output in node.output}
    if missing:
        raise ValueError(f"The graph has no tensor named {', '.join(sorted(missing))}.")
    for node in reversed(graph.node):
        if names & set(node.output):
            kept.append(node)
            names = names | set(node.input)
    return kept[::-1]


def pool(maps: Sequence[Tensor]) -> Tensor:
    """Mean and maximum of every channel of every map, (N, 2 * sum of channels)."""
    return torch.cat([f(m, (2, 3)) for m in maps for f in (torch.mean, torch.amax)], 1)
