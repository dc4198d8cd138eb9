"""Style of curves and histograms: colours, dashes, labels, legends, and figures of several panels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Sized
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import StepPatch
from numpy.typing import NDArray

from dmcnn._common.errors import InputError, nearest
from dmcnn.figures.text import Figure

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Colours that colour-blind readers tell apart: M. Okabe, K. Ito, Color Universal Design (2008)."""

DASHES = ("-", "--", "-.", ":")

MARKERS = "osD^vPX"

LARGE_LABELS = 13
"""Size of labels [points] in figures of one or two large panels."""

COARSE_COLUMNS = 4
"""Number of panels in a row from which a figure has fewer dots per inch, to stay below about 2,500 dots."""


def panels(
    count: int, columns: int | None = None, size: tuple[float, float] = (6.0, 4.2), sharex: bool = False
) -> tuple[Figure, list[Axes]]:
    """Make a figure of several panels, row by row.

    Args:
        count: number of panels.
        columns: panels in a row; None takes two at most.
        size: (width, height) of a panel [inch], about.
        sharex: share the horizontal axis within a column.
    """
    columns = columns or min(count, 2) or 1
    rows = -(-max(count, 1) // columns)
    figure = Figure(
        figsize=(size[0] * columns, size[1] * rows + 0.5),
        dpi=150 if columns < COARSE_COLUMNS else 110,
        layout="constrained",
    )
    grid = list(figure.subplots(rows, columns, squeeze=False, sharex="col" if sharex else False).flat)
    for axes in grid[count:]:
        axes.set_axis_off()
    return figure, grid[:count]


def single(x_label: str, y_label: str, height: float = 6.0) -> tuple[Figure, Axes]:
    """Make a figure of one large panel with labels, 8 inches wide and ``height`` [inch] high."""
    figure, (axes,) = panels(1, size=(8, height - 0.5))
    decorate(axes, x_label, y_label, LARGE_LABELS)
    return figure, axes


def decorate(axes: Axes, x_label: str, y_label: str, size: float = 12) -> None:
    """Set the axis labels of ``size`` [points], tick labels and grid of a panel."""
    axes.set_xlabel(x_label, fontsize=size)
    axes.set_ylabel(y_label, fontsize=size)
    axes.tick_params(labelsize=size - 2)
    axes.grid(alpha=0.3)


def own_legend(axes: Axes, title: str | None = None, place: Any = "best") -> None:
    """Draw a legend inside the panel, if any curve has a name; the layout need not look for its best place, too."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc=place, title=title, fontsize=11, title_fontsize=11).set_in_layout(False)


def stroke(nth: int) -> dict[str, Any]:
    """Return colour and dash of the nth curve: neighbours differ in both, and no two of the first 28 share both."""
    return {"color": PALETTE[nth % len(PALETTE)], "linestyle": DASHES[nth % len(DASHES)], "linewidth": 2}


def line(nth: int, colours: Sequence[str] = PALETTE) -> dict[str, Any]:
    """Return colour and dash of the nth network: the dash changes after the last colour."""
    return {"color": colours[nth % len(colours)], "linestyle": DASHES[nth // len(colours) % len(DASHES)]}


def mark(nth: int) -> dict[str, Any]:
    """Return colour and marker of the nth network, without a line."""
    marker = MARKERS[nth // len(PALETTE) % len(MARKERS)]
    return {"color": PALETTE[nth % len(PALETTE)], "marker": marker, "linestyle": ""}


def lines(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the styles of networks drawn as lines, for ``legend``."""
    return {name: {"linewidth": 2, **line(nth)} for nth, name in enumerate(names)}


def legend(figure: Figure, styles: Mapping[str, dict[str, Any]], title: str | None = None) -> None:
    """Draw one legend above all panels.

    Args:
        figure: figure with a constrained layout.
        styles: name -> properties of its line or marker.
        title: line above the names.
    """
    if not styles:
        return
    room = figure.get_size_inches()[0] * 9  # characters
    in_a_row = sum(len(name) + 7 for name in styles) <= room
    columns = len(styles) if in_a_row else max(1, int(room / (max(map(len, styles)) + 7)))
    handles = [Line2D([], [], label=name, **style) for name, style in styles.items()]
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=columns,
        fontsize=11,
        title=title,
        title_fontsize=11,
    )


def bins_for(samples: Iterable[Sized]) -> int:
    """Return the number of bins of a histogram of the samples: 40 to 100, as the cube root of the smallest sample."""
    smallest = min(map(len, samples), default=0)
    return int(np.clip(4 * np.cbrt(smallest), 40, 100))


def histogram(
    axes: Axes,
    values: NDArray[np.float64],
    edges: NDArray[np.float64],
    style: Mapping[str, Any],
    weights: NDArray[np.float64] | float = 1.0,
    **stairs: Any,
) -> NDArray[np.float64]:
    """Draw a histogram as stairs with statistical errors, the root of the sum of squared weights; return the heights.

    Args:
        axes: the panel.
        values: (n,) values.
        edges: (b + 1,) edges of the bins.
        style: colour and line of the stairs.
        weights: (n,) weights of the values, or that of all; they may be negative.
        stairs: more properties of the stairs, such as ``label``.
    """
    weight = np.broadcast_to(np.asarray(weights, np.float64), values.shape)
    if len(weight) and weight.min() == weight.max():
        # events of equal weight are counted, in a fraction of the time of sums
        counts = np.histogram(values, edges)[0]
        heights, errors = counts * weight[0], np.sqrt(counts) * abs(weight[0])
    else:
        heights = np.histogram(values, edges, weights=weight)[0]
        errors = np.sqrt(np.histogram(values, edges, weights=weight**2)[0])
    axes.stairs(heights, edges, **{**style, **stairs})
    filled = errors > 0
    axes.errorbar(((edges[1:] + edges[:-1]) / 2)[filled], heights[filled], errors[filled], fmt="none",
                  ecolor=style["color"], elinewidth=0.9, alpha=0.7)  # fmt: skip
    return np.asarray(heights)


def headroom(axes: Axes, log: bool, most: int | None = None, each: float = 0.055) -> None:
    """Draw the legend of a panel, with room for it above histograms drawn as stairs, and their error bars.

    Args:
        axes: the panel.
        log: logarithmic vertical axis.
        most: largest number of lines of the legend; with more, none is drawn. None sets no limit.
        each: height of a line of the legend, as a share of that of the panel.
    """
    tops = [np.asarray(patch.get_data()[0]) for patch in axes.patches if isinstance(patch, StepPatch)]
    curves = [np.asarray(curve.get_ydata()) for curve in axes.lines]
    bars = [
        segment[:, 1]
        for bar in axes.collections
        if isinstance(bar, LineCollection)
        for segment in bar.get_segments()
    ]
    top = max((float(values.max(initial=0)) for values in tops + curves + bars), default=0.0) or 1.0
    count = len(axes.get_legend_handles_labels()[0])
    rows = count if most is None or count <= most else 0
    share = min(each * rows, 0.7)
    filled = [values[values > 0].min() for values in tops if (values > 0).any()]
    if log and filled:
        lowest = float(min(filled))
        axes.set_yscale("log")
        axes.set_ylim(lowest / 2, 1.6 * top * (2 * top / lowest) ** (share / (1 - share)))
    else:
        axes.set_ylim(0, 1.06 * top / (1 - share))
    if rows:
        axes.legend(loc="upper center", fontsize=9, framealpha=0.9)


def check_colours(key: str, name: str) -> None:
    """Raise InputError if the value of a key is no colour map of matplotlib."""
    if name not in colormaps:
        raise InputError(f"{key} = {name!r} is no matplotlib colour map{nearest(name, colormaps)}")


def label(name: str, unit: str) -> str:
    """Return a quantity with its unit, if it has one, such as "Time [ns]"."""
    return f"{name} [{unit}]" if unit else name


def number(events: float) -> str:
    """Return a number of events, or a sum of weights with four digits."""
    return str(events) if isinstance(events, int | np.integer) else f"{events:.4g}"
