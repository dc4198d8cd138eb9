"""Quality of attribution maps: deletion and insertion curves, measures per method, agreement between maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from dmcnn.figures.style import LARGE_LABELS, PALETTE, decorate, line
from dmcnn.figures.text import Figure
from dmcnn.metrics.intervals import MIN_EVENTS

Floats = NDArray[np.float64]

COLOURS = PALETTE[:-1]
"""Colours of the maps; black is that of the charge."""

FLOOR, CHARGE = "0.45", "0.0"
"""Greys of the maps that do not depend on the network: random maps, and the charge itself."""


def removal(
    fraction: Floats,
    deletion: Mapping[str, Floats],
    insertion: Mapping[str, Floats],
    random: Floats,
    *,
    target: str = "Target",
    charge: str = "charge",
    title: str = "",
) -> Figure:
    """Draw deletion and insertion curves of the maps of one event.

    Args:
        fraction: (s+1,) fractions of the active pixels, 0 to 1.
        deletion, insertion: name of the map -> (s+1,) outputs of the network.
        random: (r, s+1) deletion curves of random orders, drawn as a band of one standard deviation. The band is
            mirrored for insertion: the reverse of a random order is a random order.
        target: label of the outputs, such as "Signal logit".
        charge: name of the curves that remove the brightest pixels first.
        title: line above, such as the ids of the event.
    """
    rows = -(-(len(deletion) + 1) // 3)
    figure = Figure(figsize=(11, 5.2 + 0.22 * rows), dpi=150, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    panels = (
        (left, deletion, fraction, random, "Fraction of active pixels removed", "Deletion: lower is better"),
        (right, insertion, 1 - fraction, random, "Fraction of active pixels inserted", "Insertion: higher is better"),
    )  # fmt: skip
    for axes, curves, across, orders, x_label, heading in panels:
        mean, spread = orders.mean(axis=0), orders.std(axis=0)
        axes.fill_between(across, mean - spread, mean + spread, color=FLOOR, alpha=0.25, linewidth=0)
        axes.plot(across, mean, color=FLOOR, linewidth=1.5, label=f"random order, ± 1 σ of {len(orders)}")
        others = {name: curve for name, curve in curves.items() if name != charge}
        for nth, (name, curve) in enumerate(others.items()):
            axes.plot(fraction, curve, label=name.replace("_", " "), linewidth=1.8, **line(nth, COLOURS))
        if charge in curves:
            axes.plot(
                fraction, curves[charge], color=CHARGE, linewidth=1.5, linestyle=":", label="brightest first"
            )
        axes.set_title(heading, fontsize=13)
        decorate(axes, x_label, target if axes is left else "", LARGE_LABELS)
        axes.set_xlim(0, 1)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=10)
    if title:
        figure.suptitle(title, fontsize=13)
    return figure


def measures(rows: Sequence[Mapping[str, Any]], *, random: str = "random", level: float = 0.95) -> Figure:
    """Draw the mean of every measure with its interval: one panel per measure, one line per method.

    Args:
        rows: method, measure, better ("lower" or "higher"), n, mean, low and high, as ``summary`` gives them.
            A measure without finite means is left out; a measure that spans decades has a logarithmic axis.
        random: name of the method that is the floor: a grey line, its interval a band.
        level: confidence level of the intervals, for the title.
    """
    known = {row["measure"] for row in rows if np.isfinite(row["mean"])}
    names = [name for name in dict.fromkeys(row["measure"] for row in rows) if name in known]
    methods = [*dict.fromkeys(row["method"] for row in rows if row["method"] != random)]
    columns = min(max(len(names), 2), 4)
    lines = max(-(-len(names) // columns), 1)
    height = 0.9 + 0.21 * max(len(methods), 3)
    figure = Figure(figsize=(2.2 + 2.6 * columns, 0.5 + height * lines), dpi=150, layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False, sharey=True)
    events = max((row["n"] for row in rows), default=0)
    for axes, name in zip(grid.flat, names, strict=False):
        _panel(axes, [row for row in rows if row["measure"] == name], methods, random, events)
    for axes in grid.flat[len(names) :]:
        axes.set_axis_off()
    grid[0, 0].set_yticks(range(len(methods)), [method.replace("_", " ") for method in methods])
    grid[0, 0].set_ylim(max(len(methods), 1) - 0.4, -0.9)
    interval = (
        f"{100 * level:g} % interval" if events >= MIN_EVENTS else f"no interval below {MIN_EVENTS} events"
    )
    what = f"Mean of {events} event{'s' * (events != 1)} unless noted, {interval}"
    figure.suptitle(f"{what}; grey: random maps", fontsize=11)
    return figure


def agreement(
    names: Sequence[str], spearman: Floats, jaccard: Floats, *, share: float, title: str = ""
) -> Figure:
    """Draw the agreement between the n maps of one event.

    Args:
        names: n names of the maps.
        spearman: (n, n) rank correlations, -1 to 1.
        jaccard: (n, n) overlaps of the strongest pixels, 0 to 1.
        share: share of the active pixels that counts as strongest.
        title: line above, such as the ids of the event.
    """
    cell = min(0.45, 5.1 / max(len(names), 1))
    side = max(cell * len(names), 2.6)
    figure = Figure(figsize=(2 * side + 2.4, side + 1.7 + 0.3 * bool(title)), dpi=150, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    words = [name.replace("_", " ") for name in names]
    _matrix(left, spearman, words, "Rank correlation of |attribution|", "PuOr", -1, 18 * cell)
    _matrix(right, jaccard, words, f"Overlap of the strongest {100 * share:g} %", "Purples", 0, 18 * cell)
    if title:
        figure.suptitle(title, fontsize=13)
    return figure


def _panel(
    axes: Axes, rows: Sequence[Mapping[str, Any]], methods: Sequence[str], random: str, events: int
) -> None:
    """Draw one measure: a point with its interval per method, the floor, and the number of events if not all."""
    better = rows[0]["better"]
    drawn = [row for row in rows if np.isfinite(row["mean"])]
    # Few events have no interval.
    lows, highs = (
        [row[end] if np.isfinite(row[end]) else row["mean"] for row in drawn] for end in ("low", "high")
    )
    if 0 < 30 * min(lows) < max(highs):
        axes.set_xscale("log")
    for row, low, high in zip(drawn, lows, highs, strict=True):
        if row["method"] == random:
            axes.axvspan(low, high, color=FLOOR, alpha=0.25, linewidth=0)
            axes.axvline(row["mean"], color=FLOOR, linewidth=1.5, zorder=1)  # below the points
            continue
        nth = methods.index(row["method"])
        axes.plot([low, high], [nth, nth], color=PALETTE[0], linewidth=1.8)
        axes.plot(row["mean"], nth, "o", color=PALETTE[0], markersize=4.5)
        if row["n"] < events:
            note = f"{row['n']} event{'s' * (row['n'] != 1)}"
            axes.text(0.99, nth - 0.2, note, transform=axes.get_yaxis_transform(), fontsize=7, ha="right")
    axes.set_title(str(rows[0]["measure"]).replace("_", " "), fontsize=10)
    axes.set_xlabel("← lower is better" if better == "lower" else "higher is better →", fontsize=10)
    axes.tick_params(labelsize=8.5)
    if axes.get_xscale() == "linear":
        axes.xaxis.set_major_locator(MaxNLocator(4))  # numbers of five digits do not touch
    axes.grid(alpha=0.3)


def _matrix(
    axes: Axes, values: Floats, words: list[str], title: str, cmap: str, lowest: int, size: float
) -> None:
    """Draw an (n, n) matrix of numbers in ``lowest`` .. 1, each written in its cell."""
    axes.set_title(title, fontsize=11)
    if not words:
        return
    drawn = axes.imshow(values, cmap=cmap, vmin=lowest, vmax=1)
    for (row, column), value in np.ndenumerate(values):
        red, green, blue, _ = drawn.to_rgba(np.asarray(value)) if np.isfinite(value) else (1, 1, 1, 1)
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
        text = f"{round(value, 2) + 0.0:.2f}" if np.isfinite(value) else "–"
        colour = "white" if dark else "black"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=size)
    axes.set_xticks(range(len(words)), words, rotation=45, ha="right", rotation_mode="anchor", fontsize=9)
    axes.set_yticks(range(len(words)), words, fontsize=9)
