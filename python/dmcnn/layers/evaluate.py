"""Evaluation of a network layer by layer, and the shapes of what its layers give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import fx, nn

from dmcnn.layers.trace import IMAGES, Layer, Output, trace


def outputs(layers: Iterable[Layer], images: torch.Tensor) -> Iterator[tuple[Layer, Any]]:
    """Yield every layer and what it gives for (n, C, H, W) images; what no later layer takes is not kept."""
    layers = [*layers]
    last = {name: layer.name for layer in layers for name in layer.inputs}
    values: dict[str, Any] = {IMAGES: images}
    for layer in layers:
        args, kwargs = fx.node.map_aggregate(
            (layer.args, layer.kwargs), lambda x: values[x.layer] if isinstance(x, Output) else x
        )
        call = getattr(args[0], layer.call) if isinstance(layer.call, str) else layer.call
        values[layer.name] = call(*(args[1:] if isinstance(layer.call, str) else args), **kwargs)
        yield layer, values[layer.name]
        for name in {*layer.inputs}:
            if last[name] == layer.name:
                del values[name]


def probe(net: nn.Module, shape: tuple[int, ...]) -> list[Layer]:
    """Return the layers of a network in evaluation mode, with their shapes for images of (C, H, W).

    Raises:
        InputError: the layer that cannot be followed, and why.
    """
    first = next(net.parameters(), torch.zeros(()))
    with undisturbed(net), torch.no_grad():
        empty = first.new_zeros((1, *shape))
        return [
            replace(layer, shape=tuple(value.shape) if isinstance(value, torch.Tensor) else None)
            for layer, value in outputs(trace(net), empty)
        ]


@contextmanager
def undisturbed(net: nn.Module) -> Iterator[None]:
    """Evaluation mode, gradients on, no module working in place; afterwards ``net`` is as before.

    In-place modules would overwrite the activations that hooks look at.
    """
    training = [(module, module.training) for module in net.modules()]
    in_place: list[Any] = [module for module in net.modules() if getattr(module, "inplace", False) is True]
    with ExitStack() as stack:
        for context in (torch.inference_mode(False), torch.enable_grad()):
            stack.enter_context(context)
        stack.enter_context(torch.backends.cudnn.flags(enabled=True, allow_tf32=False))
        try:
            net.eval()
            for module in in_place:
                module.inplace = False
            yield
        finally:
            for module in in_place:
                module.inplace = True
            for module, was in training:
                module.training = was
