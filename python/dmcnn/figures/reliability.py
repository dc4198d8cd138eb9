"""Reliability diagrams: observed shares of a class against its score, before and after temperature scaling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from dmcnn.figures.style import LARGE_LABELS, decorate, legend, mark, own_legend, panels
from dmcnn.figures.text import Figure
from dmcnn.metrics.reliability import Reliability

DIAGONAL: dict[str, Any] = {"color": "0.5", "linestyle": ":", "linewidth": 1.2}
"""Line of calibrated scores."""


def reliability(
    samples: Mapping[str, Reliability],
    level: float,
    label: str = "Share of signal",
    counts: str = "Events",
    score: str = "Score",
) -> Figure:
    """Draw the share of events of the class in bins of the score with intervals, and below it the events of the bins.

    Args:
        samples: name -> reliability, such as before and after temperature scaling.
        level: confidence level of the error bars.
        label: label of the share.
        counts: label of the events of the bins.
        score: label of the score.
    """
    figure, (shares, weights) = panels(2, columns=1, size=(8.0, 4.2), sharex=True)
    _diagonal(shares, label="calibrated")
    for nth, (name, one) in enumerate(samples.items()):
        text = f"{name}: ECE {one.ece:.4f} ({one.ece_if_calibrated:.4f} if calibrated)"
        _shares(shares, one, nth, text)
        weights.stairs(one.weight, one.edges, color=mark(nth)["color"], linewidth=1.8)
    decorate(shares, "", label, LARGE_LABELS)
    decorate(weights, score, counts, LARGE_LABELS)
    weights.set_xlim(0, 1)
    weights.set_yscale("log")
    own_legend(shares, f"error bars: {100 * level:g} % interval")
    return figure


def by_class(samples: Mapping[str, Sequence[Reliability]], names: Sequence[str], level: float) -> Figure:
    """Draw the share of events of each class in bins of its score, a panel per class.

    Args:
        samples: name -> reliability of each class, such as before and after temperature scaling.
        names: names of the classes.
        level: confidence level of the error bars.
    """
    figure, grid = panels(len(names), columns=min(len(names), 3), size=(4.2, 3.9))
    for i, (axes, of_class) in enumerate(zip(grid, names, strict=True)):
        _diagonal(axes)
        errors = []
        for nth, each in enumerate(samples.values()):
            _shares(axes, each[i], nth)
            errors.append(f"{each[i].ece:.4f}")
        decorate(axes, f"Score of {of_class}", f"Share of {of_class}")
        axes.set_title(f"ECE {', then '.join(errors)}", fontsize=11)
        axes.set_xlim(0, 1)
    styles = {name: {**mark(nth), "linestyle": "-"} for nth, name in enumerate(samples)}
    dotted = {"calibrated": DIAGONAL}
    legend(figure, styles | dotted, f"error bars: {100 * level:g} % interval")
    return figure


def _diagonal(axes: Axes, label: str = "") -> None:
    """Draw the line of calibrated scores."""
    axes.plot([0, 1], [0, 1], label=label, **DIAGONAL)
    axes.set_ylim(-0.02, 1.02)


def _shares(axes: Axes, one: Reliability, nth: int, label: str = "") -> None:
    """Draw the shares of the filled bins with their intervals as the nth curve."""
    filled = one.weight > 0
    share, score = one.share.value[filled], one.score[filled]
    ends = np.clip([share - one.share.low[filled], one.share.high[filled] - share], 0, None)
    axes.errorbar(score, share, ends, capsize=2, label=label, **{**mark(nth), "linestyle": "-"})
