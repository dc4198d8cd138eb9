"""Errors of occlusion to first order, for docs/occlusion.md: ``python benchmarks/occlusion_errors.py WEIGHTS``.

WEIGHTS is a trained MPID. Every window of a few events of the built-in sample is scored exactly and to first order.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from batches import sample
from engine import typical
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dmcnn.checkpoints.load import load
from dmcnn.figures.save import save_figure
from dmcnn.occlusion.approximations import FirstOrderWindows
from dmcnn.occlusion.result import Scan

TARGET = Path(__file__).parents[1] / "docs" / "occlusion_errors"
EVENTS = 3
TOLERANCES = (0.1, 0.5)

Floats = NDArray[np.float64]


def draw(events: list[tuple[int, Floats, Floats, NDArray[np.int64]]]) -> Figure:
    """Draw first-order against exact changes of a logit, and the errors left against the share of exact windows.

    Args:
        events: active pixels, (n,) exact and first-order logits in standard deviations of the exact map, and the
            order in which windows are made exact.
    """
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    figure.suptitle(
        "MPID trained on the built-in sample: logit of the signal under windows of 9 x 9 pixels", fontsize=11
    )
    left, right = figure.subplots(1, 2)
    low = min(exact.min() for _, exact, *_ in events)
    high = max(exact.max() for _, exact, *_ in events)
    left.plot([low, high], [low, high], color="0.5", linewidth=1)
    shares = np.linspace(0, 1, 101)
    for pixels, exact, first, order in events:
        name = f"{pixels:,} active pixels, r = {np.corrcoef(exact, first)[0, 1]:.3f}"
        left.plot(exact, first, ".", markersize=3, alpha=0.6, label=name)
        error = np.abs(first - exact)
        rest = [
            np.sort(np.where(np.arange(len(order)) < share * len(order), 0, error[order])) for share in shares
        ]
        right.plot(
            shares,
            [values[int(0.95 * (len(values) - 1))] for values in rest],
            label=f"{pixels:,} active pixels",
        )
    for tolerance in TOLERANCES:
        right.axhline(tolerance, color="0.5", linewidth=1, linestyle="--")
        right.annotate(
            f"tolerance {tolerance}", (1, tolerance), ha="right", va="bottom", fontsize=8, color="0.3"
        )
    left.set(
        xlabel="exact [standard deviations of the map]", ylabel="first order [standard deviations of the map]"
    )
    right.set(xlabel="share of the windows that are exact", ylabel="error at 95 % of the windows [std of the map]",
              yscale="log", ylim=(0.01, None))  # fmt: skip
    left.legend(fontsize=8)
    return figure


def main() -> None:
    """Scan the events and write the figure."""
    net = load(Path(sys.argv[1]))[0].eval()
    images, scan, events = typical(sample(64), EVENTS), Scan(k=4), []
    for number in range(EVENTS):
        event = images.take([number])
        windows, engine = scan.windows(event), scan.engine("sparse", 8)
        first = FirstOrderWindows(net, event, windows, engine)
        rows, order = np.concatenate([*first.scores(np.arange(len(windows)))])[:, 0], np.argsort(first.rank)
        exact = np.concatenate([*engine.scores(net, event, windows)])[:, 0]
        mean, spread = exact.mean(), exact.std()
        events.append((len(event.index), (exact - mean) / spread, (rows - mean) / spread, order))
    save_figure(draw(events), TARGET, ["png"])


if __name__ == "__main__":
    main()
