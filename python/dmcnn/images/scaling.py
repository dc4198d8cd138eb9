"""Scaling of the pixel values of images for networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dmcnn._common.errors import InputError, nearest

if TYPE_CHECKING:
    import torch


def none_(images: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Leave ADC or GeV as they are read."""
    return images


def minmax_(images: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Scale every image in place to (x - min)/(max - min) + 0.1, with the extremes of all channels of ``like``.

    This is the scaling of the LArIAT network; it removes the charge scale, and an empty pixel becomes 0.1. A constant
    image, such as an empty one, becomes 0.1 everywhere.
    """
    low = like.amin(dim=(1, 2, 3), keepdim=True)
    span = like.amax(dim=(1, 2, 3), keepdim=True) - low
    span[span == 0] = 1
    return images.sub_(low).div_(span).add_(0.1)


SCALINGS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {"none": none_, "minmax": minmax_}
"""Name -> what scales images in place, by the extremes of other images."""


def check_scaling(kind: str, where: str = "scaling") -> None:
    """Raise InputError naming ``where`` unless ``kind`` is one of SCALINGS."""
    if kind not in SCALINGS:
        listed = ", ".join(SCALINGS)
        raise InputError(f"{where} = {kind!r}{nearest(str(kind), SCALINGS)}, expected one of {listed}")


def scale_(images: torch.Tensor, kind: str, like: torch.Tensor | None = None) -> torch.Tensor:
    """Scale every image in place and return the tensor.

    Args:
        images: (B, C, H, W) floating-point tensor on any device.
        kind: one of SCALINGS.
        like: (B or 1, C, H, W) images whose extremes are used, such as the original of occluded images; None = the
            images themselves.
    """
    check_scaling(kind)
    return SCALINGS[kind](images, images if like is None else like)
