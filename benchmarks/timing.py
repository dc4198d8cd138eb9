"""Paired timings: two calls that do the same work, one right after the other, so that other load meets both."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Timing of a call of dmcnn and a baseline that does the same work.

    Attributes:
        name, baseline: descriptions of the two calls.
        ours, other: median times of dmcnn and of the baseline [s].
        ratio: median over rounds of other / ours.
        target: smallest ratio that is required; 0 for none.
        memory: largest resident sizes of both processes [MB]; (0, 0) where both ran in one process.
    """

    name: str
    baseline: str
    ours: float
    other: float
    ratio: float
    target: float = 0.0
    memory: tuple[float, float] = (0.0, 0.0)


def table(rows: list[Timing]) -> str:
    """Return the timings as a table of aligned text, with the load of the machine below it."""
    wide = max(len(row.name) for row in rows), max(len(row.baseline) for row in rows)
    lines = [
        f"{'task':{wide[0]}}  {'baseline':{wide[1]}}  {'dmcnn ms':>9}  {'base ms':>9}  {'ratio':>7}  target"
        "          MB (base)"
    ]
    for row in rows:
        target = (
            "" if not row.target else f"{row.target:6g} {'reached' if row.ratio >= row.target else 'MISSED'}"
        )
        memory = f"{row.memory[0]:.0f} ({row.memory[1]:.0f})" if any(row.memory) else ""
        lines.append(
            f"{row.name:{wide[0]}}  {row.baseline:{wide[1]}}  {1e3 * row.ours:9.3f}  {1e3 * row.other:9.3f}"
            f"  {row.ratio:7.2f}  {target:16}{memory}".rstrip()
        )
    minutes = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    lines.append(
        f"load of the machine, {os.cpu_count()} processors, in the last 1, 5 and 15 minutes: {minutes}"
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
        name, baseline: descriptions of the two calls.
        ours, other: the calls of dmcnn and of the baseline.
        target: smallest ratio that is required; 0 for none.
        rounds: number of timed pairs.
        scale: work of ``ours`` over that of ``other``.
        clock: process CPU time, or wall-clock time to measure the gain by threads.
    """
    ours(), other()
    our_times, other_times = [], []
    for _ in range(rounds):
        for call, times, factor in ((ours, our_times, 1.0), (other, other_times, scale)):
            start = clock()
            call()
            times.append((clock() - start) * factor)
    ratio = statistics.median(b / a for a, b in zip(our_times, other_times, strict=True))
    return Timing(name, baseline, statistics.median(our_times), statistics.median(other_times), ratio, target)
