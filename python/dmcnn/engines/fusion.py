"""Fusion of layers: a ReLU with its convolution, and linear layers in sequence as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from dmcnn.layers import Layer, Output

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)

LINEAR = (nn.Linear, nn.Dropout, nn.Identity)
"""Modules of a chain of linear layers; a dropout does nothing in evaluation."""


def fuse(layers: Sequence[Layer], *, training: bool, apart: str = "") -> list[Layer]:
    """Return layers of which some are fused with those that alone take their outputs.

    A convolution with its ReLU has the keyword ``positive``; linear layers in evaluation become a ``LinearChain``.

    Args:
        layers: of a network, in order.
        training: the mode of the network.
        apart: name of a module whose output must be that of a layer.
    """
    uses = Counter(name for layer in layers for name in layer.inputs)
    runs: list[list[Layer]] = []
    for layer in layers:
        run = runs[-1] if runs else []
        alone = bool(run) and uses[run[-1].name] == 1 and layer.args == (Output(run[-1].name),)
        if alone and apart not in run[-1].ends and _kinds([*run, layer], training):
            run.append(layer)
        else:
            runs.append([layer])
    names: dict[str, str] = {}

    def renamed(x: Any) -> Any:
        """Replace the output of a layer that is now part of another."""
        return Output(names.get(x.layer, x.layer)) if isinstance(x, Output) else x

    fused: list[Layer] = []
    for run in runs:
        for layer in _fused(run):
            args, kwargs = fx.node.map_aggregate((layer.args, layer.kwargs), renamed)
            fused.append(replace(layer, args=args, kwargs=dict(kwargs)))
        names[run[-1].name] = fused[-1].name
        fused[-1] = replace(fused[-1], ends=run[-1].ends)
    return fused


def _kinds(run: Iterable[Layer], training: bool) -> bool:
    """Return whether layers in sequence are of kinds that can be fused."""
    first, *rest = (type(layer.call) for layer in run)
    if first in CONVOLUTIONS:
        return rest == [nn.ReLU]
    return first is nn.Linear and not training and all(kind in LINEAR for kind in rest)


def _fused(run: list[Layer]) -> list[Layer]:
    """Return the layers of a sequence, as one where that saves work."""
    first, *rest = run
    modules = [layer.module for layer in run]
    if rest and type(first.call) in CONVOLUTIONS:
        return [replace(first, kwargs={**first.kwargs, "positive": True})]
    if rest and saves([module for module in modules if isinstance(module, nn.Linear)]):
        return [replace(first, call=LinearChain(modules))]
    return run


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
        weights = [parameter for layer in self.layers for parameter in layer.parameters()]
        idle = not any(isinstance(module, nn.Dropout) and module.training for module in self.modules)
        learns = torch.is_grad_enabled() and any(weight.requires_grad for weight in weights)
        if learns or not idle or any(weight.is_inference() for weight in weights):
            for module in self.modules:
                vectors = module(vectors)
            return vectors
        state = [(parameter.data_ptr(), parameter._version, parameter.dtype) for parameter in weights]
        if self._product is None or self._state != state:
            self._product, self._state = self._multiply(), state
        return F.linear(vectors, *self._product)

    @torch.inference_mode(False)  # the product is kept, and may serve a pass with gradients
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
