"""Choice of images by plane and position in the event, and their place in the window that all are fitted to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn.images.sparse import META, NO_IMAGE
from dmcnn.readers.options import Choice

LARGEST = 2**31 - 1  # index is int32


@dataclass(frozen=True, eq=False)
class ImageTable:
    """Table of the images of a file, one row per image in file order.

    Attributes:
        counts: (n,) int64, number of images of each entry.
        rows, cols: (m,) int64, size of each image along axis H (tick) and W (wire); 0 = image without pixels.
        meta: (m,) META, the edges of each image as stored.
        all_by_default: without a choice every image is a channel (slices of a volume); else there may be only one.
    """

    counts: NDArray[np.int64]
    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    meta: NDArray[Any]
    all_by_default: bool = False

    @property
    def entry(self) -> NDArray[np.int64]:
        """(m,) int64, entry of each image."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    @property
    def position(self) -> NDArray[np.int64]:
        """(m,) int64, position of each image among those of its entry."""
        first = np.cumsum(self.counts) - self.counts
        return np.arange(len(self.rows)) - np.repeat(first, self.counts)

    @property
    def has_pixels(self) -> NDArray[np.bool_]:
        """(m,) bool, True for images that have pixels."""
        return (self.rows > 0) & (self.cols > 0)


def sizes(
    where: str, rows: NDArray[Any], cols: NDArray[Any], counts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and columns, both (m,) int64.

    Raises:
        InputError: an image with more pixels than int32 can number; damaged file.
    """
    rows64, cols64 = rows.astype(np.float64), cols.astype(np.float64)
    wrong = np.flatnonzero(~((rows64 >= 0) & (cols64 >= 0) & (np.maximum(rows64, 1) * cols64 <= LARGEST)))
    wrong = wrong if len(wrong) else np.flatnonzero(rows64 > LARGEST)
    if len(wrong):
        entry = int(np.searchsorted(np.cumsum(counts), wrong[0], side="right"))
        size = f"{rows[wrong[0]]}x{cols[wrong[0]]}"
        raise InputError(f"{where}: entry {entry}: image of {size} (rows x columns), which no file can hold")
    return rows.astype(np.int64), cols.astype(np.int64)


def choose(where: str, table: ImageTable, plane: Choice, image_index: Choice) -> NDArray[np.int64]:
    """Return (n, C) int64: the row of ``table`` for every entry and channel, or -1 where the entry has no such image.

    ``plane`` selects by projection id, ``image_index`` by position in the event; with both, the image at that
    position must be of that plane. A tuple gives one channel per item, in its order.

    Raises:
        InputError: no such image in any entry, or several where one is expected.
    """
    if not table.has_pixels.any():
        raise InputError(f"{where}: none of the {len(table.counts)} entries holds an image")
    if table.all_by_default and plane is None and image_index is None:
        image_index = tuple(range(int(table.counts.max())))
    channels = [_wanted(where, table, p, i) for p, i in _pairs(plane, image_index)]
    return np.stack([_one_each(where, table, wanted) for wanted in channels], axis=1)


def _pairs(plane: Choice, image_index: Choice) -> list[tuple[int | None, int | None]]:
    """Return (plane, image index) of each channel."""
    planes: tuple[int | None, ...] = plane if isinstance(plane, tuple) else (plane,)
    indices: tuple[int | None, ...] = image_index if isinstance(image_index, tuple) else (image_index,)
    if image_index is None:
        indices = (None,) * len(planes)
    if plane is None:
        planes = (None,) * len(indices)
    if not planes or len(planes) != len(indices):
        raise InputError(f"plane={plane} and image_index={image_index} must name the same channels")
    return list(zip(planes, indices, strict=True))


def _wanted(where: str, table: ImageTable, plane: int | None, index: int | None) -> NDArray[np.bool_]:
    """Return (m,) bool: True for the images of channel (plane, index)."""
    planes = ", ".join(map(str, np.unique(table.meta["plane"][table.has_pixels])))
    wanted = table.has_pixels
    if index is not None:
        wanted = wanted & (table.position == index)
        if not wanted.any():
            raise InputError(
                f"{where}: no entry has an image at image_index {index} (at most {table.counts.max()} images)"
            )
    if plane is not None:
        of_plane = wanted & (table.meta["plane"] == plane)
        if index is None and not of_plane.any():
            raise InputError(f"{where}: no image of plane {plane}, the planes there are {planes}")
        if index is not None and (wanted & ~of_plane).any():
            other = np.flatnonzero(wanted & ~of_plane)[0]
            raise InputError(
                f"{where}: entry {table.entry[other]}: the image at image_index {index} is of plane "
                f"{table.meta['plane'][other]}, expected {plane}"
            )
        wanted = of_plane
    if plane is None and index is None and np.bincount(table.entry[wanted]).max() > 1:
        raise InputError(f"{where}: several images in an event, choose one with plane (there are {planes})")
    return wanted


def _one_each(where: str, table: ImageTable, wanted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return (n,) int64: the row of the wanted image of each entry, -1 for none; InputError if there are two."""
    entry = table.entry[wanted]
    twice = np.flatnonzero(np.bincount(entry, minlength=1) > 1)
    if len(twice):
        first = twice[0]
        plane = table.meta["plane"][wanted][entry == first][0]
        raise InputError(
            f"{where}: entry {first}: {(entry == first).sum()} images of plane {plane}, "
            "choose one with image_index (position in the event)"
        )
    image = np.full(len(table.counts), -1, np.int64)
    image[entry] = np.flatnonzero(wanted)
    return image


def window(
    where: str, table: ImageTable, image: NDArray[np.int64], ydim: int | None, xdim: int | None
) -> tuple[int, int]:
    """Return (H, W) that all chosen images are fitted to.

    Raises:
        InputError: ``ydim`` or ``xdim`` is None and the images differ in that size, or the window is too large.
    """
    wanted = image[image >= 0]
    rows, cols = table.rows[wanted], table.cols[wanted]
    if (ydim is None and np.ptp(rows)) or (xdim is None and np.ptp(cols)):
        often = Counter(zip(rows.tolist(), cols.tolist(), strict=True)).most_common(4)
        listed = ", ".join(f"{r}x{c} ({n} images)" for (r, c), n in often)
        raise InputError(f"{where}: images of several sizes {listed} (rows x columns), give ydim and xdim")
    height, width = int(ydim or rows[0]), int(xdim or cols[0])
    if height * width * image.shape[1] > LARGEST:
        raise InputError(f"{where}: {image.shape[1]} channels of {height}x{width} pixels are too many")
    return height, width


def fitted_meta(table: ImageTable, image: NDArray[np.int64], height: int, width: int) -> NDArray[Any]:
    """Return (n, C) META with the edges of the window in which each image is centred; NO_IMAGE if absent."""
    meta = np.zeros(image.shape, META)
    meta["plane"] = NO_IMAGE
    filled = image >= 0
    stored = table.meta[image[filled]]
    for low, high, count, size in (
        ("x_min", "x_max", table.cols, width),
        ("y_min", "y_max", table.rows, height),
    ):
        n = count[image[filled]]
        with np.errstate(over="ignore", invalid="ignore"):  # edges of a damaged file may be anything
            pixel = (stored[high] - stored[low]) / n
            before = np.where(size >= n, (size - n) // 2, -((n - size) // 2))
            edge = np.where(n == size, stored[low], stored[low] - before * pixel)
            stored[high] = np.where(n == size, stored[high], edge + size * pixel)
            stored[low] = edge
    meta[filled] = stored
    return meta
