"""Figures of several networks on the same events: scores of one against the other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.colors import LogNorm
from numpy.typing import ArrayLike, NDArray

from dmcnn.figures.style import LARGE_LABELS, decorate, panels
from dmcnn.figures.text import Figure

BINS = 60
"""Bins of a score along each axis."""


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
    values = {kind: [_logit(one) if as_logit else one for one in pair] for kind, pair in scores.items()}
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
        at = [_logit(np.asarray(cut)) if as_logit else np.asarray(cut) for cut in cuts]
        axes.axvline(float(at[0]), color="#D55E00", linewidth=1.5)
        axes.axhline(float(at[1]), color="#D55E00", linewidth=1.5)
        axes.plot([low, high], [low, high], color="0.5", linestyle=":", linewidth=1)
        axes.set_xlim(low, high)
        axes.set_ylim(low, high)
        what = "score logit" if as_logit else "score"
        decorate(axes, f"{names[0]}: {what}", f"{names[1]}: {what}", LARGE_LABELS)
        axes.set_title(f"{kind}: {len(first)} events (lines: cuts)", fontsize=LARGE_LABELS)
    return figure


def _logit(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ln(s / (1 - s)); -inf for 0 and inf for 1."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(scores) - np.log1p(-scores))
