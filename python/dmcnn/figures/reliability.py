"""Reliability diagram: observed shares of a class against the score, before and after temperature scaling."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dmcnn.figures.style import LARGE_LABELS, decorate, mark, own_legend, panels
from dmcnn.figures.text import Figure
from dmcnn.metrics.reliability import Reliability


def reliability(
    samples: Mapping[str, Reliability], level: float, label: str = "Share of signal", counts: str = "Events"
) -> Figure:
    """Draw the share of events of the class in bins of the score with intervals, and below it the events of the bins.

    Args:
        samples: name -> reliability, such as before and after temperature scaling.
        level: confidence level of the error bars.
        label: label of the share.
        counts: label of the events of the bins.
    """
    figure, (shares, weights) = panels(2, columns=1, size=(8.0, 4.2), sharex=True)
    shares.plot([0, 1], [0, 1], color="0.5", linestyle=":", linewidth=1.2, label="calibrated")
    for nth, (name, one) in enumerate(samples.items()):
        filled = one.weight > 0
        share, score = one.share.value[filled], one.score[filled]
        ends = np.clip([share - one.share.low[filled], one.share.high[filled] - share], 0, None)
        text = f"{name}: ECE {one.ece:.4f} ({one.ece_if_calibrated:.4f} if calibrated)"
        shares.errorbar(score, share, ends, capsize=2, label=text, **{**mark(nth), "linestyle": "-"})
        weights.stairs(one.weight, one.edges, color=mark(nth)["color"], linewidth=1.8)
    decorate(shares, "", label, LARGE_LABELS)
    decorate(weights, "Score", counts, LARGE_LABELS)
    shares.set_ylim(-0.02, 1.02)
    weights.set_xlim(0, 1)
    weights.set_yscale("log")
    own_legend(shares, f"error bars: {100 * level:g} % interval")
    return figure
