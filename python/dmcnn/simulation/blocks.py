"""Batches of any size from events that are simulated in blocks of a fixed size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Columns = tuple[NDArray[Any], NDArray[Any]]
"""Images and labels of the events of a block or batch."""


def simulate_batches(
    simulate: Callable[[np.random.Generator], Columns],
    events: int,
    seed: int,
    batch: int,
    size: int,
    start: int = 0,
) -> Iterator[tuple[int, Columns]]:
    """Yield (number of the first event, columns) of every batch; an event depends on the seed and its number alone.

    Args:
        simulate: simulates a block of ``size`` events.
        events: number of events.
        seed: seed; block b has the generator of (seed, b).
        batch: events per batch; the last may have fewer.
        size: events per block.
        start: number of the first event.
    """

    @lru_cache(1)
    def block(number: int) -> Columns:
        """Simulate a block; the last one stays in memory, as the next batch may begin in it."""
        return simulate(np.random.default_rng([seed, number]))

    for first in range(start, events, batch):
        numbers = np.arange(first, min(first + batch, events))
        parts = []
        for number in range(first // size, int(numbers[-1]) // size + 1):
            rows = numbers[numbers // size == number] % size
            image, label = block(number)
            parts.append((image[rows], label[rows]))
        yield first, (np.concatenate([s for s, _ in parts]), np.concatenate([k for _, k in parts]))
