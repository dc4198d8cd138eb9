"""The image as the network is given it, moved so that an empty pixel is 0."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from dmcnn.images.scaling import scale_


@contextmanager
def as_input(net: nn.Module, images: torch.Tensor, scaling: str) -> Iterator[torch.Tensor]:
    """A (1, C, H, W) image scaled for ``net``, less the value that scaling gives an empty pixel.

    In the block the network adds that value again. So attribution sees the function that the network computes of the
    scaled image, with the image's own extremes held fixed, while 0 stays what it is in a sparse image: an empty
    pixel, the natural baseline, and what occlusion leaves behind. (As a function of the unscaled image, ``minmax``
    would make the network blind to its brightness, and integrated gradients from an empty image meaningless.)

    Args:
        net: in the block, every forward pass adds the value to its input.
        images: (1, C, H, W) float32 as read, on the device of the network.
        scaling: one of dmcnn.images.scaling.SCALINGS.
    """
    if scaling == "none":
        yield images
        return
    empty = scale_(torch.zeros_like(images), scaling, like=images)

    def hook(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return inputs[0] + empty, *inputs[1:]

    handle = net.register_forward_pre_hook(hook)
    try:
        yield scale_(images.clone(), scaling) - empty
    finally:
        handle.remove()
