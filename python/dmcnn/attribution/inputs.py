"""Input of the attribution methods: the scaled image, with an offset that makes empty pixels 0."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from dmcnn.images.scaling import scale_


@contextmanager
def shift_input(net: nn.Module, images: torch.Tensor, scaling: str) -> Iterator[torch.Tensor]:
    """Yield the scaled (1, C, H, W) image minus the value of an empty pixel after scaling.

    Within the block the network adds that value to its input. So methods explain the function of the scaled image,
    with the extremes of the image held fixed, while 0 still is an empty pixel, the natural baseline and the fill of
    occlusion. As a function of the image before scaling, a network with ``minmax`` would not depend on the
    brightness, and integrated gradients from an empty image would have no meaning.

    Args:
        net: network; within the block every forward pass adds the value of an empty pixel to its input.
        images: (1, C, H, W) float32 image before scaling, on the device of the network.
        scaling: one of dmcnn.images.scaling.SCALINGS.
    """
    if scaling == "none":
        yield images
        return
    empty = scale_(torch.zeros_like(images), scaling, like=images)

    def hook(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """Add the value of an empty pixel to the input."""
        return inputs[0] + empty, *inputs[1:]

    handle = net.register_forward_pre_hook(hook)
    try:
        yield scale_(images.clone(), scaling) - empty
    finally:
        handle.remove()
