"""Evaluation of several classes: confusion matrix, accuracies, and AUC of each class against the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dmcnn._common.errors import InputError, nearest
from dmcnn.evaluation import EvaluationResult, file_lines, interval_numbers, weights
from dmcnn.evaluation.rows import Read
from dmcnn.evaluation.weights import Events, Rule
from dmcnn.figures import class_counts
from dmcnn.figures import classification as figures
from dmcnn.metrics import classification as metrics
from dmcnn.tables import table


@dataclass(frozen=True)
class ClassScores:
    """Events with scores and labels.

    Attributes:
        classes: names of the classes.
        label: (n,) true class numbers.
        scores: (n, classes) scores.
        weight: (n,) weights; None = 1 each.
        files: counts of the rows of each table.
    """

    classes: list[str]
    label: NDArray[np.int64]
    scores: NDArray[np.float64]
    weight: NDArray[np.float64] | None
    files: list[dict[str, Any]]

    @property
    def negative(self) -> int:
        """Number of events with a negative weight."""
        return 0 if self.weight is None else int((self.weight < 0).sum())

    def matrix(self, power: int = 1) -> metrics.Matrix:
        """Return the confusion matrix: events, or sums of their weights raised to ``power``."""
        weight = None if self.weight is None else self.weight**power
        return metrics.confusion(self.label, self.scores.argmax(axis=1), len(self.classes), weight)

    def of_class(self, i: int) -> tuple[Events, Events]:
        """Return the scores of class ``i`` of its own events, and of those of all other classes."""
        rows = self.label == i
        own, rest = (
            Events(self.scores[at, i], None if self.weight is None else self.weight[at])
            for at in (rows, ~rows)
        )
        return own, rest

    def against_the_rest(self) -> dict[str, tuple[Events, Events]]:
        """Return the scores of every class for its events and for those of all others, where both exist."""
        pairs = {name: self.of_class(i) for i, name in enumerate(self.classes)}
        return {name: (s, b) for name, (s, b) in pairs.items() if len(s.score) and len(b.score)}


def judge(events: ClassScores, *, level: float, event_weight: Rule = None) -> EvaluationResult:
    """Evaluate the scores from ``read`` of a network without a signal class.

    Negative weights stay in the confusion matrix; accuracies, ROC curves and AUCs are then left out.

    Args:
        events: scored events.
        level: confidence level of all intervals.
        event_weight: rule of the weights, for the report.
    """
    names, matrix = events.classes, events.matrix()
    kinds = {name: events.of_class(i)[0] for i, name in enumerate(names)}
    numbers: dict[str, Any] = {
        "events": len(events.label),
        "confidence": level,
        **weights.numbers(event_weight, kinds),
        "classes": names,
        "confusion": matrix.tolist(),
        "files": events.files,
    }
    drawings: dict[str, Figure] = {"confusion": figures.confusion(matrix, names)}
    lines = file_lines(events.files)
    if negative := events.negative:
        lines.append(f"{negative} negative weights: sums only, no accuracy, ROC curve or AUC")
        return EvaluationResult(numbers, drawings, lines)
    squares = None if events.weight is None else events.matrix(power=2)
    right, share = metrics.accuracy(matrix, level, squares), metrics.class_accuracy(matrix, level, squares)
    intervals = [metrics.Interval(*ends) for ends in zip(share.value, share.low, share.high, strict=True)]
    numbers |= {
        "accuracy": interval_numbers(right),
        "class_accuracy": dict(zip(names, map(interval_numbers, intervals), strict=True)),
    }
    pairs = events.against_the_rest()
    samples = {name: (s.score, b.score) for name, (s, b) in pairs.items()}
    pair = None if events.weight is None else {name: (s.weight, b.weight) for name, (s, b) in pairs.items()}
    areas = {
        name: metrics.auc_interval(
            signal=s, background=b, level=level, weights=None if pair is None else pair[name]
        )
        for name, (s, b) in samples.items()
    }
    numbers["auc_one_against_the_rest"] = {name: interval_numbers(area) for name, area in areas.items()}
    drawings |= {"classes": _counts(matrix, squares, names), "roc": figures.roc(samples, level, weights=pair)}
    accuracy = f"accuracy {right.value:.4f} [{right.low:.4f}, {right.high:.4f}] ({100 * level:g} % interval)"
    lines.append(f"{accuracy}, {len(events.label)} events of {len(names)} classes")
    for i, name in enumerate(names):
        interval = f"{share.value[i]:.3f} [{share.low[i]:.3f}, {share.high[i]:.3f}]"
        lines.append(f"  {name}: {matrix[i, i]:.6g} of {matrix[i].sum():.6g} right, {interval}")
    return EvaluationResult(numbers, drawings, lines)


def _counts(matrix: metrics.Matrix, squares: metrics.Matrix | None, names: Sequence[str]) -> Figure:
    """Draw the number of events of each class, true beside predicted."""
    true, predicted = (dict(zip(names, matrix.sum(axis=axis).tolist(), strict=True)) for axis in (1, 0))
    scatter = None if squares is None else dict(zip(names, squares.sum(axis=0).tolist(), strict=True))
    return class_counts.distribution(true, predicted, squares=scatter)


def read(paths: Sequence[str], event_weight: Rule = None, read_table: Read = table.read) -> ClassScores:
    """Read the events of score tables.

    Raises:
        InputError: tables of different classes, a scored event without a valid label, or no scored event.
    """
    classes: list[str] = []
    labels: list[NDArray[np.int64]] = []
    parts: list[NDArray[np.float64]] = []
    weight_parts: list[NDArray[np.float64] | None] = []
    files: list[dict[str, Any]] = []
    for path in paths:
        rows = read_table(path)
        rows.need(["label", "predicted"])
        columns = _classes(rows)
        classes = classes or columns
        if columns != classes:
            raise InputError(f"{path}: scores of {columns}, expected those of {classes} as in the first file")
        scores = np.column_stack([table.scores_of(rows, f"p_{name}")[0] for name in classes])
        scored = ~np.isnan(scores).any(axis=1)
        (words, number), weight = rows.levels("label"), weights.of_rows(rows, event_weight)
        class_number = np.array([classes.index(word) if word in classes else -1 for word in words], np.int64)
        for row in np.flatnonzero(scored & (class_number[number] < 0))[:1].tolist():
            word = words[number[row]]
            raise InputError(
                f"{rows.place(row)}: label {word!r}{nearest(word, classes)}, expected one of {classes}"
            )
        labels.append(class_number[number[scored]])
        parts.append(scores[scored])
        weight_parts.append(None if weight is None else weight[scored])
        files.append({"file": path, "kind": "labelled", "rows": len(rows), "unscored": int((~scored).sum())})
    label = np.concatenate(labels)
    if not len(label):
        raise InputError(f"no scored event in {', '.join(file['file'] for file in files)}")
    return ClassScores(classes, label, np.concatenate(parts), weights.join(weight_parts), files)


def _classes(rows: table.Table) -> list[str]:
    """Return the classes of the columns p_<class> of a table, without those of the spread of several networks."""
    scores = [name for name in rows.columns if name.startswith("p_")]
    names = [
        name.removeprefix("p_")
        for name in scores
        if not (name.endswith("_spread") and name.removesuffix("_spread") in scores)
    ]
    if not names:
        raise InputError(f"{rows.path}: no column p_<class> with the scores of a class")
    return names
