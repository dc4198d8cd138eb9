"""Parts of a labelled set that all hold the classes in the same shares."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SPLIT = 4
"""Random stream: who goes to which part."""


def stratified(label: NDArray[np.int64], fractions: Sequence[float], seed: int) -> list[NDArray[np.int64]]:
    """Event numbers, rising, of one part per fraction, and last of the rest; drawn class by class.

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
        for part, found in zip(parts, np.split(events, ends), strict=True):
            part.append(found)
    return [np.sort(np.concatenate([np.zeros(0, np.int64), *part])) for part in parts]
