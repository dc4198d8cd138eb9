"""Fills: charge of the pixels that a window covers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError, nearest
from dmcnn.images.sparse import SparseImages

Charges = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Plane:
    """Active pixels of one channel of an event.

    Attributes:
        charges: (n,) float32 [ADC].
        rows, columns: (n,) places.
        shape: (H, W).
        half: [pixels] half width of the windows, without their centre; None = not known.
        random: source of random numbers.
    """

    charges: Charges
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    shape: tuple[int, int]
    half: int | None
    random: np.random.Generator


def zero(plane: Plane) -> Charges:
    """Return zeros."""
    return np.zeros_like(plane.charges)


def mean(plane: Plane) -> Charges:
    """Return the mean charge for every pixel, summed in float64."""
    return np.full_like(plane.charges, plane.charges.mean(dtype=np.float64))


def noise(plane: Plane) -> Charges:
    """Draw the charge of a random active pixel for every pixel, with replacement."""
    return plane.random.choice(plane.charges, len(plane.charges))


def local_mean(plane: Plane) -> Charges:
    """Return for every pixel the mean charge of the active pixels around all windows that cover it.

    With windows of half width k these lie within 2k of it; the mean is that of the active pixels from there to 3k + 1
    (the larger of the distances along rows and columns). Where there is none, it is the mean of the channel.

    Raises:
        ValueError: the half width of the windows is not known.
    """
    if plane.half is None:
        raise ValueError("local_mean needs the half width of the windows")
    inner, outer = 2 * plane.half, 3 * plane.half + 1
    sums = [
        _box_sums(plane, values, outer) - _box_sums(plane, values, inner)
        for values in (plane.charges.astype(np.float64), np.ones(len(plane.charges)))
    ]
    count = sums[1].round()
    means = np.divide(sums[0], count, out=mean(plane).astype(np.float64), where=count > 0)
    return means.astype(np.float32)


def _box_sums(plane: Plane, values: NDArray[np.float64], half: int) -> NDArray[np.float64]:
    """Return the (n,) sums of the values of active pixels in the square of a half width around each of them."""
    height, width = plane.shape
    table = np.zeros((height + 1, width + 1))
    table[plane.rows + 1, plane.columns + 1] = values
    table = table.cumsum(axis=0).cumsum(axis=1)
    top, left = np.maximum(plane.rows - half, 0), np.maximum(plane.columns - half, 0)
    bottom = np.minimum(plane.rows + half + 1, height)
    right = np.minimum(plane.columns + half + 1, width)
    sums: NDArray[np.float64] = (
        table[bottom, right] - table[top, right] - table[bottom, left] + table[top, left]
    )
    return sums


FILLS: dict[str, Callable[[Plane], Charges]] = {
    "zero": zero,
    "mean": mean,
    "noise": noise,
    "local_mean": local_mean,
}
"""Name -> function of the n active pixels of one channel that returns their (n,) charges [ADC] under a window."""


def fill_values(event: SparseImages, fill: str = "zero", seed: int = 1, half: int | None = None) -> Charges:
    """Return the (nnz,) float32 charge [ADC] that every active pixel of one event has under a window.

    A pixel has the same charge in every window, and empty pixels stay empty, so that windows over the same active
    pixels give the same image. Random charges come from np.random.default_rng(seed), channel by channel.

    Args:
        event: one image.
        fill: one of FILLS.
        seed: of random charges.
        half: [pixels] half width of the windows, without their centre; local_mean needs it.

    Raises:
        InputError: unknown fill.
    """
    if fill not in FILLS:
        raise InputError(f"fill = {fill!r}{nearest(fill, FILLS)}, expected one of {', '.join(FILLS)}")
    values = np.empty_like(event.value)
    random = np.random.default_rng(seed)
    channels, height, width = event.shape
    _, rows, columns = np.unravel_index(event.index, event.shape)
    for start, stop in pairwise(np.searchsorted(event.index, height * width * np.arange(channels + 1))):
        if start < stop:
            part = slice(start, stop)
            plane = Plane(event.value[part], rows[part], columns[part], (height, width), half, random)
            values[part] = FILLS[fill](plane)
    return values
