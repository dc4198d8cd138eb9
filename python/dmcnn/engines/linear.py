"""Linear layers in sequence, multiplied into one layer where no gradient is needed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

PASSED = (nn.Linear, nn.Dropout, nn.Identity)
"""Modules that a chain may hold; a dropout does nothing in evaluation."""


class LinearChain:
    """Linear layers with nothing but idle dropout between them.

    Their product is a matrix of outputs times inputs. For MPID it is 800 times smaller than the layers, whose
    numbers have to come from memory for every batch.

    Args:
        modules: in their order; at least two of them linear.
    """

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self.modules = list(modules)
        self.layers = [module for module in modules if isinstance(module, nn.Linear)]
        self._state: object = None
        self._product: tuple[torch.Tensor, torch.Tensor | None] | None = None

    def __call__(self, vectors: torch.Tensor) -> torch.Tensor:
        """Apply the layers: (…, inputs) -> (…, outputs)."""
        needs = [vectors, *(parameter for layer in self.layers for parameter in layer.parameters())]
        idle = not any(isinstance(module, nn.Dropout) and module.training for module in self.modules)
        learns = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in needs)
        if learns or not idle or any(tensor.is_inference() for tensor in needs[1:]):
            for module in self.modules:
                vectors = module(vectors)
            return vectors
        state = [(parameter.data_ptr(), parameter._version, parameter.dtype) for parameter in needs[1:]]
        if self._product is None or self._state != state:
            self._product, self._state = self._multiply(), state
        return F.linear(vectors, *self._product)

    @torch.no_grad()
    def _multiply(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the weight (outputs, inputs) and the bias of the product of the layers.

        The product begins at the last layer, which has the fewest outputs.
        """
        weight: torch.Tensor = self.layers[-1].weight
        bias: torch.Tensor | None = self.layers[-1].bias
        for layer in self.layers[-2::-1]:
            if layer.bias is not None:
                bias = weight @ layer.bias if bias is None else bias + weight @ layer.bias
            weight = weight @ layer.weight
        return weight, bias


def saves(layers: Sequence[nn.Linear]) -> bool:
    """Return whether the product of the layers has fewer weights than the layers."""
    together = layers[-1].out_features * layers[0].in_features
    return len(layers) > 1 and together < sum(layer.out_features * layer.in_features for layer in layers)
