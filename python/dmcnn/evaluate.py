"""Evaluate score CSVs: ``python -m dmcnn.evaluate signal=… background=… [key=value …]``, or ``scores=…``."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dmcnn._common.errors import InputError
from dmcnn._common.files import atomic_file, expand, output_folder
from dmcnn.settings import EvaluateSettings
from dmcnn.settings.command import run

if TYPE_CHECKING:
    from dmcnn.evaluation import EvaluationResult

log = logging.getLogger("dmcnn")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return run("evaluate", evaluate, argv)


def evaluate(settings: EvaluateSettings) -> None:
    """Write numbers as JSON and figures as PNG and PDF, for regression also tables as CSV."""
    folder = output_folder(settings.output_dir)
    stem = folder / f"DM-CNN_evaluation{settings.tag}"
    with settings.results_at(stem, settings.tables()):
        _write(_judge(settings), _origins(settings), stem)


def _write(result: EvaluationResult, origins: list[str], stem: Path) -> None:
    """Write numbers, tables and figures of an evaluation of events of these ``origins``, and log its lines."""
    from tqdm import tqdm

    from dmcnn.figures.save import save_figure
    from dmcnn.tables import table

    with atomic_file(stem.with_name(stem.name + ".json")) as temporary:
        numbers = {**result.numbers, "origin": origins}
        temporary.write_text(json.dumps(numbers, indent=1, allow_nan=False) + "\n")
    for ending, rows in result.tables.items():
        table.write(stem.with_name(f"{stem.name}_{ending}.csv"), rows)
    for ending, figure in tqdm(result.figures.items(), desc="figures", unit="figure", disable=None):
        save_figure(figure, stem.with_name(f"{stem.name}_{ending}"), note=", ".join(origins))
    for line in result.lines:
        log.info("%s", line)
    if origins:
        log.info("events: %s", ", ".join(origins))


def _origins(settings: EvaluateSettings) -> list[str]:
    """Return what the score tables state of the origin of their events, each text once."""
    from dmcnn.tables import table

    texts = (text for path in settings.tables() for text in table.distinct(path, "origin"))
    return list(dict.fromkeys(texts))


def _judge(settings: EvaluateSettings) -> EvaluationResult:
    """Evaluate the score tables as a signal, as classes or as regression, according to their columns."""
    from dmcnn.evaluation import classes, signal
    from dmcnn.evaluation.regression import comparison, naming
    from dmcnn.evaluation.regression.predictions import estimated_targets
    from dmcnn.tables import table

    level, name, column = settings.confidence, settings.name or "score", settings.score_column
    rule = settings.event_weight
    if settings.scores is None:
        kinds = {"signal": expand(settings.signal or []), "background": expand(settings.background or [])}
        scores = signal.read_separate(kinds, column, rule)
        return signal.judge(*scores, cut=settings.cut, level=level, name=name, event_weight=rule)
    networks = naming.networks(settings.scores, settings.names)
    paths = [path for seeds in networks.values() for sample in seeds for path in sample]
    columns = table.names(paths[0])
    if estimated_targets(columns):
        files = settings.weights
        weights = None if files is None else naming.weights(files, networks, settings.names)
        reach, bins = settings.fit_range, settings.profile_bins
        return comparison.judge(
            networks, weights, level=level, reach=reach, bins=bins, event_weight=rule, own=settings.model
        )
    if settings.names is not None or settings.weights is not None or isinstance(settings.scores, dict):
        raise InputError(
            f"{paths[0]}: no column sigma_<target>; names, weights and {{network: …}} need tables of regression"
        )
    if "predicted" in columns and column not in columns:
        return classes.judge(paths, level=level, event_weight=rule)
    scores = signal.read_labelled(paths, column, settings.signal_label, rule)
    return signal.judge(*scores, cut=settings.cut, level=level, name=name, event_weight=rule)


if __name__ == "__main__":
    sys.exit(main())
