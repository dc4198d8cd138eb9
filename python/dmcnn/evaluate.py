"""Judge score CSVs: ``python -m dmcnn.evaluate signal=… background=… [key=value …]``, or ``scores=…``."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dmcnn._common.errors import InputError
from dmcnn._common.files import expand, replacing, writable
from dmcnn.settings import EvaluateSettings
from dmcnn.settings.command import run

if TYPE_CHECKING:
    from dmcnn.evaluation import Evaluation

log = logging.getLogger("dmcnn")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    return run("evaluate", evaluate, argv)


def evaluate(settings: EvaluateSettings) -> None:
    """Numbers in one JSON, figures as PNG and PDF, of regression also tables as CSV."""
    from dmcnn.figures.save import save_figure
    from dmcnn.tables import table

    folder = writable(settings.output_dir)
    found = _judge(settings)
    stem = folder / f"DM-CNN_evaluation{settings.tag}"
    with replacing(stem.with_name(stem.name + ".json")) as temporary:
        temporary.write_text(json.dumps(found.numbers, indent=1, allow_nan=False) + "\n")
    settings.save(stem)
    for what, rows in found.tables.items():
        table.write(stem.with_name(f"{stem.name}_{what}.csv"), rows)
    for what, figure in found.figures.items():
        save_figure(figure, stem.with_name(f"{stem.name}_{what}"))
    for line in found.lines:
        log.info("%s", line)
    log.info("%s.json", stem)


def _judge(settings: EvaluateSettings) -> Evaluation:
    """What the tables tell, by what they hold."""
    from dmcnn.evaluation import classes, signal
    from dmcnn.evaluation.regression import comparison, naming
    from dmcnn.evaluation.regression.predictions import targets_of
    from dmcnn.tables import table

    level, name, column = settings.confidence, settings.name or "score", settings.score_column
    if settings.scores is None:
        kinds = {"signal": expand(settings.signal or []), "background": expand(settings.background or [])}
        return signal.judge(*signal.separate(kinds, column), cut=settings.cut, level=level, name=name)
    networks = naming.networks(settings.scores, settings.names)
    paths = [path for seeds in networks.values() for sample in seeds for path in sample]
    columns = table.read(paths[0]).columns
    if targets_of(columns):
        given = settings.weights
        weights = None if given is None else naming.weights(given, networks, settings.names)
        reach, bins = settings.fit_range, settings.profile_bins
        return comparison.judge(networks, weights, level=level, reach=reach, bins=bins)
    if settings.names is not None or settings.weights is not None or isinstance(settings.scores, dict):
        raise InputError(
            f"{paths[0]}: no column sigma_<target>, but only networks of regression are compared"
        )
    if "predicted" in columns and column not in columns:
        return classes.judge(paths, level=level)
    scores = signal.labelled(paths, column, settings.signal_label)
    return signal.judge(*scores, cut=settings.cut, level=level, name=name)


if __name__ == "__main__":
    sys.exit(main())
