"""Cost of the layers of a network in hardware: bits, multiplications, and multiplications by zero."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from torch import nn

from dmcnn.layers import probe
from dmcnn.quantisation.quantisers import deployed_parameters, zero_fractions

FLOAT = 32
"""Bits of a number that no quantiser rounds."""

PRODUCTS = ("conv", "linear")
"""Kinds of layers whose multiplications count; those of a normalisation can be folded into them."""


@dataclass(frozen=True)
class Cost:
    """Cost of one layer.

    Attributes:
        name, kind: name and class of the module.
        shape: shape of the kernel, in the order of torch.
        weight_bits, bias_bits: bits of one number; 0 without kernel or bias.
        parameters: count of numbers in kernel and bias.
        zeros: count of parameters that are zero as deployed.
        bits: total of all parameters.
        macs: multiplications for one image, including those of pixels that a later layer drops.
        used_macs: multiplications by kernel weights that are not zero.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    weight_bits: int
    bias_bits: int
    parameters: int
    zeros: int
    bits: int
    macs: int
    used_macs: int


def costs(net: nn.Module, shape: tuple[int, int, int]) -> list[Cost]:
    """Return the costs of all layers with parameters, in order, for images of (C, H, W).

    Raises:
        InputError: the network cannot be traced.
    """
    places = positions(net, shape)
    widths = {
        name: FLOAT if quantiser is None else quantiser.bits
        for name, _, quantiser in deployed_parameters(net)
    }
    zeros = zero_fractions(net)
    rows = []
    for path, module in net.named_modules():
        start = f"{path}." if path else ""
        own = {start + kind: values for kind, values in module.named_parameters(recurse=False)}
        if not own:
            continue
        kernel = f"{start}weight"
        counts = {name: values.numel() for name, values in own.items()}
        empty = {name: round(zeros[name] * count) for name, count in counts.items()}
        times = places[path]
        rows.append(
            Cost(
                name=path,
                kind=type(module).__name__,
                shape=tuple(own[kernel].shape) if kernel in own else (),
                weight_bits=widths.get(kernel, 0),
                bias_bits=widths.get(f"{start}bias", 0),
                parameters=sum(counts.values()),
                zeros=sum(empty.values()),
                bits=sum(count * widths[name] for name, count in counts.items()),
                macs=times * counts.get(kernel, 0),
                used_macs=times * (counts.get(kernel, 0) - empty.get(kernel, 0)),
            )
        )
    return rows


def positions(net: nn.Module, shape: tuple[int, int, int]) -> Counter[str]:
    """Count how often each number of a kernel is used for one image of (C, H, W), by the name of the layer."""
    counts: Counter[str] = Counter()
    for layer in probe(net, shape):
        if layer.kind in PRODUCTS and layer.module and layer.shape:
            counts[layer.path] += math.prod(layer.shape) // len(layer.module.weight)
    return counts
