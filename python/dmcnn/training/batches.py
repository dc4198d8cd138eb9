"""The batches of a whole training, each a function of the seed and its step alone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from dmcnn.images import SparseImages
from dmcnn.scoring import to_tensor

SHUFFLE, AUGMENT = 1, 2
"""Random streams: the order of an epoch, the orientation of the images of a step."""


class Batches:
    """Batches of ``size`` images from step ``first`` on, reshuffled every epoch.

    Yields ((B, C, H, W) float32 images, (B,) int64 class numbers). Because nothing carries over from one step to
    the next, a run that starts at step s sees what the uninterrupted run would have seen. With ``augment`` every
    image is flipped along wire and tick and (if it is square) transposed, each with probability 1/2.
    """

    def __init__(
        self,
        images: SparseImages,
        size: int,
        *,
        epochs: int,
        seed: int,
        augment: bool = False,
        first: int = 0,
    ) -> None:
        if images.label is None:
            raise ValueError("training needs labelled images")
        self.images, self.size, self.seed, self.augment, self.first = images, size, seed, augment, first
        self.per_epoch = -(-len(images) // size)
        self.total = epochs * self.per_epoch
        self._order = lru_cache(maxsize=1)(self._shuffled)

    def __len__(self) -> int:
        return max(0, self.total - self.first)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        return map(self.batch, range(self.first, self.total))

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The batch of one step, counted from 0 over all epochs."""
        epoch, position = divmod(step, self.per_epoch)
        images = self.images.take(self._order(epoch)[position * self.size : (position + 1) * self.size])
        turns = np.zeros(len(images), np.uint8)
        if self.augment:
            turns = np.random.default_rng([self.seed, AUGMENT, step]).integers(0, 8, len(images), np.uint8)
            if images.shape[1] != images.shape[2]:
                turns &= 0b110
        return to_tensor(images, turns), torch.from_numpy(np.asarray(images.label, np.int64))

    def _shuffled(self, epoch: int) -> NDArray[np.int64]:
        return np.random.default_rng([self.seed, SHUFFLE, epoch]).permutation(len(self.images))
