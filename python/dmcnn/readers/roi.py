"""Regions of interest: the window that a network sees of a whole image, by its charge, its vertex, or in tiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmcnn.images.crop import (
    CropWindows,
    around_centroid,
    around_most_charge,
    around_position,
    crop,
    tiles,
)
from dmcnn.images.sparse import NO_IMAGE, SparseImages

Floats = NDArray[np.float64]
TileScore = Callable[[SparseImages], Floats]
"""Function of m tiles that returns their (m,) scores."""


class Regions(NamedTuple):
    """Windows of n whole images, with what they leave out."""

    images: SparseImages
    """n images of the size of the window; ``meta`` has its edges."""
    cut: NDArray[np.int64]
    """(n,) active pixels outside the windows"""
    outside: NDArray[np.bool_]
    """(n,) whether a vertex lies outside its image"""
    tiles: NDArray[np.int64]
    """(n,) tiles with charge; 0 for other regions"""


def merge_rows(images: SparseImages, rows_per_pixel: int, merge: str) -> SparseImages:
    """Return the images with as many rows merged into one, whose pixel holds the "sum", "mean" or "max" of them.

    Args:
        images: n images whose height is a multiple of ``rows_per_pixel``.
    """
    corner, (_, height, width) = np.zeros(len(images), np.int64), images.shape
    windows = CropWindows(
        np.arange(len(images)), corner, corner, (height // rows_per_pixel, width), rows_per_pixel
    )
    return crop(images, windows, merge)


def around_centre(images: SparseImages, size: tuple[int, int]) -> Regions:
    """Crop the window around the centre, or pad images that are smaller."""
    first = [
        (have - want) // 2 if have >= want else -((want - have) // 2)
        for have, want in zip(images.shape[1:], size, strict=True)
    ]
    top, left = (np.full(len(images), number) for number in first)
    return _regions(images, images, CropWindows(np.arange(len(images)), top, left, size))


def around_charge(images: SparseImages, roi: str, size: tuple[int, int]) -> Regions:
    """Crop the window with the largest charge ("most_charge"), or around the mean pixel ("centroid").

    Every plane of an event has a window of its own, because planes see a point at different wires; the layers of a
    volume share one. Windows are inside the image where it is larger than they are.
    """
    parts = split_planes(images)
    around = around_most_charge if roi == "most_charge" else around_centroid
    return _regions(images, parts, around(parts, size).inside(parts))


def around_vertex(images: SparseImages, size: tuple[int, int], vertex: Floats) -> Regions:
    """Crop the window that has the vertex at row height // 2 and column width // 2, of every plane by itself.

    Args:
        images: n whole images of C planes.
        size: (height, width) of the window [pixels].
        vertex: (n, C, 2) x and y in the unit of the meta; NaN = none, and then there is no image.
    """
    parts, (x, y) = split_planes(images), vertex.reshape(-1, 2).T
    known = np.isfinite(x) & np.isfinite(y) & parts.has_image
    top, left = np.zeros((2, len(parts)), np.int64)
    near = around_position(parts.take(known), x[known], y[known], size)
    top[known], left[known] = near.top, near.left
    parts = without(parts, ~known)
    row, column = top + size[0] // 2, left + size[1] // 2
    inside = (row >= 0) & (row < images.shape[1]) & (column >= 0) & (column < images.shape[2])
    regions = _regions(images, parts, CropWindows(np.arange(len(parts)), top, left, size))
    outside = np.asarray((known & ~inside).reshape(len(images), -1).any(axis=1))
    return regions._replace(outside=outside)


def best_tiles(images: SparseImages, size: tuple[int, int], score: TileScore | None = None) -> Regions:
    """Crop the tile with the highest score of every image, one tile for all channels.

    The tiles are adjacent windows that cover the image from its first row and column. Tiles without charge do not
    compete; an image without charge is represented by its first tile. Of equal scores the first tile is taken.

    Args:
        images: n whole images.
        size: (height, width) of a tile [pixels].
        score: score of tiles; None = their charge.
    """
    windows = tiles(images, size, charged=True)
    crops = crop(images, windows)
    scores = (score or _charge)(crops) if len(crops) else np.zeros(0)
    order = np.lexsort((-scores, windows.source))
    best = order[np.flatnonzero(np.diff(windows.source[order], prepend=-1))]
    top, left = np.zeros((2, len(images)), np.int64)
    top[windows.source[best]], left[windows.source[best]] = windows.top[best], windows.left[best]
    chosen = crop(images, CropWindows(np.arange(len(images)), top, left, size))
    count = np.bincount(windows.source, minlength=len(images))
    return Regions(chosen, np.zeros_like(count), np.zeros(len(images), bool), count)


def _charge(images: SparseImages) -> Floats:
    """Return the (n,) sums of the pixels."""
    image = np.repeat(np.arange(len(images)), images.n_pixels)
    sums: Floats = np.bincount(image, images.value.astype(np.float64), minlength=len(images)).astype(
        np.float64
    )
    return sums


def _regions(images: SparseImages, parts: SparseImages, windows: CropWindows) -> Regions:
    """Crop one window of every part, and put the planes of every image together again."""
    cropped = join_planes(crop(parts, windows), images.shape[0])
    every = np.ones(len(images), bool)
    cut = np.where(cropped.has_image, images.n_pixels - cropped.n_pixels, 0)
    return Regions(cropped, cut, ~every, np.zeros(len(images), np.int64))


def split_planes(images: SparseImages) -> SparseImages:
    """Return every plane as an image of its own, in order; other channels stay together."""
    channels, height, width = images.shape
    if images.axis0 != "plane" or channels == 1:
        return images
    owner = np.repeat(np.arange(len(images)), images.n_pixels)
    plane, index = np.divmod(images.index, np.int32(height * width))
    counts = np.bincount(owner * channels + plane, minlength=len(images) * channels)
    return replace(
        images,
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        index=index,
        shape=(1, height, width),
        events=np.repeat(images.events, channels),
        meta=images.meta.reshape(-1, 1),
    )


def join_planes(parts: SparseImages, channels: int) -> SparseImages:
    """Return the images whose ``channels`` planes are the parts of ``split_planes``."""
    if parts.shape[0] == channels:
        return parts
    _, height, width = parts.shape
    plane = np.repeat(np.arange(len(parts)) % channels, parts.n_pixels)
    return replace(
        parts,
        offsets=np.ascontiguousarray(parts.offsets[::channels]),
        index=(parts.index + plane * (height * width)).astype(np.int32),
        shape=(channels, height, width),
        events=parts.events[::channels],
        meta=parts.meta.reshape(-1, channels),
    )


def without(images: SparseImages, absent: NDArray[np.bool_]) -> SparseImages:
    """Return images of which those that are ``absent`` (n,) hold no image."""
    mask = np.repeat(~absent, images.n_pixels)
    counts = np.where(absent, 0, images.n_pixels)
    meta: NDArray[Any] = images.meta.copy()
    meta["plane"][absent] = NO_IMAGE
    return replace(
        images,
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        index=images.index[mask],
        value=images.value[mask],
        meta=meta,
    )
