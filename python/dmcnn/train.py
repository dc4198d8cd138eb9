"""Train a network: ``python -m dmcnn.train cfg/training_config.cfg [key=value …]``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dmcnn._common.files import atomic_file, output_folder
from dmcnn._common.interrupts import interrupt
from dmcnn._common.provenance import check_provenance, comments, provenance_of
from dmcnn.settings import TrainSettings, command

if TYPE_CHECKING:
    from dmcnn.images.sparse import SparseImages
    from dmcnn.training.batches import Batches
    from dmcnn.training.data import Data, Source
    from dmcnn.training.loop import Progress
    from dmcnn.training.session import OutputFiles, Run, Watch

log = logging.getLogger("dmcnn")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    return command.run("train", train, argv)


def train(settings: TrainSettings, watch: Watch | None = None) -> None:
    """Read the data, train, evaluate, and write checkpoints, tables and figures.

    Args:
        settings: settings of the command.
        watch: called with the rows of the metrics table and the engine after every evaluation.
    """
    import dmcnn
    from dmcnn.datasets.event_files import expand
    from dmcnn.formats.source import existing_file
    from dmcnn.training import data, setup
    from dmcnn.training.optimiser import Recipe
    from dmcnn.training.session import OutputFiles

    setup.check(settings.model, settings.architecture(), settings.constraints or [], settings.targets or [])
    files = OutputFiles(
        output_folder(settings.weights_directory), output_folder(settings.output_directory), settings.name
    )
    with files.locked():
        settings = _with_validation(settings, files)
        sources = {part: data.Source(*source) for part, source in settings.sources.items()}
        provenance = provenance_of(path for source in sources.values() for path in expand(source.inputs))
        if settings.resume and not files.last.exists():  # else the checkpoint tells what it was made from
            check_provenance(files.cfg, provenance)
        if settings.start_weights is not None and not (settings.resume and files.last.exists()):
            existing_file(settings.start_weights)
        loaded = _load(settings, sources)
        run, progress = setup.prepare(
            files,
            loaded,
            setup.NetworkOptions(**settings.network(settings.text(f"dmcnn {dmcnn.__version__}"))),
            Recipe(**settings.recipe()),
            setup.SessionOptions(**settings.session()),
            setup.ConstraintOptions(**settings.multipliers()) if settings.constraints else None,
            watch,
        )
        if settings.find_rate:
            _find_rate(settings, run, loaded.images)
            return
        with atomic_file(files.cfg) as temporary:
            lines = "".join(f"# {line}\n" for line in comments(provenance))
            temporary.write_text(run.card.cfg + lines, encoding="utf-8")
        _fit(settings, run, progress, loaded.images)


def _load(settings: TrainSettings, sources: dict[str, Source]) -> Data:
    """Read the images of all parts with their classes or targets."""
    from dmcnn._common.files import expand
    from dmcnn.datasets.labels import LabelRule
    from dmcnn.detectors.lartpc import DM_CNN_FILES
    from dmcnn.training import data
    from dmcnn.training.weights import EventWeights

    targets = settings.targets
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
        event_weights=EventWeights(settings.event_weight, expand(settings.event_weight_csv or []))
        if settings.event_weight
        else None,
        class_weights=settings.class_weights,
    )


def _with_validation(settings: TrainSettings, files: OutputFiles) -> TrainSettings:
    """Return the settings with the share of validation events: given, of a training that goes on, or the default."""
    from dmcnn.training.session import begun_settings

    if settings.input_validation is not None or settings.validation_fraction is not None:
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
        rotation=settings.augment_rotation,
        noise=settings.augment_noise,
        mask=settings.augment_mask,
        scaling=settings.scaling,
        first=first,
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
    columns = {"learning_rate": scan.rate, "loss": scan.loss, "smoothed_loss": scan.smoothed}
    table.write(run.files.rates.with_suffix(".csv"), table.Table.from_columns(columns))
    save_figure(rates(*columns.values(), scan.suggestion), run.files.rates)
    if scan.suggestion is None:
        log.warning("warning: the loss fell at no step size: no learning_rate is suggested")
    else:
        log.info("suggestion: learning_rate = %.2g, a tenth of that with the smallest loss", scan.suggestion)


def _fit(settings: TrainSettings, run: Run, progress: Progress, images: dict[str, SparseImages]) -> None:
    """Train to the end and report; after an interrupt save, and raise KeyboardInterrupt."""
    from dmcnn.training.loop import fit

    batches = _batches(settings, run, images, progress.step)
    run.choose_engine(batches)
    _announce(run, images)
    if run.watch is not None and progress.rows:
        run.watch(progress.rows, run.engine)
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
    )
    if stopped_by and progress.step < run.total:
        if run.save_every_step:
            run.save_last(progress)
            log.info("%s: saved after step %d of %d", run.files.last, progress.step, run.total)
        raise interrupt(stopped_by)
    _report(run, progress, images)


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


def _report(run: Run, progress: Progress, images: dict[str, SparseImages]) -> None:
    """Log the result on all test events beside a baseline, and draw its figures and the training curves."""
    from dmcnn.figures import classification
    from dmcnn.figures.save import save_figure
    from dmcnn.formats import origin
    from dmcnn.training import baseline

    card, test = run.card, images["test"]
    of_sums = baseline.report(images["train"], test, card.classes.index(card.signal)) if card.signal else None
    result = run.finish(progress, test, of_sums)
    first, *more = result.lines()
    log.info("\n".join([f"test: {first}", *more, *run.card.remarks]))
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


if __name__ == "__main__":
    sys.exit(main())
