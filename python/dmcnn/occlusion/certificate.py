"""Certificate of a map that is not exact everywhere: how near most of it is to the exact one, and how surely.

Window centres are drawn at random before any error is seen, and scored exactly. If at most r of n drawn centres are
further than e from the exact output, then at least 95 % of all centres are within e, with a confidence of 99 %: the
bound is that of the hypergeometric distribution and assumes nothing about the errors.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from math import comb

import numpy as np
from numpy.typing import NDArray

COVERAGE, CONFIDENCE = 0.95, 0.99

LARGEST_SHARE = 1 / 12
"""Share of the centres up to which more are drawn, so that more of them may miss."""

MISSES = 3
"""Most of the drawn centres that may miss."""

COARSE = 0.5
"""Tolerance from which on a map is to be fast: as few centres as possible are drawn, none of which may miss."""


@dataclass(frozen=True)
class Certificate:
    """What is known of a map.

    Attributes:
        tolerance: as asked for, in standard deviations of the map over its centres.
        within: (outputs,) allowed difference to the exact outputs, kept at 95 % of the centres at least.
        centres: number of window centres.
        drawn: how many of them were drawn.
        misses: how many of these may lie further off than ``within``.
        exact: share of the centres that are exact.
        rest: approximation of the others, one of dmcnn.occlusion.approximations; "" if there are none.
        delta: share of the centres that differences give, where the others are coarser.
    """

    tolerance: float
    within: tuple[float, ...]
    centres: int
    drawn: int
    misses: int
    exact: float
    rest: str = "first_order"  # which earlier versions did not say
    delta: float = 0.0

    def json(self) -> str:
        """Return the certificate as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Certificate:
        """Return the certificate in JSON of a file with a checksum."""
        known = json.loads(text)
        return cls(**{**known, "within": tuple(known["within"])})

    def __str__(self) -> str:
        largest = max(self.within, default=0.0)
        rest = f", {self.delta:.0%} by delta" * (self.delta > 0)
        rest += f", others by {self.rest}" * (self.exact + self.delta < 1)
        return (
            f"at least {COVERAGE:.0%} of {self.centres} centres within {largest:.2g} of the exact output "
            f"(confidence {CONFIDENCE:.0%}: {self.drawn} drawn; {self.exact:.0%} are exact{rest})"
        )


@lru_cache
def number_to_draw(centres: int, misses: int) -> int:
    """Return how many centres to draw without replacement, so that ``misses`` of them may lie too far off.

    If fewer than 95 % of all centres are near, at most ``misses`` drawn ones are far with a probability of 1 % or
    less. Where no number does, all are drawn.
    """
    far = centres - int(np.ceil(COVERAGE * centres - 1e-9)) + 1  # the fewest that break the claim
    low, high = 0, centres
    while low < high:
        middle = (low + high) // 2
        if _at_most(misses, centres, far, middle) <= 1 - CONFIDENCE:
            high = middle
        else:
            low = middle + 1
    return low


def _at_most(misses: int, centres: int, far: int, drawn: int) -> float:
    """Return the probability that at most ``misses`` of the drawn centres are among the ``far`` ones."""
    ways = sum(comb(far, i) * comb(centres - far, drawn - i) for i in range(min(misses, drawn) + 1))
    return ways / comb(centres, drawn)


def design(centres: int, tolerance: float) -> tuple[int, int]:
    """Return how many centres are drawn, and how many of them may miss: a function of what is asked for alone."""
    most = MISSES if tolerance < COARSE else 0
    allowed = [r for r in range(1, most + 1) if number_to_draw(centres, r) <= LARGEST_SHARE * centres]
    misses = max(allowed, default=0)
    return number_to_draw(centres, misses), misses


def draw(centres: int, tolerance: float, seed: int) -> NDArray[np.int64]:
    """Draw the numbers of centres, without replacement, in increasing order."""
    random = np.random.default_rng([seed, centres])
    drawn: NDArray[np.int64] = np.sort(random.choice(centres, design(centres, tolerance)[0], replace=False))
    return drawn


def bound(errors: NDArray[np.float64], scale: NDArray[np.float64], misses: int) -> float:
    """Return the factor by which all but ``misses`` of the (n, outputs) errors lie within (outputs,) ``scale``.

    A centre is as far as its worst output.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        far = np.where(errors == 0, 0, np.abs(errors) / scale).max(axis=1)
    return float(np.sort(far)[-misses - 1]) if len(far) > misses else 0.0
