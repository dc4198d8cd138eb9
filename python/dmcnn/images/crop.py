"""Windows cut out of sparse images: where to put them, and the cut itself, rows merged on the way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmcnn import _core
from dmcnn._common.errors import InputError, nearest
from dmcnn._common.threads import threads
from dmcnn.images.sparse import NO_IMAGE, SparseImages

SIZE = (512, 512)
MERGES = ("sum", "mean", "max")
Integers = NDArray[np.int64]
_GOLDEN = np.array(
    [0x9E3779B97F4A7C15], np.uint64
)  # an array, so that products wrap around without a warning
_FAR = 2**31  # no image has so many pixels


@dataclass(frozen=True, eq=False)
class Windows:
    """m windows of one size on a batch of images, all channels together.

    Attributes:
        source: (m,) int64. The image that each window is cut from.
        top, left: (m,) int64. Its first row (drift tick) and column (wire); either may lie outside the image.
        size: (height, width) of the images that are cut out.
        rows_per_pixel: so many rows become one: a window covers height * rows_per_pixel rows.
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
        """Rows and columns of the image that a window covers."""
        return _extent(self.size, self.rows_per_pixel)

    def __len__(self) -> int:
        return len(self.source)

    def inside(self, images: SparseImages) -> Windows:
        """The same windows, moved as little as it takes to lie inside the images.

        Along an axis on which a window is larger than the image, the image comes to lie at its centre.
        """
        top, left = (
            np.clip(first, 0, room) if room >= 0 else np.full_like(first, -(-room // 2))
            for first, room in zip((self.top, self.left), _room(images, self.extent), strict=True)
        )
        return replace(self, top=top, left=left)


def crop(
    images: SparseImages, windows: Windows, merge: str = "sum", n_threads: int | None = None
) -> SparseImages:
    """One image of (C, *windows.size) per window; events, meta and labels come along.

    Pixels outside the source image are simply absent. Rows merge to their "sum", "mean" or "max", an absent pixel
    counting as zero; sums are made in float64, in the order of the rows. The result does not depend on
    ``n_threads`` (None: $DMCNN_NUM_THREADS, or every core).

    Raises:
        InputError: a merge that does not exist.
        ValueError: windows of another batch.
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


def around(
    images: SparseImages,
    row: ArrayLike,
    column: ArrayLike,
    size: tuple[int, int] = SIZE,
    rows_per_pixel: int = 1,
) -> Windows:
    """A window around a pixel of every image, which comes to lie at row height // 2 and column width // 2.

    Args:
        row, column: whole numbers, one for all images or (n,); they may lie outside the image.
    """
    top = _per_image(images, row, "row") - size[0] // 2 * rows_per_pixel
    left = _per_image(images, column, "column") - size[1] // 2
    return Windows(np.arange(len(images)), top, left, size, rows_per_pixel)


def around_position(
    images: SparseImages,
    wire: ArrayLike,
    tick: ArrayLike,
    size: tuple[int, int] = SIZE,
    rows_per_pixel: int = 1,
    channel: int = 0,
) -> Windows:
    """A window around a point in detector units, such as the vertex of every event.

    Args:
        wire, tick: x and y in the unit of the images' meta, one for all images or (n,).
        channel: whose meta says which pixel that is; planes see a point at different wires.

    Raises:
        InputError: a point that is not finite, or an event without an image in that channel.
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
    return around(images, row, column, size, rows_per_pixel)


def around_centroid(
    images: SparseImages,
    size: tuple[int, int] = SIZE,
    rows_per_pixel: int = 1,
    n_threads: int | None = None,
) -> Windows:
    """A window around the mean pixel of every image, weighted with the charges above zero."""
    row, column = _core.centroid(images.offsets, images.index, images.value, images.shape, threads(n_threads))
    nearest_row, nearest_column = (np.floor(x + 0.5).astype(np.int64) for x in (row, column))
    return around(images, nearest_row, nearest_column, size, rows_per_pixel)


def around_most_charge(
    images: SparseImages,
    size: tuple[int, int] = SIZE,
    rows_per_pixel: int = 1,
    n_threads: int | None = None,
) -> Windows:
    """The window with the largest sum of charge among all that lie inside the image.

    The maximum is exact (sums are whole multiples of a power of two); of equal sums the smallest row of the
    window's corner wins, then the smallest column. Along an axis on which the window is larger than the image, the
    image comes to lie at its centre.
    """
    extent = _extent(size, rows_per_pixel)
    top, left, _ = _core.most_charge(
        images.offsets, images.index, images.value, images.shape, extent, threads(n_threads)
    )
    return Windows(np.arange(len(images)), top, left, size, rows_per_pixel)


def at_random(
    images: SparseImages, seed: int, size: tuple[int, int] = SIZE, rows_per_pixel: int = 1
) -> Windows:
    """A window anywhere inside every image, each place as likely as any other.

    The place is a function of ``seed`` and the event's entry number alone, whatever the batch: words 0 and 1 of the
    splitmix64 stream that belongs to the two.
    """
    start = _mix(
        _mix(np.array([seed % 2**64], np.uint64) + _GOLDEN) ^ images.events["entry"].astype(np.uint64)
    )
    top, left = (
        (_mix(start + np.uint64(axis + 1) * _GOLDEN) % np.uint64(max(room, 0) + 1)).astype(np.int64)
        for axis, room in enumerate(_room(images, _extent(size, rows_per_pixel)))
    )
    return Windows(np.arange(len(images)), top, left, size, rows_per_pixel).inside(images)


def tiles(
    images: SparseImages, size: tuple[int, int] = SIZE, rows_per_pixel: int = 1, charged: bool = False
) -> Windows:
    """Windows side by side that cover every image, image by image, row by row from (0, 0).

    Those at the end reach over the border. With ``charged`` only tiles that hold a pixel are kept.
    """
    (_, height, width), (step, stride) = images.shape, _extent(size, rows_per_pixel)
    down, across = -(-height // step), -(-width // stride)
    if charged:
        image = np.repeat(np.arange(len(images)), images.n_pixels)
        row, column = images.index // width % height, images.index % width
        seen = np.zeros(len(images) * down * across, bool)
        seen[(image * down + row // step) * across + column // stride] = True
        tile = np.flatnonzero(seen)
    else:
        tile = np.arange(len(images) * down * across)
    top, left = tile // across % down * step, tile % across * stride
    return Windows(tile // (down * across), top, left, size, rows_per_pixel)


def _extent(size: tuple[int, int], rows_per_pixel: int) -> tuple[int, int]:
    """Rows and columns of the image that a window covers."""
    if min(size) < 1 or rows_per_pixel < 1:
        raise InputError(
            f"a window of {size} pixels, {rows_per_pixel} rows to a pixel: expected at least 1 each"
        )
    return size[0] * rows_per_pixel, size[1]


def _room(images: SparseImages, extent: tuple[int, int]) -> tuple[int, int]:
    """Largest top and left of a window inside the image; negative where it is larger than the image."""
    return images.shape[1] - extent[0], images.shape[2] - extent[1]


def _meta(images: SparseImages, windows: Windows) -> NDArray[Any]:
    """(m, C) META of the windows: the edges move, the size of a row and a column of the image stays."""
    meta = images.meta[windows.source]
    axes = (("x", images.shape[2], windows.left), ("y", images.shape[1], windows.top))
    for (axis, pixels, first), covered in zip(axes, windows.extent[::-1], strict=True):
        low = meta[f"{axis}_min"].copy()
        pitch = (meta[f"{axis}_max"] - low) / max(pixels, 1)
        meta[f"{axis}_min"] = low + first[:, None] * pitch
        meta[f"{axis}_max"] = low + (first[:, None] + covered) * pitch
    return meta


def _per_image(images: SparseImages, number: ArrayLike, name: str) -> Integers:
    """(n,) int64 of one whole number for all images, or one for each."""
    given = np.asarray(number)
    if given.dtype.kind not in "iu" or given.shape not in ((), (len(images),)):
        raise InputError(
            f"{name}: {given.dtype} of shape {given.shape}, expected a whole number or {len(images)} of them"
        )
    if given.size and not -_FAR <= given.min() <= given.max() <= _FAR:
        raise InputError(f"{name}: {given.min()} to {given.max()}, expected numbers of pixels near the image")
    return np.broadcast_to(given, len(images)).astype(np.int64)


def _pixel(
    place: ArrayLike, low: NDArray[np.float64], high: NDArray[np.float64], pixels: int, name: str
) -> Integers:
    """(n,) numbers of the pixels that hold the places; ``high`` itself belongs to the last one."""
    given = np.asarray(place, np.float64)
    if given.shape not in ((), low.shape):
        raise InputError(f"{name} of shape {given.shape}, expected a number or {len(low)} of them")
    given = np.broadcast_to(given, low.shape)
    flat = np.flatnonzero(~(high > low) | ~np.isfinite(given))
    if len(flat):
        at = flat[0]
        raise InputError(
            f"{name} {given[at]} in image {at} that spans {low[at]} to {high[at]}, expected numbers"
        )
    number = np.where(given == high, pixels - 1, np.floor((given - low) / (high - low) * pixels))
    return np.clip(number, -2.0 * _FAR, 2.0 * _FAR).astype(np.int64)


def _mix(bits: Any) -> Any:
    """uint64 -> uint64: the output function of splitmix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
