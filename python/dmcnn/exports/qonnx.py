"""QONNX: ONNX with operators that round, which compilers for FPGAs read (hls4ml, FINN)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn._common.extras import need
from dmcnn.checkpoints.card import Card
from dmcnn.exports.base import Format, about, pair
from dmcnn.exports.integers import described
from dmcnn.exports.onnx import INPUT, OUTPUT
from dmcnn.layers import IMAGES, Layer, probe
from dmcnn.quantisation.quantisers import QConv2d, QLinear, QuantisedBits, Quantiser
from dmcnn.tasks import task_of

DOMAIN = "qonnx.custom_op.general"
OPSET = 13
IR_VERSION = 8

OPERATORS = {"average": "AveragePool", "maximum": "MaxPool", "flatten": "Flatten", "relu": "Relu", "add": "Add",
             "identity": "Identity"}  # fmt: skip
"""Of layers that the integers call so."""


class Qonnx(Format):
    """The layers as they are written down, for one image; a ``Quant`` follows every weight, bias and activation.

    arXiv:2206.07527. ``Quant`` limits before it rounds half to even, which is what the quantisers of dmcnn do. If
    the card says on how many bits the charge is (``charge_bits``), the images are rounded too.
    """

    ending = "_qonnx.onnx"
    quantised = True

    def write(self, path: Path, net: nn.Module, card: Card) -> None:
        graph, bits = Graph(), card.reading.get("charge_bits")
        if bits:
            graph.outputs[IMAGES] = graph.rounded("pixels", INPUT, QuantisedBits(bits))
        for layer in probe(net, card.shape):
            graph.outputs[layer.name] = graph.add(layer)
        need("onnx").save(graph.model(card), path)

    def run(self, path: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
        session = need("onnx.reference").ReferenceEvaluator(str(path), new_ops=[_quant()])
        return np.concatenate([session.run(None, {INPUT: image[None]})[0] for image in images])


class Graph:
    """The nodes and constants of a file, one layer after another."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.outputs = {IMAGES: INPUT}
        self._make = need("onnx.helper")

    def add(self, layer: Layer) -> str:
        """Append a layer; the name of its output."""
        what, name, module = described(layer), layer.name, layer.module
        inputs, kind = [self.outputs[one] for one in layer.inputs], what["kind"]
        if isinstance(module, Quantiser):
            return self.rounded(name, inputs[0], module)
        if kind == "convolution":  # compilers ask for the defaults too
            how = {"kernel_shape": module.kernel_size, "group": module.groups, "strides": module.stride}
            how |= {"pads": module.padding * 2, "dilations": module.dilation}
            return self.node("Conv", name, [*inputs, *self.weights(name, module)], **how)
        if kind == "dense":
            return self.node("Gemm", name, [*inputs, *self.weights(name, module)], transB=1)
        if kind in ("average", "maximum"):
            sides = pair(what["size"])
            return self.node(OPERATORS[kind], name, inputs, kernel_shape=sides, strides=sides, pads=[0] * 4)
        return self.node(OPERATORS[kind], name, inputs)

    def weights(self, name: str, layer: QConv2d | QLinear) -> list[str]:
        """The names of the rounded kernel and of the rounded bias, if there is one."""
        pairs = {"weight": (layer.weight, layer.weight_quantiser), "bias": (layer.bias, layer.bias_quantiser)}
        return [
            self.rounded(
                f"{name}.{kind}", self.constant(f"{name}.{kind}", quantiser.rounded(values)), quantiser
            )
            for kind, (values, quantiser) in pairs.items()
            if values is not None and quantiser is not None
        ]

    def rounded(self, name: str, values: str, quantiser: Quantiser) -> str:
        """Append the rounding of ``values``; the name of its output."""
        numbers = {"scale": quantiser.step, "zero": 0.0, "bits": float(quantiser.bits)}
        inputs = [self.constant(f"{name}.{key}", torch.tensor(number)) for key, number in numbers.items()]
        narrow = int(quantiser.low == -quantiser.high)
        how = {"signed": 1, "narrow": narrow, "rounding_mode": "ROUND", "domain": DOMAIN}
        return self.node("Quant", f"{name}.quant", [values, *inputs], **how)

    def constant(self, name: str, values: torch.Tensor) -> str:
        """Keep numbers; their name."""
        array = values.detach().numpy()
        self.constants.append(need("onnx.numpy_helper").from_array(array, name))
        return name

    def node(self, kind: str, name: str, inputs: list[str], **attributes: Any) -> str:
        """Append an operator; the name of its output."""
        self.nodes.append(self._make.make_node(kind, inputs, [f"{name}.out"], name=name, **attributes))
        return f"{name}.out"

    def model(self, card: Card) -> Any:
        """The file's content: an image of the card's size in, the last output out."""
        self.nodes[-1].output[0] = OUTPUT
        make = self._make
        float32 = need("onnx").TensorProto.FLOAT
        images = make.make_tensor_value_info(INPUT, float32, [1, *card.shape])
        outputs = make.make_tensor_value_info(OUTPUT, float32, [1, task_of(card).outputs])
        graph = make.make_graph(self.nodes, card.model, [images], [outputs], self.constants)
        opsets = [make.make_opsetid("", OPSET), make.make_opsetid(DOMAIN, 1)]
        model = make.make_model(graph, producer_name="dmcnn", opset_imports=opsets, ir_version=IR_VERSION)
        model.metadata_props.add(key="dmcnn", value=about(card))
        return model


def _quant() -> type[Any]:
    """The operator for onnx' own evaluator."""

    class Quant(need("onnx.reference.op_run").OpRun):  # type: ignore[misc]  # only there where onnx is
        op_domain = DOMAIN

        def _run(self, x: Any, scale: Any, zero: Any, bits: Any, **how: Any) -> tuple[Any]:
            high = 2 ** (int(bits) - 1) - 1
            return (np.clip(np.rint(x / scale + zero), -high - (not how["narrow"]), high) * scale,)

    return Quant
