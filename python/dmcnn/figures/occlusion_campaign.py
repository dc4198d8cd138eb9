"""Summary of an occlusion campaign: how much scores drop, how far from the centre of the charge, and on what."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from dmcnn.figures import style
from dmcnn.figures.text import Figure

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DropGroup:
    """Events of one kind, such as one true class.

    Attributes:
        name: of the kind.
        max_drop, overlap: (n,) largest drop of every event, and overlap of its drops with the charge; NaN = none.
        profile: (n, b) mean drop in bins of the distance from the charge-weighted centre; NaN = no window.
    """

    name: str
    max_drop: Floats
    overlap: Floats
    profile: Floats


def summary(
    panels: Sequence[tuple[str, Sequence[DropGroup]]], edges: Floats, *, what: str = "drop", title: str = ""
) -> Figure:
    """Draw a row of panels for every quantity: largest drops, drop against distance, overlap with the charge.

    Args:
        panels: quantity, such as "signal score" or "x-midplane [µm]", and its groups of events.
        edges: (b+1,) edges of the bins of the distance [pixels].
        what: "drop", or "change" where the sign is left out.
        title: line above.
    """
    figure, grid = style.panels(3 * len(panels), columns=3, size=(4.6, 4.0))
    figure.suptitle(title, fontsize=13)
    figure.set_layout_engine(
        "constrained", rect=(0, 0.04 / len(panels), 1, 1 - 0.04 / len(panels))
    )  # room for a note
    for nth, (quantity, groups) in enumerate(panels):
        left, middle, right = grid[3 * nth : 3 * nth + 3]
        _histograms(left, groups, [group.max_drop for group in groups], f"Largest {what} of the {quantity}")
        _profiles(middle, groups, edges, f"Mean {what} of the {quantity}")
        overlaps = [group.overlap for group in groups]
        _histograms(right, groups, overlaps, f"Overlap of the {what}s with the charge", (0.0, 1.0))
    return figure


def _histograms(
    axes: Axes,
    groups: Sequence[DropGroup],
    values: Sequence[Floats],
    label: str,
    span: tuple[float, float] | None = None,
) -> None:
    """Draw a histogram of the finite values of every group, in ``span`` or between the outermost values."""
    samples = [one[np.isfinite(one)] for one in values]
    drawn = np.concatenate([np.zeros(0), *samples])
    low, high = span or ((drawn.min(), drawn.max()) if len(drawn) else (0.0, 1.0))
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, 8 + int(3 * np.cbrt(len(drawn))))
    for nth, (group, sample) in enumerate(zip(groups, samples, strict=True)):
        axes.stairs(
            np.histogram(sample, edges)[0], edges, label=f"{group.name}, {len(sample)}", **style.stroke(nth)
        )
    style.decorate(axes, label, "Events")
    style.headroom(axes, log=False)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))


def _profiles(axes: Axes, groups: Sequence[DropGroup], edges: Floats, label: str) -> None:
    """Draw the mean over the events of every group, with the error of the mean as a band."""
    middles, last = (edges[1:] + edges[:-1]) / 2, 1
    for nth, group in enumerate(groups):
        count = np.isfinite(group.profile).sum(axis=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # bins without a window stay NaN
            mean = np.nanmean(group.profile, axis=0) if len(group.profile) else np.full(len(middles), np.nan)
            error = np.nanstd(group.profile, axis=0) / np.sqrt(np.maximum(count, 1)) if len(count) else mean
        axes.plot(middles, mean, label=group.name, **style.stroke(nth))
        axes.fill_between(
            middles, mean - error, mean + error, color=style.stroke(nth)["color"], alpha=0.25, linewidth=0
        )
        last = max(last, *(np.flatnonzero(count) + 1).tolist(), 1)
    axes.set_xlim(0, edges[last])
    axes.axhline(0, color="0.5", linewidth=0.8)
    style.decorate(axes, "Distance from the centre of the charge [pixels]", label)
    style.own_legend(axes)
