"""The multiplier method of the first sparse smart-pixels networks, to reproduce how they were trained.

It differs from dmcnn.training.constraints.multipliers, which is what to use, in ways that keep it from its target:
the violation has lost its sign, so that the multiplier can only grow; it moves with the optimiser of the weights,
whose steps have one size whatever the violation; and its zeros are not those of the quantised network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from dmcnn.layers import trace
from dmcnn.quantisation.cost import PRODUCTS

VARIANTS = {"file": 0.5, "notebook": 0.99}
"""Share of zeros each variant aimed at."""

SMALL = 1e-3
"""Size up to which the ``file`` variant counts a weight as zero."""

SHARPNESS, STRENGTH = 100.0, 5000.0
"""The ``notebook`` variant counts exp(-SHARPNESS w^2) and multiplies by STRENGTH."""

ONCE_MET = 1e-6
"""What is left of the multiplier's gradient in the ``file`` variant once the zeros are there."""


def constrained(net: nn.Module) -> list[torch.Tensor]:
    """Return the kernels that were constrained: of a separable convolution the depthwise one alone."""
    layers = trace(net)
    convolutions = {layer.name for layer in layers if layer.kind == "conv"}
    products = (layer for layer in layers if layer.kind in PRODUCTS)
    # the pointwise one follows it with nothing between; a layer may be called twice
    first = (layer.module for layer in products if convolutions.isdisjoint(layer.inputs))
    return [module.weight for module in dict.fromkeys(first)]


class LegacySparsity(nn.Module):
    """max(l, 0) |f| + f^2 / 2 with f the violation: the penalty of the original, to be added to the summed loss.

    ``multiplier`` goes into the optimiser of the weights; its gradient comes with the sign that makes it ascend.

    Args:
        weights: that shall be sparse.
        variant: "file": f = (missing zeros / n) mean|w|, the factor without gradient; "notebook":
            f = sign(d) sqrt|d| mean|w| STRENGTH, d = target^2 - (mean exp(-SHARPNESS w^2))^2, a smooth count.
        target: share of zeros; default: that of the variant.
    """

    def __init__(
        self, weights: Sequence[torch.Tensor], variant: str = "file", target: float | None = None
    ) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise ValueError(f"variant {variant!r}, expected one of {', '.join(VARIANTS)}")
        self.variant, self.target = variant, VARIANTS[variant] if target is None else target
        # not those of this module: they are the network's
        self._weights = tuple(weights)
        self.multiplier = nn.Parameter(torch.zeros(()))
        self._ascent = 1.0
        turn = self.multiplier.register_hook  # torch has no types for it
        turn(lambda gradient: -self._ascent * gradient)  # type: ignore[no-untyped-call]

    def forward(self) -> torch.Tensor:
        """The scalar penalty of the weights as they are."""
        values = torch.cat([weight.flatten() for weight in self._weights])
        violation = (self._file(values) if self.variant == "file" else self._notebook(values)).abs()
        return self.multiplier.clamp(min=0) * violation + violation.square() / 2

    def _file(self, values: torch.Tensor) -> torch.Tensor:
        zeros = int((values.detach().abs() <= SMALL).sum())
        missing = max((math.ceil(len(values) * self.target) - zeros) / len(values), 0.0)
        self._ascent = missing**2 if missing else ONCE_MET
        return missing * values.abs().mean()

    def _notebook(self, values: torch.Tensor) -> torch.Tensor:
        zeros = (-SHARPNESS * values.square()).exp().mean()
        short = self.target**2 - zeros.square()
        return short.sign() * short.abs().sqrt() * values.abs().mean() * STRENGTH
