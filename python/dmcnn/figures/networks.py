"""Figures of scores in two dimensions: of two networks on the same events, and against the size of the events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from numpy.typing import ArrayLike, NDArray
from scipy import special

from dmcnn.figures.style import LARGE_LABELS, decorate, legend, panels
from dmcnn.figures.text import Figure

BINS = 60
"""Bins of a score along each axis."""

MEAN_STYLE: dict[str, Any] = {"color": "#D55E00", "marker": "o", "markersize": 4}
CUT_STYLE: dict[str, Any] = {"color": "0.3", "linewidth": 1.2, "linestyle": "--"}


def score_pairs(
    kinds: Mapping[str, tuple[ArrayLike, ArrayLike]], names: tuple[str, str], cuts: tuple[float, float]
) -> Figure:
    """Draw the scores of the same events by two networks, a panel per kind, with the cut of each network.

    Scores in 0..1 are drawn as logits, those of exactly 0 or 1 at the border.

    Args:
        kinds: name of the kind -> (n,) scores by the first and by the second network.
        names: names of the networks.
        cuts: lowest score of an event that each network classifies as signal.
    """
    scores = {kind: [np.asarray(one, np.float64) for one in pair] for kind, pair in kinds.items()}
    both = np.concatenate([one for pair in scores.values() for one in pair])
    as_logit = bool(len(both)) and both.min() >= 0 and both.max() <= 1
    values = {
        kind: [special.logit(one) if as_logit else one for one in pair] for kind, pair in scores.items()
    }
    figure, grid = panels(len(values), size=(6.2, 5.4))
    finite = np.concatenate([one[np.isfinite(one)] for pair in values.values() for one in pair] or [both])
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)
    for axes, (kind, (first, second)) in zip(grid, values.items(), strict=True):
        x, y = np.clip(first, low, high), np.clip(second, low, high)
        *_, drawn = axes.hist2d(
            x, y, bins=BINS, range=[[low, high]] * 2, cmin=1, norm=LogNorm(), cmap="viridis"
        )
        figure.colorbar(drawn, ax=axes, pad=0.02).set_label("Events", fontsize=11)
        at = [special.logit(cut) if as_logit else cut for cut in cuts]
        axes.axvline(float(at[0]), color="#D55E00", linewidth=1.5)
        axes.axhline(float(at[1]), color="#D55E00", linewidth=1.5)
        axes.plot([low, high], [low, high], color="0.5", linestyle=":", linewidth=1)
        axes.set_xlim(low, high)
        axes.set_ylim(low, high)
        what = "score logit" if as_logit else "score"
        decorate(axes, f"{names[0]}: {what}", f"{names[1]}: {what}", LARGE_LABELS)
        axes.set_title(f"{kind}: {len(first)} events (lines: cuts)", fontsize=LARGE_LABELS)
    return figure


def score_against_pixels(
    kinds: Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike | None]], cut: float
) -> Figure:
    """Draw the scores of events against their numbers of active pixels, a panel per kind, with the mean score.

    Args:
        kinds: name of the kind -> (n,) numbers of pixels, which may be NaN, (n,) scores, and their weights, which may
            be negative; None = 1 each.
        cut: lowest score of an event that is classified as signal.
    """
    figure, grid = panels(len(kinds), size=(6.2, 5.0))
    known = {kind: _known(*arrays) for kind, arrays in kinds.items()}
    what = "Events" if all(arrays[2] is None for arrays in kinds.values()) else "Sum of weights"
    pixels = np.concatenate([one[0] for one in known.values()])
    scores = np.concatenate([one[1] for one in known.values()])
    x = (
        np.geomspace(pixels.min(), pixels.max() + 1, BINS + 1)
        if len(pixels)
        else np.geomspace(1, 10, BINS + 1)
    )
    low, high = (float(scores.min()), float(scores.max())) if len(scores) else (0.0, 1.0)
    low, high = (0.0, 1.0) if low >= 0 and high <= 1 else (low, high)
    y = np.linspace(low, high if high > low else low + 1, BINS + 1)
    for axes, (kind, (size, score, weight)) in zip(grid, known.items(), strict=True):
        counts = np.histogram2d(size, score, (x, y), weights=weight)[0].T
        norm = LogNorm() if (counts > 0).any() else None
        drawn = axes.pcolormesh(
            x, y, np.where(counts > 0, counts, np.nan), norm=norm, cmap="viridis", rasterized=True
        )
        figure.colorbar(drawn, ax=axes, pad=0.02).set_label(what, fontsize=11)
        _mean(axes, size, score, weight, x[:: BINS // 12])
        axes.axhline(cut, **CUT_STYLE)
        axes.set_xscale("log")
        decorate(axes, "Active pixels", "Score", LARGE_LABELS)
        axes.set_title(f"{kind}: {len(size)} events", fontsize=LARGE_LABELS)
    legend(figure, {"mean score": MEAN_STYLE, f"cut {cut:.4g}": CUT_STYLE})
    return figure


def _known(
    pixels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return size, score and weight of the events with at least one pixel and a finite score."""
    size, score = np.asarray(pixels, np.float64), np.asarray(scores, np.float64)
    weight = np.ones(len(size)) if weights is None else np.asarray(weights, np.float64)
    use = (size > 0) & np.isfinite(size) & np.isfinite(score)
    return size[use], score[use], weight[use]


def _mean(
    axes: Axes,
    size: NDArray[np.float64],
    score: NDArray[np.float64],
    weight: NDArray[np.float64],
    edges: NDArray[np.float64],
) -> None:
    """Draw the weighted mean score in bins of size, where their weight is positive."""
    bins = len(edges) - 1
    place = np.minimum(np.searchsorted(edges, size, side="right") - 1, bins - 1)
    sums, totals = (np.bincount(place, values, bins) for values in (weight * score, weight))
    filled = totals > 0
    centres = np.sqrt(edges[1:] * edges[:-1])
    axes.plot(centres[filled], sums[filled] / totals[filled], **MEAN_STYLE)
