"""Stratified split: parts of a labelled set with the same shares of every class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SPLIT = 4
"""Second word of the seed of the random stream of the split."""


def stratified_split(
    label: NDArray[np.int64], fractions: Sequence[float], seed: int
) -> list[NDArray[np.int64]]:
    """Draw one part per fraction, class by class; return their event numbers in ascending order, and last the rest.

    Args:
        label: (n,) class numbers.
        fractions: share of every class in each part, rounded to whole events.
        seed: the same labels, fractions and seed give the same parts.
    """
    parts: list[list[NDArray[np.int64]]] = [[] for _ in range(len(fractions) + 1)]
    for number in np.unique(label):
        events = np.random.default_rng([seed, SPLIT, int(number)]).permutation(
            np.flatnonzero(label == number)
        )
        ends = np.rint(np.cumsum(fractions) * len(events)).astype(int)
        for part, numbers in zip(parts, np.split(events, ends), strict=True):
            part.append(numbers)
    return [np.sort(np.concatenate([np.zeros(0, np.int64), *part])) for part in parts]
