"""JSON format: a quantised network as the integers that hardware holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from dmcnn._common.errors import InputError
from dmcnn.checkpoints.card import Card
from dmcnn.exports.base import ExportFormat, axis_pair, card_json
from dmcnn.layers import IMAGES, Layer, probe
from dmcnn.quantisation.quantisers import QConv2d, QLinear, QuantisedTanh, Quantiser

FORMAT = "dmcnn integers 1"
"""Name and version of the format, written into every file."""

CONVOLUTION_DEFAULTS = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)}
"""Attributes of a convolution that are not written if they have these values."""

POOLS = {"avgpool": "average", "maxpool": "maximum"}
"""Kind of a traced layer -> kind of pooling in the file."""


class Integers(ExportFormat):
    """JSON format: the layers in order, weights and biases as integers in units of their step.

    The kinds of layers are ``convolution`` and ``dense``, with kernels (out, in / groups, rows, columns) and
    (out, in); ``tanh`` (hard) and ``round``: to multiples of step, half to even, then clipped to low .. high steps;
    ``average`` and ``maximum`` over adjacent windows of ``size`` (remainders dropped); ``flatten`` (maps, rows,
    columns); ``relu``; ``add``; ``identity``. The input of a layer is the output of the layer before it, unless it
    has ``inputs``. A convolution has stride 1, no padding and dilation 1, unless it has these keys, for rows and
    columns.
    """

    ending = "_integers.json"
    quantised = True

    def write(self, path: Path, net: nn.Module, card: Card) -> None:
        """Write the layers and the fields of the card."""
        layers, before = [], IMAGES
        for layer in probe(net, card.shape):
            inputs = {} if layer.inputs == (before,) else {"inputs": layer.inputs}
            layers.append({**describe(layer), **inputs})
            before = layer.name
        content = {"format": FORMAT, "network": json.loads(card_json(card)), "layers": layers}
        path.write_text(json.dumps(content) + "\n")

    def run(self, path: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the outputs of the layers in the file in float32."""
        values, before = {IMAGES: torch.from_numpy(images)}, IMAGES
        with torch.inference_mode():
            for layer in json.loads(path.read_text())["layers"]:
                inputs = [values[name] for name in layer.get("inputs", [before])]
                before = layer["name"]
                values[before] = OPERATIONS[layer["kind"]](layer, *inputs)
        outputs: NDArray[np.float32] = values[before].numpy()
        return outputs


def describe(layer: Layer) -> dict[str, Any]:
    """Return the description of one layer, its name, kind and numbers.

    Raises:
        InputError: the format has no kind for the layer.
    """
    module, kind = layer.module, layer.kind
    description: dict[str, Any] = {}
    if isinstance(module, QConv2d) and module.padding_mode == "zeros" and not isinstance(module.padding, str):
        own = {"stride": module.stride, "padding": module.padding, "dilation": module.dilation}
        unusual = {name: value for name, value in own.items() if value != CONVOLUTION_DEFAULTS[name]}
        description = {"kind": "convolution", "groups": module.groups, **unusual, **_numbers(module)}
    elif isinstance(module, QLinear) and len(layer.shape or ()) == 2:
        description = {"kind": "dense", **_numbers(module)}
    elif isinstance(module, Quantiser):
        description = {"kind": "tanh" if isinstance(module, QuantisedTanh) else "round", **_limits(module)}
    elif isinstance(module, nn.AvgPool2d | nn.MaxPool2d) and _is_plain(module):
        rows, columns = axis_pair(module.kernel_size)
        description = {"kind": POOLS[kind], "size": rows if rows == columns else (rows, columns)}
    elif kind in ("identity", "dropout"):
        description = {"kind": "identity"}
    elif (
        kind == "relu"
        or (kind == "flatten" and len(layer.shape or ()) == 2)
        or (kind == "add" and len(layer.inputs) == 2 and not layer.kwargs)
    ):
        description = {"kind": kind}
    if not description:
        raise InputError(
            f"layer {layer.name!r}: found {module or kind}, expected one of {', '.join(OPERATIONS)}"
        )
    return {"name": layer.name, **description}


def _is_plain(pool: nn.AvgPool2d | nn.MaxPool2d) -> bool:
    """Return whether the windows of a pooling layer are adjacent, without padding."""
    plain = {"padding": (0, 0), "dilation": (1, 1), "stride": axis_pair(pool.kernel_size)}
    same = all(axis_pair(getattr(pool, name, value)) == value for name, value in plain.items())
    return same and not pool.ceil_mode and not getattr(pool, "divisor_override", None)


def _numbers(layer: QConv2d | QLinear) -> dict[str, Any]:
    """Return kernel and bias of a layer as integers, with bits, step, limits and shape."""
    pairs = {
        "weight": (layer.weight, layer.weight_quantiser),
        "bias": (layer.bias, layer.bias_quantiser),
    }
    return {
        kind: {**_limits(quantiser), "shape": [*values.shape], "integers": quantiser.codes(values).tolist()}
        for kind, (values, quantiser) in pairs.items()
        if values is not None and quantiser is not None
    }


def _limits(quantiser: Quantiser) -> dict[str, Any]:
    """Return bits, step and limits of a quantiser."""
    return {"bits": quantiser.bits, "step": quantiser.step, "low": quantiser.low, "high": quantiser.high}


def _weights(layer: dict[str, Any]) -> list[Any]:
    """Return kernel and bias of a layer in the file as tensors; None without a bias."""
    entries = [layer.get(name) for name in ("weight", "bias")]
    return [entry and torch.tensor(entry["integers"]) * entry["step"] for entry in entries]


def _convolve(layer: dict[str, Any], x: torch.Tensor) -> torch.Tensor:
    """Compute the convolution of a layer in the file."""
    weight, bias = _weights(layer)
    stride, padding, dilation = (layer.get(name, value) for name, value in CONVOLUTION_DEFAULTS.items())
    return F.conv2d(x, weight, bias, stride, padding, dilation, layer["groups"])


def _round(layer: dict[str, Any], x: torch.Tensor) -> torch.Tensor:
    """Round as a layer in the file."""
    if layer["kind"] == "tanh":
        return QuantisedTanh(layer["bits"]).round(x)
    return Quantiser(layer["bits"], layer["low"], layer["high"]).round(x)


OPERATIONS: dict[str, Callable[..., torch.Tensor]] = {
    "convolution": _convolve,
    "dense": lambda layer, x: F.linear(x, *_weights(layer)),
    "tanh": _round,
    "round": _round,
    "average": lambda layer, x: F.avg_pool2d(x, layer["size"]),
    "maximum": lambda layer, x: F.max_pool2d(x, layer["size"]),
    "flatten": lambda _, x: x.flatten(1),
    "relu": lambda _, x: x.relu(),
    "add": lambda _, x, y: x + y,
    "identity": lambda _, x: x,
}
"""Kind of layer -> function of the layer in the file and its inputs."""
