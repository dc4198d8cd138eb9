"""Number of events of each class, expected beside observed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from dmcnn.figures.style import PALETTE
from dmcnn.figures.text import Figure
from dmcnn.metrics import classification

WIDTH = 0.4
"""Width of a bar; the distance from class to class is 1."""

MAX_LABELLED = 12
"""Largest number of classes for which numbers are written on the bars."""


def distribution(
    expected: Mapping[str, int],
    observed: Mapping[str, int],
    names: tuple[str, str] = ("Expected", "Observed"),
    level: float = 0.95,
) -> Figure:
    """Draw the events of each class, expected beside observed, such as true beside predicted.

    Classes come in the order of ``expected``, then those that were only observed; a missing class counts 0.

    Args:
        expected, observed: class -> number of events.
        names: names of the two in the legend.
        level: confidence level of the error bars: Wilson's interval of a class's share of all observed events.
    """
    classes = [*expected, *(name for name in observed if name not in expected)]
    counts = [
        np.array([events.get(name, 0) for name in classes], np.int64) for events in (expected, observed)
    ]
    figure = Figure(figsize=(float(np.clip(1.4 * len(classes), 6, 14)), 5.5), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    place = np.arange(len(classes))
    for nth, (name, events) in enumerate(zip(names, counts, strict=True)):
        label = f"{name} ({events.sum()} events)"
        # The expected bars are hatched, so that the two differ in print without colour.
        axes.bar(place + (nth - 0.5) * WIDTH, events, WIDTH, color=PALETTE[nth], alpha=0.85, label=label,
                 hatch=("//", "")[nth], edgecolor="white")  # fmt: skip
    tops = [counts[0], _errors(axes, place + WIDTH / 2, counts[1], level)]
    if len(classes) <= MAX_LABELLED:
        for nth, (events, top) in enumerate(zip(counts, tops, strict=True)):
            _numbers(axes, place + (nth - 0.5) * WIDTH, events, top)
    axes.set_xticks(place, classes, rotation=0 if sum(map(len, classes)) < 60 else 45, fontsize=12)
    axes.set_ylabel("Events", fontsize=13)
    axes.tick_params(axis="y", labelsize=11)
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.set_ylim(0, 1.1 * max(1.0, *(float(top.max(initial=0)) for top in tops)))
    axes.margins(x=0.02)
    figure.legend(
        loc="outside upper center", ncols=2, fontsize=12, title=f"error bars: {100 * level:g} % interval"
    )
    return figure


def _errors(axes: Axes, place: NDArray[Any], events: NDArray[np.int64], level: float) -> NDArray[Any]:
    """Draw the interval of each count; return the (classes,) upper ends [events]."""
    total = events.sum()
    share = classification.wilson(events, total, level)
    low, high = np.asarray(share.low * total), np.asarray(share.high * total)
    size = np.clip([events - low, high - events], 0, None)
    axes.errorbar(place, events, size, fmt="none", ecolor="black", elinewidth=1.2, capsize=4)
    return high


def _numbers(axes: Axes, place: NDArray[Any], events: NDArray[np.int64], top: NDArray[Any]) -> None:
    """Write each count above its bar."""
    for x, count, y in zip(place.tolist(), events.tolist(), top.tolist(), strict=True):
        axes.annotate(
            str(count), (x, y), (0, 3), textcoords="offset points", ha="center", va="bottom", fontsize=10
        )
