"""Evaluation of signal against background: ROC, AUC with interval, efficiencies, confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dmcnn._common.errors import InputError, nearest
from dmcnn.evaluation import EvaluationResult, file_lines
from dmcnn.figures import classification as figures
from dmcnn.metrics import classification as metrics
from dmcnn.tables import table

Scores = dict[str, NDArray[np.float64]]
"""Scored events by kind, "signal" and "background"."""


def judge(
    scores: Scores, files: list[dict[str, Any]], *, cut: float, level: float, name: str = "score"
) -> EvaluationResult:
    """Evaluate the scores from ``read_separate`` or ``read_labelled``.

    Args:
        scores: (n,) float64 scores of each kind, without NaN.
        files: counts of the rows of each table.
        cut: lowest score of an event that is classified as signal.
        level: confidence level of all intervals.
        name: name of the curves.

    Raises:
        InputError: no scored event of one kind.
    """
    for kind, values in scores.items():
        if not len(values):
            raise InputError(f"no scored {kind} event in {', '.join(file['file'] for file in files)}")
    every = np.concatenate(list(scores.values()))
    reach = float(every.min()), float(every.max())
    is_share = reach[0] >= 0 and reach[1] <= 1
    ends = (0.0, 1.0) if is_share else reach
    numbers = {**_numbers(scores["signal"], scores["background"], cut, level, ends), "files": files}
    summary = (
        "AUC {auc:.6f} [{auc_low:.6f}, {auc_high:.6f}] ({percent:g} % interval), {signal_events} signal and "
    )
    summary += "{background_events} background events"
    beyond = (
        f"warning: scores from {reach[0]:.4g} to {reach[1]:.4g} are not between 0 and 1 (logits?); "
        f"the cut is at {cut:g}" + ", give cut=0 for logits" * (cut != 0)
    )
    lines = [
        *file_lines(files),
        *([] if is_share else [beyond]),
        summary.format(**numbers, percent=100 * level),
    ]
    return EvaluationResult(
        numbers, _figures(scores, np.array(numbers["confusion"]), level, name, is_share), lines
    )


def read_separate(kinds: Mapping[str, Sequence[str]], column: str) -> tuple[Scores, list[dict[str, Any]]]:
    """Read the scored events of the tables of each kind, and the counts of the rows of each table."""
    scores: Scores = {}
    files: list[dict[str, Any]] = []
    for kind, paths in kinds.items():
        parts = []
        for path in paths:
            values, counts = table.scores(path, column)
            parts.append(values[~np.isnan(values)])
            files.append({"file": path, "kind": kind, "rows": counts.rows, "unscored": counts.unscored})
        scores[kind] = np.concatenate(parts)
    return scores, files


def read_labelled(
    paths: Sequence[str], column: str, signal_label: str
) -> tuple[Scores, list[dict[str, Any]]]:
    """Read the scored events of tables that hold both kinds, which the label column distinguishes.

    Raises:
        InputError: a scored event without label, no event with ``signal_label``, or one with that label in another
            spelling, which would count as background.
    """
    parts: dict[str, list[NDArray[np.float64]]] = {"signal": [], "background": []}
    files: list[dict[str, Any]] = []
    labels: set[str] = set()
    for path in paths:
        values, counts = table.scores(path, column)
        rows = table.read(path, ["label"])
        label = np.array(rows.column("label"), str)
        scored = ~np.isnan(values)
        for row in np.flatnonzero(scored & (label != signal_label)).tolist():
            if _spelled_alike(label[row], signal_label):
                raise InputError(
                    f"{rows.place(row)}: label {str(label[row])!r} (did you mean {signal_label!r}?), expected one "
                    "spelling of every class"
                )
        blank = np.flatnonzero(scored & (label == ""))
        if len(blank):
            raise InputError(f"{rows.place(int(blank[0]))}: a scored event without label, expected its class")
        for word in dict.fromkeys(label[scored].tolist()):
            if word != signal_label and table.is_spelling(word, signal_label):
                row = int(np.flatnonzero(scored & (label == word))[0])
                raise InputError(f"{rows.place(row)}: label {word!r} (did you mean {signal_label!r}?)")
        labels |= set(label[scored].tolist())
        parts["signal"].append(values[scored & (label == signal_label)])
        parts["background"].append(values[scored & (label != signal_label)])
        files.append({"file": path, "kind": "labelled", "rows": counts.rows, "unscored": counts.unscored})
    if signal_label not in labels:
        close = nearest(signal_label, labels)
        raise InputError(f"no event is labelled {signal_label!r}; found {', '.join(sorted(labels))}{close}")
    return {kind: np.concatenate(values) for kind, values in parts.items()}, files


def _spelled_alike(label: str, other: str) -> bool:
    """Return whether two labels are the same but for case and spaces."""
    return label.strip().casefold() == other.strip().casefold()


def _numbers(
    signal: NDArray[np.float64],
    background: NDArray[np.float64],
    cut: float,
    level: float,
    reach: tuple[float, float],
) -> dict[str, Any]:
    """Return all numbers of the evaluation; ``reach`` are the ends of the cuts."""
    cuts = np.linspace(*reach, 101)
    area = metrics.auc_interval(signal=signal, background=background, level=level)
    matrix = metrics.confusion_at_cut(signal=signal, background=background, cut=cut)
    accuracy = metrics.accuracy(matrix, level)
    at_cut = {
        "signal_efficiency": metrics.efficiency(signal, [cut], level),
        "background_efficiency": metrics.efficiency(background, [cut], level),
    }
    return {
        "auc": float(area.value),
        "auc_low": float(area.low),
        "auc_high": float(area.high),
        "confidence": level,
        "signal_events": len(signal),
        "background_events": len(background),
        "cut": cut,
        **{name: [float(part[0]) for part in (i.value, i.low, i.high)] for name, i in at_cut.items()},
        "accuracy": [float(accuracy.value), float(accuracy.low), float(accuracy.high)],
        "confusion_classes": ["background", "signal"],
        "confusion": matrix.tolist(),
        "cuts": cuts.tolist(),
        "signal_efficiency_at_cuts": metrics.efficiency(signal, cuts, level).value.tolist(),
        "background_efficiency_at_cuts": metrics.efficiency(background, cuts, level).value.tolist(),
    }


def _figures(
    scores: Scores, matrix: NDArray[np.int64], level: float, name: str, is_share: bool
) -> dict[str, Figure]:
    """Return all figures of the evaluation; scores that are no shares (``is_share``) have no logits."""
    signal, background = scores["signal"], scores["background"]
    logits = {"scores_logit": figures.score_histogram(scores, logit=True, log=True)} if is_share else {}
    return {
        "roc": figures.roc({name: (signal, background)}, level),
        "roc_log": figures.roc({name: (signal, background)}, level, log=True),
        "efficiency": figures.efficiency(signal, background, level=level),
        "scores": figures.score_histogram(scores),
        **logits,
        "confusion": figures.confusion(matrix, ["background", "signal"]),
    }
