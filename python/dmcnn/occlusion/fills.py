"""Fills: the charge that a pixel gets where a window covers it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError, nearest
from dmcnn.images.sparse import SparseImages

Charges = NDArray[np.float32]


def zero(charges: Charges, random: np.random.Generator) -> Charges:
    """Return no charge."""
    return np.zeros_like(charges)


def mean(charges: Charges, random: np.random.Generator) -> Charges:
    """Return the mean everywhere, summed in float64 and rounded once."""
    return np.full_like(charges, charges.mean(dtype=np.float64))


def noise(charges: Charges, random: np.random.Generator) -> Charges:
    """Draw the charge of some active pixel for each, with replacement."""
    return random.choice(charges, len(charges))


FILLS: dict[str, Callable[[Charges, np.random.Generator], Charges]] = {
    "zero": zero,
    "mean": mean,
    "noise": noise,
}
"""Name -> what the (n,) charges [ADC] of the active pixels of one channel become under a window."""


def fill_values(event: SparseImages, fill: str = "zero", seed: int = 1) -> Charges:
    """Return the (nnz,) float32 charge [ADC] of every active pixel of one event where a window covers it.

    A pixel gets the same value in every window, and empty pixels stay empty, so that windows that cover the same
    pixels stay the same image. Random charges come from np.random.default_rng(seed), channel by channel.
    """
    if fill not in FILLS:
        raise InputError(f"fill = {fill!r}{nearest(fill, FILLS)}, there is {', '.join(FILLS)}")
    values = np.empty_like(event.value)
    random = np.random.default_rng(seed)
    channels, height, width = event.shape
    for start, stop in pairwise(np.searchsorted(event.index, height * width * np.arange(channels + 1))):
        if start < stop:
            values[start:stop] = FILLS[fill](event.value[start:stop], random)
    return values
