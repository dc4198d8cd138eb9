"""Events simulated in blocks of a fixed size, handed out in batches of any."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Columns = tuple[NDArray[Any], NDArray[Any]]
"""Two columns of events: what was seen of them, and their labels."""


def in_batches(
    simulate: Callable[[np.random.Generator], Columns], events: int, seed: int, batch: int, size: int
) -> Iterator[tuple[int, Columns]]:
    """(number of its first event, its columns) of every batch; an event depends on the seed and its number alone.

    Args:
        simulate: makes a block of ``size`` events.
        events: how many in all.
        seed: of the random numbers of block b, with b.
        batch: events of a batch; the last may be smaller.
        size: events of a block.
    """

    @lru_cache(1)
    def block(number: int) -> Columns:
        return simulate(np.random.default_rng([seed, number]))

    for first in range(0, events, batch):
        numbers = np.arange(first, min(first + batch, events))
        parts = []
        for number in range(first // size, int(numbers[-1]) // size + 1):
            mine = numbers[numbers // size == number] % size
            seen, label = block(number)
            parts.append((seen[mine], label[mine]))
        yield first, (np.concatenate([s for s, _ in parts]), np.concatenate([k for _, k in parts]))
