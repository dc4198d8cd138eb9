"""Multiplier method of the first sparse smart-pixels networks, to reproduce their training.

New trainings use dmcnn.training.constraints.multipliers. This method does not reach its target: the violation has no
sign, so that the multiplier can only grow; the multiplier moves with the optimiser of the weights, whose steps have
one size whatever the violation; and its zeros are not those of the quantised network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from dmcnn.layers import trace
from dmcnn.quantisation.cost import PRODUCTS

VARIANTS = {"file": 0.5, "notebook": 0.99}
"""Share of zeros that each variant aims at."""

SMALL = 1e-3
"""Largest absolute value of a weight that the ``file`` variant counts as zero."""

SHARPNESS, STRENGTH = 100.0, 5000.0
"""Constants of the ``notebook`` variant, which counts exp(-SHARPNESS w^2) per weight and multiplies by STRENGTH."""

ONCE_MET = 1e-6
"""Factor of the multiplier's gradient in the ``file`` variant once the target is reached."""


def constrained_kernels(net: nn.Module) -> list[torch.Tensor]:
    """Return the kernels under the constraint: all but the pointwise kernels of separable convolutions."""
    layers = trace(net)
    convolutions = {layer.name for layer in layers if layer.kind == "conv"}
    products = (layer for layer in layers if layer.kind in PRODUCTS and layer.module)
    # a pointwise convolution directly follows its depthwise one; a layer may be called twice
    first = (layer.module for layer in products if convolutions.isdisjoint(layer.inputs))
    return [module.weight for module in dict.fromkeys(first)]


class LegacySparsity(nn.Module):
    """Penalty max(l, 0) |f| + f^2 / 2 of the violation f, to be added to the loss summed over the batch.

    The optimiser of the weights also gets ``multiplier``, whose gradient has the opposite sign, so that it ascends.

    Args:
        weights: tensors to make sparse.
        variant: "file": f = (missing zeros / n) mean|w|, the factor without gradient; "notebook":
            f = sign(d) sqrt|d| mean|w| STRENGTH, d = target^2 - (mean exp(-SHARPNESS w^2))^2, a smooth count.
        target: share of zeros; None = that of the variant.

    Raises:
        ValueError: unknown variant.
    """

    def __init__(
        self, weights: Sequence[torch.Tensor], variant: str = "file", target: float | None = None
    ) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise ValueError(f"variant {variant!r}, expected one of {', '.join(VARIANTS)}")
        self.variant, self.target = variant, VARIANTS[variant] if target is None else target
        # a tuple, so that torch does not register them as parameters of this module
        self._weights = tuple(weights)
        self.multiplier = nn.Parameter(torch.zeros(()))
        self._ascent = 1.0
        register = self.multiplier.register_hook  # torch has no types for it
        register(lambda gradient: -self._ascent * gradient)  # type: ignore[no-untyped-call]

    def forward(self) -> torch.Tensor:
        """Return the scalar penalty of the current weights."""
        values = torch.cat([weight.flatten() for weight in self._weights])
        violation = (self._file(values) if self.variant == "file" else self._notebook(values)).abs()
        return self.multiplier.clamp(min=0) * violation + violation.square() / 2

    def _file(self, values: torch.Tensor) -> torch.Tensor:
        """Return the violation of the ``file`` variant for the (n,) weights, and set the ascent."""
        zeros = int((values.detach().abs() <= SMALL).sum())
        missing = max((math.ceil(len(values) * self.target) - zeros) / len(values), 0.0)
        self._ascent = missing**2 if missing else ONCE_MET
        return missing * values.abs().mean()

    def _notebook(self, values: torch.Tensor) -> torch.Tensor:
        """Return the violation of the ``notebook`` variant for the (n,) weights."""
        zeros = (-SHARPNESS * values.square()).exp().mean()
        short = self.target**2 - zeros.square()
        return short.sign() * short.abs().sqrt() * values.abs().mean() * STRENGTH
