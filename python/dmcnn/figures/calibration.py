"""Calibration of estimated uncertainties: coverage, chi2, correlations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dmcnn.figures.style import bins_for, decorate, headroom, histogram, legend, line, lines, panels
from dmcnn.metrics import gaussian
from dmcnn.metrics.gaussian import Floats

CONFIDENCE = np.linspace(0, 1, 101)
"""Expected confidences at which the coverage is drawn."""

PERFECT_STYLE: dict[str, Any] = {"color": "black", "linestyle": ":", "linewidth": 1}
SIGMA_STYLE: dict[str, Any] = {"color": "0.7", "linewidth": 1}
MAX_ROWS = 4
"""Largest number of rows of correlation matrices."""


def calibration(
    pulls: Mapping[str, Floats],
    chi2: Mapping[str, Floats],
    targets: Sequence[str],
    level: float = 0.95,
    weights: Mapping[str, Floats | None] | None = None,
) -> Figure:
    """Draw observed coverage against expected confidence, of all targets together and of each.

    A calibrated network lies on the diagonal.

    Args:
        pulls: name of the network -> (n, k) pulls.
        chi2: name of the network -> (n,) chi2 of all k targets.
        targets: k names.
        level: confidence level of the bands (Wilson).
        weights: name of the network -> (n,) weights of its events.
    """
    quantities = {
        target: ({name: values[:, j] ** 2 for name, values in pulls.items()}, 1)
        for j, target in enumerate(targets)
    }
    if len(targets) > 1:
        quantities = {f"all {len(targets)} targets together": (dict(chi2), len(targets)), **quantities}
    figure, grid = panels(len(quantities), columns=min(len(quantities), 3), size=(4.4, 4.0))
    for axes, (title, (samples, k)) in zip(grid, quantities.items(), strict=True):
        axes.plot([0, 100], [0, 100], **PERFECT_STYLE)
        for nth, (name, distance2) in enumerate(samples.items()):
            _calibration(axes, distance2, k, level, nth, (weights or {}).get(name))
        for radius in gaussian.RADII if k == 1 else ():
            axes.axvline(100 * float(gaussian.content(radius**2, 1)), zorder=0, **SIGMA_STYLE)
        axes.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")
        axes.set_title(title, fontsize=12)
        decorate(axes, "Expected confidence [%]", "Observed coverage [%]")
    legend(figure, lines(pulls) | {"perfect": PERFECT_STYLE, "1 σ, 2 σ": SIGMA_STYLE})
    return figure


def _calibration(
    axes: Axes, distance2: Floats, k: int, level: float, nth: int, weight: Floats | None
) -> None:
    """Draw the coverage of the nth network with its band, from (n,) squared distances of k degrees of freedom."""
    coverage = gaussian.calibration(distance2, k, CONFIDENCE, level, weight)
    low, high = 100 * coverage.low, 100 * coverage.high
    axes.plot(100 * CONFIDENCE, 100 * coverage.value, linewidth=2, **line(nth))
    axes.fill_between(100 * CONFIDENCE, low, high, color=line(nth)["color"], alpha=0.25, linewidth=0)


def chi2(samples: Mapping[str, Floats], k: int, weights: Mapping[str, Floats | None] | None = None) -> Figure:
    """Draw the chi2 of each network beside the expected density for k degrees of freedom, on a logarithmic axis.

    Args:
        samples: name of the network -> (n,) chi2; NaN is left out.
        k: degrees of freedom, the number of targets.
        weights: name of the network -> (n,) weights of its events.
    """
    figure, (axes,) = panels(1, size=(8, 5.5))
    last = float(gaussian.quantile(1 - 1e-6, k))
    edges = np.linspace(0, last, bins_for(samples.values()) + 1)
    width = edges[1] - edges[0]
    # The mean density of each bin is finite: at k = 1 the density itself has a pole at 0.
    expected = np.diff(gaussian.content(edges, k)) / width
    axes.plot(
        edges[1:] - width / 2, expected, label=f"expected: mean {k}", color="black", linestyle="--", zorder=3
    )
    for nth, (name, values) in enumerate(samples.items()):
        given = (weights or {}).get(name)
        good = ~np.isnan(values)
        values, weight = values[good], np.ones(good.sum()) if given is None else given[good]
        total = weight.sum() or 1.0
        text = f"{name}: mean {np.average(values, weights=weight) if len(values) else np.nan:.2f}"
        if above := weight[values > last].sum() / total:
            text += f", {100 * above:.2g} % above {last:.0f}"
        histogram(axes, values, edges, {"linewidth": 1.8, **line(nth)}, weight / total / width, label=text)
    axes.set_xlim(0, last)
    decorate(axes, f"χ² of {k} target{'s' if k > 1 else ''}", "Density")
    headroom(axes, log=True, each=0.04)
    return figure


def correlations(matrices: Mapping[str, Mapping[str, Floats]], targets: Sequence[str]) -> Figure:
    """Draw correlation matrices, one panel per network and kind, in at most MAX_ROWS rows.

    Args:
        matrices: name of the network -> kind -> (k, k) correlations in [-1, 1].
        targets: k names.
    """
    n_kinds = max(map(len, matrices.values()), default=1)
    columns = n_kinds * max(1, -(-len(matrices) // MAX_ROWS))
    side = 1.6 + 0.6 * len(targets)
    figure, grid = panels(len(matrices) * n_kinds, columns=columns, size=(side + 0.6, side + 0.4))
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
