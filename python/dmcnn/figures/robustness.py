"""Figure of robustness: shifts of scores or estimates under variations of the images, and the AUC beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.gridspec import GridSpec
from matplotlib.ticker import LogLocator, MaxNLocator
from numpy.typing import ArrayLike, NDArray

from dmcnn.figures.style import LARGE_LABELS, bins_for, label, legend, line
from dmcnn.figures.text import Figure

LINE = 0.17
"""[inches] Height of a line of text, and of the AUCs of a network."""

TALL = 13
"""[inches] Height from which a figure has fewer dots per inch."""

Triple = tuple[float, float, float]
"""Value, and lower and upper end of its interval."""


def score_shifts(
    shifts: Mapping[str, Mapping[str, ArrayLike]],
    name: str,
    unit: str = "",
    areas: Mapping[str, Mapping[str, tuple[Triple, Triple]]] | None = None,
) -> Figure:
    """Draw the distribution of the shifts of every variation in a row of its own, one histogram per network.

    The rms of the shifts stands beside each row. With ``areas`` a second column has the AUCs with their intervals: of
    the varied images (filled) below that of the images as they are (open).

    Args:
        shifts: variation -> network -> (n,) varied value - value as it is, without NaN.
        name, unit: the value that shifts, and its unit.
        areas: variation -> network -> AUC as it is, and varied; networks without AUC are absent.
    """
    names = list(dict.fromkeys(network for row in shifts.values() for network in row))
    arrays = {
        key: {net: np.asarray(one, np.float64) for net, one in row.items()} for key, row in shifts.items()
    }
    figure, columns = _rows(len(shifts), len(names), bool(areas))
    reach = max(
        (float(np.abs(one).max(initial=0)) for row in arrays.values() for one in row.values()), default=0
    )
    bins = bins_for(one for row in arrays.values() for one in row.values()) | 1  # odd: one is centred at 0
    edges = np.linspace(-1, 1, bins + 1) * (1.02 * reach or 1.0)
    for axes, (variation, row) in zip(columns[0], arrays.items(), strict=True):
        _histograms(axes, row, names, edges)
        axes.set_ylabel(variation, rotation=0, ha="right", va="center", fontsize=11)
        _spreads(axes, row, names, unit)
    columns[0][-1].set_xlabel(label(f"Shift of {name}", unit), fontsize=LARGE_LABELS)
    figure.supylabel("Events per bin", fontsize=LARGE_LABELS)
    for axes, variation in zip(columns[1] if areas else [], shifts, strict=bool(areas)):
        _areas(axes, (areas or {}).get(variation, {}), names)
    styles = {net: {"linewidth": 2, **line(nth)} for nth, net in enumerate(names) if net}
    if areas:
        columns[1][-1].set_xlabel("AUC (95 % interval)", fontsize=LARGE_LABELS)
        dot = {"marker": "o", "linestyle": "", "color": "0.2"}
        styles |= {"as it is": {**dot, "markerfacecolor": "white"}, "varied": dot}
    legend(figure, styles)
    return figure


def _rows(count: int, networks: int, has_areas: bool) -> tuple[Figure, list[list[Axes]]]:
    """Make a figure of ``count`` rows; return the panels of the histograms and, if there are any, of the AUCs."""
    height = max(LINE * (networks + 2) * (1.4 if has_areas else 1), min(3.0, 7.0 / max(count, 1)), 0.62)
    wide = 11 if has_areas else 8
    figure = Figure(
        figsize=(wide, height * count + 1.3), dpi=150 if count * height < 12 else 110, layout="constrained"
    )
    grid = GridSpec(count, 1 + has_areas, figure, width_ratios=[2.6, 1][: 1 + has_areas])
    columns: list[list[Axes]] = []
    for number in range(1 + has_areas):
        panels: list[Axes] = []
        for row in range(count):
            panels.append(figure.add_subplot(grid[row, number], sharex=panels[0] if panels else None))
            panels[-1].tick_params(labelbottom=row == count - 1, labelsize=9)
            panels[-1].grid(axis="x", alpha=0.3)
        columns.append(panels)
    return figure, columns


def _histograms(
    axes: Axes, row: Mapping[str, NDArray[np.float64]], names: Sequence[str], edges: NDArray[np.float64]
) -> None:
    """Draw the histograms of one variation, with a logarithmic axis, on which a single event is seen."""
    top = 1
    for nth, net in enumerate(names):
        counts = np.histogram(row.get(net, ()), edges)[0]
        top = max(top, int(counts.max()))
        axes.stairs(counts, edges, baseline=0.5, fill=len(names) == 1, alpha=0.35 if len(names) == 1 else 0)
        axes.stairs(counts, edges, baseline=0.5, linewidth=1.5, **line(nth))
    axes.axvline(0, color="0.4", linewidth=0.8, linestyle=":")
    axes.set_yscale("log")
    axes.set_ylim(0.5, 2.5 * top)
    axes.yaxis.set_major_locator(LogLocator(numticks=4))
    axes.yaxis.set_minor_locator(LogLocator(subs=()))
    axes.set_xlim(edges[0], edges[-1])
    axes.xaxis.set_major_locator(MaxNLocator(7, symmetric=True))


def _spreads(axes: Axes, row: Mapping[str, NDArray[np.float64]], names: Sequence[str], unit: str) -> None:
    """Write the rms of the shifts of every network beside a panel."""
    for nth, net in enumerate(names):
        if len(row.get(net, ())):
            text = f"rms {np.sqrt(np.mean(row[net] ** 2)):.2g} {unit}".rstrip()
            height = 72 * LINE * ((len(names) - 1) / 2 - nth)  # [points] from the middle of the panel
            axes.annotate(
                text, (1, 0.5), (6, height), xycoords="axes fraction", textcoords="offset points",
                va="center", fontsize=9, color=line(nth)["color"],
            )  # fmt: skip


def _areas(axes: Axes, row: Mapping[str, tuple[Triple, Triple]], names: Sequence[str]) -> None:
    """Draw the AUCs of one variation, network below network."""
    for nth, net in enumerate(names):
        for shift, fill, (value, low, high) in zip(
            (-0.17, 0.17), ("white", None), row.get(net, ()), strict=False
        ):
            colour = line(nth)["color"]
            axes.errorbar(
                value, nth + shift, xerr=[[value - low], [high - value]], fmt="o", markersize=5, color=colour,
                markerfacecolor=fill or colour, elinewidth=1.5,
            )  # fmt: skip
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(4))
