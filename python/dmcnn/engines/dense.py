"""Dense engine: logits of a network for sparse images that are made dense."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn import _core
from dmcnn._common.errors import InputError
from dmcnn.engines.channels_last import ChannelsLastPass, channels_last, serves
from dmcnn.images.augment import TURNS
from dmcnn.images.scaling import scale_
from dmcnn.images.sparse import SparseImages


def to_tensor(
    images: SparseImages,
    orientation: NDArray[np.uint8] | None = None,
    *,
    which: NDArray[np.int64] | None = None,
    out: torch.Tensor | None = None,
    n_threads: int = 1,
    **augmentation: Any,
) -> torch.Tensor:
    """Return the (B, C, H, W) contiguous tensor of a batch, each image flipped and transposed by its orientation.

    Args:
        images: images of the batch, or all images, of which ``which`` selects the batch.
        orientation: (B,) uint8 bits, see `_core.densify`.
        which: (B,) int64 numbers of images.
        out: (B, C, H, W) float32 or bfloat16 tensor on the host to write to; None = a new float32 tensor.
        n_threads: largest number of threads, which work on different images.
        augmentation: arguments shift, key, seed, noise and mask of `_core.densify`.
    """
    if (
        out is None
    ):  # NumPy requests huge pages, and the first write to fresh memory takes longer than the next
        count = len(images) if which is None else len(which)
        out = torch.from_numpy(np.empty((count, *images.shape), np.float32))
    pixels = (out.view(torch.uint16) if out.dtype == torch.bfloat16 else out).numpy()
    _core.densify(
        images.offsets, images.index, images.value, pixels, orientation,
        which=which, n_threads=n_threads, **augmentation,
    )  # fmt: skip
    return out


def batches(images: SparseImages, size: int) -> Iterator[SparseImages]:
    """Yield the images in batches of at most ``size``."""
    for start in range(0, len(images), size):
        yield images.take(slice(start, start + size))


def prepare(images: SparseImages, rotation: int = 0, scaling: str = "none") -> torch.Tensor:
    """Return the (B, C, H, W) float32 tensor that a network takes, contiguous (NCHW).

    Args:
        images: images of the batch.
        rotation: [degrees] one of TURNS, counter-clockwise with rows upwards.
        scaling: one of dmcnn.images.scaling.SCALINGS.

    Raises:
        InputError: rotation by 90 or 270 degrees of images that are not square.
    """
    if rotation % 180 and images.shape[1] != images.shape[2]:
        raise InputError(
            f"rotation = {rotation} needs square images, not {images.shape[1]} x {images.shape[2]}"
        )
    turns = np.full(len(images), TURNS[rotation], np.uint8)
    return scale_(to_tensor(images, turns), scaling)


@torch.inference_mode()
def logits(
    net: nn.Module,
    images: SparseImages,
    *,
    device: torch.device,
    precision: str = "32",
    **preparation: Any,
) -> NDArray[np.float64]:
    """Return the (B, outputs) float64 logits of one batch.

    Args:
        net: network, which is moved to ``device`` and set to evaluation mode.
        images: images of the batch.
        device: device of the forward pass.
        precision: "32" or "bf16" (autocast).
        preparation: arguments of ``prepare``.
    """
    return forward(net.to(device).eval(), prepare(images, **preparation), precision)


def all_logits(
    net: nn.Module, images: SparseImages, *, device: torch.device, batch_size: int, **options: Any
) -> NDArray[np.float64]:
    """Return the (n, outputs) float64 logits of n >= 1 images in batches; ``options`` as of ``logits``."""
    parts = [logits(net, batch, device=device, **options) for batch in batches(images, batch_size)]
    return np.concatenate(parts)


def forward(net: nn.Module, images: torch.Tensor, precision: str = "32") -> NDArray[np.float64]:
    """Return the (n, outputs) float64 logits, on the host, of (n, C, H, W) float32 images."""
    device = next(net.parameters()).device
    inner = precision == "bf16" and serves(net, images)
    given = channels_last(images) if inner else images.to(device)
    with inference(device, precision), ChannelsLastPass() if inner else nullcontext():
        out: NDArray[np.float64] = net(given).double().cpu().numpy()
    return out


@contextmanager
def inference(device: torch.device, precision: str) -> Iterator[None]:
    """Evaluate without gradients, in "32" or "bf16" (autocast).

    TF32 is switched off, so that "32" means float32 on GPUs too.
    """
    with (
        torch.inference_mode(),
        torch.backends.cudnn.flags(enabled=True, allow_tf32=False),
        torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"),
    ):
        yield
