"""Train a network: ``python -m dmcnn.train cfg/training_config.cfg [key=value …]``."""

from __future__ import annotations

import logging
import platform
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dmcnn
from dmcnn.command import run
from dmcnn.errors import InputError, nearest
from dmcnn.files import replacing, writable
from dmcnn.settings import TrainSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from dmcnn.datasets import Dataset
    from dmcnn.images import SparseImages
    from dmcnn.models.checkpoint import Card
    from dmcnn.targets import Targets
    from dmcnn.training.constraints import Constraints
    from dmcnn.training.fit import Progress
    from dmcnn.training.recipe import Recipe
    from dmcnn.training.run import Outputs, Run, Watch
    from dmcnn.training.tasks import Task

log = logging.getLogger("dmcnn")

FREE = {
    "EPOCHS", "GPUID", "input_train", "input_test", "weights_directory", "output_directory", "resume",
    "run_test", "save_every_step", "save_weights", "batch_size_test", "cache",
}  # fmt: skip
"""Settings that may change when a run is resumed, because none of them changes a step. (Data are compared by
fingerprint: files may move.)"""


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    return run("train", train, argv)


def train(settings: TrainSettings, watch: Watch | None = None) -> None:
    """Load, train, evaluate, save, report; ``watch`` is called with the metrics so far after every evaluation."""
    from dmcnn.training import sets
    from dmcnn.training.run import Outputs

    check_model(settings)
    outputs = Outputs(
        writable(settings.weights_directory), writable(settings.output_directory), settings.name
    )
    reading, targets = _fitted(settings)
    datasets = {
        what: _labelled(settings, *part, reading, targets)
        for what in ("train", "validation", "test")
        if (part := settings.part(what)) is not None
    }
    images = {
        what: sets.usable(_read(settings, dataset, reading), what) for what, dataset in datasets.items()
    }
    data = {
        "training" if what == "train" else what: {
            "fingerprint": dataset.fingerprint(),
            "events": len(images[what]),
        }
        for what, dataset in datasets.items()
    }
    images = sets.split(images, settings.shares, settings.seed_number)
    for what, batch in images.items():
        if batch.shape != images["train"].shape:
            shapes = f"{images['train'].shape}, {what} images {batch.shape}"
            raise InputError(f"training images are {shapes} (planes, rows, columns): set xdim and ydim")
    if datasets["train"].takes("xdim"):
        reading |= dict(zip(("ydim", "xdim"), datasets["train"].shape[1:], strict=True))
    job, progress = _prepare(settings, outputs, images, data, reading, targets, watch)
    _fit(settings, job, progress, images)


def check_model(settings: TrainSettings) -> None:
    """InputError for an unknown model, a key of the cfg that it does not take, or constraints that are none."""
    import inspect

    from dmcnn.models import MODELS

    if settings.model not in MODELS:
        known = ", ".join(MODELS)
        raise InputError(f"model = {settings.model!r}: known are {known}{nearest(settings.model, MODELS)}")
    taken = inspect.signature(MODELS[settings.model]).parameters
    faults = [f"model {settings.model} takes no {key}" for key in settings.architecture() if key not in taken]
    if settings.constraints:
        from dmcnn.training.constraints import faults_in

        faults += faults_in(settings.constraints, settings.targets or [])
    if faults:
        raise InputError(*faults)


def _fitted(settings: TrainSettings) -> tuple[dict[str, Any], Targets | None]:
    """The arguments of the reader and the targets, with what is learned from the training files filled in."""
    from dmcnn.datasets import Dataset, expand

    reading = settings.reading()
    if reading.get("charge") == "standardised":
        from dmcnn.readers.smartpixel import fit_charge

        fitted = fit_charge(expand(settings.input_train), between=settings.events_train, **reading)
        reading |= fitted
        log.info("%s", ", ".join(f"{key} = {value}" for key, value in fitted.items()))
    if settings.targets is None:
        return reading, None
    from dmcnn.targets import fit_scales

    def stored(names: Sequence[str]) -> list[NDArray[np.float64]]:  # most scales need no file
        dataset = Dataset(settings.input_train, between=settings.events_train, **reading)
        return dataset.targets_by_file(names)

    return reading, fit_scales(settings.target_scales, settings.targets, stored, settings.pitch)


def _labelled(
    settings: TrainSettings,
    inputs: str | list[str],
    between: list[int] | None,
    reading: dict[str, Any],
    targets: Targets | None,
) -> Dataset:
    from dmcnn.datasets import Dataset
    from dmcnn.labels import LabelRule

    if targets is not None:
        return Dataset(inputs, targets=targets, between=between, **reading)
    rule = LabelRule.parse(settings.label, tuple(settings.class_names), settings.signal_class)
    return Dataset(inputs, label=rule, between=between, **reading)


def _read(settings: TrainSettings, dataset: Dataset, reading: dict[str, Any]) -> SparseImages:
    """All images of a dataset, in memory or mapped."""
    from dmcnn import cache

    if settings.cache == "memory":
        images, report = dataset.load(), dataset.report_lines()
    else:
        images, report = cache.load(dataset, settings.cache, reading)
    for line in report:
        log.info("%s", line)
    return images


def _prepare(
    settings: TrainSettings,
    outputs: Outputs,
    images: dict[str, SparseImages],
    data: dict[str, dict[str, object]],
    reading: dict[str, Any],
    targets: Targets | None,
    watch: Watch | None,
) -> tuple[Run, Progress]:
    """The network, new or from the last checkpoint of this name, and everything around it."""
    import lightning
    import numpy as np

    from dmcnn import devices
    from dmcnn.training.fit import Progress
    from dmcnn.training.run import Run, restore

    devices.use_whole_cpu()
    device = devices.device(settings.GPUID)
    precision = settings.precision
    if precision == "auto":  # estimates, and quantised weights, need every bit
        precision = "bf16" if targets is None and devices.bf16_is_fast(device) else "32"
    seed = settings.seed_number if settings.seed else int(np.random.SeedSequence().generate_state(1)[0])
    card = _card(settings, images["train"].shape, data, reading, targets, f"{device}", precision)
    lightning.seed_everything(seed, verbose=False)
    net, progress = card.build(), Progress()
    if settings.resume and outputs.last.exists():
        lasting = settings.schedule == "constant" and not settings.constraints
        free = FREE if lasting else FREE - {"EPOCHS"}
        progress, seed = restore(outputs.last, net, card, free)
        log.info("%s: resuming after step %d", outputs.last, progress.step)
    watched = images.get("validation", images["test"])
    chosen = np.random.default_rng(seed).permutation(len(watched))[: settings.test_events_nums]
    per_epoch = -(-len(images["train"]) // settings.batch_size_train)
    total = settings.EPOCHS * per_epoch
    constraints = _constraints(settings, net, images["train"].shape, total, progress)
    job = Run(
        net=net,
        card=replace(card, seed=seed),
        outputs=outputs,
        test=watched.take(np.sort(chosen)),
        task=_task(settings, card, constraints),
        recipe=_recipe(settings, total, 0 if constraints is None else constraints.warmup),
        device=device,
        precision=precision,
        batch_size_test=settings.batch_size_test,
        steps_per_epoch=per_epoch,
        total=total,
        test_every_step=(settings.test_every_step or per_epoch) if settings.run_test else 0,
        save_every_step=settings.save_every_step if settings.save_weights else 0,
        patience=settings.patience,
        constraints=constraints,
        watch=watch,
    )
    return job, progress


def _recipe(settings: TrainSettings, total: int, hold: int) -> Recipe:
    from dmcnn.training.recipe import Recipe

    return Recipe(
        learning_rate=settings.learning_rate,
        optimizer=settings.optimizer,
        schedule=settings.schedule,
        total=total,
        hold=hold,
        weight_limit=settings.weight_limit,
        gradient_limit=settings.gradient_limit,
        l1=settings.l1_weights,
        l2=settings.l2_weights,
        activity_l2=settings.l2_activity,
    )


def _task(settings: TrainSettings, card: Card, constraints: Constraints | None) -> Task:
    from dmcnn.training.losses import loss_function
    from dmcnn.training.tasks import Classification, Regression

    if card.targets:
        return Regression(card, [] if constraints is None else constraints.names)
    gamma = 2.0 if settings.focal_gamma is None else settings.focal_gamma
    return Classification(card, loss_function(settings.loss, gamma))


def _constraints(
    settings: TrainSettings, net: nn.Module, shape: tuple[int, int, int], total: int, progress: Progress
) -> Constraints | None:
    """The constraints with their multipliers, from where a resumed training stopped."""
    if not settings.constraints:
        return None
    from dmcnn.training.constraints import WARMUP, Constraints

    share = WARMUP if settings.constraint_warmup is None else settings.constraint_warmup
    given = {"rate": settings.constraint_rate, "damping": settings.constraint_damping}
    found = Constraints(
        settings.constraints,
        net,
        targets=settings.targets or [],
        diagonal=settings.diagonal,
        covariance=settings.covariance,
        shape=shape,
        warmup=round(share * total),
        **{key: value for key, value in given.items() if value is not None},
    )
    if progress.constraints is not None:
        found.load_state_dict(progress.constraints)
    return found


def _card(
    settings: TrainSettings,
    shape: tuple[int, int, int],
    data: dict[str, dict[str, object]],
    reading: dict[str, Any],
    targets: Targets | None,
    device: str,
    precision: str,
) -> Card:
    import inspect

    import numpy as np
    import torch

    from dmcnn.models import MODELS
    from dmcnn.models.checkpoint import Card
    from dmcnn.training.losses import ACTIVATION

    channels, height, width = shape
    taken = inspect.signature(MODELS[settings.model]).parameters
    card = Card(
        model=settings.model,
        arguments={
            **({"drop_out": taken["drop_out"].default} if "drop_out" in taken else {}),
            "channels": channels,
            "height": height,
            "width": width,
            **settings.architecture(),
        },
        classes=settings.class_names,
        signal=settings.signal_class,
        activation=ACTIVATION.get(settings.loss, "none"),
        targets=list(targets.names) if targets else [],
        target_scales=list(targets.scales) if targets else [],
        diagonal=settings.diagonal,
        covariance=settings.covariance,
        reading=reading,
        scaling=settings.scaling,
        label=settings.label,
        loss=settings.loss,
        cfg=settings.text(f"dmcnn {dmcnn.__version__}"),
        environment={
            "dmcnn": dmcnn.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": str(torch.__version__),
            "device": device,
            "precision": precision,
        },
        data=data,
    )
    return replace(card, arguments={"num_class": card.outputs, **card.arguments})


def _fit(settings: TrainSettings, job: Run, progress: Progress, images: dict[str, SparseImages]) -> None:
    """Train to the end (or to an interrupt, which is saved) and report."""
    from dmcnn.training.batches import Batches
    from dmcnn.training.fit import fit

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
    with replacing(job.outputs.cfg) as temporary:
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
    import numpy as np

    from dmcnn.figures import curves
    from dmcnn.training.evaluation import Evaluation
    from dmcnn.writers.figure import save_figure

    result = job.finish(progress, test)
    first, *more = result.lines()
    log.info("\n".join([f"test: {first}", *more]))
    if isinstance(result, Evaluation):
        matrix = np.array(result.confusion)
        save_figure(curves.confusion(matrix, result.classes), job.outputs.figure("confusion"))
    if progress.rows:
        if missed := min(row.get("violation", 0.0) for row in progress.rows):
            log.warning(
                "constraints were never met: the nearest evaluation missed one by %.3g; try a higher "
                "constraint_rate or learning_rate, a longer training, or less of it",
                missed,
            )
        columns = {name: [row[name] for row in progress.rows] for name in progress.rows[0]}
        save_figure(curves.training(columns["step"], job.task.panels(columns)), job.outputs.curves)
        log.info("metrics: %s", job.outputs.metrics)
    if job.save_every_step:
        log.info("weights: %s", job.outputs.best)


if __name__ == "__main__":
    sys.exit(main())
