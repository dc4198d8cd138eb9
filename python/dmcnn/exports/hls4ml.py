"""QONNX format for hls4ml: channels last, the order of axes that it compiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from dmcnn._common.extras import need
from dmcnn.checkpoints.card import Card
from dmcnn.exports.base import axis_pair
from dmcnn.exports.integers import describe
from dmcnn.exports.onnx import INPUT
from dmcnn.exports.qonnx import OPERATORS, Graph, Qonnx, quant
from dmcnn.layers import Layer
from dmcnn.quantisation.quantisers import QLinear, Quantiser

CHANNELS_LAST = "qonnx.custom_op.channels_last"
"""Domain of operators on (n, rows, columns, channels)."""


class Hls4ml(Qonnx):
    """QONNX format whose images are (1, rows, columns, channels), which hls4ml converts as it is.

    hls4ml's own way there, through qonnx, ends at the average pooling. Kernels are (out, rows, columns, in), those
    after a flattening take (rows, columns, maps), and every tensor has its shape beside it, as hls4ml needs.
    """

    ending = "_hls4ml.onnx"

    def graph(self, card: Card) -> ChannelsLast:
        """Return a graph without layers."""
        return ChannelsLast(card.shape)

    def run(self, path: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the outputs with the evaluator of onnx, image by image."""
        own = [quant(), *_operators()]
        session = need("onnx.reference").ReferenceEvaluator(str(path), new_ops=own)
        last = np.ascontiguousarray(np.moveaxis(images, 1, -1))
        return np.concatenate([session.run(None, {INPUT: image[None]})[0] for image in last])


class ChannelsLast(Graph):
    """Graph with the channels last.

    Attributes:
        shapes: name of a tensor -> its shape.
        orders: name of a tensor -> places of its numbers in the order of torch, if a flattening has turned them.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        channels, rows, columns = shape
        self.shapes: dict[str, tuple[int, ...]] = {INPUT: (1, rows, columns, channels)}
        self.orders: dict[str, NDArray[np.int64]] = {}

    def input_shape(self, card: Card) -> list[int]:
        """Return the shape of one image."""
        return list(self.shapes[INPUT])

    def add_layer(self, layer: Layer) -> str:
        """Append a layer; return the name of its output."""
        kind, inputs = describe(layer)["kind"], [self.outputs[source] for source in layer.inputs]
        add = self._add_dense if kind == "dense" else super().add_layer
        output = add(layer)
        shape = (1, *(layer.shape or ())[1:])
        self.shapes[output] = (1, *shape[2:], shape[1]) if len(shape) == 4 else shape
        if kind == "flatten":
            _, rows, columns, maps = self.shapes[inputs[0]]
            places = np.arange(maps * rows * columns).reshape(maps, rows, columns)
            self.orders[output] = places.transpose(1, 2, 0).ravel()
        elif kind != "dense" and inputs[0] in self.orders:
            self.orders[output] = self.orders[inputs[0]]
        return output

    def _add_dense(self, layer: Layer) -> str:
        """Append a dense layer as a product and a sum; return the name of its output."""
        dense, values = layer.module, self.outputs[layer.inputs[0]]
        assert isinstance(dense, QLinear)
        assert dense.weight_quantiser is not None
        weight = dense.weight.detach()
        if values in self.orders:
            weight = weight[:, torch.from_numpy(self.orders[values])]
        kernel = self.add_weight(f"{layer.name}.weight", weight.T, dense.weight_quantiser)
        output = self.add_node("MatMul", layer.name, [values, kernel])
        self.shapes[output] = (1, len(weight))
        if dense.bias is None or dense.bias_quantiser is None:
            return output
        bias = self.add_weight(f"{layer.name}.bias", dense.bias, dense.bias_quantiser)
        return self.add_node("Add", f"{layer.name}.sum", [output, bias])

    def add_weight(self, name: str, values: torch.Tensor, quantiser: Quantiser) -> str:
        """Append a rounded kernel or bias; kernels of convolutions become (out, rows, columns, in)."""
        return super().add_weight(name, values.permute(0, 2, 3, 1) if values.ndim == 4 else values, quantiser)

    def add_rounding(self, name: str, values: str, quantiser: Quantiser) -> str:
        """Append the rounding of ``values``; return the name of its output."""
        output = super().add_rounding(name, values, quantiser)
        self.shapes[output] = self.shapes[values]
        return output

    def add_constant(self, name: str, values: torch.Tensor) -> str:
        """Append a constant; return its name, which is one of C++."""
        name = super().add_constant(name.replace(".", "_"), values.contiguous())
        self.shapes[name] = tuple(values.shape)
        return name

    def add_node(self, kind: str, name: str, inputs: list[str], **attributes: Any) -> str:
        """Append an operator; return the name of its output. Names are those of C++."""
        if kind in ("Conv", OPERATORS["average"], OPERATORS["maximum"]):
            attributes["domain"] = CHANNELS_LAST
        return super().add_node(kind, name.replace(".", "_"), inputs, **attributes)

    def model(self, card: Card) -> Any:
        """Return the model of ONNX, with the shapes of all tensors."""
        last = self.nodes[-1].output[0]
        model = super().model(card)
        model.opset_import.append(self._make.make_opsetid(CHANNELS_LAST, 1))
        float32 = need("onnx").TensorProto.FLOAT
        model.graph.value_info.extend(
            self._make.make_tensor_value_info(name, float32, shape)
            for name, shape in self.shapes.items()
            if name not in (INPUT, last)
        )
        return model


def configuration(
    path: str | Path, backend: str = "Vitis", *, precision: str = "fixed<32,12>"
) -> dict[str, Any]:
    """Return hls4ml's configuration of an exported file, one entry per layer, to be changed where you like.

    By default hls4ml gives a mean the type of the activations, a few bits, before it is rounded; here it has 24 bits
    after the point, and a sum 20, so that the outputs are those of the network bit for bit.

    Args:
        path: file of the format ``hls4ml``.
        backend: backend of hls4ml.
        precision: type of the numbers that no quantiser rounds.

    Raises:
        InputError: hls4ml or qonnx is not installed.
    """
    hls4ml, wrapper = need("hls4ml"), need("qonnx.core.modelwrapper")
    model = wrapper.ModelWrapper(str(path))
    config: dict[str, Any] = hls4ml.utils.config_from_onnx_model(
        model, granularity="name", backend=backend, default_precision=precision
    )
    for node in model.get_nodes_by_op_type(OPERATORS["average"]):
        config["LayerName"][node.name]["Precision"] = {"result": "fixed<28,4>", "accum": "fixed<28,8>"}
    return config


def _operators() -> list[type[Any]]:
    """Return the operators of CHANNELS_LAST for the evaluator of onnx."""

    class ChannelsLastOperator(need("onnx.reference.op_run").OpRun):  # type: ignore[misc]  # the base class needs onnx
        op_domain = CHANNELS_LAST

    class Conv(ChannelsLastOperator):
        def _run(self, x: Any, kernel: Any, bias: Any = None, **how: Any) -> tuple[Any]:
            strides, pads, steps = how["strides"], how["pads"][:2], how["dilations"]
            weight = _first(kernel)
            shift = None if bias is None else torch.tensor(bias)
            return (_last(F.conv2d(_first(x), weight, shift, strides, pads, steps, how["group"])),)

    class AveragePool(ChannelsLastOperator):
        def _run(self, x: Any, **how: Any) -> tuple[Any]:
            return (_last(F.avg_pool2d(_first(x), axis_pair(how["kernel_shape"]))),)

    class MaxPool(ChannelsLastOperator):
        def _run(self, x: Any, **how: Any) -> tuple[Any]:
            return (_last(F.max_pool2d(_first(x), axis_pair(how["kernel_shape"]))),)

    return [Conv, AveragePool, MaxPool]


def _first(values: NDArray[np.float32]) -> torch.Tensor:
    """Return a tensor with its last axis as second."""
    return torch.tensor(np.moveaxis(values, -1, 1))


def _last(values: torch.Tensor) -> NDArray[np.float32]:
    """Return an array with the second axis last."""
    array: NDArray[np.float32] = np.ascontiguousarray(np.moveaxis(values.numpy(), 1, -1))
    return array
