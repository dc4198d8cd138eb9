"""Figures of a tuning study: objective of every trial, importance of the settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator

from dmcnn.figures.style import PALETTE, own_legend, single
from dmcnn.figures.text import Figure


def history(points: Sequence[tuple[int, float, bool]], objective: str, *, higher: bool) -> Figure:
    """Draw the objective of every trial, and the best so far.

    Args:
        points: (number of the trial, objective, whether it was stopped early), in any order.
        objective: name of the objective, for the axis.
        higher: whether higher is better.
    """
    figure, axes = single("Trial", f"{objective} ({'higher' if higher else 'lower'} is better)", 5.0)
    ordered = sorted(points)
    for early, marker, label in ((False, "o", "complete"), (True, "x", "stopped early")):
        trials = [(number, value) for number, value, stopped in ordered if stopped is early]
        if trials:
            axes.plot(*zip(*trials, strict=True), marker, color=PALETTE[int(early)], label=label, zorder=3)
    complete = [(number, value) for number, value, stopped in ordered if not stopped]
    if complete:
        numbers, values = map(np.array, zip(*complete, strict=True))
        best = np.maximum.accumulate(values) if higher else np.minimum.accumulate(values)
        axes.step(numbers, best, where="post", color=PALETTE[2], linewidth=2, label="best so far")
    heights = [value for _, value, _ in ordered if value > 0]
    if heights and len(heights) == len(ordered) and max(heights) > 10 * min(heights):
        axes.set_yscale("log")  # on a linear axis one diverged training would flatten all others
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    own_legend(axes)
    return figure


def importance(shares: Mapping[str, float], objective: str, trials: int) -> Figure:
    """Draw the importance of each setting for a good objective.

    Args:
        shares: setting -> importance, highest first; their sum is 1.
        objective: name of the objective, for the axis.
        trials: number of complete trials, for the axis: few trials say little.
    """
    figure = Figure(figsize=(8, 1.6 + 0.4 * max(len(shares), 1)), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    names = list(shares)[::-1]
    bars = axes.barh(names, [shares[name] for name in names], color=PALETTE[0])
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.set_xlim(0, max([1e-9, *shares.values()]) * 1.15)
    axes.set_xlabel(f"Importance for a good {objective} (PED-ANOVA, {trials} trials)", fontsize=13)
    return figure
