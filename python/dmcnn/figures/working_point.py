"""Figure of a working point: efficiencies, purity and significance against the cut."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from dmcnn.figures.style import LARGE_LABELS, decorate, own_legend, panels, stroke
from dmcnn.figures.text import Figure
from dmcnn.metrics.intervals import Interval

SHARES = {
    "signal_efficiency": "Signal efficiency",
    "background_efficiency": "Background efficiency",
    "purity": "Purity",
}


def numbers_against_cut(
    cuts: NDArray[np.float64], curves: Mapping[str, Interval], level: float, cut: Interval | None = None
) -> Figure:
    """Draw efficiencies and purity, and below them the significance, against the cut with the bands of each point.

    Args:
        cuts: (k,) rising cuts.
        curves: intervals of shape (k,) by the names of dmcnn.metrics.working_point.NUMBERS.
        level: confidence level of the bands.
        cut: the working point, drawn as a line with a band.
    """
    figure, (shares, significance) = panels(2, columns=1, size=(8.0, 4.2), sharex=True)
    for nth, (name, label) in enumerate(SHARES.items()):
        _curve(shares, cuts, curves[name], label, nth)
    _curve(significance, cuts, curves["significance"], "", len(SHARES))
    for axes in (shares, significance):
        if cut is not None:
            low, high = (float(np.clip(end, cuts[0], cuts[-1])) for end in (cut.low, cut.high))
            axes.axvspan(low, high, color="0.5", alpha=0.25, linewidth=0)
            axes.axvline(float(cut.value), color="0.3", linewidth=1.2, label=f"cut {float(cut.value):.4g}")
    decorate(shares, "", "Share", LARGE_LABELS)
    decorate(significance, "Cut: score ≥", "Significance [σ]", LARGE_LABELS)
    shares.set_ylim(0, 1.01)
    significance.set_ylim(bottom=0)
    if cuts[-1] > cuts[0]:
        significance.set_xlim(cuts[0], cuts[-1])
    own_legend(shares, f"{100 * level:g} % interval")
    return figure


def _curve(axes: Axes, cuts: NDArray[np.float64], curve: Interval, label: str, nth: int) -> None:
    """Draw a curve with its band where both are finite."""
    finite = np.isfinite(curve.value)
    axes.plot(cuts[finite], curve.value[finite], label=label or None, **stroke(nth))
    band = finite & np.isfinite(curve.low) & np.isfinite(curve.high)
    axes.fill_between(
        cuts[band], curve.low[band], curve.high[band], color=stroke(nth)["color"], alpha=0.2, linewidth=0
    )
