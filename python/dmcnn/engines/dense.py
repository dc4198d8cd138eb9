"""A network and sparse images in, logits out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn import _core
from dmcnn._common.errors import InputError
from dmcnn.images.scaling import scale_
from dmcnn.images.sparse import SparseImages

TURNS = {0: 0, 90: 1 | 2, 180: 2 | 4, 270: 1 | 4}
"""Orientation bits of `_core.densify` (1 transpose, 2 flip rows, 4 flip columns) that turn like np.rot90."""


def to_tensor(
    images: SparseImages,
    orientation: NDArray[np.uint8] | None = None,
    *,
    which: NDArray[np.int64] | None = None,
    out: torch.Tensor | None = None,
    n_threads: int = 1,
    **augmentation: Any,
) -> torch.Tensor:
    """(B, C, H, W) contiguous tensor of a batch, each image turned by its orientation bits.

    Args:
        images: the batch, or all images of which ``which`` are the batch.
        orientation: (B,) bits, see `_core.densify`.
        which: (B,) numbers of images.
        out: float32 or bfloat16 tensor on the host to write to; by default a new one of float32.
        n_threads: at most so many work on different images.
        augmentation: shift, key, seed, noise and mask of `_core.densify`.
    """
    if out is None:  # NumPy asks for huge pages, and the first touch of memory costs more than filling it
        count = len(images) if which is None else len(which)
        out = torch.from_numpy(np.empty((count, *images.shape), np.float32))
    pixels = (out.view(torch.uint16) if out.dtype == torch.bfloat16 else out).numpy()
    _core.densify(
        images.offsets, images.index, images.value, pixels, orientation,
        which=which, n_threads=n_threads, **augmentation,
    )  # fmt: skip
    return out


def batches(images: SparseImages, size: int) -> Iterator[SparseImages]:
    """The images in batches of at most ``size``."""
    for start in range(0, len(images), size):
        yield images.take(slice(start, start + size))


@torch.inference_mode()
def logits(
    net: nn.Module,
    images: SparseImages,
    *,
    device: torch.device,
    precision: str = "32",
    rotation: int = 0,
    scaling: str = "none",
) -> NDArray[np.float64]:
    """(B, classes) logits of one batch; ``net`` is moved to ``device`` and put into evaluation mode.

    Images stay contiguous (NCHW) float32 unless ``precision`` is "bf16": torch's GroupNorm in channels_last is
    wrong by up to 3e-2 in the logit on the CPU. ``rotation`` is in degrees, counter-clockwise with rows upwards;
    ``scaling`` is one of dmcnn.images.scaling.SCALINGS.
    """
    if rotation % 180 and images.shape[1] != images.shape[2]:
        raise InputError(
            f"rotation = {rotation} needs square images, not {images.shape[1]} x {images.shape[2]}"
        )
    turns = np.full(len(images), TURNS[rotation], np.uint8)
    return forward(net.to(device).eval(), scale_(to_tensor(images, turns), scaling), precision)


def all_logits(
    net: nn.Module, images: SparseImages, *, device: torch.device, batch_size: int, **how: Any
) -> NDArray[np.float64]:
    """Return the (n, outputs) logits of at least one image, ``batch_size`` at a time; ``how`` as in ``logits``."""
    parts = [logits(net, batch, device=device, **how) for batch in batches(images, batch_size)]
    return np.concatenate(parts)


@torch.inference_mode()
def forward(net: nn.Module, images: torch.Tensor, precision: str = "32") -> NDArray[np.float64]:
    """(n, classes) logits on the host of (n, C, H, W) float32 images."""
    device = next(net.parameters()).device
    with (
        torch.backends.cudnn.flags(enabled=True, allow_tf32=False),
        torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"),
    ):
        out: NDArray[np.float64] = net(images.to(device)).double().cpu().numpy()
    return out
