"""Places of feature maps that look alike and share a row, and how the rows of one map follow from another's.

A map of a sparse image holds few distinct windows, for most of them see nothing but background. Each distinct one is
worked out once: it is a row of numbers, one per channel, and stands for all places of its image that look like it.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dmcnn import _core
from dmcnn._common.threads import threads

Ints = NDArray[np.int32]

Triple = tuple[int, int, int]

ONES, NONE = (1, 1, 1), (0, 0, 0)


@dataclass(frozen=True)
class Stencil:
    """Geometry of a convolution or pool, one number per axis of the map.

    Attributes:
        kernel, stride, dilation: at least 1.
        before, after: padding.
        beyond: places behind the padding that a rounded-up number of windows looks at.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    beyond: tuple[int, ...]

    @property
    def moves_nothing(self) -> bool:
        """Whether a window is the place that it stands at."""
        ones = all(size == 1 for size in (*self.kernel, *self.stride))
        return ones and not any((*self.before, *self.after, *self.beyond))

    def in_space(self) -> dict[str, Triple]:
        """Return the geometry along three axes, by name; added leading axes have kernel 1 and padding 0."""
        out: dict[str, Triple] = {}
        for name, few in vars(self).items():
            most = (int(name in ("kernel", "stride", "dilation")),) * (3 - len(few)) + few
            out[name] = (most[0], most[1], most[2])
        return out


@dataclass(frozen=True, eq=False)
class Links:
    """Which rows of one map the rows of another are made of.

    Attributes:
        index: (n, k) int32 row of the map before at each place in the window; -1 in the padding, -2 behind it.
        offsets: (B+1,) int64 first row of every image, and n.
        rows: (B+1,) int64 the same of the map before.
        shares_first: whether all images are made of rows of the first one, too, as its variants are.
    """

    index: Ints
    offsets: NDArray[np.int64]
    rows: NDArray[np.int64]
    shares_first: bool = False

    @cached_property
    def users(self) -> tuple[Ints, Ints]:
        """The same links from the other side, see ``_core.list_users``."""
        start, user = _core.list_users(self.index, int(self.rows[-1]))
        return start, user

    @cached_property
    def is_identity(self) -> bool:
        """Whether every row is made of the row of the same number."""
        return self.index.shape == (self.rows[-1], 1) and bool(
            (self.index[:, 0] == np.arange(len(self.index), dtype=np.int32)).all()
        )


@dataclass(frozen=True, eq=False)
class Places:
    """Rows of a batch of feature maps.

    Attributes:
        number: (B, *map) int32, the row of every place; the rows of an image follow each other.
        offsets: (B+1,) int64, first row of every image, and the number of rows.
        count: (rows,) int32, how many places a row stands for.
        blank: number, with -1 in the background of images where that is zero, or None. At the input such places
            look like padding, so that windows at the border need no rows of their own.
    """

    number: Ints
    offsets: NDArray[np.int64]
    count: Ints
    blank: Ints | None = None
    _made: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of a map."""
        return self.number.shape[1:]

    @property
    def images(self) -> int:
        """How many images there are."""
        return len(self.number)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.offsets[-1])

    def copies(self, count: int) -> Places:
        """Return the places of ``count`` copies of one image, which are kept."""
        key = "copies", count
        if key not in self._made:
            self._made[key] = (Copies.make(self, count),)
        copies: Places = self._made[key][0]
        return copies

    def whole(self, rows: torch.Tensor) -> tuple[torch.Tensor, Places]:
        """Return all rows of all images, and their places."""
        return rows, self

    def windows(self, stencil: Stencil, *, zeros: bool) -> tuple[Places, Links]:
        """Return the places of a convolution or pool over these places, and the links to the rows in its windows.

        Args:
            stencil: geometry, with as many axes as the maps.
            zeros: whether padding counts as zeros and the rows that ``blank`` leaves out are zero.
        """
        if stencil.moves_nothing:
            return self, self.unmoved
        key = stencil, zeros
        if key not in self._made:
            number = self.blank if zeros and self.blank is not None else self.number
            self._made[key] = self._match(number, stencil)
        places, links = self._made[key]
        return places, links

    def regions(self, size: tuple[int, ...]) -> tuple[Places, Links]:
        """Return the places and links of an adaptive pool over these places.

        Args:
            size: number of regions along each axis, all of one size but for rounding.
        """
        if size not in self._made:
            number, kernel = self.number, []
            for axis, (out, length) in enumerate(zip(size, self.shape, strict=True), start=1):
                first = np.arange(out) * length // out
                last = -(-(np.arange(out) + 1) * length // out)
                most = int((last - first).max())
                at = first[:, None] + np.arange(most)
                beyond = (at >= last[:, None]).ravel()
                number = np.take(number, np.minimum(at, length - 1).ravel(), axis)
                np.moveaxis(number, axis, 0)[beyond] = -2
                kernel.append(most)
            none = (0,) * len(size)
            side = tuple(kernel)
            self._made[size] = self._match(number, Stencil(side, side, (1,) * len(size), none, none, none))
        places, links = self._made[size]
        return places, links

    def _match(self, number: Ints, stencil: Stencil) -> tuple[Places, Links]:
        maps = np.ascontiguousarray(number.reshape(len(number), *(1,) * (4 - number.ndim), *number.shape[1:]))
        new, offsets, index, count = _core.match_windows(maps, **stencil.in_space(), n_threads=threads())
        shape = new.shape[4 - number.ndim + 1 :]
        return Places(new.reshape(len(number), *shape), offsets, count), Links(index, offsets, self.offsets)

    def links_to(self, other: Places) -> Links | None:
        """Return the links by which ``windows`` or ``regions`` made ``other`` of these places, or None."""
        for made in self._made.values():
            if len(made) == 2 and made[0] is other:
                links: Links = made[1]
                return links
        return None

    def join(self, other: Places) -> tuple[Places, Links, Links]:
        """Return the places of a sum or concatenation with ``other`` maps of one shape, and the links to both."""
        if other not in self._made:
            both = np.stack([self.number, other.number + np.int32(self.rows)], axis=1)
            number, offsets, index, count = _core.match_windows(
                both.reshape(len(both), 2, 1, -1),
                (2, 1, 1),
                ONES,
                ONES,
                NONE,
                NONE,
                NONE,
                n_threads=threads(),
            )
            self._made[other] = (
                Places(number.reshape(self.number.shape), offsets, count),
                Links(np.ascontiguousarray(index[:, :1]), offsets, self.offsets),
                Links(np.ascontiguousarray(index[:, 1:] - np.int32(self.rows)), offsets, other.offsets),
            )
        places, ours, theirs = self._made[other]
        return places, ours, theirs

    @cached_property
    def unmoved(self) -> Links:
        """Links of every row to itself."""
        return Links(np.arange(self.rows, dtype=np.int32)[:, None], self.offsets, self.offsets)

    @cached_property
    def every_place(self) -> Links:
        """Links of every place of the maps to its row, image by image."""
        batch, size = self.images, int(np.prod(self.shape))
        return Links(self.number.reshape(-1, 1), np.arange(batch + 1) * size, self.offsets)


@dataclass(frozen=True, eq=False, kw_only=True)
class OfOneImage(Places):
    """Rows of several images whose places and links follow from those of one.

    Attributes:
        number, blank: of the one image.
        image: places of the one image.
    """

    image: Places

    @property
    def images(self) -> int:
        """How many there are."""
        return len(self.offsets) - 1

    def windows(self, stencil: Stencil, *, zeros: bool) -> tuple[Places, Links]:
        """Return the places of a convolution or pool, and the links to its windows, see ``Places.windows``."""
        if stencil.moves_nothing:
            return self, self.unmoved
        return self.follow(*self.image.windows(stencil, zeros=zeros))

    def regions(self, size: tuple[int, ...]) -> tuple[Places, Links]:
        """Return the places and links of an adaptive pool, see ``Places.regions``."""
        return self.follow(*self.image.regions(size))

    @abstractmethod
    def follow(self, places: Places, links: Links) -> tuple[Places, Links]:
        """Return the places of all images after a step of the one image to ``places``, and their links."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Copies(OfOneImage):
    """Rows of several copies of one image, whose places and links are those of the image, again and again."""

    @classmethod
    def make(cls, image: Places, count: int) -> Copies:
        """Return ``count`` copies of the places of an image."""
        offsets = np.arange(count + 1) * image.rows
        return cls(image.number, offsets, np.tile(image.count, count), image.blank, image=image)

    def join(self, other: Places) -> tuple[Places, Links, Links]:
        """Return the places of a sum or concatenation with as many copies, and the links to both."""
        assert isinstance(other, Copies)
        places, ours, theirs = self.image.join(other.image)
        return places.copies(self.images), self.follow(places, ours)[1], other.follow(places, theirs)[1]

    @property
    def every_place(self) -> Links:
        """Links of every place of the maps to its row, copy by copy."""
        index = self._shifted(self.number.reshape(-1, 1))
        return Links(index, np.arange(self.images + 1) * self.number.size, self.offsets)

    def follow(self, places: Places, links: Links) -> tuple[Places, Links]:
        """Return the copies after a step of the image to ``places``, and their links, which are kept."""
        if links not in self._made:
            copies = places.copies(self.images)
            self._made[links] = copies, Links(self._shifted(links.index), copies.offsets, self.offsets)
        copies, repeated = self._made[links]
        return copies, repeated

    def _shifted(self, index: Ints) -> Ints:
        """Return the (images * n, k) links of all copies that ``index`` (n, k) makes of the image."""
        shift = self.offsets[:-1].astype(np.int32)[:, None, None]
        return np.where(index < 0, index, index + shift).reshape(-1, index.shape[1])


def input_places(active: NDArray[np.bool_], *, blank: bool) -> tuple[Places, NDArray[np.int64]]:
    """Assign rows to the places of images: one to every active pixel, the first of an image to all its other pixels.

    Args:
        active: (B, *map), False where a pixel has the value of its image's background.
        blank: whether that value is zero in all images.

    Returns:
        The places, and (rows,) int64, the pixel number in (B, *map) that a row is taken from.
    """
    flat = active.reshape(len(active), -1)
    pixels = np.flatnonzero(flat)
    own = np.count_nonzero(flat, axis=1)
    rest = flat.shape[1] - own
    offsets = np.concatenate([[0], np.cumsum(own + (rest > 0))]).astype(np.int64)
    image = np.repeat(np.arange(len(own)), own)
    before = np.cumsum(own) - own
    rows = (np.arange(len(pixels)) - before[image] + (offsets[:-1] + (rest > 0))[image]).astype(np.int32)
    number = np.repeat(offsets[:-1].astype(np.int32), flat.shape[1])
    number[pixels] = rows
    count = np.ones(offsets[-1], np.int32)
    some = rest > 0
    count[offsets[:-1][some]] = rest[some]
    source = np.zeros(offsets[-1], np.int64)
    source[rows] = pixels
    source[offsets[:-1][some]] = np.flatnonzero(some) * flat.shape[1] + flat[some].argmin(axis=1)
    padding: Ints | None = None
    if blank:
        padding = np.full(active.shape, -1, np.int32)
        padding.reshape(-1)[pixels] = rows
    return Places(number.reshape(active.shape), offsets, count, padding), source
