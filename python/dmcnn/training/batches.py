"""Batches of a whole training, each a function of the seed and its step alone, with augmentation."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dmcnn.engines.dense import to_tensor
from dmcnn.images import augment as pixels
from dmcnn.images.scaling import scale_
from dmcnn.images.sparse import SparseImages
from dmcnn.training.loader import Buffers
from dmcnn.training.pixels import ActivePixels
from dmcnn.training.ranks import ALONE, Ranks

SHUFFLE, AUGMENT, SHIFT, ROTATE, CHARGE = 1, 2, 3, 5, 6
"""Second words of the seeds of independent random streams: the order of the images in an epoch; orientation, shift,
angle and charge of the images of a step. 4 is taken by dmcnn.training.split."""


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
        rot90: without ``augment``, turn every image by a random multiple of 90 degrees, of 180 if it is not square.
        rotation: [degrees] largest rotation of an image about its centre, in either direction, by
            dmcnn.images.augment.rotate; what leaves the image is lost.
        charge: largest relative change of the charge of an image, in either direction.
        dead_wires: probability that a wire (column of a channel) is dead.
        noise: [ADC] standard deviation of the Gaussian noise on every active pixel.
        mask: probability to set an active pixel to zero.
        scaling: one of dmcnn.images.scaling.SCALINGS, applied after augmentation.
        first: first step.
        ranks: processes that share the batches: images are those of this one (at least one image, so that networks
            need not know of empty batches), labels those of all.
        part: images of all ranks per forward pass; None = all of a step. A rank has its share of every part.
        sparse: yield active pixels, which become the same images on a device, instead of images.

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
        rot90: bool = False,
        rotation: float = 0.0,
        charge: float = 0.0,
        dead_wires: float = 0.0,
        noise: float = 0.0,
        mask: float = 0.0,
        scaling: str = "none",
        first: int = 0,
        ranks: Ranks = ALONE,
        part: int | None = None,
        sparse: bool = False,
    ) -> None:
        if images.label is None:
            raise ValueError("training needs labelled images")
        self.images, self.size, self.seed, self.augment, self.first = images, size, seed, augment, first
        self.shift, self.rotation, self.noise, self.mask, self.scaling = shift, rotation, noise, mask, scaling
        self.rot90, self.charge, self.dead_wires = rot90, charge, dead_wires
        self.ranks, self.part, self.sparse = ranks, part, sparse
        self.per_epoch = -(-len(images) // size)
        self.total = epochs * self.per_epoch
        self._labels = np.asarray(images.label, np.float32 if images.label.ndim == 2 else np.int64)
        # at the end of an epoch some threads still make its batches while others begin the next one
        self._order = lru_cache(maxsize=2)(self._shuffle)
        self._buffers = Buffers()

    def __len__(self) -> int:
        return max(0, self.total - self.first)

    def __iter__(self) -> Iterator[tuple[torch.Tensor | ActivePixels, torch.Tensor]]:
        return map(self.batch, range(self.first, self.total))

    def batch(self, step: int) -> tuple[torch.Tensor | ActivePixels, torch.Tensor]:
        """Return (images, labels) of one step, counted from 0 over all epochs; shapes as of the iteration."""
        which = self.numbers(step)
        own = np.concatenate([np.r_[rows] for _, rows in self.ranks.parts(len(which), self.part)])
        drawn = self._augmentation(step, len(which))
        drawn = {key: value[own] if isinstance(value, np.ndarray) else value for key, value in drawn.items()}
        images, rows = self._change_pixels(step, which, own)
        labels = torch.from_numpy(self._labels[which])
        if self.sparse:
            return _pixels(images.take(rows), self.scaling, **drawn), labels
        out = self._buffers.tensor((len(own), *self.images.shape))
        to_tensor(images, which=rows, out=out, **drawn)
        return scale_(out, self.scaling), labels

    def numbers(self, step: int) -> NDArray[np.int64]:
        """Return the numbers of the images of one step."""
        epoch, position = divmod(step, self.per_epoch)
        return self._order(epoch)[position * self.size : (position + 1) * self.size]

    def weights(self, step: int) -> torch.Tensor | None:
        """Return the (B,) float32 weights of the images of one step; None where they have none."""
        weight = self.images.weight
        return None if weight is None else torch.from_numpy(weight[self.numbers(step)])

    def _change_pixels(
        self, step: int, which: NDArray[np.int64], own: NDArray[np.int64]
    ) -> tuple[SparseImages, NDArray[np.int64]]:
        """Return images whose charge is rotated, scaled and lost by dead wires, and the numbers of those of the step.

        Args:
            step: step.
            which: (B,) numbers of the images of the step.
            own: places of the images of this process in ``which``.
        """
        if not (self.rotation or self.charge or self.dead_wires):
            return self.images, which[own]
        images = self.images.take(which[own])
        if self.rotation:
            random = np.random.default_rng([self.seed, ROTATE, step])
            angles = random.uniform(-self.rotation, self.rotation, len(which))
            images = pixels.rotate(images, angles[own], n_threads=1)
        if self.charge:
            random = np.random.default_rng([self.seed, CHARGE, step])
            factors = 1 + random.uniform(-self.charge, self.charge, len(which))
            images = pixels.scale_charge(images, factors[own])
        if self.dead_wires:
            key = self._keys(step, len(which))[own]
            images = pixels.drop_wires(images, self.dead_wires, seed=self.seed, key=key)
        return images, np.arange(len(own))

    def _keys(self, step: int, count: int) -> NDArray[np.uint64]:
        """Return (B,) places of the images in the training, so that their random numbers differ between epochs."""
        return np.asarray(step * self.size + np.arange(count, dtype=np.uint64), np.uint64)

    def _augmentation(self, step: int, count: int) -> dict[str, Any]:
        """Draw the arguments of ``to_tensor`` for the ``count`` images of a step."""
        arguments: dict[str, Any] = {"orientation": None}
        is_square = self.images.shape[1] == self.images.shape[2]
        random = np.random.default_rng([self.seed, AUGMENT, step])
        if self.augment:
            turns = random.integers(0, 8, count, np.uint8)
            arguments["orientation"] = turns if is_square else turns & 0b110  # without the transposition
        elif self.rot90:
            turns = np.array(
                [pixels.TURNS[angle] for angle in ((0, 90, 180, 270) if is_square else (0, 180))], np.uint8
            )
            arguments["orientation"] = random.choice(turns, count)
        if any(self.shift):
            random, reach = np.random.default_rng([self.seed, SHIFT, step]), np.array(self.shift)
            arguments["shift"] = random.integers(-reach, reach, (count, 2), np.int64, endpoint=True)
        if self.noise or self.mask:
            key = self._keys(step, count)
            arguments |= {"noise": self.noise, "mask": self.mask, "seed": self.seed, "key": key}
        return arguments

    def _shuffle(self, epoch: int) -> NDArray[np.int64]:
        """Return the numbers of all images in the order of an epoch."""
        return np.random.default_rng([self.seed, SHUFFLE, epoch]).permutation(len(self.images))


def _pixels(
    images: SparseImages,
    scaling: str,
    orientation: NDArray[np.uint8] | None = None,
    shift: NDArray[np.int64] | None = None,
    noise: float = 0.0,
    mask: float = 0.0,
    **random: Any,
) -> ActivePixels:
    """Return the pixels of images with the changes that `_core.densify` makes; ``random`` has its seed and key."""
    if mask:
        images = pixels.drop_pixels(images, mask, **random)
    if noise:
        images = pixels.blur_charge(images, noise, **random)
    index, value, offsets = images.index, images.value, images.offsets
    if orientation is not None or shift is not None:
        index, inside = pixels.places(images, 0 if orientation is None else orientation, shift)
        if inside is not None:
            offsets = np.concatenate([[0], np.cumsum(inside)])[offsets]
            index, value = index[inside], value[inside]
    return ActivePixels(offsets, index, value, images.shape, scaling)
