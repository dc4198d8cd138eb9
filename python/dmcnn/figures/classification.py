"""Figures of classification networks: ROC, efficiencies, scores, confusion, training curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray
from scipy import special

from dmcnn.figures.style import LARGE_LABELS, PALETTE, decorate, histogram, number, own_legend, single, stroke
from dmcnn.figures.text import Figure
from dmcnn.metrics import classification
from dmcnn.metrics.classification import Interval, Roc

CUT_RATIO = 5.0
"""Ratio of the range of a training curve to that of its last nine tenths above which the panel is cut."""

MAX_FILLED = 3
"""Largest number of histograms whose areas are filled."""

STEPS = 4000
"""Cells of a ROC curve along each axis, far narrower than a line: of a million points one to ten thousand differ."""

Weights = tuple[ArrayLike | None, ArrayLike | None] | None
"""Weights of the events of (signal, background); None = 1 each."""


def roc(
    samples: Mapping[str, tuple[ArrayLike, ArrayLike]],
    level: float = 0.95,
    log: bool = False,
    weights: Mapping[str, Weights] | None = None,
) -> Figure:
    """Draw ROC curves with their bands and AUCs.

    Args:
        samples: name of the curve -> (signal scores, background scores).
        level: confidence level of the bands, at every point, and of the intervals in the legend.
        log: logarithmic background axis, for selections that need a very pure sample.
        weights: name of the curve -> weights of its events.
    """
    return _draw_roc(_curves(samples, level, weights), level, log)


def roc_pair(
    samples: Mapping[str, tuple[ArrayLike, ArrayLike]],
    level: float = 0.95,
    weights: Mapping[str, Weights] | None = None,
    areas: Mapping[str, Interval] | None = None,
) -> tuple[Figure, Figure]:
    """Draw ROC curves on a linear and on a logarithmic background axis; arguments as of ``roc``.

    ``areas`` are the AUCs of the curves with their intervals, where they are known.
    """
    curves = _curves(samples, level, weights, areas)
    return _draw_roc(curves, level, False), _draw_roc(curves, level, True)


def _curves(
    samples: Mapping[str, tuple[ArrayLike, ArrayLike]],
    level: float,
    weights: Mapping[str, Weights] | None,
    areas: Mapping[str, Interval] | None = None,
) -> list[tuple[str, Roc, tuple[Roc, Roc]]]:
    """Return label, ROC curve and borders of the band of every sample."""
    curves = []
    for name, (signal, background) in samples.items():
        given: dict[str, Any] = {
            "signal": signal,
            "background": background,
            "weights": (weights or {}).get(name),
        }
        area = areas[name] if areas else classification.auc_interval(**given, level=level)
        label = f"{name}: {area.value:.4f} [{area.low:.4f}, {area.high:.4f}]"
        curve = _visible(classification.roc(**given))
        curves.append((label, curve, classification.roc_band(**given, level=level, cuts=curve.cut)))
    return curves


def _visible(curve: Roc) -> Roc:
    """Return the first and the last of the points of a ROC curve that share a cell of both figures."""
    x, y = curve.background, curve.signal
    decades = np.log10(np.maximum(x, x[x > 0].min()))
    cells = (x > 0, STEPS * x, STEPS * y, STEPS * decades / max(-decades[0], 1))
    new = np.any([np.diff(np.floor(cell)) != 0 for cell in cells], axis=0)
    at = np.flatnonzero(np.append(True, new) | np.append(new, True))
    return Roc(curve.cut[at], curve.signal[at], curve.background[at])


def _draw_roc(curves: Sequence[tuple[str, Roc, tuple[Roc, Roc]]], level: float, log: bool) -> Figure:
    """Draw ROC curves with their bands."""
    figure, axes = single("Background efficiency", "Signal efficiency")
    lowest = 0.5  # an axis must have a width
    for nth, (label, curve, band) in enumerate(curves):
        lowest = min(lowest, curve.background[curve.background > 0].min())
        _band(axes, *band, stroke(nth)["color"])
        axes.plot(curve.background, curve.signal, label=label, **stroke(nth))
    chance = np.geomspace(lowest, 1, 200) if log else np.array([0.0, 1.0])
    axes.plot(chance, chance, color="0.6", linewidth=1, linestyle=":", label="chance: 0.5")
    axes.set_xlim((lowest, 1) if log else (0, 1))
    axes.set_ylim(0, 1.01)
    axes.set_xscale("log" if log else "linear")
    own_legend(axes, f"AUC with {100 * level:g} % interval, band of each point",
               "upper left" if log else "lower right")  # fmt: skip
    return figure


def _band(axes: Axes, low: Roc, high: Roc, colour: str) -> None:
    """Draw the area between the borders of the band of a ROC curve."""
    x = np.unique(np.concatenate([np.linspace(0, 1, 400), np.geomspace(1e-6, 1, 400)]))
    below = low.signal[np.minimum(np.searchsorted(low.background, x), len(low.signal) - 1)]
    above = high.signal[np.searchsorted(high.background, x, side="right") - 1]
    axes.fill_between(x, below, above, color=colour, alpha=0.2, linewidth=0)


def efficiency(
    signal: ArrayLike,
    background: ArrayLike,
    cuts: ArrayLike | None = None,
    level: float = 0.95,
    weights: Weights = None,
) -> Figure:
    """Draw signal efficiency and background rejection against the cut, with Wilson bands.

    Args:
        signal, background: scores of any shape.
        cuts: (k,) rising cuts; None takes 201 between the lowest and the highest score.
        level: confidence level of the bands.
        weights: weights of the events.
    """
    if cuts is None:
        both = _finite(np.concatenate([np.ravel(signal), np.ravel(background)]))
        cuts = np.linspace(both.min(), both.max(), 201) if both.size else np.linspace(0, 1, 201)
    cuts = np.asarray(cuts, np.float64)
    of_signal, of_background = weights or (None, None)
    figure, axes = single(
        "Cut: score ≥", "Fraction of events" if weights is None else "Fraction of the weight"
    )
    for nth, (name, fraction) in enumerate(
        {
            "Signal efficiency": classification.efficiency(signal, cuts, level, of_signal),
            "Background rejection": classification.rejection(background, cuts, level, of_background),
        }.items()
    ):
        axes.plot(cuts, fraction.value, label=name, **stroke(nth))
        axes.fill_between(cuts, fraction.low, fraction.high, color=PALETTE[nth], alpha=0.25, linewidth=0)
    axes.set_xlim(cuts.min(), cuts.max()) if np.ptp(cuts) else None
    axes.set_ylim(0, 1.01)
    own_legend(axes, f"{100 * level:g} % interval")
    return figure


def score_histogram(
    samples: Mapping[str, ArrayLike],
    bins: int = 40,
    logit: bool = False,
    log: bool = False,
    density: bool = True,
    weights: Mapping[str, ArrayLike | None] | None = None,
) -> Figure:
    """Draw a histogram of the scores of each sample, one over the other; events without a score (NaN) are left out.

    Error bars are the statistical errors, the square root of the sum of the squared weights in the bin.

    Args:
        samples: name -> scores of any shape.
        bins: number of bins.
        logit: draw ln(s / (1 - s)) of scores in [0, 1], which resolves both ends. Scores of exactly 0 or 1 go into
            the outermost bins.
        log: logarithmic vertical axis.
        density: fraction of each sample per bin, instead of events per bin.
        weights: name -> weights of the events, which may be negative.
    """
    scored = {
        name: _without_nan(values, (weights or {}).get(name), logit) for name, values in samples.items()
    }
    finite = _finite(np.concatenate([np.zeros(0), *(values for values, _ in scored.values())]))
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    if not logit and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, bins + 1)
    lowest = np.inf
    figure, axes = single(
        "Score logit  ln(s / (1 - s))" if logit else "Score",
        "Events" if not density else "Fraction of events" if weights is None else "Fraction of the weight",
    )
    for nth, (name, (values, weight)) in enumerate(scored.items()):
        total = weight.sum() if density and weight.sum() > 0 else 1.0
        label = f"{name} ({len(values)} events)"
        heights = histogram(axes, np.clip(values, low, high), edges, stroke(nth) | {"linewidth": 1.8},
                            weight / total, label=label)  # fmt: skip
        lowest = min(lowest, heights[heights > 0].min(initial=np.inf))
        if len(scored) <= MAX_FILLED:
            axes.stairs(heights, edges, fill=True, color=stroke(nth)["color"], alpha=0.2)
    axes.set_xlim(low, high)
    if log and np.isfinite(lowest):
        axes.set_yscale("log", nonpositive="clip")
        axes.set_ylim(bottom=lowest / 2)
    elif not any((weight < 0).any() for _, weight in scored.values()):
        axes.set_ylim(bottom=0)
    own_legend(axes, "error bars: statistical")
    return figure


def confusion(matrix: classification.Matrix, classes: Sequence[str]) -> Figure:
    """Draw a (k, k) confusion matrix, true class down, predicted class across: events and per cent of the row.

    Sums of weights have four digits.
    """
    totals = matrix.sum(axis=1, keepdims=True)
    share = np.divide(matrix, totals, out=np.zeros(matrix.shape), where=totals > 0)
    side = min(4.5 + 1.1 * len(classes), 13.0)
    figure = Figure(figsize=(side, side * 0.9), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    drawn = axes.imshow(100 * share, cmap="Blues", vmin=0, vmax=100)
    for (row, column), events in np.ndenumerate(matrix):
        axes.text(
            column,
            row,
            f"{number(events)}\n" + (f"{100 * share[row, column]:.1f} %" if totals[row, 0] > 0 else "–"),
            ha="center",
            va="center",
            color="white" if share[row, column] > 0.5 else "black",
            fontsize=12 if len(classes) < 8 else 8,
        )
    ticks = np.arange(len(classes))
    axes.set_xticks(ticks, classes, rotation=0 if sum(map(len, classes)) < 40 else 45, fontsize=12)
    axes.set_yticks(ticks, classes, fontsize=12)
    axes.set_xlabel("Predicted class", fontsize=13)
    axes.set_ylabel("True class", fontsize=13)
    bar = figure.colorbar(drawn, ax=axes, fraction=0.046, pad=0.02)
    bar.set_label("% of the true class", fontsize=12)
    return figure


def training(
    step: ArrayLike, panels: Mapping[str, Mapping[str, ArrayLike]], smooth: int = 1, x_label: str = "Step"
) -> Figure:
    """Draw training curves: one panel per quantity ("Loss", "Accuracy", "AUC"), one line per series.

    The panel is cut where values of the first tenth would flatten all later ones, see CUT_RATIO.

    Args:
        step: (n,) horizontal positions.
        panels: quantity -> series -> (n,) values, NaN where the quantity was not measured at that step.
        smooth: number of measured values of the running mean; the raw values stay faint behind it. A series of fewer
            than four such windows is drawn raw.
        x_label: label of the horizontal axis.
    """
    filled = {
        title: measured
        for title, series in panels.items()
        if (measured := {name: values for name, values in series.items() if np.isfinite(values).any()})
    }
    rows = max(len(filled), 1)
    figure = Figure(figsize=(8, min(1.5 + 2.8 * rows, 13)), dpi=150, layout="constrained")
    grid = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    for axes, (title, series) in zip(grid, filled.items(), strict=False):
        for nth, (name, values) in enumerate(series.items()):
            _trace(axes, np.asarray(step, np.float64), np.asarray(values, np.float64), smooth, name, nth)
        _limit(axes, [np.asarray(values, np.float64) for values in series.values()])
        decorate(axes, "", title, LARGE_LABELS)
        own_legend(axes)
    grid[-1].set_xlabel(x_label, fontsize=13)
    return figure


def _trace(
    axes: Axes, step: NDArray[np.float64], values: NDArray[np.float64], smooth: int, name: str, nth: int
) -> None:
    """Draw one training curve through the steps at which it was measured."""
    measured = np.isfinite(values)
    x, y, style = step[measured], values[measured], stroke(nth)
    if smooth > 1 and len(y) >= 4 * smooth:
        axes.plot(x, y, color=style["color"], alpha=0.25, linewidth=1)
        # Steps are averaged as well, so that the smooth curve does not lag behind the raw one.
        x, y = (np.convolve(v, np.full(smooth, 1 / smooth), "valid") for v in (x, y))
    axes.plot(x, y, label=name, marker="o" if len(y) < 30 else None, markersize=4, **style)


def _limit(axes: Axes, series: Sequence[NDArray[np.float64]]) -> None:
    """Limit the axis to the range after the first tenth, if the whole range is more than CUT_RATIO times wider."""
    later = np.concatenate([values[len(values) // 10 :] for values in series])
    later = later[np.isfinite(later)]
    if not len(later) or np.ptp(later) == 0:
        return
    low, high = float(later.min()), float(later.max())
    margin = 0.05 * (high - low)
    bottom, top = axes.get_ylim()
    if top - bottom > CUT_RATIO * (high - low):
        axes.set_ylim(max(bottom, low - margin), min(top, high + margin))


def _without_nan(
    values: ArrayLike, weights: ArrayLike | None, logit: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the (n,) scores that are not NaN, and their weights; as logits, -inf for 0 and inf for 1."""
    scores = np.asarray(values, np.float64).ravel()
    weight = np.ones(scores.size) if weights is None else np.asarray(weights, np.float64).ravel()
    scores, weight = scores[~np.isnan(scores)], weight[~np.isnan(scores)]
    return np.asarray(special.logit(scores)) if logit else scores, weight


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(values[np.isfinite(values)])
