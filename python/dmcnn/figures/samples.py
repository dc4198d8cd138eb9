"""Figures of samples by name: AUC against mass or another number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dmcnn.figures.style import mark, own_legend, single
from dmcnn.figures.text import Figure
from dmcnn.metrics.intervals import Interval

LOG_RATIO = 20
"""Ratio of the largest to the smallest number from which the axis is logarithmic."""


def auc_against_number(
    numbers: Sequence[float], series: Mapping[str, Sequence[Interval]], label: str, level: float
) -> Figure:
    """Draw the AUC of samples against a number, such as their mass, a series of points for each background.

    Args:
        numbers: (n,) numbers of the samples, in any order.
        series: name -> AUC of each sample.
        label: label of the horizontal axis.
        level: confidence level of the error bars.
    """
    figure, axes = single(label, "AUC")
    x = np.asarray(numbers, np.float64)
    order = np.argsort(x)
    log = x.min() > 0 and x.max() > LOG_RATIO * x.min()
    width = 0.012 * (np.log(x.max() / x.min()) if log else np.ptp(x))  # so that error bars stay apart
    for nth, (name, points) in enumerate(series.items()):
        value, low, high = (
            np.array([float(getattr(point, end)) for point in points])[order]
            for end in ("value", "low", "high")
        )
        shift = (nth - (len(series) - 1) / 2) * width
        place = x[order] * np.exp(shift) if log else x[order] + shift
        axes.errorbar(
            place,
            value,
            [value - low, high - value],
            capsize=3,
            label=name,
            **{**mark(nth), "linestyle": ":"},
        )
    if log:
        axes.set_xscale("log")
    own_legend(axes, f"error bars: {100 * level:g} % interval")
    return figure
