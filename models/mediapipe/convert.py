"""Convert the TFLite graphs of the pinned mediapipe wheel to plain ONNX.

The graphs come out in NCHW, float32, with the weights as clean initializers: no transposes between
operators (only before a reshape, whose order is that of NHWC), SAME padding written out, fused
activations as nodes of their own, sparse and half-precision weights expanded. The bytes depend on the
TFLite file alone: no versions, times or host names are stored, so the result has one SHA-256.

Formulae: the TFLite schema and operator reference (padding, sparsity), the ONNX operators of opset 17.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tflite
from onnx import TensorProto, helper, numpy_helper
from sparse import densify

OPSET, IR_VERSION = 17, 8

#: The outputs' names in the order of the TFLite graph (the published names are "Identity_3" and the like).
#: None: nobody reads it, so it is left out with every operator that only it needs (half of the pose network).
OUTPUTS: dict[str, tuple[str | None, ...]] = {
    "face_detection_short_range": ("boxes", "scores"),
    "face_detection_full_range_sparse": ("boxes", "scores"),
    "face_landmark": ("landmarks", "presence"),
    "iris_landmark": ("eye", "iris"),
    "pose_detection": ("boxes", "scores"),
    "pose_landmark_full": ("landmarks", "presence", None, "heatmap", None),
    "selfie_segmentation": ("segmentation",),
    "palm_detection_lite": ("boxes", "scores"),
}

#: Networks whose height and width are left open (multiples of 32), so that they can look at a larger picture.
OPEN_SIZE = frozenset({"face_detection_full_range_sparse"})

_NAMES = {value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)}
_DTYPES = {0: np.float32, 1: np.float16, 2: np.int32, 4: np.int64}
_NHWC_TO_NCHW = (0, 3, 1, 2)


class Unsupported(ValueError):
    """The graph holds something this converter does not know."""


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TFLite's SAME: the odd pixel goes to the end."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class Converter:
    """One TFLite graph on its way to ONNX; `convert` returns the model."""

    def __init__(self, data: bytes, network: str) -> None:
        self.model = tflite.Model.GetRootAs(data, 0)
        self.graph = self.model.Subgraphs(0)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, np.ndarray] = {}
        self.names: dict[int, str] = {}
        self.constants: dict[int, np.ndarray] = {}
        self.padding: dict[int, tuple[int, int, int, int]] = {}
        wanted = zip(self.graph.OutputsAsNumpy(), OUTPUTS[network], strict=True)
        self.names.update({int(index): name for index, name in wanted if name is not None})
        self.results = list(self.names)
        self.open_size = network in OPEN_SIZE
        self.operators = self.needed([self.graph.Operators(i) for i in range(self.graph.OperatorsLength())])
        self.users: dict[int, list[Any]] = {}
        for operator in self.operators:
            for index in operator.InputsAsNumpy():
                self.users.setdefault(int(index), []).append(operator)

    def needed(self, operators: list[Any]) -> list[Any]:
        """Those that a result depends on, in order."""
        read, kept = set(self.results), []
        for operator in reversed(operators):
            if read & set(operator.OutputsAsNumpy().tolist()):
                read.update(operator.InputsAsNumpy().tolist())
                kept.append(operator)
        return kept[::-1]

    # -- reading ------------------------------------------------------------------------------------

    def kind(self, operator: Any) -> str:
        code = self.model.OperatorCodes(operator.OpcodeIndex())
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        return str(code.CustomCode().decode()) if number == tflite.BuiltinOperator.CUSTOM else _NAMES[number]

    def shape(self, index: int) -> list[int]:
        return [int(n) for n in self.graph.Tensors(index).ShapeAsNumpy()]

    def constant(self, index: int) -> np.ndarray | None:
        """The value of a constant tensor in TFLite's layout (float16 widened), or None."""
        if index not in self.constants:
            tensor = self.graph.Tensors(index)
            buffer = self.model.Buffers(tensor.Buffer())
            if not buffer.DataLength():
                return None
            values = np.frombuffer(buffer.DataAsNumpy().tobytes(), _DTYPES[tensor.Type()])
            dense = densify(tensor, values) if tensor.Sparsity() else values.reshape(self.shape(index))
            self.constants[index] = dense.astype(np.float32) if dense.dtype == np.float16 else dense
        return self.constants[index]

    def need(self, index: int) -> np.ndarray:
        value = self.constant(index)
        if value is None:
            raise Unsupported(f"tensor {index} should be a constant")
        return value

    @staticmethod
    def options(operator: Any, kind: type) -> Any:
        table = operator.BuiltinOptions()
        found = kind()
        found.Init(table.Bytes, table.Pos)
        return found

    # -- writing ------------------------------------------------------------------------------------

    def weight(self, name: str, value: np.ndarray) -> str:
        self.weights.setdefault(name, np.ascontiguousarray(value))
        return name

    def operand(self, index: int) -> str:
        """The name of an activation, or of a constant brought to the layout of NCHW."""
        value = self.constant(index)
        if value is None:
            return self.names[index]
        if value.ndim == 4:
            value = value.transpose(_NHWC_TO_NCHW)
        elif value.ndim == 1 and value.size > 1:
            value = value.reshape(-1, 1, 1)
        return self.weight(f"constant_{index}", value)

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def result(self, operator: Any, kind: str) -> tuple[int, str]:
        index = int(operator.OutputsAsNumpy()[0])
        return index, self.names.setdefault(index, f"{kind}_{index}")

    def activated(self, activation: int, kind: str, inputs: list[str], name: str, **attributes: Any) -> None:
        """Add a node and its fused activation; the activation carries the stable name."""
        if activation == tflite.ActivationFunctionType.NONE:
            self.node(kind, inputs, name, **attributes)
            return
        before = self.node(kind, inputs, f"{name}_linear", **attributes)
        self.activation({1: "RELU", 3: "RELU6"}[activation], before, name)

    def activation(self, kind: str, before: str, name: str) -> None:
        if kind == "RELU6":
            limits = [self.weight(f"clip_{n}", np.array(n, np.float32)) for n in (0, 6)]
            self.node("Clip", [before, *limits], name)
        else:
            simple = {"RELU": "Relu", "LOGISTIC": "Sigmoid", "HARD_SWISH": "HardSwish"}
            self.node(simple[kind], [before], name)

    def pads(self, padding: int, index: int, kernel: tuple[int, int], stride: tuple[int, int]) -> list[int]:
        """ONNX's [top, left, bottom, right]; a PAD absorbed before the operator is added."""
        top, left, bottom, right = self.padding.get(index, (0, 0, 0, 0))
        if padding == tflite.Padding.SAME:
            height, width = self.shape(index)[1:3]  # of the padded map, if a PAD was absorbed
            more_y = same_padding(height, kernel[0], stride[0])
            more_x = same_padding(width, kernel[1], stride[1])
            top, bottom = top + more_y[0], bottom + more_y[1]
            left, right = left + more_x[0], right + more_x[1]
        return [top, left, bottom, right]

    # -- operators ----------------------------------------------------------------------------------

    def convolution(self, operator: Any, depthwise: bool) -> None:
        kind = tflite.DepthwiseConv2DOptions if depthwise else tflite.Conv2DOptions
        options = self.options(operator, kind)
        source, kernel_index, *rest = (int(i) for i in operator.InputsAsNumpy())
        kernel = self.need(kernel_index)  # (out, kh, kw, in), or (1, kh, kw, out) depthwise
        weight = kernel.transpose(3, 0, 1, 2) if depthwise else kernel.transpose(0, 3, 1, 2)
        size, stride = kernel.shape[1:3], (options.StrideH(), options.StrideW())
        dilation = (options.DilationHFactor(), options.DilationWFactor())
        reach = (dilation[0] * (size[0] - 1) + 1, dilation[1] * (size[1] - 1) + 1)
        _, name = self.result(operator, "conv")
        inputs = [self.names[source], self.weight(f"{name}_weight", weight)]
        if rest and rest[0] >= 0:
            inputs.append(self.weight(f"{name}_bias", self.need(rest[0])))
        self.activated(
            options.FusedActivationFunction(), "Conv", inputs, name, kernel_shape=list(size),
            strides=list(stride), dilations=list(dilation),
            pads=self.pads(options.Padding(), source, reach, stride),
            group=self.shape(source)[3] if depthwise else 1,
        )  # fmt: skip

    def transposed(self, operator: Any) -> None:
        """mediapipe's Convolution2DTransposeBias: options are three int32 (padding, stride width, height)."""
        source, kernel_index, bias = (int(i) for i in operator.InputsAsNumpy())
        _, stride_x, stride_y = np.frombuffer(operator.CustomOptionsAsNumpy().tobytes(), np.int32)[:3]
        kernel = self.need(kernel_index)  # (out, kh, kw, in)
        index, name = self.result(operator, "deconv")
        pads = [0, 0, 0, 0]
        for axis, stride in enumerate((int(stride_y), int(stride_x))):
            whole = (self.shape(source)[1 + axis] - 1) * stride + kernel.shape[1 + axis]
            excess = whole - self.shape(index)[1 + axis]
            pads[axis], pads[axis + 2] = excess // 2, excess - excess // 2
        inputs = [self.names[source], self.weight(f"{name}_weight", kernel.transpose(3, 0, 1, 2))]
        inputs.append(self.weight(f"{name}_bias", self.need(bias)))
        self.node("ConvTranspose", inputs, name, kernel_shape=list(kernel.shape[1:3]), pads=pads,
                  strides=[int(stride_y), int(stride_x)])  # fmt: skip

    def pool(self, operator: Any, kind: str) -> None:
        options = self.options(operator, tflite.Pool2DOptions)
        source = int(operator.InputsAsNumpy()[0])
        size = (options.FilterHeight(), options.FilterWidth())
        stride = (options.StrideH(), options.StrideW())
        pads = self.pads(options.Padding(), source, size, stride)
        _, name = self.result(operator, "pool")
        self.activated(options.FusedActivationFunction(), kind, [self.names[source]], name,
                       kernel_shape=list(size), strides=list(stride), pads=pads)  # fmt: skip

    def pad(self, operator: Any) -> None:
        """A spatial PAD before convolutions becomes their padding; any other stays a Pad."""
        source, amounts_index = (int(i) for i in operator.InputsAsNumpy()[:2])
        before, after = self.need(amounts_index).T
        index, name = self.result(operator, "pad")
        convolutions = {"CONV_2D", "DEPTHWISE_CONV_2D"}
        spatial = not (before[[0, 3]].any() or after[[0, 3]].any())
        if spatial and all(self.kind(user) in convolutions for user in self.users[index]):
            self.names[index] = self.names[source]
            self.padding[index] = (int(before[1]), int(before[2]), int(after[1]), int(after[2]))
            return
        order = list(_NHWC_TO_NCHW)
        amounts = np.concatenate([before[order], after[order]]).astype(np.int64)
        self.node("Pad", [self.names[source], self.weight(f"{name}_amounts", amounts)], name)

    def prelu(self, operator: Any) -> None:
        """PReLU(x) = a x + (1 - a) ReLU(x), written as two depthwise 1x1 convolutions.

        Onnxruntime keeps convolutions in its blocked layout and leaves it for PRelu: this form of
        face_landmark takes 0.4 of the time.
        """
        source, slope_index = (int(i) for i in operator.InputsAsNumpy())
        _, name = self.result(operator, "prelu")
        slope = self.need(slope_index).reshape(-1, 1, 1, 1)
        shared = {"group": len(slope), "kernel_shape": [1, 1]}
        before = self.names[source]
        positive = self.node("Relu", [before], f"{name}_relu")
        linear_weight = self.weight(f"{name}_slope", slope)
        linear = self.node("Conv", [before, linear_weight], f"{name}_linear", **shared)
        rest_weight = self.weight(f"{name}_rest", np.float32(1) - slope)
        rest = self.node("Conv", [positive, rest_weight], f"{name}_positive", **shared)
        self.node("Add", [linear, rest], name)

    def binary(self, operator: Any, kind: str, options: type) -> None:
        _, name = self.result(operator, kind.lower())
        inputs = [self.operand(int(i)) for i in operator.InputsAsNumpy()]
        self.activated(self.options(operator, options).FusedActivationFunction(), kind, inputs, name)

    def resize(self, operator: Any) -> None:
        options = self.options(operator, tflite.ResizeBilinearOptions)
        source = int(operator.InputsAsNumpy()[0])
        index, name = self.result(operator, "resize")
        ratio = [self.shape(index)[axis] / self.shape(source)[axis] for axis in (1, 2)]
        scales = self.weight(f"{name}_scales", np.array([1, 1, *ratio], np.float32))
        mode = "asymmetric"
        if options.HalfPixelCenters():
            mode = "half_pixel"
        elif options.AlignCorners():
            mode = "align_corners"
        self.node("Resize", [self.names[source], "", scales], name, mode="linear",
                  coordinate_transformation_mode=mode)  # fmt: skip

    def depth_to_space(self, operator: Any) -> None:
        block = self.options(operator, tflite.DepthToSpaceOptions).BlockSize()
        _, name = self.result(operator, "depth_to_space")
        self.node("DepthToSpace", [self.names[int(operator.InputsAsNumpy()[0])]], name, blocksize=block,
                  mode="DCR")  # fmt: skip

    def reshape(self, operator: Any) -> None:
        source = int(operator.InputsAsNumpy()[0])
        index, name = self.result(operator, "reshape")
        before, shape = self.names[source], self.shape(index)
        if len(shape) == 4:
            raise Unsupported("RESHAPE to four dimensions")
        if len(self.shape(source)) == 4:
            before = self.node("Transpose", [before], f"{name}_nhwc", perm=[0, 2, 3, 1])
        # -1 where a size may differ: the rows with open height and width, else the batch
        sizes = [1, -1, *shape[2:]] if self.open_size else [-1, *shape[1:]]
        target = self.weight(f"{name}_shape", np.array(sizes, np.int64))
        self.node("Reshape", [before, target], name)

    def concatenate(self, operator: Any) -> None:
        options = self.options(operator, tflite.ConcatenationOptions)
        index, name = self.result(operator, "concat")
        rank = len(self.shape(index))
        axis = options.Axis() % rank
        axis = _NHWC_TO_NCHW.index(axis) if rank == 4 else axis
        inputs = [self.operand(int(i)) for i in operator.InputsAsNumpy()]
        self.activated(options.FusedActivationFunction(), "Concat", inputs, name, axis=axis)

    def unary(self, operator: Any) -> None:
        kind = self.kind(operator)
        _, name = self.result(operator, kind.lower())
        self.activation(kind, self.names[int(operator.InputsAsNumpy()[0])], name)

    def expand(self, operator: Any) -> None:
        """DEQUANTIZE and DENSIFY of constants: `constant` has expanded them already."""
        self.constants[int(operator.OutputsAsNumpy()[0])] = self.need(int(operator.InputsAsNumpy()[0]))

    def convert(self) -> onnx.ModelProto:
        """Convert every operator in order; raises `Unsupported` for one that is not known."""
        handlers: dict[str, Callable[[Any], None]] = {
            "CONV_2D": lambda o: self.convolution(o, depthwise=False),
            "DEPTHWISE_CONV_2D": lambda o: self.convolution(o, depthwise=True),
            "Convolution2DTransposeBias": self.transposed,
            "MAX_POOL_2D": lambda o: self.pool(o, "MaxPool"),
            "AVERAGE_POOL_2D": lambda o: self.pool(o, "AveragePool"),
            "ADD": lambda o: self.binary(o, "Add", tflite.AddOptions),
            "MUL": lambda o: self.binary(o, "Mul", tflite.MulOptions),
            "PAD": self.pad, "PRELU": self.prelu, "RESIZE_BILINEAR": self.resize,
            "DEPTH_TO_SPACE": self.depth_to_space, "RESHAPE": self.reshape,
            "CONCATENATION": self.concatenate,
            "RELU": self.unary, "RELU6": self.unary, "LOGISTIC": self.unary, "HARD_SWISH": self.unary,
            "DEQUANTIZE": self.expand, "DENSIFY": self.expand,
        }  # fmt: skip
        source = int(self.graph.InputsAsNumpy()[0])
        self.names[source] = "image"
        for operator in self.operators:
            kind = self.kind(operator)
            if kind not in handlers:
                raise Unsupported(f"operator {kind}")
            handlers[kind](operator)
        graph = helper.make_graph(
            self.nodes, "network", [self.value(source)], [self.value(i) for i in self.results],
            [numpy_helper.from_array(value, name) for name, value in self.weights.items()],
        )  # fmt: skip
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model, full_check=True)
        return model

    def value(self, index: int) -> onnx.ValueInfoProto:
        shape: list[int | str] = list(self.shape(index))
        if len(shape) == 4:
            shape = [shape[axis] for axis in _NHWC_TO_NCHW]
        if self.open_size:
            shape[-2:] = ["height", "width"] if len(shape) == 4 else ["anchors", shape[-1]]
        return helper.make_tensor_value_info(self.names[index], TensorProto.FLOAT, shape)


def convert(data: bytes, network: str) -> bytes:
    """The ONNX bytes of `network` (a key of `OUTPUTS`) from its TFLite bytes.

    Input `image`: float32 (1, 3, H, W), RGB. Outputs of four dimensions are NCHW, others as published.
    """
    model = Converter(data, network).convert()
    return bytes(model.SerializeToString(deterministic=True))


def main() -> None:
    """Convert the files found under a folder: `convert.py FOLDER_WITH_TFLITE FOLDER_FOR_ONNX`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    for network in OUTPUTS:
        (file,) = arguments.source.rglob(f"{network}.tflite")
        (arguments.target / f"{network}.onnx").write_bytes(convert(file.read_bytes(), network))


if __name__ == "__main__":
    main()
