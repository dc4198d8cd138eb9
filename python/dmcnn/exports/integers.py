"""A quantised network as the integers that hardware holds."""

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
from dmcnn.exports.base import Format, about, pair
from dmcnn.layers import IMAGES, Layer, probe
from dmcnn.quantisation.quantisers import QConv2d, QLinear, QuantisedTanh, Quantiser

FORMAT = "dmcnn integers 1"

USUAL = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)}
"""Of convolutions that say nothing else."""

POOLS = {"avgpool": "average", "maxpool": "maximum"}


class Integers(Format):
    """JSON: the layers in order, weights and biases as integers in units of their step.

    The kinds of layers are ``convolution`` and ``dense``, with kernels (out, in / groups, rows, columns) and
    (out, in); ``tanh`` (hard) and ``round``: to multiples of step, half to even, then within low .. high steps;
    ``average`` and ``maximum`` (windows of ``size`` beside each other, remainders dropped); ``flatten`` (maps, rows,
    columns); ``relu``; ``add``; ``identity``. Each takes what the one before it gives, or what its ``inputs`` give.
    A convolution has stride 1, no padding and dilation 1, unless it says otherwise, for rows and columns.
    """

    ending = "_integers.json"
    quantised = True

    def write(self, path: Path, net: nn.Module, card: Card) -> None:
        layers, before = [], IMAGES
        for layer in probe(net, card.shape):
            inputs = {} if layer.inputs == (before,) else {"inputs": layer.inputs}
            layers.append({**described(layer), **inputs})
            before = layer.name
        content = {"format": FORMAT, "network": json.loads(about(card)), "layers": layers}
        path.write_text(json.dumps(content) + "\n")

    def run(self, path: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of the layers as the file has them, with float32 numbers."""
        values, before = {IMAGES: torch.from_numpy(images)}, IMAGES
        with torch.inference_mode():
            for layer in json.loads(path.read_text())["layers"]:
                inputs = [values[name] for name in layer.get("inputs", [before])]
                before = layer["name"]
                values[before] = RUN[layer["kind"]](layer, *inputs)
        outputs: NDArray[np.float32] = values[before].numpy()
        return outputs


def described(layer: Layer) -> dict[str, Any]:
    """One layer; InputError if the file has no kind for it."""
    module, kind = layer.module, layer.kind
    found: dict[str, Any] = {}
    if isinstance(module, QConv2d) and module.padding_mode == "zeros" and not isinstance(module.padding, str):
        own = {"stride": module.stride, "padding": module.padding, "dilation": module.dilation}
        unusual = {name: value for name, value in own.items() if value != USUAL[name]}
        found = {"kind": "convolution", "groups": module.groups, **unusual, **_numbers(module)}
    elif isinstance(module, QLinear) and len(layer.shape or ()) == 2:
        found = {"kind": "dense", **_numbers(module)}
    elif isinstance(module, Quantiser):
        found = {"kind": "tanh" if isinstance(module, QuantisedTanh) else "round", **_limits(module)}
    elif isinstance(module, nn.AvgPool2d | nn.MaxPool2d) and _is_plain(module):
        rows, columns = pair(module.kernel_size)
        found = {"kind": POOLS[kind], "size": rows if rows == columns else (rows, columns)}
    elif kind in ("identity", "dropout"):
        found = {"kind": "identity"}
    elif (
        kind == "relu"
        or (kind == "flatten" and len(layer.shape or ()) == 2)
        or (kind == "add" and len(layer.inputs) == 2 and not layer.kwargs)
    ):
        found = {"kind": kind}
    if not found:
        raise InputError(
            f"layer {layer.name!r}, {module or kind}, is none of {', '.join(RUN)}, as files hold them"
        )
    return {"name": layer.name, **found}


def _is_plain(pool: nn.AvgPool2d | nn.MaxPool2d) -> bool:
    """Whether the windows of a pool lie beside each other, on the maps alone."""
    usual = {"padding": (0, 0), "dilation": (1, 1), "stride": pair(pool.kernel_size)}
    same = all(pair(getattr(pool, name, value)) == value for name, value in usual.items())
    return same and not pool.ceil_mode and not getattr(pool, "divisor_override", None)


def _numbers(layer: QConv2d | QLinear) -> dict[str, Any]:
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
    return {"bits": quantiser.bits, "step": quantiser.step, "low": quantiser.low, "high": quantiser.high}


def _weights(layer: dict[str, Any]) -> list[Any]:
    """Kernel and bias as tensors; None where there is no bias."""
    found = [layer.get(name) for name in ("weight", "bias")]
    return [one and torch.tensor(one["integers"]) * one["step"] for one in found]


def _convolved(layer: dict[str, Any], x: torch.Tensor) -> torch.Tensor:
    weight, bias = _weights(layer)
    stride, padding, dilation = (layer.get(name, value) for name, value in USUAL.items())
    return F.conv2d(x, weight, bias, stride, padding, dilation, layer["groups"])


def _rounded(layer: dict[str, Any], x: torch.Tensor) -> torch.Tensor:
    if layer["kind"] == "tanh":
        return QuantisedTanh(layer["bits"]).rounded(x)
    return Quantiser(layer["bits"], layer["low"], layer["high"]).rounded(x)


RUN: dict[str, Callable[..., torch.Tensor]] = {
    "convolution": _convolved,
    "dense": lambda layer, x: F.linear(x, *_weights(layer)),
    "tanh": _rounded,
    "round": _rounded,
    "average": lambda layer, x: F.avg_pool2d(x, layer["size"]),
    "maximum": lambda layer, x: F.max_pool2d(x, layer["size"]),
    "flatten": lambda _, x: x.flatten(1),
    "relu": lambda _, x: x.relu(),
    "add": lambda _, x, y: x + y,
    "identity": lambda _, x: x,
}
"""What the kinds of layers do to their inputs."""
