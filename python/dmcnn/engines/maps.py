"""Feature maps as rows, and the images that a network begins with: the values between its steps."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch

from dmcnn.engines.hardware import bf16_is_fast
from dmcnn.engines.places import Places, input_places
from dmcnn.engines.rows import beside, on_host, spread
from dmcnn.images.sparse import SparseImages

SAMPLED = 1024
"""Places at which the background of an image is looked for."""

CROWDED = 0.65
"""Rows by place from which on a dense convolution is faster: it reads in place what rows have to gather."""


@dataclass(frozen=True, eq=False)
class Maps:
    """Feature maps (B, C, *map) of a batch, as rows (rows, C) and their places.

    Attributes:
        blank: whether the rows that ``places.blank`` leaves out are zero, as the background of images may be.
    """

    rows: torch.Tensor
    places: Places
    blank: bool = False

    @property
    def shape(self) -> torch.Size:
        """Shape of the dense tensor."""
        return torch.Size((self.places.images, self.rows.shape[1], *self.places.shape))

    @property
    def dtype(self) -> torch.dtype:
        """Type of the rows."""
        return self.rows.dtype

    @property
    def is_crowded(self) -> bool:
        """Whether nearly every place has a row of its own, and what follows is faster on dense maps.

        It is so on the CPU alone, for float32 and for bfloat16 in hardware: dense convolutions in float64 are slow,
        and so are those in bfloat16 where it is emulated.
        """
        if self.dtype != torch.float32 or not on_host(self.rows):
            return False
        if torch.is_autocast_enabled("cpu") and not bf16_is_fast(self.rows.device):
            return False
        return self.places.rows >= CROWDED * self.places.images * math.prod(self.places.shape)

    def dense(self) -> torch.Tensor:
        """Return the contiguous dense tensor (B, C, *map)."""
        batch, channels, *sides = self.shape
        return spread(self.rows, self.places.every_place).view(batch, channels, *sides)

    def whole(self) -> Maps:
        """Return the maps with all rows of every image: variants of an image have but those that differ."""
        rows, places = self.places.whole(self.rows)
        return self if places is self.places else Maps(rows, places)

    @cached_property
    def image(self) -> torch.Tensor:
        """(rows,) int64: the image of every row."""
        numbers = np.repeat(np.arange(self.places.images), np.diff(self.places.offsets))
        return beside(numbers, self.rows)

    @cached_property
    def weight(self) -> torch.Tensor:
        """(rows, 1): how many places a row stands for, in the dtype of the rows."""
        return beside(self.places.count, self.rows)[:, None].to(self.rows.dtype)


@dataclass(frozen=True, eq=False)
class Images:
    """The images that a network is given, before anything is done to them: a dense tensor or sparse images.

    Attributes:
        given: what the caller gave.
        sides: shape (C, *map) of an image, as steps that only change the shape have made it.
        dtype, device: of the maps that sparse images become.
        where: as of ``given``, bool: pixels with rows of their own, also where they look like the background.
        views: the same images of other shape, by ``sides``.
    """

    given: torch.Tensor | SparseImages
    sides: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    where: torch.Tensor | None = None
    views: dict[tuple[int, ...], Images] = field(default_factory=dict, repr=False)

    @property
    def shape(self) -> torch.Size:
        """(B, C, *map)."""
        return torch.Size((len(self.given), *self.sides))

    def reshape(self, sides: tuple[int, ...]) -> Images:
        """Return the same images, seen as (C, *map) = ``sides``."""
        if sides not in self.views:
            self.views[sides] = replace(self, sides=sides, views={})
        return self.views[sides]

    def dense(self) -> torch.Tensor:
        """Return the dense tensor (B, C, *map)."""
        if isinstance(self.given, SparseImages):
            return torch.from_numpy(self.given.dense()).to(self.device, self.dtype).view(self.shape)
        return self.given.reshape(self.shape)

    @cached_property
    def maps(self) -> Maps:
        """The images as rows: one per active pixel, and one for the background of an image."""
        if isinstance(self.given, SparseImages):
            return self._from_sparse(self.given)
        images = self.given.reshape(*self.shape[:2], -1)  # (B, C, places)
        sample = images[:, :, :: max(1, images.shape[2] // SAMPLED)]
        background = sample.mode(dim=2, keepdim=True).values
        active = images != background
        if self.where is not None:
            active = active | self.where.reshape(images.shape)
        active = active.any(1).reshape(len(images), *self.sides[1:])
        places, source = input_places(active.cpu().numpy(), blank=not bool(background.any()))
        at = beside(source, images)
        image, place = at // images.shape[2], at % images.shape[2]
        return Maps(images[image, :, place], places, blank=places.blank is not None)

    def _from_sparse(self, images: SparseImages) -> Maps:
        size = int(np.prod(self.sides[1:]))
        image = np.repeat(np.arange(len(images)), images.n_pixels)
        pixel = images.index % size
        active = np.zeros((len(images), size), np.bool_)
        active[image, pixel] = True
        places, _ = input_places(active.reshape(len(images), *self.sides[1:]), blank=True)
        rows = np.zeros((places.rows, self.sides[0]), np.float32)
        rows[places.number.reshape(len(images), -1)[image, pixel], images.index // size] = images.value
        return Maps(torch.from_numpy(rows).to(self.device, self.dtype), places, blank=True)
