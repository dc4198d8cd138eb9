"""Fills: charge of the pixels that a window covers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError, nearest
from dmcnn.images.sparse import SparseImages

Charges = NDArray[np.float32]


def zero(charges: Charges, random: np.random.Generator) -> Charges:
    """Return zeros."""
    return np.zeros_like(charges)


def mean(charges: Charges, random: np.random.Generator) -> Charges:
    """Return the mean charge for every pixel, summed in float64."""
    return np.full_like(charges, charges.mean(dtype=np.float64))


def noise(charges: Charges, random: np.random.Generator) -> Charges:
    """Draw the charge of a random active pixel for every pixel, with replacement."""
    return random.choice(charges, len(charges))


FILLS: dict[str, Callable[[Charges, np.random.Generator], Charges]] = {
    "zero": zero,
    "mean": mean,
    "noise": noise,
}
"""Name -> function of the (n,) charges [ADC] of the active pixels of one channel that returns their charges under a
window."""


def fill_values(event: SparseImages, fill: str = "zero", seed: int = 1) -> Charges:
    """Return the (nnz,) float32 charge [ADC] that every active pixel of one event has under a window.

    A pixel has the same charge in every window, and empty pixels stay empty, so that windows over the same active
    pixels give the same image. Random charges come from np.random.default_rng(seed), channel by channel.

    Raises:
        InputError: unknown fill.
    """
    if fill not in FILLS:
        raise InputError(f"fill = {fill!r}{nearest(fill, FILLS)}, expected one of {', '.join(FILLS)}")
    values = np.empty_like(event.value)
    random = np.random.default_rng(seed)
    channels, height, width = event.shape
    for start, stop in pairwise(np.searchsorted(event.index, height * width * np.arange(channels + 1))):
        if start < stop:
            values[start:stop] = FILLS[fill](event.value[start:stop], random)
    return values
