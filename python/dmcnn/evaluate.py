"""Judge score CSVs: ``python -m dmcnn.evaluate signal=… background=… [key=value …]``."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmcnn.command import run
from dmcnn.errors import InputError, nearest
from dmcnn.files import expand, replacing, writable
from dmcnn.settings import EvaluateSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dmcnn.metrics import Interval

log = logging.getLogger("dmcnn")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    return run("evaluate", evaluate, argv)


def evaluate(settings: EvaluateSettings) -> None:
    """Numbers in one JSON, figures as PNG and PDF."""
    if settings.scores is not None and _several_classes(settings):
        _evaluate_classes(settings)
    else:
        _evaluate_signal(settings)


def _several_classes(settings: EvaluateSettings) -> bool:
    """Whether the score files are those of a network without a signal class."""
    from dmcnn.writers import table

    columns = table.read(expand(settings.scores or [])[0]).columns
    return "predicted" in columns and settings.score_column not in columns


def _evaluate_signal(settings: EvaluateSettings) -> None:
    """Signal against background."""
    import numpy as np

    folder = writable(settings.output_dir)
    files: list[dict[str, Any]] = []
    scores = _labelled(settings, files) if settings.scores is not None else _separate(settings, files)
    for kind, values in scores.items():
        if not len(values):
            names = ", ".join(file["file"] for file in files)
            raise InputError(f"no scored {kind} event in {names}")
    numbers = {**_numbers(settings, scores["signal"], scores["background"]), "files": files}
    stem = _save(settings, folder, numbers)
    _draw(settings, scores, np.array(numbers["confusion"]), stem)
    log.info(
        "AUC %.6f [%.6f, %.6f] (%g %% interval), %d signal and %d background events",
        *(numbers[key] for key in ("auc", "auc_low", "auc_high")),
        100 * settings.confidence,
        *(numbers[key] for key in ("signal_events", "background_events")),
    )
    log.info("%s.json", stem)


def _save(settings: EvaluateSettings, folder: Path, numbers: dict[str, Any]) -> Path:
    """The JSON and the used cfg, and a word on every file; the stem of all outputs."""
    stem = folder / f"DM-CNN_evaluation{settings.tag}"
    with replacing(stem.with_name(stem.name + ".json")) as temporary:
        temporary.write_text(json.dumps(numbers, indent=1) + "\n")
    settings.save(stem)
    for file in numbers["files"]:
        log.info("%(file)s: %(rows)d rows, %(unscored)d without score (left out)", file)
    return stem


def _evaluate_classes(settings: EvaluateSettings) -> None:
    """Several classes: every class against what was predicted, and against all others."""
    import numpy as np

    from dmcnn import metrics
    from dmcnn.figures import classes as class_figures
    from dmcnn.figures import curves
    from dmcnn.writers.figure import save_figure

    folder = writable(settings.output_dir)
    found = _class_scores(settings)
    names, label, level = found.classes, found.label, settings.confidence
    guess = found.scores.argmax(axis=1)
    matrix = metrics.confusion(label, guess, len(names))
    right, share = metrics.accuracy(matrix, level), metrics.class_accuracy(matrix, level)
    pairs = {
        name: (found.scores[label == i, i], found.scores[label != i, i])
        for i, name in enumerate(names)
        if 0 < (label == i).sum() < len(label)
    }
    areas = {name: metrics.auc_interval(*pair, level) for name, pair in pairs.items()}
    numbers = {
        "events": len(label),
        "confidence": level,
        "accuracy": _three(right),
        "classes": names,
        "class_accuracy": {
            name: _three(metrics.Interval(share.value[i], share.low[i], share.high[i]))
            for i, name in enumerate(names)
        },
        "auc_one_against_the_rest": {name: _three(area) for name, area in areas.items()},
        "confusion": matrix.tolist(),
        "files": found.files,
    }
    stem = _save(settings, folder, numbers)
    counts = {what: dict(zip(names, np.bincount(of, minlength=len(names)).tolist(), strict=True))
              for what, of in (("true", label), ("predicted", guess))}  # fmt: skip
    figures = {
        "confusion": curves.confusion(matrix, names),
        "classes": class_figures.distribution(counts["true"], counts["predicted"]),
        "roc": curves.roc(pairs, level),
    }
    for what, figure in figures.items():
        save_figure(figure, stem.with_name(f"{stem.name}_{what}"))
    log.info(
        "accuracy %.4f [%.4f, %.4f] (%g %% interval), %d events of %d classes",
        *_three(right), 100 * level, len(label), len(names),
    )  # fmt: skip
    for i, name in enumerate(names):
        log.info("  %s: %d of %d right, %.3f [%.3f, %.3f]", name, matrix[i, i], matrix[i].sum(),
                 share.value[i], share.low[i], share.high[i])  # fmt: skip
    log.info("%s.json", stem)


def _three(interval: Interval) -> list[float | None]:
    """Value and ends for JSON, which has no NaN."""
    numbers = (float(interval.value), float(interval.low), float(interval.high))
    return [None if number != number else number for number in numbers]


@dataclass(frozen=True)
class ClassScores:
    """Scored and labelled events: class names, (n,) true class numbers, (n, classes) scores, and their files."""

    classes: list[str]
    label: NDArray[np.int64]
    scores: NDArray[np.float64]
    files: list[dict[str, Any]]


def _class_scores(settings: EvaluateSettings) -> ClassScores:
    """The events of all score files; every one must have the same classes, and every scored event a label."""
    import numpy as np

    from dmcnn.writers import table

    classes: list[str] = []
    labels: list[int] = []
    parts: list[NDArray[np.float64]] = []
    files: list[dict[str, Any]] = []
    for path in expand(settings.scores or []):
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


def _separate(settings: EvaluateSettings, files: list[dict[str, Any]]) -> dict[str, NDArray[np.float64]]:
    """Scored events of the signal files and of the background files."""
    import numpy as np

    from dmcnn.writers import table

    found = {}
    for kind, paths in (("signal", settings.signal), ("background", settings.background)):
        parts = []
        for path in expand(paths or []):
            values, counts = table.scores(path, settings.score_column)
            parts.append(values[~np.isnan(values)])
            files.append({"file": path, "kind": kind, "rows": counts.rows, "unscored": counts.unscored})
        found[kind] = np.concatenate(parts)
    return found


def _labelled(settings: EvaluateSettings, files: list[dict[str, Any]]) -> dict[str, NDArray[np.float64]]:
    """Scored events of files that hold both kinds, told apart by their label column."""
    import numpy as np

    from dmcnn.writers import table

    parts: dict[str, list[NDArray[np.float64]]] = {"signal": [], "background": []}
    labels: set[str] = set()
    for path in expand(settings.scores or []):
        values, counts = table.scores(path, settings.score_column)
        rows = table.read(path, ["label"])
        label = np.array(rows.column("label"), str)
        scored = ~np.isnan(values)
        blank = np.flatnonzero(scored & (label == ""))
        if len(blank):
            raise InputError(f"{rows.place(int(blank[0]))}: a scored event without label, expected its class")
        labels |= set(label[scored].tolist())
        parts["signal"].append(values[scored & (label == settings.signal_label)])
        parts["background"].append(values[scored & (label != settings.signal_label)])
        files.append({"file": path, "kind": "labelled", "rows": counts.rows, "unscored": counts.unscored})
    if settings.signal_label not in labels:
        close = nearest(settings.signal_label, labels)
        raise InputError(
            f"no event is labelled {settings.signal_label!r}; found {', '.join(sorted(labels))}{close}"
        )
    return {kind: np.concatenate(values) for kind, values in parts.items()}


def _numbers(
    settings: EvaluateSettings, signal: NDArray[np.float64], background: NDArray[np.float64]
) -> dict[str, Any]:
    """Every number of the evaluation; JSON has no NaN, so what is undefined is null."""
    import numpy as np

    from dmcnn import metrics

    level = settings.confidence
    cuts = np.linspace(0, 1, 101)
    area = metrics.auc_interval(signal, background, level)
    matrix = metrics.confusion_at_cut(signal, background, settings.cut)
    accuracy = metrics.accuracy(matrix, level)
    at_cut = {
        "signal_efficiency": metrics.efficiency(signal, [settings.cut], level),
        "background_efficiency": metrics.efficiency(background, [settings.cut], level),
    }
    return {
        "auc": float(area.value),
        "auc_low": float(area.low),
        "auc_high": float(area.high),
        "confidence": level,
        "signal_events": len(signal),
        "background_events": len(background),
        "cut": settings.cut,
        **{name: [float(part[0]) for part in (i.value, i.low, i.high)] for name, i in at_cut.items()},
        "accuracy": [float(accuracy.value), float(accuracy.low), float(accuracy.high)],
        "confusion_classes": ["background", "signal"],
        "confusion": matrix.tolist(),
        "cuts": cuts.tolist(),
        "signal_efficiency_at_cuts": metrics.efficiency(signal, cuts, level).value.tolist(),
        "background_efficiency_at_cuts": metrics.efficiency(background, cuts, level).value.tolist(),
    }


def _draw(
    settings: EvaluateSettings, scores: dict[str, NDArray[np.float64]], matrix: NDArray[np.int64], stem: Path
) -> None:
    from dmcnn.figures import curves
    from dmcnn.writers.figure import save_figure

    signal, background = scores["signal"], scores["background"]
    name = settings.name or "score"
    figures = {
        "roc": curves.roc({name: (signal, background)}, settings.confidence),
        "roc_log": curves.roc({name: (signal, background)}, settings.confidence, log=True),
        "efficiency": curves.efficiency(signal, background, level=settings.confidence),
        "scores": curves.scores(scores),
        "scores_logit": curves.scores(scores, logit=True, log=True),
        "confusion": curves.confusion(matrix, ["background", "signal"]),
    }
    for what, figure in figures.items():
        save_figure(figure, stem.with_name(f"{stem.name}_{what}"))


if __name__ == "__main__":
    sys.exit(main())
