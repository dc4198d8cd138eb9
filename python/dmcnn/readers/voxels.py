"""Conversion of voxels (id, value) of the sparse products into sparse images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn.readers.fit_to_window import Decoded


def place(
    where: str,
    entry: int,
    ids: NDArray[Any],
    values: NDArray[Any],
    starts: NDArray[np.int64],
    counts: NDArray[np.int64],
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    shape: tuple[int, int, int],
    bounds: tuple[float, float],
    rows_first: bool,
) -> Decoded:
    """Apply threshold and clip to voxels and centre them in the window, as the kernels do for dense images.

    Args:
        where, entry: file and first entry, for messages.
        ids, values: (m,) pixel number in the image as stored, and its value.
        starts, counts: (n, C) int64, each image's slice of ``ids``; starts is -1 where there is no image.
        rows, cols: (n, C) int64, size of each image.
        shape: (C, H, W) of the result.
        bounds: threshold and clip.
        rows_first: id = row * cols + col; else col * rows + row.

    Raises:
        InputError: an id outside its image, or one that occurs twice.
    """
    n, channels = starts.shape
    image = np.repeat(np.arange(n * channels), counts.ravel())
    begin = np.cumsum(counts.ravel()) - counts.ravel()
    at = np.repeat(starts.ravel() - begin, counts.ravel()) + np.arange(len(image))
    ids, value = ids[at].astype(np.uint64), values[at].astype(np.float32)
    height, width = rows.ravel()[image], cols.ravel()[image]
    outside = np.flatnonzero(ids >= (height * width).astype(np.uint64))
    if len(outside):
        first = outside[0]
        raise InputError(
            f"{where}: entry {entry + image[first] // channels}: voxel id {ids[first]} in an image of "
            f"{height[first]}x{width[first]} pixels, damaged file"
        )
    number = ids.astype(np.int64)
    row, col = np.divmod(number, width) if rows_first else np.divmod(number, height)[::-1]
    event, finite = image // channels, np.isfinite(value)
    active = finite & (value >= np.float32(bounds[0])) & (value != 0)
    row += _shift(shape[1], rows).ravel()[image]
    col += _shift(shape[2], cols).ravel()[image]
    seen = (row >= 0) & (row < shape[1]) & (col >= 0) & (col < shape[2])
    bad = np.bincount(event[~finite], minlength=n)
    cut = np.bincount(event[active & ~seen], minlength=n)
    kept = active & seen
    pixels = shape[0] * shape[1] * shape[2]
    key = ((image * shape[1] + row) * shape[2] + col)[kept]  # image counts channels: event * pixels + index
    value = np.minimum(value[kept], np.float32(bounds[1]))
    if np.any(np.diff(key) <= 0):  # never in files of larcv or dmcnn, which sort voxels
        order = np.argsort(key)
        key, value = key[order], value[order]
    twice = np.flatnonzero(np.diff(key) == 0)
    if len(twice):
        at = entry + key[twice[0]] // pixels
        raise InputError(f"{where}: entry {at}: a voxel id occurs twice, damaged file")
    offsets = np.searchsorted(key, np.arange(n + 1) * pixels).astype(np.int64)
    index = (key - np.repeat(np.arange(n) * pixels, np.diff(offsets))).astype(np.int32)
    return offsets, index, value, bad, cut


def _shift(size: int, n: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the shift of a centred image of n rows (or columns) in ``size``, truncated toward zero."""
    return np.where(size >= n, (size - n) // 2, -((n - size) // 2))
