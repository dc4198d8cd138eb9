"""The batches of a whole training, each a function of the seed and its step alone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from dmcnn.engines.dense import to_tensor
from dmcnn.images.scaling import scale_
from dmcnn.images.sparse import SparseImages
from dmcnn.training.loader import Buffers

SHUFFLE, AUGMENT, SHIFT, ROTATE = 1, 2, 3, 5
"""Random streams: the order of an epoch; orientation, shift and angle of the images of a step. (4 splits sets.)"""


class Batches:
    """Batches of ``size`` images from step ``first`` on, reshuffled every epoch.

    Yields ((B, C, H, W) float32 images, (B,) int64 class numbers or (B, k) float32 targets). Because nothing carries
    over from one step to the next, a run that starts at step s sees what the uninterrupted run would have seen, and
    threads may make several batches at once.

    Args:
        images: labelled; in memory or memory-mapped.
        size: images per batch; the last of an epoch may be smaller.
        epochs: passes over the images.
        seed: of order and augmentation.
        augment: flip every image along wire and tick and (if it is square) transpose it, each with probability 1/2.
        shift: [pixels] move every image by up to so many rows and columns either way; what leaves it is lost.
        rotation: [degrees] turn every image about its middle by up to this angle either way, between its pixels
            bilinearly; what leaves it is lost.
        noise: [ADC] rms of what is added to every active pixel.
        mask: probability to leave out an active pixel.
        scaling: of the finished images, one of dmcnn.images.scaling.SCALINGS.
        first: step to begin with.
    """

    def __init__(
        self,
        images: SparseImages,
        size: int,
        *,
        epochs: int,
        seed: int,
        augment: bool = False,
        shift: tuple[int, int] = (0, 0),
        rotation: float = 0.0,
        noise: float = 0.0,
        mask: float = 0.0,
        scaling: str = "none",
        first: int = 0,
    ) -> None:
        if images.label is None:
            raise ValueError("training needs labelled images")
        self.images, self.size, self.seed, self.augment, self.first = images, size, seed, augment, first
        self.shift, self.rotation, self.noise, self.mask, self.scaling = shift, rotation, noise, mask, scaling
        self.per_epoch = -(-len(images) // size)
        self.total = epochs * self.per_epoch
        self._labels = np.asarray(images.label, np.float32 if images.label.ndim == 2 else np.int64)
        # threads may be at work on both sides of an epoch's end
        self._order = lru_cache(maxsize=2)(self._shuffled)
        self._buffers = Buffers()

    def __len__(self) -> int:
        return max(0, self.total - self.first)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        return map(self.batch, range(self.first, self.total))

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The batch of one step, counted from 0 over all epochs."""
        epoch, position = divmod(step, self.per_epoch)
        which = self._order(epoch)[position * self.size : (position + 1) * self.size]
        out = self._buffers.tensor((len(which), *self.images.shape))
        to_tensor(self.images, which=which, out=out, **self._augmentation(step, len(which)))
        if self.rotation:
            random = np.random.default_rng([self.seed, ROTATE, step])
            out = rotated(out, random.uniform(-self.rotation, self.rotation, len(which)))
        scale_(out, self.scaling)
        return out, torch.from_numpy(self._labels[which])

    def _augmentation(self, step: int, count: int) -> dict[str, Any]:
        """Arguments of to_tensor for the ``count`` images of a step."""
        chosen: dict[str, Any] = {"orientation": None}
        if self.augment:
            turns = np.random.default_rng([self.seed, AUGMENT, step]).integers(0, 8, count, np.uint8)
            if self.images.shape[1] != self.images.shape[2]:
                turns &= 0b110
            chosen["orientation"] = turns
        if any(self.shift):
            random, reach = np.random.default_rng([self.seed, SHIFT, step]), np.array(self.shift)
            chosen["shift"] = random.integers(-reach, reach, (count, 2), np.int64, endpoint=True)
        if self.noise or self.mask:
            # an image meets other noise in every epoch: its key is its place in the training
            key = step * self.size + np.arange(count, dtype=np.uint64)
            chosen |= {"noise": self.noise, "mask": self.mask, "seed": self.seed, "key": key}
        return chosen

    def _shuffled(self, epoch: int) -> NDArray[np.int64]:
        return np.random.default_rng([self.seed, SHUFFLE, epoch]).permutation(len(self.images))


def rotated(images: torch.Tensor, degrees: NDArray[np.float64]) -> torch.Tensor:
    """(B, C, H, W) images, each turned about its middle by one of the (B,) angles, as ``TURNS`` turns by 90.

    A pixel is taken bilinearly from where it was; what was outside is empty. The pixels are squares, whatever they
    are in the detector.
    """
    height, width = images.shape[2:]
    angle = torch.from_numpy(np.deg2rad(degrees)).to(images)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    # affine_grid measures either axis in half its own length
    rows = [
        torch.stack([cos, -sin * height / width, zero], 1),
        torch.stack([sin * width / height, cos, zero], 1),
    ]
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
