"""Augmentation of sparse images: rotation, orientation, scale of the charge, noise, lost pixels and dead wires.

Random numbers depend on ``seed`` and the key of each image alone, not on the other images; ``draws.event_keys`` makes
keys of events.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmcnn import _core
from dmcnn._common.errors import InputError
from dmcnn._common.threads import threads
from dmcnn.images import draws
from dmcnn.images.sparse import SparseImages

TRANSPOSE, FLIP_ROWS, FLIP_COLUMNS = 1, 2, 4
"""Bits of an orientation: the transpose comes first, then the flips."""

TURNS = {0: 0, 90: TRANSPOSE | FLIP_ROWS, 180: FLIP_ROWS | FLIP_COLUMNS, 270: TRANSPOSE | FLIP_COLUMNS}
"""Angle [degrees] -> orientation, as np.rot90."""

ROTATION = "shares"
"""Name of the rule of ``rotate``; a training goes on with the rule with which it began."""

DEAD = 0x64656164
"""Part of the seed of dead wires, which keeps their draws apart from those of pixels."""


def rotate(images: SparseImages, degrees: ArrayLike, n_threads: int | None = None) -> SparseImages:
    """Return images rotated about their centre, counter-clockwise with rows upwards.

    The charge of a pixel goes to the four pixels around its rotated centre in bilinear shares, so that charge and
    centre of charge stay, and lines have no holes; what leaves the image is lost. Pixels count as squares.

    Args:
        images: n images; ``meta`` stays as it is.
        degrees: one angle, or (n,).
        n_threads: largest number of threads; None = all that dmcnn may use.
    """
    angles = np.ascontiguousarray(np.broadcast_to(np.asarray(degrees, np.float64), len(images)))
    columns = images.offsets, images.index, images.value, images.shape
    offsets, index, value, *_ = _core.rotate(*columns, angles, threads(n_threads))
    return replace(images, offsets=offsets, index=index, value=value)


def orient(images: SparseImages, orientation: ArrayLike) -> SparseImages:
    """Return images transposed and flipped by one orientation, or (n,), a sum of the bits above.

    Raises:
        InputError: a transpose of images that are not square.
    """
    index, _ = places(images, orientation)
    order = np.lexsort((index, np.repeat(np.arange(len(images)), images.n_pixels)))
    return replace(images, index=index[order], value=images.value[order])


def places(
    images: SparseImages, orientation: ArrayLike = 0, shift: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int32], NDArray[np.bool_] | None]:
    """Return the numbers of all pixels after an orientation and a shift, not in order, and which are still inside.

    Args:
        images: n images.
        orientation: one orientation, or (n,).
        shift: (n, 2) rows down and columns to the right; without it all pixels stay inside, and None says so.

    Raises:
        InputError: a transpose of images that are not square.
    """
    _, height, width = images.shape
    turns = np.broadcast_to(np.asarray(orientation, np.uint8), len(images))
    if height != width and (turns & TRANSPOSE).any():
        raise InputError(f"transpose of images of {height} x {width} pixels, expected square ones")
    line, column = np.divmod(images.index, np.int32(width))
    channel, row = np.divmod(line, np.int32(height))
    if turns.any():
        turn = np.repeat(turns, images.n_pixels)
        across = turn & TRANSPOSE != 0
        row, column = np.where(across, column, row), np.where(across, row, column)
        row = np.where(turn & FLIP_ROWS, np.int32(height - 1) - row, row)
        column = np.where(turn & FLIP_COLUMNS, np.int32(width - 1) - column, column)
    inside = None
    if shift is not None:
        down, right = np.repeat(shift.astype(np.int32), images.n_pixels, axis=0).T
        row, column = row + down, column + right
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return np.asarray((channel * np.int32(height) + row) * np.int32(width) + column, np.int32), inside


def scale_charge(images: SparseImages, factor: ArrayLike) -> SparseImages:
    """Return images whose charge is multiplied by one factor, or (n,)."""
    factors = np.broadcast_to(np.asarray(factor, np.float32), len(images))
    return replace(images, value=images.value * np.repeat(factors, images.n_pixels))


def blur_charge(images: SparseImages, noise: float, *, seed: int, key: NDArray[np.uint64]) -> SparseImages:
    """Return images with Gaussian noise of rms ``noise`` [ADC] on every active pixel, as ``_core.densify`` does."""
    number = np.uint64(4) * images.index.astype(np.uint64) + np.uint64(1)
    added = np.float64(np.float32(noise)) * draws.normal(seed, np.repeat(key, images.n_pixels), number)
    return replace(images, value=(images.value + added).astype(np.float32))


def drop_pixels(images: SparseImages, share: float, *, seed: int, key: NDArray[np.uint64]) -> SparseImages:
    """Return images without the pixels that are lost, each with probability ``share``, as in ``_core.densify``."""
    number = np.uint64(4) * images.index.astype(np.uint64)
    return select(images, draws.uniform(seed, np.repeat(key, images.n_pixels), number) >= share)


def drop_wires(images: SparseImages, share: float, *, seed: int, key: NDArray[np.uint64]) -> SparseImages:
    """Return images without the pixels of dead wires: each column of each channel, with probability ``share``."""
    _, height, width = images.shape
    wire = images.index // (height * width) * width + images.index % width
    draw = draws.uniform(seed ^ DEAD, np.repeat(key, images.n_pixels), wire.astype(np.uint64))
    return select(images, draw >= share)


def select(images: SparseImages, mask: NDArray[np.bool_]) -> SparseImages:
    """Return the images with the pixels of a (nnz,) mask alone."""
    offsets = np.concatenate([[0], np.cumsum(mask)]).astype(np.int64)[images.offsets]
    return replace(images, offsets=offsets, index=images.index[mask], value=images.value[mask])
