"""Variants of one image, such as those of an occlusion scan, that share its places.

A variant differs from the image at some pixels, and so do its feature maps: only rows that a changed pixel reaches
are evaluated, all others are those of the image. Where a step needs all rows of a variant, such as a normalisation by
the statistics of the image, every variant gets a row of its own for each row of the image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from dmcnn import _core
from dmcnn._common.threads import threads
from dmcnn.engines.maps import Images, Maps
from dmcnn.engines.places import Ints, Links, OfOneImage, Places
from dmcnn.engines.rows import gather_sum


@dataclass(frozen=True, eq=False)
class PixelChanges:
    """Pixels with other values in m variants of one image.

    Attributes:
        start: (m+1,) int64; variant v has other values at ``pixel[start[v]:start[v + 1]]``.
        pixel: (n,) int numbers of pixels in (C, *map).
        value: (n,) their values.
    """

    start: NDArray[np.int64]
    pixel: NDArray[np.int64]
    value: torch.Tensor

    def __len__(self) -> int:
        return len(self.start) - 1


@dataclass(frozen=True, eq=False, kw_only=True)
class Variants(OfOneImage):
    """Rows of an image, the first of the batch, and behind them the changed rows of its variants.

    Attributes:
        count: of the image.
        offsets: (m+2,) int64, first row of the image and of every variant, and the number of rows.
        row: (changes,) int32, the row of the image that a changed row stands for, increasing within a variant.
    """

    row: Ints

    @classmethod
    def make(cls, image: Places, start: NDArray[np.int64], row: Ints) -> Variants:
        """Return the places of an image with changed rows ``row[start[v]:start[v + 1]]`` in variant v."""
        offsets = np.concatenate([[0], image.rows + start])
        return cls(image.number, offsets, image.count, image.blank, image=image, row=row)

    @property
    def start(self) -> NDArray[np.int64]:
        """(m+1,) int64, first changed row of every variant."""
        out: NDArray[np.int64] = self.offsets[1:] - self.image.rows
        return out

    def join(self, other: Places) -> tuple[Places, Links, Links]:
        """Return the places of a sum or concatenation with the same variants, and the links to both."""
        assert isinstance(other, Variants)
        places, ours, theirs = self.image.join(other.image)
        lists = [self._changes_after(places, ours), other._changes_after(places, theirs)]
        variant = np.concatenate([np.repeat(np.arange(len(start) - 1), np.diff(start)) for start, _ in lists])
        key = np.unique(variant * places.rows + np.concatenate([row for _, row in lists]))
        start = np.searchsorted(key, np.arange(self.images) * places.rows)
        joined = Variants.make(places, start, (key % places.rows).astype(np.int32))
        return joined, self._links(joined, ours), other._links(joined, theirs)

    def follow(self, places: Places, links: Links) -> tuple[Places, Links]:
        """Return the variants after a step of the image to ``places``, and their links."""
        variants = Variants.make(places, *self._changes_after(places, links))
        return variants, self._links(variants, links)

    def _changes_after(self, places: Places, links: Links) -> tuple[NDArray[np.int64], Ints]:
        before = self.start, self.row
        return _core.list_changes(*before, *links.users, self.image.rows, places.rows, n_threads=threads())

    def _links(self, after: Variants, links: Links) -> Links:
        index = np.concatenate([links.index, self._link(links.index, after.start, after.row)])
        return Links(index, after.offsets, self.offsets, shares_first=True)

    def _link(self, index: Ints, start: NDArray[np.int64], row: Ints) -> Ints:
        """Return (len(row), k) links of rows of the variants, which ``index`` makes of rows of the image."""
        before = self.start, self.row
        out: Ints = _core.link_changes(*before, index, self.image.rows, start, row, n_threads=threads())
        return out

    def _all(self, index: Ints) -> Ints:
        """Return the (m * n, k) links of all n rows, in every variant, that ``index`` (n, k) makes of the image."""
        count = self.images - 1
        start, row = np.arange(count + 1) * len(index), np.arange(len(index), dtype=np.int32)
        return self._link(index, start, np.tile(row, count))

    @cached_property
    def every_place(self) -> Links:
        """Links of every place of the maps to its row: the image, then its variants."""
        index = self.number.reshape(-1, 1)
        offsets = np.arange(self.images + 1) * len(index)
        return Links(np.concatenate([index, self._all(index)]), offsets, self.offsets)

    def whole(self, rows: torch.Tensor) -> tuple[torch.Tensor, Places]:
        """Return all rows of all variants, without those of the image, and their places."""
        places = self.image.copies(self.images - 1)
        index = self._all(self.image.unmoved.index)
        return gather_sum(rows, Links(index, places.offsets, self.offsets)), places


@dataclass(frozen=True, eq=False, kw_only=True)
class VariedImages(Images):
    """Variants of one image.

    Attributes:
        image: the image; pixels that change have rows of their own there.
        changes: what differs.
        whole: whether every variant begins with all its rows; else only with those that differ, and the image is the
            first of the batch.
    """

    image: Images
    changes: PixelChanges
    whole: bool

    @classmethod
    def make(cls, image: Images, changes: PixelChanges, *, whole: bool) -> VariedImages:
        """Return the variants of an image."""
        about = vars(image)
        inherited = {name: about[name] for name in ("given", "sides", "dtype", "device", "where")}
        return cls(**inherited, image=image, changes=changes, whole=whole)

    @property
    def shape(self) -> torch.Size:
        """(B, C, *map)."""
        return torch.Size((len(self.changes) + (not self.whole), *self.sides))

    def reshape(self, sides: tuple[int, ...]) -> Images:
        """Return the same images, seen as (C, *map) = ``sides``."""
        return replace(self, sides=sides, image=self.image.reshape(sides))

    def dense(self) -> torch.Tensor:
        """Return the dense tensor (B, C, *map)."""
        return self.maps.dense()

    @cached_property
    def maps(self) -> Maps:
        """The variants as rows."""
        image, count = self.image.maps, len(self.changes)
        channel, place = np.divmod(self.changes.pixel, int(np.prod(self.sides[1:])))
        row = image.places.number.reshape(-1)[place]
        variant = np.repeat(np.arange(count), np.diff(self.changes.start))
        key, at = np.unique(variant * image.places.rows + row, return_inverse=True)
        changed = image.rows[torch.from_numpy(key % image.places.rows)]
        changed[torch.from_numpy(at), torch.from_numpy(channel)] = self.changes.value.to(image.dtype)
        if self.whole:
            rows = image.rows.repeat(count, 1)
            rows[torch.from_numpy(key)] = changed
            return Maps(rows, image.places.copies(count), blank=image.blank)
        start = np.searchsorted(key, np.arange(count + 1) * image.places.rows)
        places = Variants.make(image.places, start, (key % image.places.rows).astype(np.int32))
        return Maps(torch.cat([image.rows, changed]), places, blank=image.blank)
