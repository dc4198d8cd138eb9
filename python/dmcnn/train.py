"""Train a network: ``python -m dmcnn.train cfg/training_config.cfg [key=value …]``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dmcnn._common.files import atomic_file, output_folder
from dmcnn.settings import TrainSettings, command

if TYPE_CHECKING:
    from dmcnn.images.sparse import SparseImages
    from dmcnn.training.loop import Progress
    from dmcnn.training.session import Run, Watch

log = logging.getLogger("dmcnn")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    return command.run("train", train, argv)


def train(settings: TrainSettings, watch: Watch | None = None) -> None:
    """Load, train, evaluate, save, report; ``watch`` is called with the metrics so far after every evaluation."""
    import dmcnn
    from dmcnn.datasets.labels import LabelRule
    from dmcnn.training import data, setup
    from dmcnn.training.optimiser import Recipe
    from dmcnn.training.session import Outputs

    targets = settings.targets
    setup.check(settings.model, settings.architecture(), settings.constraints or [], targets or [])
    outputs = Outputs(
        output_folder(settings.weights_directory), output_folder(settings.output_directory), settings.name
    )
    loaded = data.load(
        {what: data.Source(*source) for what, source in settings.sources.items()},
        reading=settings.reading(),
        label=None
        if targets
        else LabelRule.parse(settings.label, tuple(settings.class_names), settings.signal_class),
        targets=data.TargetOptions(targets, settings.target_scales, settings.pitch) if targets else None,
        shares=settings.shares,
        seed=settings.seed_number,
        cache=settings.cache,
    )
    run, progress = setup.prepare(
        outputs,
        loaded,
        setup.NetworkOptions(**settings.network(settings.text(f"dmcnn {dmcnn.__version__}"))),
        Recipe(**settings.recipe()),
        setup.SessionOptions(**settings.session()),
        setup.ConstraintOptions(**settings.multipliers()) if settings.constraints else None,
        watch,
    )
    _fit(settings, run, progress, loaded.images)


def _fit(settings: TrainSettings, job: Run, progress: Progress, images: dict[str, SparseImages]) -> None:
    """Train to the end (or to an interrupt, which is saved) and report."""
    from dmcnn.training.batches import Batches
    from dmcnn.training.loop import fit

    seed = job.card.seed or 0
    _, height, width = images["train"].shape
    batches = Batches(
        images["train"],
        settings.batch_size_train,
        epochs=settings.EPOCHS,
        seed=seed,
        augment=settings.augment,
        shift=(round(settings.augment_shift * height), round(settings.augment_shift * width)),
        rotation=settings.augment_rotation,
        noise=settings.augment_noise,
        mask=settings.augment_mask,
        scaling=settings.scaling,
        first=progress.step,
    )
    with atomic_file(job.outputs.cfg) as temporary:
        temporary.write_text(job.card.cfg)
    _announce(job, images)
    if job.watch is not None and progress.rows:
        job.watch(progress.rows)
    finished = fit(
        job.net,
        batches,
        task=job.task,
        recipe=job.recipe,
        seed=seed,
        device=job.device,
        precision=job.precision,
        progress=progress,
        after_step=job.after_step,
        constraints=job.constraints,
    )
    if not finished and progress.step < job.total:
        if job.save_every_step:
            job.save_last(progress)
            log.info("%s: saved after step %d of %d", job.outputs.last, progress.step, job.total)
        raise KeyboardInterrupt
    _report(job, progress, images["test"])


def _announce(job: Run, images: dict[str, SparseImages]) -> None:
    """What will be trained on what, and what the evaluations on the way look at."""
    for what, batch in images.items():
        labels = "" if batch.label is None else job.task.about(batch.label)
        log.info("%d %s events: %s", len(batch), "training" if what == "train" else what, labels)
    size = sum(parameter.numel() for parameter in job.net.parameters())
    log.info(
        "%s: %d parameters, %d steps on %s, precision %s",
        job.card.model,
        size,
        job.total,
        job.device,
        job.precision,
    )
    if job.test_every_step:
        what = "validation" if "validation" in images else "test"
        every, some, whole = job.test_every_step, len(job.test), len(images[what])
        part = "" if some == whole else f" (test_events_nums = {some})"
        log.info("evaluating every %d steps on %d of %d %s events%s", every, some, whole, what, part)


def _report(job: Run, progress: Progress, test: SparseImages) -> None:
    """The result on the whole test set, and the curves."""
    from dmcnn.figures import classification
    from dmcnn.figures.save import save_figure

    result = job.finish(progress, test)
    first, *more = result.lines()
    log.info("\n".join([f"test: {first}", *more]))
    for what, figure in job.task.figures(result).items():
        save_figure(figure, job.outputs.figure(what))
    if progress.rows:
        if missed := min(row.get("violation", 0.0) for row in progress.rows):
            log.warning(
                "constraints were never met: the nearest evaluation missed one by %.3g; try a higher "
                "constraint_rate or learning_rate, a longer training, or less of it",
                missed,
            )
        columns = {name: [row[name] for row in progress.rows] for name in progress.rows[0]}
        save_figure(classification.training(columns["step"], job.task.panels(columns)), job.outputs.curves)
        log.info("metrics: %s", job.outputs.metrics)
    if job.save_every_step:
        log.info("weights: %s", job.outputs.best)


if __name__ == "__main__":
    sys.exit(main())
