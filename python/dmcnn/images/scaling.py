"""What is done to the pixel values of an image before a network sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmcnn._common.errors import InputError, nearest

if TYPE_CHECKING:
    import torch

SCALINGS = ("none", "minmax")
"""``none``: ADC or GeV as read. ``minmax``: 0.1 for the smallest to 1.1 for the largest pixel of each image."""


def check_scaling(kind: str, where: str = "scaling") -> None:
    """InputError naming ``where`` unless ``kind`` is one of SCALINGS."""
    if kind not in SCALINGS:
        listed = ", ".join(SCALINGS)
        raise InputError(f"{where} = {kind!r}{nearest(str(kind), SCALINGS)}, expected one of {listed}")


def scale_(images: torch.Tensor, kind: str, like: torch.Tensor | None = None) -> torch.Tensor:
    """Scale every image in place, and return the tensor.

    ``minmax`` is what the LArIAT network is trained on: (x - min)/(max - min) + 0.1 with the extremes of the image
    itself, over all its channels, so that the charge scale is lost and an empty pixel is 0.1. An image of one value,
    such as an empty one, becomes 0.1 everywhere.

    Args:
        images: (B, C, H, W) floating-point tensor on any device.
        kind: one of SCALINGS.
        like: (B or 1, C, H, W) images whose extremes are used, such as the untouched image of occluded ones; by
            default the images themselves.
    """
    check_scaling(kind)
    if kind == "none":
        return images
    like = images if like is None else like
    low = like.amin(dim=(1, 2, 3), keepdim=True)
    span = like.amax(dim=(1, 2, 3), keepdim=True) - low
    span[span == 0] = 1
    return images.sub_(low).div_(span).add_(0.1)
