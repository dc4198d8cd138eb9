"""What every layer of a network costs in hardware: bits, multiplications, and how many of them are by zero."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from torch import nn

from dmcnn.layers import probe
from dmcnn.quantisation.quantisers import deployed, zero_fractions

FLOAT = 32
"""Bits of a number that nothing rounds."""

PRODUCTS = ("conv", "linear")
"""Kinds of layers that multiply values by a kernel; what a normalisation does can be folded into them."""


@dataclass(frozen=True)
class Cost:
    """One layer.

    Attributes:
        name, kind: of the module.
        shape: of the kernel, in torch's order.
        weight_bits, bias_bits: of one number; 0 = there is none.
        parameters: numbers in kernel and bias.
        zeros: of these, zero as deployed.
        bits: of all of them together.
        macs: multiplications for one image, those of pixels that a later layer drops too.
        used_macs: of these, by numbers of the kernel that are not zero.
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
    """Every layer that has parameters, in order, for images of (C, H, W)."""
    places = positions(net, shape)
    widths = {name: FLOAT if quantiser is None else quantiser.bits for name, _, quantiser in deployed(net)}
    zeros = zero_fractions(net)
    found = []
    for path, module in net.named_modules():
        start = f"{path}." if path else ""
        own = {start + kind: values for kind, values in module.named_parameters(recurse=False)}
        if not own:
            continue
        kernel = f"{start}weight"
        counts = {name: values.numel() for name, values in own.items()}
        empty = {name: round(zeros[name] * count) for name, count in counts.items()}
        times = places[path]
        found.append(
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
    return found


def positions(net: nn.Module, shape: tuple[int, int, int]) -> Counter[str]:
    """How often every number of a kernel is used for one image of (C, H, W), by the name of its layer."""
    found: Counter[str] = Counter()
    for layer in probe(net, shape):
        if layer.kind in PRODUCTS and layer.module and layer.shape:
            found[layer.path] += math.prod(layer.shape) // len(layer.module.weight)
    return found
