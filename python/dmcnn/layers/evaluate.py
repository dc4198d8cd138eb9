"""Evaluation of a network layer by layer, and the output shapes of its layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import fx, nn

from dmcnn.layers.trace import IMAGES, Layer, Output, trace


def evaluate(layer: Layer, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Return the output of a layer for the values of its arguments."""
    if isinstance(layer.call, str):
        return getattr(args[0], layer.call)(*args[1:], **kwargs)
    return layer.call(*args, **kwargs)


def outputs(
    layers: Iterable[Layer], images: Any, call: Callable[[Layer, Any, Any], Any] = evaluate
) -> Iterator[tuple[Layer, Any]]:
    """Yield every layer with its output for (n, C, H, W) images; outputs are freed after their last use.

    Args:
        layers: layers in order.
        images: images, in any form that ``call`` takes.
        call: evaluation of a layer with its arguments.
    """
    layers = [*layers]
    last = {name: layer.name for layer in layers for name in layer.inputs}
    values: dict[str, Any] = {IMAGES: images}
    for layer in layers:
        args, kwargs = fx.node.map_aggregate(
            (layer.args, layer.kwargs), lambda x: values[x.layer] if isinstance(x, Output) else x
        )
        values[layer.name] = call(layer, args, kwargs)
        yield layer, values[layer.name]
        for name in {*layer.inputs}:
            if last[name] == layer.name:
                del values[name]


def probe(net: nn.Module, shape: tuple[int, ...]) -> list[Layer]:
    """Return the layers of a network in evaluation mode, with their output shapes for images of (C, H, W).

    Raises:
        InputError: a layer that cannot be traced, with the reason.
    """
    first = next(net.parameters(), torch.zeros(()))
    with evaluation_mode(net), torch.no_grad():
        empty = first.new_zeros((1, *shape))
        return [
            replace(layer, shape=tuple(value.shape) if isinstance(value, torch.Tensor) else None)
            for layer, value in outputs(trace(net), empty)
        ]


@contextmanager
def evaluation_mode(net: nn.Module) -> Iterator[None]:
    """Set a network to evaluation mode with gradients and without in-place modules; restore it afterwards.

    In-place modules would overwrite the activations that hooks read. TF32 is off in cuDNN, for full float32
    precision.
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
