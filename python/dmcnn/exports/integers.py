"""A quantised network as the integers that hardware holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn.checkpoints.card import Card
from dmcnn.exports.base import Format, about, is_quantised
from dmcnn.models import MODELS
from dmcnn.quantisation.quantisers import QConv2d, QLinear, QuantisedTanh, Quantiser

FORMAT = "dmcnn integers 1"


class Integers(Format):
    """JSON: the layers in order, weights and biases as integers in units of their step.

    The kinds of layers are ``convolution`` (no padding, stride 1) and ``dense``, with kernels (out, in / groups,
    rows, columns) and (out, in); ``tanh`` (hard) and ``round``: to multiples of step, half to even, then within
    low .. high steps; ``average`` (squares of ``size``, remainders dropped); ``flatten`` (maps, rows, columns).
    """

    ending = "_integers.json"
    quantised = True

    def write(self, path: Path, net: nn.Module, card: Card) -> None:
        assert is_quantised(net)
        layers = [described(name, layer) for name, layer in net.layers().named_children()]
        content = {"format": FORMAT, "network": json.loads(about(card)), "layers": layers}
        path.write_text(json.dumps(content) + "\n")

    def run(self, path: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of a new network that holds the integers times their step."""
        content = json.loads(path.read_text())
        net = MODELS[content["network"]["model"]](**content["network"]["arguments"])
        state = {
            f"{layer['name']}.{kind}": torch.tensor(layer[kind]["integers"]) * layer[kind]["step"]
            for layer in content["layers"]
            for kind in ("weight", "bias")
            if kind in layer
        }
        net.load_state_dict(state)
        assert is_quantised(net)
        with torch.inference_mode():
            outputs: NDArray[np.float32] = net.layers()(torch.from_numpy(images)).numpy()
        return outputs


def described(name: str, layer: nn.Module) -> dict[str, Any]:
    """One layer."""
    if isinstance(layer, QConv2d):
        return {"name": name, "kind": "convolution", "groups": layer.groups, **_numbers(layer)}
    if isinstance(layer, QLinear):
        return {"name": name, "kind": "dense", **_numbers(layer)}
    if isinstance(layer, Quantiser):
        kind = "tanh" if isinstance(layer, QuantisedTanh) else "round"
        return {"name": name, "kind": kind, **_limits(layer)}
    if isinstance(layer, nn.AvgPool2d):
        return {"name": name, "kind": "average", "size": layer.kernel_size}
    return {"name": name, "kind": type(layer).__name__.lower()}


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
