"""Evaluation of several classes: confusion matrix, accuracies, and AUC of each class against the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError, nearest
from dmcnn.evaluation import EvaluationResult, file_lines, interval_numbers
from dmcnn.figures import class_counts
from dmcnn.figures import classification as figures
from dmcnn.metrics import classification as metrics
from dmcnn.tables import table


@dataclass(frozen=True)
class ClassScores:
    """Events with scores and labels: class names, (n,) true class numbers, (n, classes) scores, and their files."""

    classes: list[str]
    label: NDArray[np.int64]
    scores: NDArray[np.float64]
    files: list[dict[str, Any]]


def judge(paths: Sequence[str], *, level: float) -> EvaluationResult:
    """Evaluate the score tables of a network without a signal class.

    Args:
        paths: score tables.
        level: confidence level of all intervals.

    Raises:
        InputError: tables of different classes, a scored event without a valid label, or no scored event.
    """
    events = read(paths)
    names, label = events.classes, events.label
    prediction = events.scores.argmax(axis=1)
    matrix = metrics.confusion(label, prediction, len(names))
    right, share = metrics.accuracy(matrix, level), metrics.class_accuracy(matrix, level)
    class_intervals = [
        interval_numbers(metrics.Interval(*ends))
        for ends in zip(share.value, share.low, share.high, strict=True)
    ]
    pairs = {
        name: (events.scores[label == i, i], events.scores[label != i, i])
        for i, name in enumerate(names)
        if 0 < (label == i).sum() < len(label)
    }
    areas = {
        name: metrics.auc_interval(signal=s, background=b, level=level) for name, (s, b) in pairs.items()
    }
    numbers = {
        "events": len(label),
        "confidence": level,
        "accuracy": interval_numbers(right),
        "classes": names,
        "class_accuracy": dict(zip(names, class_intervals, strict=True)),
        "auc_one_against_the_rest": {name: interval_numbers(area) for name, area in areas.items()},
        "confusion": matrix.tolist(),
        "files": events.files,
    }
    true, predicted = (
        dict(zip(names, np.bincount(numbers, minlength=len(names)).tolist(), strict=True))
        for numbers in (label, prediction)
    )
    drawings = {
        "confusion": figures.confusion(matrix, names),
        "classes": class_counts.distribution(true, predicted),
        "roc": figures.roc(pairs, level),
    }
    accuracy = f"accuracy {right.value:.4f} [{right.low:.4f}, {right.high:.4f}] ({100 * level:g} % interval)"
    lines = [f"{accuracy}, {len(label)} events of {len(names)} classes"]
    for i, name in enumerate(names):
        interval = f"{share.value[i]:.3f} [{share.low[i]:.3f}, {share.high[i]:.3f}]"
        lines.append(f"  {name}: {matrix[i, i]} of {matrix[i].sum()} right, {interval}")
    return EvaluationResult(numbers, drawings, [*file_lines(events.files), *lines])


def read(paths: Sequence[str]) -> ClassScores:
    """Read the events of score tables.

    Raises:
        InputError: tables of different classes, a scored event without a valid label, or no scored event.
    """
    classes: list[str] = []
    labels: list[int] = []
    parts: list[NDArray[np.float64]] = []
    files: list[dict[str, Any]] = []
    for path in paths:
        rows = table.read(path, ["label", "predicted"])
        columns = [name.removeprefix("p_") for name in rows.columns if name.startswith("p_")]
        classes = classes or columns
        if columns != classes:
            raise InputError(f"{path}: scores of {columns}, expected those of {classes} as in the first file")
        scores = np.column_stack([table.scores(path, f"p_{name}")[0] for name in classes])
        scored = ~np.isnan(scores).any(axis=1)
        words = rows.column("label")
        for row in np.flatnonzero(scored).tolist():
            if words[row] not in classes:
                raise InputError(
                    f"{rows.place(row)}: label {words[row]!r}{nearest(words[row], classes)}, expected one of "
                    f"{classes}"
                )
            labels.append(classes.index(words[row]))
        parts.append(scores[scored])
        files.append({"file": path, "kind": "labelled", "rows": len(words), "unscored": int((~scored).sum())})
    if not labels:
        raise InputError(f"no scored event in {', '.join(file['file'] for file in files)}")
    return ClassScores(classes, np.array(labels, np.int64), np.concatenate(parts), files)
