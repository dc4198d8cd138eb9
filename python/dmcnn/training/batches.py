"""Batches of a whole training, each a function of the seed and its step alone, with augmentation."""

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
from dmcnn.training.ranks import ALONE, Ranks

SHUFFLE, AUGMENT, SHIFT, ROTATE = 1, 2, 3, 5
"""Second words of the seeds of independent random streams: the order of the images in an epoch; orientation, shift
and angle of the images of a step. 4 is taken by dmcnn.training.split."""


class Batches:
    """Batches of ``size`` images from step ``first`` on, reshuffled every epoch.

    Iteration yields ((B, C, H, W) float32 images, (B,) int64 class numbers or (B, k) float32 targets). No state
    carries over from one step to the next: a training that resumes at step s gets the same batches as one without a
    break, and several threads may make batches at the same time.

    Args:
        images: labelled images, in memory or memory-mapped.
        size: images per batch; the last batch of an epoch may be smaller.
        epochs: passes over the images.
        seed: seed of order and augmentation.
        augment: flip every image along rows and along columns and, if it is square, transpose it, each with
            probability 1/2.
        shift: [pixels] largest shift of an image along rows and along columns, in either direction; pixels that leave
            the image are lost.
        rotation: [degrees] largest rotation of an image about its centre, in either direction, with bilinear
            interpolation; pixels that leave the image are lost.
        noise: [ADC] standard deviation of the Gaussian noise on every active pixel.
        mask: probability to set an active pixel to zero.
        scaling: one of dmcnn.images.scaling.SCALINGS, applied after augmentation.
        first: first step.
        ranks: processes that share the batches: images are those of this one (at least one image, so that networks
            need not know of empty batches), labels those of all.
        part: images of all ranks per forward pass; None = all of a step. A rank has its share of every part.

    Raises:
        ValueError: images without labels.
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
        ranks: Ranks = ALONE,
        part: int | None = None,
    ) -> None:
        if images.label is None:
            raise ValueError("training needs labelled images")
        self.images, self.size, self.seed, self.augment, self.first = images, size, seed, augment, first
        self.shift, self.rotation, self.noise, self.mask, self.scaling = shift, rotation, noise, mask, scaling
        self.ranks, self.part = ranks, part
        self.per_epoch = -(-len(images) // size)
        self.total = epochs * self.per_epoch
        self._labels = np.asarray(images.label, np.float32 if images.label.ndim == 2 else np.int64)
        # at the end of an epoch some threads still make its batches while others begin the next one
        self._order = lru_cache(maxsize=2)(self._shuffle)
        self._buffers = Buffers()

    def __len__(self) -> int:
        return max(0, self.total - self.first)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        return map(self.batch, range(self.first, self.total))

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (images, labels) of one step, counted from 0 over all epochs; shapes as of the iteration."""
        which = self.numbers(step)
        own = np.concatenate([np.r_[rows] for _, rows in self.ranks.parts(len(which), self.part)])
        out = self._buffers.tensor((len(own), *self.images.shape))
        drawn = self._augmentation(step, len(which))
        drawn = {key: value[own] if isinstance(value, np.ndarray) else value for key, value in drawn.items()}
        to_tensor(self.images, which=which[own], out=out, **drawn)
        if self.rotation:
            random = np.random.default_rng([self.seed, ROTATE, step])
            out = rotate(out, random.uniform(-self.rotation, self.rotation, len(which))[own])
        scale_(out, self.scaling)
        return out, torch.from_numpy(self._labels[which])

    def numbers(self, step: int) -> NDArray[np.int64]:
        """Return the numbers of the images of one step."""
        epoch, position = divmod(step, self.per_epoch)
        return self._order(epoch)[position * self.size : (position + 1) * self.size]

    def weights(self, step: int) -> torch.Tensor | None:
        """Return the (B,) float32 weights of the images of one step; None where they have none."""
        weight = self.images.weight
        return None if weight is None else torch.from_numpy(weight[self.numbers(step)])

    def _augmentation(self, step: int, count: int) -> dict[str, Any]:
        """Draw the arguments of ``to_tensor`` for the ``count`` images of a step."""
        arguments: dict[str, Any] = {"orientation": None}
        if self.augment:
            turns = np.random.default_rng([self.seed, AUGMENT, step]).integers(0, 8, count, np.uint8)
            if self.images.shape[1] != self.images.shape[2]:
                turns &= 0b110  # without the bit of the transposition
            arguments["orientation"] = turns
        if any(self.shift):
            random, reach = np.random.default_rng([self.seed, SHIFT, step]), np.array(self.shift)
            arguments["shift"] = random.integers(-reach, reach, (count, 2), np.int64, endpoint=True)
        if self.noise or self.mask:
            # the key is the image's place in the training, so that the noise differs between epochs
            key = step * self.size + np.arange(count, dtype=np.uint64)
            arguments |= {"noise": self.noise, "mask": self.mask, "seed": self.seed, "key": key}
        return arguments

    def _shuffle(self, epoch: int) -> NDArray[np.int64]:
        """Return the numbers of all images in the order of an epoch."""
        return np.random.default_rng([self.seed, SHUFFLE, epoch]).permutation(len(self.images))


def rotate(images: torch.Tensor, degrees: NDArray[np.float64]) -> torch.Tensor:
    """Return (B, C, H, W) images, each rotated about its centre by one of the (B,) angles [degrees].

    The sense of rotation is that of dmcnn.engines.dense.TURNS. Pixels count as squares, whatever their size in the
    detector; values are interpolated bilinearly, and pixels from outside the image are 0.
    """
    height, width = images.shape[2:]
    angle = torch.from_numpy(np.deg2rad(degrees)).to(images)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    # affine_grid takes (B, 2, 3) matrices in coordinates that run from -1 to 1 along each axis
    rows = [
        torch.stack([cos, -sin * height / width, zero], 1),
        torch.stack([sin * width / height, cos, zero], 1),
    ]
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
