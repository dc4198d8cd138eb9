"""Paired timings: two calls that do the same work, one right after the other, so that other load meets both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Medians [s] of our call and of the baseline, and the median over rounds of baseline / ours.

    ``target`` is the ratio that has to be reached; 0 = none, the row is for information.
    """

    name: str
    baseline: str
    ours: float
    other: float
    ratio: float
    target: float = 0.0


def table(found: list[Timing]) -> str:
    """The rows for people."""
    wide = max(len(row.name) for row in found), max(len(row.baseline) for row in found)
    lines = [
        f"{'what':{wide[0]}}  {'baseline':{wide[1]}}  {'ours ms':>9}  {'base ms':>9}  {'ratio':>7}  target"
    ]
    for row in found:
        target = (
            "" if not row.target else f"{row.target:6g} {'reached' if row.ratio >= row.target else 'MISSED'}"
        )
        lines.append(
            f"{row.name:{wide[0]}}  {row.baseline:{wide[1]}}  {1e3 * row.ours:9.3f}  {1e3 * row.other:9.3f}"
            f"  {row.ratio:7.2f}  {target}"
        )
    return "\n".join(lines)


def paired(
    name: str,
    baseline: str,
    ours: Callable[[], object],
    other: Callable[[], object],
    *,
    target: float = 0.0,
    rounds: int = 15,
    scale: float = 1.0,
    clock: Callable[[], float] = time.process_time,
) -> Timing:
    """Time both calls in turn, after one untimed call of each.

    Args:
        scale: how much less work ``other`` does than ``ours``.
        clock: process CPU time; the time on the wall where threads shall help.
    """
    ours(), other()
    mine, others = [], []
    for _ in range(rounds):
        for call, kept, factor in ((ours, mine, 1.0), (other, others, scale)):
            start = clock()
            call()
            kept.append((clock() - start) * factor)
    ratio = statistics.median(b / a for a, b in zip(mine, others, strict=True))
    return Timing(name, baseline, statistics.median(mine), statistics.median(others), ratio, target)
