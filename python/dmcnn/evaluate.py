"""Evaluate score CSVs: ``python -m dmcnn.evaluate signal=… background=… [key=value …]``, or ``scores=…``."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
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
    from tqdm import tqdm

    from dmcnn.figures.save import save_figure
    from dmcnn.tables import table

    folder = output_folder(settings.output_dir)
    result = _judge(settings)
    origins = _origins(settings)
    stem = folder / f"DM-CNN_evaluation{settings.tag}"
    with atomic_file(stem.with_name(stem.name + ".json")) as temporary:
        numbers = {**result.numbers, "origin": origins}
        temporary.write_text(json.dumps(numbers, indent=1, allow_nan=False) + "\n")
    settings.save(stem)
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

    texts = (text for path in _paths(settings) for text in table.distinct(path, "origin"))
    return list(dict.fromkeys(texts))


def _paths(settings: EvaluateSettings) -> list[str]:
    """Return the paths of all score tables."""
    from dmcnn.evaluation.regression import naming

    if settings.scores is None:
        return [*expand(settings.signal or []), *expand(settings.background or [])]
    networks = naming.networks(settings.scores, settings.names)
    return [path for seeds in networks.values() for sample in seeds for path in sample]


def _judge(settings: EvaluateSettings) -> EvaluationResult:
    """Evaluate the score tables as a signal, as classes or as regression, according to their columns."""
    from dmcnn.evaluation import classes, signal
    from dmcnn.evaluation.regression import comparison, naming
    from dmcnn.evaluation.regression.predictions import estimated_targets
    from dmcnn.tables import table

    level, name, column = settings.confidence, settings.name or "score", settings.score_column
    if settings.scores is None:
        kinds = {"signal": expand(settings.signal or []), "background": expand(settings.background or [])}
        return signal.judge(*signal.read_separate(kinds, column), cut=settings.cut, level=level, name=name)
    networks = naming.networks(settings.scores, settings.names)
    paths = [path for seeds in networks.values() for sample in seeds for path in sample]
    columns = table.read(paths[0]).columns
    if estimated_targets(columns):
        files = settings.weights
        weights = None if files is None else naming.weights(files, networks, settings.names)
        reach, bins = settings.fit_range, settings.profile_bins
        return comparison.judge(networks, weights, level=level, reach=reach, bins=bins)
    if settings.names is not None or settings.weights is not None or isinstance(settings.scores, dict):
        raise InputError(
            f"{paths[0]}: no column sigma_<target>; names, weights and {{network: …}} need tables of regression"
        )
    if "predicted" in columns and column not in columns:
        return classes.judge(paths, level=level)
    scores = signal.read_labelled(paths, column, settings.signal_label)
    return signal.judge(*scores, cut=settings.cut, level=level, name=name)


if __name__ == "__main__":
    sys.exit(main())
