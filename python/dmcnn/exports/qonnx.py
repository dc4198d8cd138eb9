"""QONNX format: ONNX with operators that round, which compilers for FPGAs read (hls4ml, FINN)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn._common.extras import need
from dmcnn.checkpoints.card import Card
from dmcnn.exports.base import ExportFormat, axis_pair, card_json
from dmcnn.exports.integers import describe
from dmcnn.exports.onnx import INPUT, OUTPUT
from dmcnn.layers import IMAGES, Layer, probe
from dmcnn.quantisation.quantisers import QConv2d, QLinear, QuantisedBits, Quantiser
from dmcnn.tasks import task_of

DOMAIN = "qonnx.custom_op.general"
OPSET = 13
IR_VERSION = 8

OPERATORS = {"average": "AveragePool", "maximum": "MaxPool", "flatten": "Flatten", "relu": "Relu", "add": "Add",
             "identity": "Identity"}  # fmt: skip
"""Kind of layer in the format of integers -> operator."""


class Qonnx(ExportFormat):
    """QONNX format (arXiv:2206.07527) for one image: a ``Quant`` follows every weight, bias and activation.

    ``Quant`` clips before it rounds half to even, with the results of the quantisers of dmcnn. With ``charge_bits``
    on the card the images are rounded as well.
    """

    ending = "_qonnx.onnx"
    quantised = True

    def write(self, path: Path, net: nn.Module, card: Card) -> None:
        """Write the layers of the network."""
        graph, bits = self.graph(card), card.reading.get("charge_bits")
        if bits:
            graph.outputs[IMAGES] = graph.add_rounding("pixels", INPUT, QuantisedBits(bits))
        for layer in probe(net, card.shape):
            graph.outputs[layer.name] = graph.add_layer(layer)
        need("onnx").save(graph.model(card), path)

    def graph(self, card: Card) -> Graph:
        """Return a graph without layers."""
        return Graph()

    def run(self, path: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the outputs with the evaluator of onnx, image by image."""
        session = need("onnx.reference").ReferenceEvaluator(str(path), new_ops=[quant()])
        return np.concatenate([session.run(None, {INPUT: image[None]})[0] for image in images])


class Graph:
    """Graph of a QONNX file: nodes and constants, layer by layer.

    Attributes:
        nodes: operators in order.
        constants: initialisers.
        outputs: name of a layer -> name of its output.
    """

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.outputs = {IMAGES: INPUT}
        self._make = need("onnx.helper")

    def add_layer(self, layer: Layer) -> str:
        """Append a layer; return the name of its output."""
        description, name, module = describe(layer), layer.name, layer.module
        inputs, kind = [self.outputs[source] for source in layer.inputs], description["kind"]
        if isinstance(module, Quantiser):
            return self.add_rounding(name, inputs[0], module)
        if kind == "convolution":  # compilers need the attributes with default values as well
            how = {"kernel_shape": module.kernel_size, "group": module.groups, "strides": module.stride}
            how |= {"pads": module.padding * 2, "dilations": module.dilation}
            return self.add_node("Conv", name, [*inputs, *self.add_weights(name, module)], **how)
        if kind == "dense":
            return self.add_node("Gemm", name, [*inputs, *self.add_weights(name, module)], transB=1)
        if kind in ("average", "maximum"):
            sides = axis_pair(description["size"])
            return self.add_node(
                OPERATORS[kind], name, inputs, kernel_shape=sides, strides=sides, pads=[0] * 4
            )
        return self.add_node(OPERATORS[kind], name, inputs)

    def add_weights(self, name: str, layer: QConv2d | QLinear) -> list[str]:
        """Append kernel and bias of a layer; return the names of the rounded kernel and, if any, rounded bias."""
        pairs = {"weight": (layer.weight, layer.weight_quantiser), "bias": (layer.bias, layer.bias_quantiser)}
        return [
            self.add_weight(f"{name}.{kind}", values, quantiser)
            for kind, (values, quantiser) in pairs.items()
            if values is not None and quantiser is not None
        ]

    def add_weight(self, name: str, values: torch.Tensor, quantiser: Quantiser) -> str:
        """Append a rounded kernel or bias; return the name of the rounded one."""
        return self.add_rounding(name, self.add_constant(name, quantiser.round(values)), quantiser)

    def add_rounding(self, name: str, values: str, quantiser: Quantiser) -> str:
        """Append the rounding of ``values``; return the name of its output."""
        numbers = {"scale": quantiser.step, "zero": 0.0, "bits": float(quantiser.bits)}
        inputs = [self.add_constant(f"{name}.{key}", torch.tensor(number)) for key, number in numbers.items()]
        narrow = int(quantiser.low == -quantiser.high)
        how = {"signed": 1, "narrow": narrow, "rounding_mode": "ROUND", "domain": DOMAIN}
        return self.add_node("Quant", f"{name}.quant", [values, *inputs], **how)

    def add_constant(self, name: str, values: torch.Tensor) -> str:
        """Append a constant; return its name."""
        array = values.detach().numpy()
        self.constants.append(need("onnx.numpy_helper").from_array(array, name))
        return name

    def add_node(self, kind: str, name: str, inputs: list[str], **attributes: Any) -> str:
        """Append an operator; return the name of its output."""
        self.nodes.append(self._make.make_node(kind, inputs, [f"{name}.out"], name=name, **attributes))
        return f"{name}.out"

    def input_shape(self, card: Card) -> list[int]:
        """Return the shape of one image."""
        return [1, *card.shape]

    def model(self, card: Card) -> Any:
        """Return the model of ONNX: one image of the size on the card -> the output of the last layer."""
        self.nodes[-1].output[0] = OUTPUT
        make = self._make
        float32 = need("onnx").TensorProto.FLOAT
        images = make.make_tensor_value_info(INPUT, float32, self.input_shape(card))
        outputs = make.make_tensor_value_info(OUTPUT, float32, [1, task_of(card).outputs])
        graph = make.make_graph(self.nodes, card.model, [images], [outputs], self.constants)
        opsets = [make.make_opsetid("", OPSET), make.make_opsetid(DOMAIN, 1)]
        model = make.make_model(graph, producer_name="dmcnn", opset_imports=opsets, ir_version=IR_VERSION)
        model.metadata_props.add(key="dmcnn", value=card_json(card))
        return model


def quant() -> type[Any]:
    """Return the operator ``Quant`` for the evaluator of onnx."""

    class Quant(need("onnx.reference.op_run").OpRun):  # type: ignore[misc]  # the base class needs onnx
        op_domain = DOMAIN

        def _run(self, x: Any, scale: Any, zero: Any, bits: Any, **how: Any) -> tuple[Any]:
            high = 2 ** (int(bits) - 1) - 1
            return (np.clip(np.rint(x / scale + zero), -high - (not how["narrow"]), high) * scale,)

    return Quant
