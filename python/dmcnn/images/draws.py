"""Draws: random numbers that depend on seed, key and their own number alone, as those of the C++ core."""

from __future__ import annotations

from functools import reduce

import numpy as np
from numpy.typing import NDArray

from dmcnn.images.sparse import SparseImages

Words = NDArray[np.uint64]

_GOLDEN = np.array(
    [0x9E3779B97F4A7C15], np.uint64
)  # an array, so that products wrap around without a warning


def mix(bits: Words) -> Words:
    """Return the output function of splitmix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(bits ^ (bits >> np.uint64(31)))


def words(seed: int, key: Words, number: Words | np.uint64) -> Words:
    """Return random words, as ``Stream(seed, key).word(number)`` of cpp/include/dmcnn/random.hpp."""
    start = mix(mix(np.array([seed % 2**64], np.uint64) + _GOLDEN) ^ key)
    return mix(start + (number + np.uint64(1)) * _GOLDEN)


def uniform(seed: int, key: Words, number: Words) -> NDArray[np.float64]:
    """Return uniform numbers in [0, 1)."""
    return np.asarray((words(seed, key, number) >> np.uint64(11)) * 2.0**-53)


def normal(seed: int, key: Words, number: Words) -> NDArray[np.float64]:
    """Return numbers close to the normal distribution: sums of the twelve 16-bit parts of three words each."""
    total = np.full(np.broadcast_shapes(key.shape, number.shape), -393210, np.int64)
    for word in range(3):
        bits = words(seed, key, number + np.uint64(word))
        for first in range(0, 64, 16):
            total += (bits >> np.uint64(first) & np.uint64(0xFFFF)).astype(np.int64)
    return np.asarray(total * 2.0**-16, np.float64)


def event_keys(images: SparseImages) -> Words:
    """Return (n,) keys of the events: functions of run, subrun, event and entry, whatever batch the events are in."""
    ids = [images.events[name].astype(np.uint64) for name in ("run", "subrun", "event", "entry")]
    return reduce(lambda key, number: mix(mix(key + _GOLDEN) ^ number), ids)
