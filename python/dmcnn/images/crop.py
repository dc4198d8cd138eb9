"""Crops of sparse images: placement of windows, and the crop itself, which can merge rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmcnn import _core
from dmcnn._common.errors import InputError, nearest
from dmcnn._common.threads import threads
from dmcnn.images import draws
from dmcnn.images.sparse import NO_IMAGE, SparseImages

SIZE = (512, 512)
MERGES = ("sum", "mean", "max")
Integers = NDArray[np.int64]
_FAR = 2**31  # more pixels than any image has


@dataclass(frozen=True, eq=False)
class CropWindows:
    """Windows of one size on a batch of images, m in all; each covers all channels.

    Attributes:
        source: (m,) int64, image of each window.
        top, left: (m,) int64, first row (drift tick) and column (wire); either may lie outside the image.
        size: (height, width) of the crops [pixels].
        rows_per_pixel: number of rows merged into one pixel: a window covers height * rows_per_pixel rows.
    """

    source: Integers
    top: Integers
    left: Integers
    size: tuple[int, int] = SIZE
    rows_per_pixel: int = 1

    def __post_init__(self) -> None:
        _extent(self.size, self.rows_per_pixel)
        if not len(self.source) == len(self.top) == len(self.left):
            raise InputError(
                f"{len(self.source)} sources, {len(self.top)} rows and {len(self.left)} columns of windows"
            )

    @property
    def extent(self) -> tuple[int, int]:
        """(rows, columns) of the image that a window covers."""
        return _extent(self.size, self.rows_per_pixel)

    def __len__(self) -> int:
        return len(self.source)

    def inside(self, images: SparseImages) -> CropWindows:
        """Return the windows, shifted by the smallest distance that puts them inside the images.

        Along an axis on which a window is larger than the image, the image is centred in the window.
        """
        top, left = (
            np.clip(first, 0, room) if room >= 0 else np.full_like(first, -(-room // 2))
            for first, room in zip((self.top, self.left), _room(images, self.extent), strict=True)
        )
        return replace(self, top=top, left=left)


def crop(
    images: SparseImages, windows: CropWindows, merge: str = "sum", n_threads: int | None = None
) -> SparseImages:
    """Crop one image of (C, *windows.size) per window, with events, meta and labels.

    Pixels outside the source image are empty. ``merge`` is "sum", "mean" or "max" of the merged rows, where an empty
    pixel counts as zero; sums are computed in float64, in the order of the rows. The result does not depend on
    ``n_threads`` (None: $DMCNN_NUM_THREADS, or every core).

    Raises:
        InputError: unknown ``merge``.
        ValueError: a window refers to an image that is not in the batch.
    """
    if merge not in MERGES:
        raise InputError(f"merge = {merge!r}: expected one of {', '.join(MERGES)}{nearest(merge, MERGES)}")
    offsets, index, value, _, _ = _core.crop(
        images.offsets, images.index, images.value, images.shape, windows.source, windows.top, windows.left,
        windows.size, windows.rows_per_pixel, merge, threads(n_threads),
    )  # fmt: skip
    return replace(
        images,
        offsets=offsets,
        index=index,
        value=value,
        shape=(images.shape[0], *windows.size),
        events=images.events[windows.source],
        meta=_meta(images, windows),
        label=None if images.label is None else images.label[windows.source],
    )


def around_pixel(
    images: SparseImages,
    row: ArrayLike,
    column: ArrayLike,
    size: tuple[int, int] = SIZE,
    rows_per_pixel: int = 1,
) -> CropWindows:
    """Return a window per image with a given pixel at row height // 2 and column width // 2.

    Args:
        row, column: whole numbers, one for all images or (n,); they may lie outside the image.
    """
    top = _per_image(images, row, "row") - size[0] // 2 * rows_per_pixel
    left = _per_image(images, column, "column") - size[1] // 2
    return CropWindows(np.arange(len(images)), top, left, size, rows_per_pixel)


def around_position(
    images: SparseImages,
    wire: ArrayLike,
    tick: ArrayLike,
    size: tuple[int, int] = SIZE,
    rows_per_pixel: int = 1,
    channel: int = 0,
) -> CropWindows:
    """Return a window per image around a point in detector units, such as the vertex.

    Args:
        wire, tick: x and y in the unit of the images' meta, one for all images or (n,).
        channel: channel whose meta converts the point to a pixel; planes see a point at different wires.

    Raises:
        InputError: a point is not finite, or an event has no image in that channel.
    """
    if not 0 <= channel < images.shape[0]:
        raise InputError(f"channel {channel}, expected 0 to {images.shape[0] - 1}")
    meta = images.meta[:, channel]
    absent = np.flatnonzero(meta["plane"] == NO_IMAGE)
    if len(absent):
        entry = images.events["entry"][absent[0]]
        raise InputError(
            f"entry {entry} has no image in channel {channel}, so no pixel belongs to a wire and tick"
        )
    column = _pixel(wire, meta["x_min"], meta["x_max"], images.shape[2], "wire")
    row = _pixel(tick, meta["y_min"], meta["y_max"], images.shape[1], "tick")
    return around_pixel(images, row, column, size, rows_per_pixel)


def around_centroid(
    images: SparseImages,
    size: tuple[int, int] = SIZE,
    rows_per_pixel: int = 1,
    n_threads: int | None = None,
) -> CropWindows:
    """Return a window per image around its mean pixel, weighted with the charges above zero."""
    row, column = _core.centroid(images.offsets, images.index, images.value, images.shape, threads(n_threads))
    nearest_row, nearest_column = (np.floor(x + 0.5).astype(np.int64) for x in (row, column))
    return around_pixel(images, nearest_row, nearest_column, size, rows_per_pixel)


def around_most_charge(
    images: SparseImages,
    size: tuple[int, int] = SIZE,
    rows_per_pixel: int = 1,
    n_threads: int | None = None,
) -> CropWindows:
    """Return the window per image that has the largest sum of charge among all inside the image.

    The maximum is exact (sums are integer multiples of a power of two); among equal sums the window with the smallest
    first row, then the smallest first column, is taken. Along an axis on which the window is larger than the image,
    the image is centred in the window.
    """
    extent = _extent(size, rows_per_pixel)
    top, left, _ = _core.most_charge(
        images.offsets, images.index, images.value, images.shape, extent, threads(n_threads)
    )
    return CropWindows(np.arange(len(images)), top, left, size, rows_per_pixel)


def random_windows(
    images: SparseImages, seed: int, size: tuple[int, int] = SIZE, rows_per_pixel: int = 1
) -> CropWindows:
    """Draw a window per image, uniformly among all positions inside the image.

    The position depends on ``seed`` and the entry number alone, not on the batch: it is made of words 0 and 1 of the
    splitmix64 stream of the two.
    """
    entry = images.events["entry"].astype(np.uint64)
    top, left = (
        (draws.words(seed, entry, np.uint64(axis)) % np.uint64(max(room, 0) + 1)).astype(np.int64)
        for axis, room in enumerate(_room(images, _extent(size, rows_per_pixel)))
    )
    return CropWindows(np.arange(len(images)), top, left, size, rows_per_pixel).inside(images)


def tiles(
    images: SparseImages, size: tuple[int, int] = SIZE, rows_per_pixel: int = 1, charged: bool = False
) -> CropWindows:
    """Return adjacent windows that cover every image, image by image, row by row from (0, 0).

    The last ones extend beyond the border. With ``charged`` only windows with an active pixel are returned.
    """
    (_, height, width), (step, stride) = images.shape, _extent(size, rows_per_pixel)
    down, across = -(-height // step), -(-width // stride)
    if charged:
        image = np.repeat(np.arange(len(images)), images.n_pixels)
        row, column = images.index // width % height, images.index % width
        active = np.zeros(len(images) * down * across, bool)
        active[(image * down + row // step) * across + column // stride] = True
        tile = np.flatnonzero(active)
    else:
        tile = np.arange(len(images) * down * across)
    top, left = tile // across % down * step, tile % across * stride
    return CropWindows(tile // (down * across), top, left, size, rows_per_pixel)


def _extent(size: tuple[int, int], rows_per_pixel: int) -> tuple[int, int]:
    """Return (rows, columns) of the image that a window covers."""
    if min(size) < 1 or rows_per_pixel < 1:
        raise InputError(
            f"a window of {size} pixels, {rows_per_pixel} rows to a pixel: expected at least 1 each"
        )
    return size[0] * rows_per_pixel, size[1]


def _room(images: SparseImages, extent: tuple[int, int]) -> tuple[int, int]:
    """Return the largest top and left of a window inside the image; negative if it is larger than the image."""
    return images.shape[1] - extent[0], images.shape[2] - extent[1]


def _meta(images: SparseImages, windows: CropWindows) -> NDArray[Any]:
    """Return the (m, C) META of the windows, for which a row and a column have the same size as in the image."""
    meta = images.meta[windows.source]
    axes = (("x", images.shape[2], windows.left), ("y", images.shape[1], windows.top))
    for (axis, pixels, first), covered in zip(axes, windows.extent[::-1], strict=True):
        low = meta[f"{axis}_min"].copy()
        pitch = (meta[f"{axis}_max"] - low) / max(pixels, 1)
        meta[f"{axis}_min"] = low + first[:, None] * pitch
        meta[f"{axis}_max"] = low + (first[:, None] + covered) * pitch
    return meta


def _per_image(images: SparseImages, number: ArrayLike, name: str) -> Integers:
    """Return (n,) int64 from one whole number for all images or one for each; InputError for anything else."""
    numbers = np.asarray(number)
    if numbers.dtype.kind not in "iu" or numbers.shape not in ((), (len(images),)):
        raise InputError(
            f"{name}: {numbers.dtype} of shape {numbers.shape}, expected a whole number or {len(images)} of them"
        )
    if numbers.size and not -_FAR <= numbers.min() <= numbers.max() <= _FAR:
        raise InputError(
            f"{name}: {numbers.min()} to {numbers.max()}, expected numbers of pixels near the image"
        )
    return np.broadcast_to(numbers, len(images)).astype(np.int64)


def _pixel(
    point: ArrayLike, low: NDArray[np.float64], high: NDArray[np.float64], pixels: int, name: str
) -> Integers:
    """Return the (n,) numbers of the pixels that hold the positions; ``high`` itself belongs to the last pixel."""
    position = np.asarray(point, np.float64)
    if position.shape not in ((), low.shape):
        raise InputError(f"{name} of shape {position.shape}, expected a number or {len(low)} of them")
    position = np.broadcast_to(position, low.shape)
    invalid = np.flatnonzero(~(high > low) | ~np.isfinite(position))
    if len(invalid):
        at = invalid[0]
        raise InputError(
            f"{name} {position[at]} in image {at} that spans {low[at]} to {high[at]}, expected numbers"
        )
    number = np.where(position == high, pixels - 1, np.floor((position - low) / (high - low) * pixels))
    return np.clip(number, -2.0 * _FAR, 2.0 * _FAR).astype(np.int64)
