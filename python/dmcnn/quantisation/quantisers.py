"""Numbers of a few bits inside a network, with gradients that pass straight through, and what of it is deployed.

Formulas and gradients are those of QKeras 0.9 (``alpha=1``, no integer bits, rounding half to even), as tables of its
outputs show. A network keeps and trains float weights; every forward pass sees them rounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

ZERO = 1e-3
"""Largest absolute value of a weight that counts as zero where nothing rounds it."""


class _Straight(torch.autograd.Function):
    """Round, and let the gradient pass as it is."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, quantiser: Quantiser) -> torch.Tensor:
        return quantiser.rounded(x)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:
        return grads[0], None


class _Tanh(torch.autograd.Function):
    """Round ``x`` in -1 .. 1, and let the gradient pass where rounding alone stays inside the limits."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, quantiser: QuantisedTanh) -> torch.Tensor:
        half = torch.mul(x, 0.5).add_(0.5)
        ctx.save_for_backward(half)
        ctx.margin = quantiser.step / 4
        return quantiser.from_half(half * (2 / quantiser.step))

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:
        (half,) = ctx.saved_tensors
        grad: torch.Tensor = torch.ops.aten.hardtanh_backward(grads[0], half, ctx.margin, 1 - ctx.margin)
        return grad, None


class Quantiser(nn.Module):
    """Rounds to multiples of ``step`` between the integers ``low`` and ``high``, half to even.

    Attributes:
        bits: of a number, sign included.
        step: value of the last bit, 2^-(bits - 1): numbers lie in -1 .. 1.
        low, high: limits, in steps.
    """

    layer_kind = "quantiser"

    def __init__(self, bits: int, low: int, high: int) -> None:
        super().__init__()
        if not 2 <= bits <= 16:
            raise ValueError(f"{bits} bits, expected 2 to 16 of them")
        self.bits, self.low, self.high = bits, low, high
        self.step = 2.0 ** (1 - bits)

    def codes(self, x: torch.Tensor) -> torch.Tensor:
        """int32 numbers of steps of any float tensor; NaN is not allowed."""
        return (self.rounded(x.detach()) / self.step).to(torch.int32)

    def rounded(self, x: torch.Tensor) -> torch.Tensor:
        """The rounded values alone, without a gradient of their own."""
        return torch.mul(x, 1 / self.step).round_().clamp_(self.low, self.high).mul_(self.step)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Rounded values of a float tensor of any shape."""
        if torch.is_grad_enabled() and x.requires_grad:
            out: torch.Tensor = self.straight.apply(x, self)  # type: ignore[no-untyped-call]
            return out
        return self.rounded(x)

    straight: type[torch.autograd.Function] = _Straight

    def extra_repr(self) -> str:
        return f"{self.bits} bits, {self.low} .. {self.high}"


class QuantisedBits(Quantiser):
    """QKeras' ``quantized_bits(bits, 0, symmetric, alpha=1)``; its gradient is 1 everywhere, also beyond the limits.

    Args:
        bits: of a number, sign included.
        symmetric: leave out the lowest number, -1, so that both signs reach equally far.
    """

    def __init__(self, bits: int, symmetric: bool = False) -> None:
        high = 2 ** (bits - 1) - 1
        super().__init__(bits, -high - (not symmetric), high)


class QuantisedTanh(Quantiser):
    """QKeras' ``quantized_tanh(bits)``, an activation: the hard tanh clip(x, -1, 1), rounded, symmetric.

    It is computed as 2 clip(x/2 + 1/2, 0, 1) - 1, as QKeras does: the sum rounds off the last bit of x, which decides
    whether numbers beside a tie are rounded up or down. The gradient is 1 where |x| < 1 - step/2, else 0.
    """

    straight = _Tanh

    def __init__(self, bits: int) -> None:
        high = 2 ** (bits - 1) - 1
        super().__init__(bits, -high, high)

    def rounded(self, x: torch.Tensor) -> torch.Tensor:
        return self.from_half(torch.mul(x, 0.5).add_(0.5).mul_(2 / self.step))

    def from_half(self, scaled: torch.Tensor) -> torch.Tensor:
        """Values of (x/2 + 1/2) * 2/step, which is changed in place.

        The difference of 1/step to x/step is an even number, so that ties are still rounded to even.
        """
        zero = self.high + 1
        return scaled.round_().clamp_(1, zero + self.high).sub_(zero).mul_(self.step)


class QConv2d(nn.Conv2d):
    """A convolution with rounded weights; None instead of a quantiser leaves them as they are.

    Args:
        weight_quantiser, bias_quantiser: of the kernel and of the bias.
        others: those of ``nn.Conv2d``.
    """

    def __init__(
        self, *others: Any, weight_quantiser: Quantiser | None = None, bias_quantiser: Quantiser | None = None,
        **more: Any,
    ) -> None:  # fmt: skip
        super().__init__(*others, **more)
        self.weight_quantiser, self.bias_quantiser = weight_quantiser, bias_quantiser

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, in, H, W) -> (B, out, H', W')."""
        return product(self, images, *rounded(self))


class QLinear(nn.Linear):
    """A dense layer with rounded weights; None instead of a quantiser leaves them as they are.

    Args:
        weight_quantiser, bias_quantiser: of the kernel and of the bias.
        others: those of ``nn.Linear``.
    """

    def __init__(
        self, *others: Any, weight_quantiser: Quantiser | None = None, bias_quantiser: Quantiser | None = None,
        **more: Any,
    ) -> None:  # fmt: skip
        super().__init__(*others, **more)
        self.weight_quantiser, self.bias_quantiser = weight_quantiser, bias_quantiser

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """(B, in) -> (B, out)."""
        return product(self, values, *rounded(self))


def rounded(layer: QConv2d | QLinear) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Kernel and bias of a layer as they are deployed, with gradients to the float ones."""
    weight, bias = layer.weight, layer.bias
    if layer.weight_quantiser is not None:
        weight = layer.weight_quantiser(weight)
    if layer.bias_quantiser is not None and bias is not None:
        bias = layer.bias_quantiser(bias)
    return weight, bias


def product(
    layer: QConv2d | QLinear, values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    """What a layer gives with another kernel and bias than its own."""
    if isinstance(layer, QLinear):
        return F.linear(values, weight, bias)
    out: torch.Tensor = layer._conv_forward(values, weight, bias)
    return out


def deployed(net: nn.Module) -> Iterator[tuple[str, nn.Parameter, Quantiser | None]]:
    """(name, parameter, quantiser) of every parameter of any network, in order; None where nothing rounds it."""
    for name, parameter in net.named_parameters():
        path, _, kind = name.rpartition(".")
        quantiser = getattr(net.get_submodule(path), f"{kind}_quantiser", None)
        yield name, parameter, quantiser if isinstance(quantiser, Quantiser) else None


def rounds(net: nn.Module) -> bool:
    """Whether a network rounds any number."""
    return any(isinstance(module, Quantiser) for module in net.modules())


def is_quantised(net: nn.Module) -> bool:
    """Whether a network rounds all its parameters."""
    return all(quantiser is not None for _, _, quantiser in deployed(net))


def frozen(net: nn.Module) -> nn.Module:
    """A copy of a network, in evaluation mode, whose parameters are as deployed and need no rounding any more."""
    copy = deepcopy(net).eval().requires_grad_(False)
    for name, parameter, quantiser in [*deployed(copy)]:
        if quantiser is not None:
            path, _, kind = name.rpartition(".")
            parameter.copy_(quantiser.rounded(parameter))
            setattr(copy.get_submodule(path), f"{kind}_quantiser", None)
    return copy


def zero_fractions(net: nn.Module) -> dict[str, float]:
    """Share of every parameter that is zero once rounded; at most ``ZERO`` in size where nothing rounds it."""
    return {name: _zeros(values, by) / values.numel() for name, values, by in deployed(net)}


def zero_fraction(net: nn.Module) -> float:
    """Share of all parameters of a network, kernels and biases alike, that is zero once rounded."""
    zeros = sum(_zeros(values, by) for _, values, by in deployed(net))
    return zeros / sum(values.numel() for values in net.parameters())


def _zeros(parameter: torch.Tensor, quantiser: Quantiser | None) -> int:
    values = parameter.detach()
    return int((values.abs() <= ZERO if quantiser is None else quantiser.codes(values) == 0).sum())
