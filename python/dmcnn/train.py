"""Train a network: ``python -m dmcnn.train cfg/training_config.cfg [key=value …]``."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from dmcnn._common import json_files
from dmcnn._common.errors import InputError
from dmcnn._common.extras import need
from dmcnn._common.files import atomic_file, output_folder
from dmcnn._common.interrupts import interrupt
from dmcnn._common.lock import SILENCE
from dmcnn._common.provenance import check_provenance, comments, provenance_of
from dmcnn.settings import TrainSettings, command

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dmcnn.images.sparse import SparseImages
    from dmcnn.tasks import Result
    from dmcnn.training.baseline import Baseline
    from dmcnn.training.batches import Batches
    from dmcnn.training.data import Data, Source
    from dmcnn.training.loop import Progress
    from dmcnn.training.ranks import Ranks
    from dmcnn.training.session import OutputFiles, Run, Watch

log = logging.getLogger("dmcnn")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    return command.run("train", train, argv)


def train(settings: TrainSettings, watch: Watch | None = None) -> None:
    """Read the data, train, evaluate, and write checkpoints, tables and figures; of several ranks, the first writes.

    Args:
        settings: settings of the command.
        watch: called with the rows of the metrics table and the engine after every evaluation.
    """
    from dmcnn.training.local_ranks import local_ranks
    from dmcnn.training.ranks import SIZE, connect

    started = os.environ.get(SIZE)
    if started and settings.ranks not in (1, int(started)):
        raise InputError(f"ranks = {settings.ranks}, but {started} processes were started ({SIZE})")
    here = settings.ranks > 1 and not started
    with (
        local_ranks(partial(_rank, settings), settings.ranks) if here else nullcontext(),
        connect(settings.GPUID) as ranks,
    ):
        is_whole = bool(settings.folds) and settings.fold is None and ranks.first
        with _files(settings).locked() if is_whole else nullcontext():
            for training in settings.trainings:
                _train(training, watch, ranks)
            if is_whole:
                _cross_validate(settings)


def _rank(settings: TrainSettings) -> int:
    """Train in a process that another one has started; return its exit status."""
    return command.exit_status(lambda: train(settings))


def _cross_validate(settings: TrainSettings) -> None:
    """Write the scores of all events, each by the training that did not see it, and the spread of the folds."""
    from dmcnn.tables import table
    from dmcnn.training import folds

    files = [_files(training) for training in settings.trainings]
    with ExitStack() as locks:
        for each in files:
            locks.enter_context(each.locked())  # else one could be trained anew meanwhile
        cards = [folds.read_card(each.card.with_name(f"{each.card.name}.json")) for each in files]
        scores = folds.out_of_fold([each.scores("validation") for each in files])
    numbers, spreads = folds.overall(cards[0]["model"], scores), folds.spread(cards)
    whole = _files(settings)
    table.write(whole.scores("out_of_fold"), scores)
    remarks = [folds.CHOSEN] if settings.run_test else []
    content = {"folds": len(cards), "out_of_fold": numbers, "spread": spreads, "remarks": remarks}
    json_files.write(whole.folds.with_name(f"{whole.folds.name}.json"), content)
    log.info("\n".join([*folds.lines(numbers, spreads, len(cards)), *remarks]))


def _files(settings: TrainSettings) -> OutputFiles:
    """Return the paths of all output files; their folders are made."""
    from dmcnn.training.session import OutputFiles

    folders = output_folder(settings.weights_directory), output_folder(settings.output_directory)
    return OutputFiles(*folders, settings.name)


def _train(settings: TrainSettings, watch: Watch | None, ranks: Ranks) -> None:
    """Take the part of one of several ranks, or of the only one, in a training."""
    import dmcnn
    from dmcnn.datasets.event_files import expand
    from dmcnn.formats.source import existing_file
    from dmcnn.training import data, setup
    from dmcnn.training.optimiser import Recipe
    from dmcnn.training.ranks import gpuid

    if settings.tensorboard:
        need("tensorboard")
    setup.check(settings.model, settings.architecture(), settings.constraints or [], settings.targets or [])
    files = _files(settings)
    wait = 2 * SILENCE if watch is not None else 0.0  # a trial is taken over sooner than its files may be
    with files.locked(wait) if ranks.first else nullcontext():
        settings = _with_validation(settings, files)
        sources = {part: data.Source(*source) for part, source in settings.sources.items()}
        provenance = provenance_of(path for source in sources.values() for path in expand(source.inputs))
        if (
            ranks.first and settings.resume and not files.last.exists()
        ):  # else the checkpoint tells what it was made from
            check_provenance(files.cfg, provenance)
        if settings.start_weights is not None and not (settings.resume and files.last.exists()):
            existing_file(settings.start_weights)
        loaded = _load(settings, sources)
        run, progress = setup.prepare(
            files,
            loaded,
            setup.NetworkOptions(**settings.network(settings.text(f"dmcnn {dmcnn.__version__}"))),
            Recipe(**settings.recipe()),
            setup.SessionOptions(**{**settings.session(), "gpuid": gpuid(settings.GPUID)}),
            setup.ConstraintOptions(**settings.multipliers()) if settings.constraints else None,
            watch,
            ranks,
        )
        if settings.find_rate:
            _find_rate(settings, run, loaded.images)
            return
        if ranks.first:
            with atomic_file(files.cfg) as temporary:
                lines = "".join(f"# {line}\n" for line in comments(provenance))
                temporary.write_text(run.card.cfg + lines, encoding="utf-8")
        _fit(settings, run, progress, loaded, provenance)


def _load(settings: TrainSettings, sources: dict[str, Source]) -> Data:
    """Read the images of all parts with their classes or targets."""
    from dmcnn._common.files import expand
    from dmcnn.datasets.labels import LabelRule
    from dmcnn.detectors.lartpc import DM_CNN_FILES
    from dmcnn.training import data
    from dmcnn.training.weights import EventWeights

    targets, csvs = settings.targets, settings.event_weight_csv
    rule = EventWeights(settings.event_weight, expand(csvs) if csvs else ())
    return data.load(
        sources,
        reading=settings.reading(),
        label=None
        if targets
        else LabelRule.parse(settings.label, tuple(settings.class_names), settings.signal_class),
        label_kinds=None if "label" in settings.model_fields_set else DM_CNN_FILES,
        targets=data.TargetOptions(targets, settings.target_scales, settings.pitch) if targets else None,
        shares=settings.shares,
        seed=settings.seed_number,
        cache=settings.cache,
        fold=None if settings.folds is None or settings.fold is None else (settings.fold, settings.folds),
        event_weights=rule if settings.event_weight else None,
        class_weights=settings.class_weights,
    )


def _with_validation(settings: TrainSettings, files: OutputFiles) -> TrainSettings:
    """Return the settings with the share of validation events: given, of a training that goes on, or the default."""
    from dmcnn.training.session import begun_settings

    if settings.folds or settings.input_validation is not None or settings.validation_fraction is not None:
        return settings
    if not (settings.resume and files.last.exists()):
        return settings.with_default_validation()
    begun = begun_settings(files.last)
    if settings.run_test and "validation_fraction" not in begun and "input_validation" not in begun:
        log.info(
            "%s: begun without validation events: the test events go on choosing the weights", files.last
        )
    return settings.model_copy(update={"validation_fraction": float(begun.get("validation_fraction", 0))})


def _batches(settings: TrainSettings, run: Run, images: dict[str, SparseImages], first: int = 0) -> Batches:
    """Return the batches of the training from step ``first`` on."""
    from dmcnn.training.batches import Batches

    _, height, width = images["train"].shape
    return Batches(
        images["train"],
        settings.batch_size_train * settings.accumulate,
        epochs=settings.EPOCHS,
        seed=run.card.seed or 0,
        augment=settings.augment,
        shift=(round(settings.augment_shift * height), round(settings.augment_shift * width)),
        rot90=settings.augment_rot90,
        rotation=settings.augment_rotation,
        charge=settings.augment_charge,
        dead_wires=settings.augment_dead_wires,
        noise=settings.augment_noise,
        mask=settings.augment_mask,
        scaling=settings.scaling,
        first=first,
        ranks=run.ranks,
        part=settings.batch_size_train,
        sparse=run.device.type == "cuda",
    )


def _find_rate(settings: TrainSettings, run: Run, images: dict[str, SparseImages]) -> None:
    """Write table and figure of the loss against the step size, and log a suggestion; train nothing."""
    from dmcnn.figures.rates import rates
    from dmcnn.figures.save import save_figure
    from dmcnn.tables import table
    from dmcnn.training.rates import STEPS, scan_rates

    epochs = -(-STEPS // run.steps_per_epoch)
    batches = _batches(settings.model_copy(update={"EPOCHS": epochs}), run, images)
    run.choose_engine(batches)
    scan = scan_rates(run, batches, run.card.seed or 0)
    if not run.ranks.first:
        return
    columns = {"learning_rate": scan.rate, "loss": scan.loss, "smoothed_loss": scan.smoothed}
    stem = run.files.rates
    table.write(stem.with_name(f"{stem.name}.csv"), table.Table.from_columns(columns))
    save_figure(rates(scan.rate, scan.loss, scan.smoothed, scan.suggestion), stem)
    if scan.suggestion is None:
        log.warning("warning: the loss fell at no step size: no learning_rate is suggested")
    else:
        log.info("suggestion: learning_rate = %.2g, a tenth of that with the smallest loss", scan.suggestion)


def _fit(
    settings: TrainSettings,
    run: Run,
    progress: Progress,
    data: Data,
    provenance: Mapping[str, str],
) -> None:
    """Train to the end and report; after an interrupt save, and raise KeyboardInterrupt."""
    from dmcnn.training.loop import fit
    from dmcnn.training.model_card import model_card, write_card
    from dmcnn.training.ranks import ALONE

    images = data.images
    batches = _batches(settings, run, images, progress.step)
    run.choose_engine(batches)
    _announce(run, images)
    card = model_card(run, images, provenance)
    if run.ranks.first and progress.step < run.total:
        write_card(run.files.card, card)
    if run.watch is not None and progress.rows:
        run.watch(progress.rows, run.engine)
    with _board(settings, run, progress):
        stopped_by = fit(
            run.net,
            batches,
            task=run.task,
            recipe=run.recipe,
            seed=run.card.seed or 0,
            device=run.device,
            precision=run.precision,
            progress=progress,
            after_step=run.after_step,
            constraints=run.constraints,
            engine=run.engine,
            ranks=run.ranks,
        )
    if stopped_by and progress.step < run.total:
        if run.save_every_step:
            run.save_last(progress)
            log.info("%s: saved after step %d of %d", run.files.last, progress.step, run.total)
        raise interrupt(stopped_by)
    if run.ranks.first:
        run.ranks = ALONE  # the others have ended
        _report(run, progress, data, card)


@contextmanager
def _board(settings: TrainSettings, run: Run, progress: Progress) -> Iterator[None]:
    """Let the run write for TensorBoard within the block, if it should, with the evaluations so far."""
    if not (settings.tensorboard and run.ranks.first):
        yield
        return
    from dmcnn.training.board import Board

    with Board(run.files.board) as run.board:
        run.board.write(progress.rows)
        yield


def _announce(run: Run, images: dict[str, SparseImages]) -> None:
    """Log the events of every part, the network, and the events of the evaluations."""
    for part, batch in images.items():
        labels = "" if batch.label is None else run.task.about(batch.label)
        log.info("%d %s events: %s", len(batch), "training" if part == "train" else part, labels)
    for remark in run.card.remarks:
        log.warning("warning: %s", remark)
    size = sum(parameter.numel() for parameter in run.net.parameters())
    log.info(
        "%s: %d parameters, %d steps on %s, precision %s, engine %s",
        run.card.model,
        size,
        run.total,
        run.device,
        run.precision,
        run.engine,
    )
    if run.test_every_step:
        part = run.task.part
        every, some, whole = run.test_every_step, len(run.chosen_on), len(images[part])
        reason = "" if some == whole else f" (test_events_nums = {some})"
        log.info("evaluating every %d steps on %d of %d %s events%s", every, some, whole, part, reason)


def _report(run: Run, progress: Progress, data: Data, model_card: dict[str, Any]) -> None:
    """Log the result on all test events beside a baseline; write scores, model card, figures and training curves."""
    from dmcnn.figures import classification
    from dmcnn.figures.save import save_figure
    from dmcnn.formats import origin
    from dmcnn.training import baseline

    card, images, test = run.card, data.images, data.images["test"]
    of_sums = baseline.report(images["train"], test, card.classes.index(card.signal)) if card.signal else None
    result, outputs = run.finish(progress, test, of_sums)
    first, *more = result.lines()
    log.info("\n".join([f"test: {first}", *more, *run.card.remarks]))
    _record(run, progress, data, model_card, result, outputs, of_sums)
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
    card: dict[str, Any],
    result: Result,
    outputs: NDArray[np.float64],
    baseline: Baseline | None,
) -> None:
    """Write the scores of validation and test events, and the model card, unless a finished training is only read."""
    from dataclasses import asdict

    from dmcnn.training.model_card import is_finished, standard_errors, with_result, write_card, write_scores

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
    about = with_result(card, run, step, result, errors, evaluation, baseline and asdict(baseline))
    write_card(run.files.card, about)


if __name__ == "__main__":
    sys.exit(main())
