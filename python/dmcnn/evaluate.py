"""Judge score CSVs: ``python -m dmcnn.evaluate signal=… background=… [key=value …]``."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmcnn.command import run
from dmcnn.errors import InputError, nearest
from dmcnn.files import expand, replacing, writable
from dmcnn.settings import EvaluateSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = logging.getLogger("dmcnn")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    return run("evaluate", evaluate, argv)


def evaluate(settings: EvaluateSettings) -> None:
    """Numbers in one JSON, figures as PNG and PDF."""
    import numpy as np

    folder = writable(settings.output_dir)
    files: list[dict[str, Any]] = []
    scores = _labelled(settings, files) if settings.scores is not None else _separate(settings, files)
    for kind, values in scores.items():
        if not len(values):
            names = ", ".join(file["file"] for file in files)
            raise InputError(f"no scored {kind} event in {names}")
    numbers = {**_numbers(settings, scores["signal"], scores["background"]), "files": files}
    stem = folder / f"DM-CNN_evaluation{settings.tag}"
    with replacing(stem.with_name(stem.name + ".json")) as temporary:
        temporary.write_text(json.dumps(numbers, indent=1) + "\n")
    settings.save(stem)
    _draw(settings, scores, np.array(numbers["confusion"]), stem)
    for file in files:
        log.info("%(file)s: %(rows)d rows, %(unscored)d without score (left out)", file)
    log.info(
        "AUC %.6f [%.6f, %.6f] (%g %% interval), %d signal and %d background events",
        *(numbers[key] for key in ("auc", "auc_low", "auc_high")),
        100 * settings.confidence,
        *(numbers[key] for key in ("signal_events", "background_events")),
    )
    log.info("%s.json", stem)


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
