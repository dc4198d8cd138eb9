"""Shares of a work that many processes do beside one another, each a function of the inputs alone."""

from __future__ import annotations

import heapq
import re
from collections.abc import Sequence
from dataclasses import dataclass

FORM = "i/n with 0 <= i < n, such as 3/100"
"""Form of a share in settings."""
TAG = re.compile(r"_share(\d+)of(\d+)$")
"""End of the names, without suffix, of files that belong to a share."""


@dataclass(frozen=True)
class Share:
    """Share ``number`` of ``count``, counted from 0."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Share:
        """Parse ``i/n``; ValueError for any other text."""
        match = re.fullmatch(r"(\d+)/(\d+)", text)
        if not match or not int(match[1]) < int(match[2]):
            raise ValueError(f"expected {FORM}: the shares of n are 0/n to (n-1)/n")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def tag(self) -> str:
        """Addition to the names of the files that belong to the share."""
        return f"_share{self.number}of{self.count}"

    def span(self, total: int, unit: int = 1) -> tuple[int, int]:
        """Return first and end of the share of things in a row, which is cut at multiples of ``unit`` only."""
        units = -(-total // unit)
        first, end = (units * edge // self.count * unit for edge in (self.number, self.number + 1))
        return min(first, total), min(end, total)


def balance(costs: Sequence[float], count: int) -> list[int]:
    """Return the share of every thing: the most costly first, each to the share with the least cost so far.

    Of equal things the first comes first, and of equal shares the lowest number.
    """
    loads = [(0.0, number) for number in range(count)]
    shares = [0] * len(costs)
    for thing in sorted(range(len(costs)), key=lambda thing: (-costs[thing], thing)):
        load, shares[thing] = loads[0]
        heapq.heapreplace(loads, (load + costs[thing], shares[thing]))
    return shares
