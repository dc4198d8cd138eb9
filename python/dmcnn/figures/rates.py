"""Figure of the search for a step size."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dmcnn.figures.style import own_legend, single, stroke
from dmcnn.figures.text import Figure


def rates(rate: ArrayLike, loss: ArrayLike, smoothed: ArrayLike, suggestion: float | None) -> Figure:
    """Draw the loss of every step against its step size, its running mean, and the suggested step size.

    Args:
        rate, loss, smoothed: (n,) step sizes, losses, and the running mean of the losses.
        suggestion: suggested step size; None = no line.
    """
    figure, axes = single("Step size", "Loss")
    raw, mean = stroke(0), stroke(1)
    axes.semilogx(rate, loss, color=raw["color"], alpha=0.35, label="batch")
    axes.semilogx(rate, smoothed, **mean, label="running mean")
    if suggestion is not None:
        axes.axvline(suggestion, color="0.3", linestyle=":", label=f"suggestion {suggestion:.2g}")
    low, high = float(np.min(smoothed)), float(np.max(smoothed))
    axes.set_ylim(low - 0.1 * (high - low), high + 0.3 * (high - low))  # single batches may be far above
    own_legend(axes)
    return figure
