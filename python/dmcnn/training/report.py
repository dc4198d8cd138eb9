"""Report of a training: scores, card and figures at its end."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn.figures import classification
from dmcnn.figures.save import save_figure
from dmcnn.formats import origin
from dmcnn.tasks import Result
from dmcnn.training import baseline
from dmcnn.training.baseline import Baseline
from dmcnn.training.data import Data
from dmcnn.training.loop import Progress
from dmcnn.training.model_card import is_finished, standard_errors, with_result, write_card, write_scores
from dmcnn.training.session import Run

log = logging.getLogger("dmcnn")


def report(run: Run, progress: Progress, data: Data, about: dict[str, Any]) -> None:
    """Log the result on all test events beside a baseline; write scores, model card, figures and training curves."""
    card, images, test = run.card, data.images, data.images["test"]
    of_sums = baseline.report(images["train"], test, card.classes.index(card.signal)) if card.signal else None
    result, outputs = run.finish(progress, test, of_sums)
    first, *more = result.lines()
    log.info("\n".join([f"test: {first}", *more, *run.card.remarks]))
    _record(run, progress, data, about, result, outputs, of_sums)
    note = origin.common_text(run.card.origin)
    for name, figure in run.task.figures(result).items():
        save_figure(figure, run.files.figure(name), note=note)
    if progress.rows:
        if violation := min(row.get("violation", 0.0) for row in progress.rows):
            log.warning(
                "warning: no evaluation met all constraints: the smallest violation is %.3g; try a higher "
                "constraint_rate or learning_rate, a longer training, or looser constraints",
                violation,
            )
        columns = {name: [row[name] for row in progress.rows] for name in progress.rows[0]}
        curves = classification.training(columns["step"], run.task.panels(columns))
        save_figure(curves, run.files.curves, note=note)
        log.info("metrics: %s", run.files.metrics)
    if run.save_every_step:
        log.info("weights: %s", run.files.best)


def _record(
    run: Run,
    progress: Progress,
    data: Data,
    about: dict[str, Any],
    result: Result,
    outputs: NDArray[np.float64],
    of_sums: Baseline | None,
) -> None:
    """Write the scores of validation and test events, and the model card, unless a finished training is only read."""
    if progress.step == run.first_step and is_finished(run.files.card):
        return
    evaluation: Mapping[str, float] = {}
    write_scores(run.files.scores("test"), run.task, outputs, data.images["test"], data.files["test"])
    if (images := data.images.get("validation")) is not None:
        scored = run.network_outputs(images)
        write_scores(run.files.scores("validation"), run.task, scored, images, data.files["validation"])
        evaluation = run.task.evaluate(run.net, scored, images).numbers
    errors = standard_errors(run.task, run.net, outputs, data.images["test"])
    step = progress.step if progress.best is None else progress.best
    of_sums_alone = of_sums and asdict(of_sums)
    write_card(run.files.card, with_result(about, run, step, result, errors, evaluation, of_sums_alone))
