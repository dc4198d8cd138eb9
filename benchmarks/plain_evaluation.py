"""Plain evaluation of score tables with pandas, scikit-learn and matplotlib, instead of ``dmcnn evaluate``.

    python benchmarks/plain_evaluation.py LABELLED | SIGNAL BACKGROUND | SIGNAL_A BACKGROUND_A SIGNAL_B BACKGROUND_B

It leaves as many figures of the same size as PNG and PDF, the numbers, and the lists of events; without intervals,
bands, checks and page.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm
from plain import IDS
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    brier_score_loss,
    confusion_matrix,
    roc_auc_score,
    roc_curve,
)

mpl.rcParams["pdf.fonttype"] = 42  # as publishers ask

CUT = 0.5
KINDS = {"background": False, "signal": True}


def read(paths: list[str]) -> pd.DataFrame:
    """Return the events of one labelled table, or of one of signal and one of background."""
    if len(paths) == 1:
        return pd.read_csv(paths[0])
    parts = zip(paths, ("signal", "background"), strict=True)
    return pd.concat([pd.read_csv(path).assign(label=label) for path, label in parts], ignore_index=True)


def panels(count: int = 1):
    """Return a figure and its panels, one above the other."""
    return plt.subplots(count, figsize=(8, 6 if count == 1 else 9), dpi=150)


def save(figure, stem: str, place: str = "best") -> None:
    """Save a figure with legends as PNG and PDF."""
    for axes in figure.axes:
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc=place)
    for suffix in (".png", ".pdf"):
        figure.savefig(Path(stem).with_suffix(suffix))
    plt.close(figure)


def judge(table: pd.DataFrame, name: str) -> dict[str, object]:
    """Draw all of one network but its ROC curve, list its misclassified events, and return its numbers."""
    truth, score = table["label"] == "signal", table["signal_score"]
    false, true, cuts = roc_curve(truth, score)
    confusion = confusion_matrix(truth, score >= CUT)
    logit = np.log(score / (1 - score))
    for stem, values, reach in (("scores", score, (0, 1)), ("logit", logit, (logit.min(), logit.max()))):
        figure, axes = panels()
        for kind, is_signal in KINDS.items():
            axes.hist(
                values[truth == is_signal], bins=40, range=reach, density=True, histtype="step", label=kind
            )
        axes.set_yscale("log" if stem == "logit" else "linear")
        save(figure, f"plain_{stem}{name}")
    figure, axes = panels()
    axes.plot(cuts[1:], true[1:], label="signal efficiency")
    axes.plot(cuts[1:], 1 - false[1:], label="background rejection")
    save(figure, f"plain_efficiency{name}")
    figure, axes = panels()
    ConfusionMatrixDisplay(confusion, display_labels=list(KINDS)).plot(ax=axes)
    save(figure, f"plain_confusion{name}")
    working_point(cuts[1:], true[1:], false[1:], truth, name)
    pixels(table, truth, name)
    calibration(truth, score, name)
    wrong = table[(score >= CUT) != truth].assign(distance=(score - CUT).abs())
    wrong.sort_values("distance", ascending=False).to_csv(f"plain_wrong{name}.csv", index=False)
    return {
        "auc": roc_auc_score(truth, score),
        "confusion": confusion.tolist(),
        "accuracy": np.trace(confusion) / len(table),
        "efficiency": (confusion[:, 1] / confusion.sum(axis=1)).tolist(),
        "brier": brier_score_loss(truth, score),
    }


def working_point(cuts, true, false, truth, name: str) -> None:
    """Draw efficiencies, purity and significance against the cut."""
    signal, background = true * truth.sum(), false * (~truth).sum()
    figure, (shares, significance) = panels(2)
    shares.plot(cuts, true, label="signal efficiency")
    shares.plot(cuts, false, label="background efficiency")
    shares.plot(cuts, signal / (signal + background), label="purity")
    significance.plot(cuts, signal / np.sqrt(signal + background))
    save(figure, f"plain_working_point{name}")


def pixels(table: pd.DataFrame, truth: pd.Series, name: str) -> None:
    """Draw scores against active pixels, with the mean score in bins of pixels."""
    figure, grid = plt.subplots(1, 2, figsize=(12.4, 5.5), dpi=150)
    size = table["n_pixels"]
    edges = np.geomspace(size.min(), size.max() + 1, 61)
    for axes, (kind, is_signal) in zip(grid, KINDS.items(), strict=True):
        x, y = size[truth == is_signal], table["signal_score"][truth == is_signal]
        *_, drawn = axes.hist2d(x, y, bins=(edges, np.linspace(0, 1, 61)), norm=LogNorm(), rasterized=True)
        figure.colorbar(drawn, ax=axes)
        means = y.groupby(pd.cut(x, edges[::5]), observed=False).mean()
        axes.plot(np.sqrt(edges[:-1:5] * edges[5::5]), means, "o-", label="mean")
        axes.axhline(CUT, linestyle="--", label="cut")
        axes.set(xscale="log", title=kind)
    save(figure, f"plain_pixels{name}", "upper right")


def calibration(truth: pd.Series, score: pd.Series, name: str) -> None:
    """Draw the reliability diagram."""
    shares, means = calibration_curve(truth, score, n_bins=15)
    figure, (above, below) = panels(2)
    above.plot(means, shares, "o-", label="score")
    above.plot([0, 1], [0, 1], ":")
    below.hist(score, bins=15, range=(0, 1), histtype="step", log=True)
    save(figure, f"plain_calibration{name}")


def curves(tables: dict[str, pd.DataFrame]) -> None:
    """Draw the ROC curves of all networks on a linear and on a logarithmic axis."""
    points = {
        name: roc_curve(table["label"] == "signal", table["signal_score"]) for name, table in tables.items()
    }
    for stem, scale in (("roc", "linear"), ("roc_log", "log")):
        figure, axes = panels()
        for name, (false, true, _) in points.items():
            axes.plot(false, true, label=name or "score")
        axes.set_xscale(scale)
        save(figure, f"plain_{stem}", "lower right" if scale == "linear" else "upper left")


def compare(first: pd.DataFrame, second: pd.DataFrame) -> None:
    """Draw the scores of two networks against each other, and list the events whose decision is not the same."""
    both = first.merge(second[[*IDS, "signal_score"]], on=IDS, suffixes=("_a", "_b"))
    a, b = both["signal_score_a"], both["signal_score_b"]
    figure, grid = plt.subplots(1, 2, figsize=(12.4, 5.9), dpi=150)
    for axes, kind in zip(grid, KINDS, strict=True):
        use = both["label"] == kind
        *_, drawn = axes.hist2d(*(np.log(s[use] / (1 - s[use])) for s in (a, b)), bins=60, norm=LogNorm())
        figure.colorbar(drawn, ax=axes)
        axes.set_title(kind)
    save(figure, "plain_pair")
    flips = both[(a >= CUT) != (b >= CUT)].assign(spread=(a - b).abs())
    flips.sort_values("spread", ascending=False).to_csv("plain_flips.csv", index=False)


def main(paths: list[str]) -> None:
    """Evaluate the tables of one or two networks."""
    mpl.use("agg")
    parts = {"": paths} if len(paths) < 4 else {"_a": paths[:2], "_b": paths[2:]}
    tables = {name: read(part) for name, part in parts.items()}
    numbers = {name: judge(table, name) for name, table in tables.items()}
    curves(tables)
    if len(tables) > 1:
        compare(*tables.values())
    Path("plain_numbers.json").write_text(json.dumps(numbers))


if __name__ == "__main__":
    main(sys.argv[1:])
