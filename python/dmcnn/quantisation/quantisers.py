"""Quantisers: rounding to a few bits inside a network with straight-through gradients, and the deployed parameters.

Formulas and gradients are those of QKeras 0.9 (``alpha=1``, no integer bits, rounding half to even), compared with
tables of its outputs. A network keeps and trains float weights; every forward pass uses them rounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

ZERO = 1e-3
"""Largest absolute value of a weight that counts as zero, if no quantiser rounds it."""


class _StraightThrough(torch.autograd.Function):
    """Rounding whose gradient is that of the identity."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, quantiser: Quantiser) -> torch.Tensor:
        """Round ``x``."""
        return quantiser.round(x)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Return the gradient unchanged."""
        return grads[0], None


class _Tanh(torch.autograd.Function):
    """Rounded hard tanh whose gradient is 1 where rounding alone stays inside the limits, else 0."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, quantiser: QuantisedTanh) -> torch.Tensor:
        """Clip ``x`` to -1 .. 1 and round it."""
        half = torch.mul(x, 0.5).add_(0.5)
        ctx.save_for_backward(half)
        ctx.margin = quantiser.step / 4
        return quantiser.round_half(half * (2 / quantiser.step))

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Return the gradient where |x| < 1 - step / 2, else 0."""
        (half,) = ctx.saved_tensors
        grad: torch.Tensor = torch.ops.aten.hardtanh_backward(grads[0], half, ctx.margin, 1 - ctx.margin)
        return grad, None


class Quantiser(nn.Module):
    """Rounding to multiples of ``step``, half to even, between ``low`` and ``high`` steps.

    Attributes:
        bits: bits of a number, sign included, 2 to 16.
        step: value of the last bit, 2^-(bits - 1): numbers lie in -1 .. 1.
        low, high: limits [steps].
        function: autograd function that rounds with a gradient.
    """

    layer_kind = "quantiser"

    def __init__(self, bits: int, low: int, high: int) -> None:
        super().__init__()
        if not 2 <= bits <= 16:
            raise ValueError(f"{bits} bits, expected 2 to 16 of them")
        self.bits, self.low, self.high = bits, low, high
        self.step = 2.0 ** (1 - bits)

    def codes(self, x: torch.Tensor) -> torch.Tensor:
        """Convert a float tensor of any shape, without NaN, to int32 numbers of steps."""
        return (self.round(x.detach()) / self.step).to(torch.int32)

    def round(self, x: torch.Tensor) -> torch.Tensor:
        """Round a float tensor of any shape; the gradient of this operation is 0, see ``forward``."""
        return torch.mul(x, 1 / self.step).round_().clamp_(self.low, self.high).mul_(self.step)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Round a float tensor of any shape, with the gradient of ``function``."""
        if torch.is_grad_enabled() and x.requires_grad:
            out: torch.Tensor = self.function.apply(x, self)  # type: ignore[no-untyped-call]
            return out
        return self.round(x)

    function: type[torch.autograd.Function] = _StraightThrough

    def extra_repr(self) -> str:
        """Return bits and limits, for the repr of the module."""
        return f"{self.bits} bits, {self.low} .. {self.high}"


class QuantisedBits(Quantiser):
    """Quantiser ``quantized_bits(bits, 0, symmetric, alpha=1)`` of QKeras; its gradient is 1 everywhere.

    Args:
        bits: bits of a number, sign included.
        symmetric: leave out the lowest number, -1, so that the limits are symmetric.
    """

    def __init__(self, bits: int, symmetric: bool = False) -> None:
        high = 2 ** (bits - 1) - 1
        super().__init__(bits, -high - (not symmetric), high)


class QuantisedTanh(Quantiser):
    """Activation ``quantized_tanh(bits)`` of QKeras: the hard tanh clip(x, -1, 1), rounded, with symmetric limits.

    It is computed as 2 clip(x/2 + 1/2, 0, 1) - 1, as in QKeras: the sum loses the last bit of x, which decides
    whether numbers beside a tie are rounded up or down. The gradient is 1 where |x| < 1 - step/2, else 0.
    """

    function = _Tanh

    def __init__(self, bits: int) -> None:
        high = 2 ** (bits - 1) - 1
        super().__init__(bits, -high, high)

    def round(self, x: torch.Tensor) -> torch.Tensor:
        """Clip a float tensor of any shape to -1 .. 1 and round it."""
        return self.round_half(torch.mul(x, 0.5).add_(0.5).mul_(2 / self.step))

    def round_half(self, scaled: torch.Tensor) -> torch.Tensor:
        """Return the rounded x of ``scaled`` = (x/2 + 1/2) * 2/step, which is changed in place.

        The offset 1/step is an even number, so that ties are still rounded to even.
        """
        zero = self.high + 1
        return scaled.round_().clamp_(1, zero + self.high).sub_(zero).mul_(self.step)


class _Quantised:
    """Layer of torch with rounded weights: a base class to be named before that of torch.

    Args:
        args, kwargs: arguments of the class of torch.
        weight_quantiser, bias_quantiser: quantisers of kernel and bias; None leaves them float.
    """

    def __init__(
        self, *args: Any, weight_quantiser: Quantiser | None = None, bias_quantiser: Quantiser | None = None,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(*args, **kwargs)
        self.weight_quantiser, self.bias_quantiser = weight_quantiser, bias_quantiser

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Compute the output for (B, in, …) values, with the weights as deployed."""
        layer: Any = self
        return apply_layer(layer, values, *deployed_weights(layer))


class QConv2d(_Quantised, nn.Conv2d):
    """Convolution with rounded weights."""


class QLinear(_Quantised, nn.Linear):
    """Dense layer with rounded weights."""


def deployed_weights(layer: QConv2d | QLinear) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return kernel and bias of a layer as deployed, with gradients with respect to the float ones."""
    weight, bias = layer.weight, layer.bias
    if layer.weight_quantiser is not None:
        weight = layer.weight_quantiser(weight)
    if layer.bias_quantiser is not None and bias is not None:
        bias = layer.bias_quantiser(bias)
    return weight, bias


def apply_layer(
    layer: QConv2d | QLinear, values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    """Compute the output of a layer with another kernel and bias than its own."""
    if isinstance(layer, QLinear):
        return F.linear(values, weight, bias)
    out: torch.Tensor = layer._conv_forward(values, weight, bias)
    return out


def deployed_parameters(net: nn.Module) -> Iterator[tuple[str, nn.Parameter, Quantiser | None]]:
    """Yield (name, parameter, quantiser) of every parameter of a network, in order; the quantiser may be None."""
    for name, parameter in net.named_parameters():
        path, _, kind = name.rpartition(".")
        quantiser = getattr(net.get_submodule(path), f"{kind}_quantiser", None)
        yield name, parameter, quantiser if isinstance(quantiser, Quantiser) else None


def has_quantisers(net: nn.Module) -> bool:
    """Return whether a network rounds any number."""
    return any(isinstance(module, Quantiser) for module in net.modules())


def is_quantised(net: nn.Module) -> bool:
    """Return whether a network rounds all its parameters."""
    return all(quantiser is not None for _, _, quantiser in deployed_parameters(net))


def freeze(net: nn.Module) -> nn.Module:
    """Return a copy of a network in evaluation mode whose parameters are rounded and have no quantisers."""
    copy = deepcopy(net).eval().requires_grad_(False)
    for name, parameter, quantiser in [*deployed_parameters(copy)]:
        if quantiser is not None:
            path, _, kind = name.rpartition(".")
            parameter.copy_(quantiser.round(parameter))
            setattr(copy.get_submodule(path), f"{kind}_quantiser", None)
    return copy


def zero_fractions(net: nn.Module) -> dict[str, float]:
    """Return the share of zeros of every parameter as deployed; without a quantiser, of values up to ``ZERO``."""
    return {
        name: _zeros(values, quantiser) / values.numel()
        for name, values, quantiser in deployed_parameters(net)
    }


def zero_fraction(net: nn.Module) -> float:
    """Return the share of zeros of all parameters of a network, kernels and biases alike, as deployed."""
    zeros = sum(_zeros(values, quantiser) for _, values, quantiser in deployed_parameters(net))
    return zeros / sum(values.numel() for values in net.parameters())


def _zeros(parameter: torch.Tensor, quantiser: Quantiser | None) -> int:
    """Count the zeros of a parameter as deployed."""
    values = parameter.detach()
    return int((values.abs() <= ZERO if quantiser is None else quantiser.codes(values) == 0).sum())
