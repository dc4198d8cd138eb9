"""Figures of uncertainties: how often the truth lies inside, chi2, correlations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dmcnn.figures.style import bins_for, decorate, headroom, legend, line, lines, panels
from dmcnn.metrics import gaussian
from dmcnn.metrics.gaussian import Floats

CONFIDENCE = np.linspace(0, 1, 101)

PERFECT: dict[str, Any] = {"color": "black", "linestyle": ":", "linewidth": 1}
SIGMAS: dict[str, Any] = {"color": "0.7", "linewidth": 1}
FEW = 4
"""Rows of correlation matrices."""


def calibration(
    pulls: Mapping[str, Floats], chi2: Mapping[str, Floats], targets: Sequence[str], level: float = 0.95
) -> Figure:
    """Observed against expected confidence, of all targets together and of each: the diagonal is perfect.

    Args:
        pulls: (n, k) pulls of each network.
        chi2: (n,) of all k targets of each network.
        targets: k names.
        level: confidence level of the bands (Wilson).
    """
    shown = {
        target: ({name: of[:, j] ** 2 for name, of in pulls.items()}, 1) for j, target in enumerate(targets)
    }
    if len(targets) > 1:
        shown = {f"all {len(targets)} targets together": (dict(chi2), len(targets)), **shown}
    figure, grid = panels(len(shown), columns=min(len(shown), 3), size=(4.4, 4.0))
    for axes, (title, (samples, k)) in zip(grid, shown.items(), strict=True):
        axes.plot([0, 100], [0, 100], **PERFECT)
        for nth, distance2 in enumerate(samples.values()):
            _calibration(axes, distance2, k, level, nth)
        for radius in gaussian.RADII if k == 1 else ():
            axes.axvline(100 * float(gaussian.content(radius**2, 1)), zorder=0, **SIGMAS)
        axes.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")
        axes.set_title(title, fontsize=12)
        decorate(axes, "Expected confidence [%]", "Observed coverage [%]")
    legend(figure, lines(pulls) | {"perfect": PERFECT, "1 σ, 2 σ": SIGMAS})
    return figure


def _calibration(axes: Axes, distance2: Floats, k: int, level: float, nth: int) -> None:
    found = gaussian.calibration(distance2, k, CONFIDENCE, level)
    axes.plot(100 * CONFIDENCE, 100 * found.value, linewidth=2, **line(nth))
    axes.fill_between(
        100 * CONFIDENCE, 100 * found.low, 100 * found.high, color=line(nth)["color"], alpha=0.25, linewidth=0
    )


def chi2(samples: Mapping[str, Floats], k: int) -> Figure:
    """chi2 of (n,) events of each network beside the expected density of k degrees of freedom; logarithmic.

    NaN is left out.
    """
    figure, (axes,) = panels(1, size=(8, 5.5))
    last = float(gaussian.quantile(1 - 1e-6, k))
    edges = np.linspace(0, last, bins_for(samples.values()) + 1)
    width = edges[1] - edges[0]
    # The mean density of each bin: at k = 1 the density itself has a pole at 0.
    expected = np.diff(gaussian.content(edges, k)) / width
    axes.plot(
        edges[1:] - width / 2, expected, label=f"expected: mean {k}", color="black", linestyle="--", zorder=3
    )
    for nth, (name, values) in enumerate(samples.items()):
        values = values[~np.isnan(values)]
        counts, n = np.histogram(values, edges)[0], max(len(values), 1)
        told = f"{name}: mean {values.mean() if len(values) else np.nan:.2f}"
        if counts.sum() < n:
            told += f", {100 * (1 - counts.sum() / n):.2g} % above {last:.0f}"
        axes.stairs(counts / n / width, edges, linewidth=1.8, label=told, **line(nth))
    axes.set_xlim(0, last)
    decorate(axes, f"χ² of {k} target{'s' if k > 1 else ''}", "Density")
    headroom(axes, log=True, each=0.04)
    return figure


def correlations(matrices: Mapping[str, Mapping[str, Floats]], targets: Sequence[str]) -> Figure:
    """Correlation matrices, a panel per network and kind: at most FEW rows, of several networks each if need be.

    Args:
        matrices: by network and kind, (k, k) in [-1, 1].
        targets: k names.
    """
    kinds_ = max(map(len, matrices.values()), default=1)
    columns = kinds_ * max(1, -(-len(matrices) // FEW))
    side = 1.6 + 0.6 * len(targets)
    figure, grid = panels(len(matrices) * kinds_, columns=columns, size=(side + 0.6, side))
    flat = [(name, kind, matrix) for name, kinds in matrices.items() for kind, matrix in kinds.items()]
    place = np.arange(len(targets))
    for nth, (axes, (name, kind, matrix)) in enumerate(zip(grid, flat, strict=True)):
        drawn = axes.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1)
        for (row, column), value in np.ndenumerate(matrix):
            axes.text(column, row, f"{round(value, 2) + 0.0:.2f}", ha="center", va="center", fontsize=10,
                      color="white" if abs(value) > 0.6 else "black")  # fmt: skip
        below, left = nth + columns >= len(flat), nth % columns == 0
        axes.set_xticks(place, targets if below else [""] * len(place), rotation=35, ha="right", fontsize=10,
                        rotation_mode="anchor")  # fmt: skip
        axes.set_yticks(place, targets if left else [""] * len(place), fontsize=10)
        axes.set_title(f"{name}: {kind}", fontsize=11)
    if flat:
        figure.colorbar(drawn, ax=grid, fraction=0.03, pad=0.02).set_label("Correlation", fontsize=12)
    return figure
