"""Several classes: every class against what was predicted, and against all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError, nearest
from dmcnn.evaluation import Evaluation, file_lines, three
from dmcnn.figures import class_counts
from dmcnn.figures import classification as figures
from dmcnn.metrics import classification as metrics
from dmcnn.tables import table


@dataclass(frozen=True)
class ClassScores:
    """Scored and labelled events: class names, (n,) true class numbers, (n, classes) scores, and their files."""

    classes: list[str]
    label: NDArray[np.int64]
    scores: NDArray[np.float64]
    files: list[dict[str, Any]]


def judge(paths: Sequence[str], *, level: float) -> Evaluation:
    """Numbers and figures of the tables of a network without a signal class.

    Args:
        level: confidence level of all intervals.
    """
    found = read(paths)
    names, label = found.classes, found.label
    guess = found.scores.argmax(axis=1)
    matrix = metrics.confusion(label, guess, len(names))
    right, share = metrics.accuracy(matrix, level), metrics.class_accuracy(matrix, level)
    of_class = [
        three(metrics.Interval(*ends)) for ends in zip(share.value, share.low, share.high, strict=True)
    ]
    pairs = {
        name: (found.scores[label == i, i], found.scores[label != i, i])
        for i, name in enumerate(names)
        if 0 < (label == i).sum() < len(label)
    }
    areas = {
        name: metrics.auc_interval(signal=s, background=b, level=level) for name, (s, b) in pairs.items()
    }
    numbers = {
        "events": len(label),
        "confidence": level,
        "accuracy": three(right),
        "classes": names,
        "class_accuracy": dict(zip(names, of_class, strict=True)),
        "auc_one_against_the_rest": {name: three(area) for name, area in areas.items()},
        "confusion": matrix.tolist(),
        "files": found.files,
    }
    true, predicted = (
        dict(zip(names, np.bincount(of, minlength=len(names)).tolist(), strict=True)) for of in (label, guess)
    )
    drawn = {
        "confusion": figures.confusion(matrix, names),
        "classes": class_counts.distribution(true, predicted),
        "roc": figures.roc(pairs, level),
    }
    told = f"accuracy {right.value:.4f} [{right.low:.4f}, {right.high:.4f}] ({100 * level:g} % interval)"
    lines = [f"{told}, {len(label)} events of {len(names)} classes"]
    for i, name in enumerate(names):
        told = f"{share.value[i]:.3f} [{share.low[i]:.3f}, {share.high[i]:.3f}]"
        lines.append(f"  {name}: {matrix[i, i]} of {matrix[i].sum()} right, {told}")
    return Evaluation(numbers, drawn, [*file_lines(found.files), *lines])


def read(paths: Sequence[str]) -> ClassScores:
    """The events of all score files; every one must have the same classes, and every scored event a label."""
    classes: list[str] = []
    labels: list[int] = []
    parts: list[NDArray[np.float64]] = []
    files: list[dict[str, Any]] = []
    for path in paths:
        rows = table.read(path, ["label", "predicted"])
        here = [name.removeprefix("p_") for name in rows.columns if name.startswith("p_")]
        classes = classes or here
        if here != classes:
            raise InputError(f"{path}: scores of {here}, expected those of {classes} as in the first file")
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
