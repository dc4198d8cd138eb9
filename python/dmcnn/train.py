"""Train a network: ``python -m dmcnn.train cfg/training_config.cfg [key=value …]``."""

from __future__ import annotations

import logging
import platform
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import dmcnn
from dmcnn.command import run
from dmcnn.errors import InputError, nearest
from dmcnn.files import replacing, writable
from dmcnn.settings import TrainSettings

if TYPE_CHECKING:
    from dmcnn.datasets import Dataset
    from dmcnn.images import SparseImages
    from dmcnn.models.checkpoint import Card
    from dmcnn.training.fit import Progress
    from dmcnn.training.run import Outputs, Run, Watch

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
    from dmcnn.training.run import Outputs

    check_model(settings)
    outputs = Outputs(
        writable(settings.weights_directory), writable(settings.output_directory), settings.name
    )
    datasets = {
        what: _labelled(settings, *part)
        for what in ("train", "validation", "test")
        if (part := settings.part(what)) is not None
    }
    images = {what: _usable(settings, dataset, what) for what, dataset in datasets.items()}
    data = {
        "training" if what == "train" else what: {
            "fingerprint": dataset.fingerprint(),
            "events": len(images[what]),
        }
        for what, dataset in datasets.items()
    }
    images = _split(settings, images)
    for what, batch in images.items():
        if batch.shape != images["train"].shape:
            shapes = f"{images['train'].shape}, {what} images {batch.shape}"
            raise InputError(f"training images are {shapes} (planes, rows, columns): set xdim and ydim")
    reading = settings.reading()
    if datasets["train"].takes("xdim"):
        reading |= dict(zip(("ydim", "xdim"), datasets["train"].shape[1:], strict=True))
    job, progress = _prepare(settings, outputs, images, data, reading, watch)
    _fit(settings, job, progress, images)


def check_model(settings: TrainSettings) -> None:
    """InputError for an unknown model, or a key of the cfg that it does not take."""
    import inspect

    from dmcnn.models import MODELS

    if settings.model not in MODELS:
        known = ", ".join(MODELS)
        raise InputError(f"model = {settings.model!r}: known are {known}{nearest(settings.model, MODELS)}")
    taken = inspect.signature(MODELS[settings.model]).parameters
    faults = [f"model {settings.model} takes no {key}" for key in settings.architecture() if key not in taken]
    if faults:
        raise InputError(*faults)


def _labelled(settings: TrainSettings, inputs: str | list[str], between: list[int] | None) -> Dataset:
    from dmcnn.datasets import Dataset
    from dmcnn.labels import LabelRule

    rule = LabelRule.parse(settings.label, tuple(settings.class_names), settings.signal_class)
    return Dataset(inputs, label=rule, between=between, **settings.reading())


def _usable(settings: TrainSettings, dataset: Dataset, what: str) -> SparseImages:
    """All images of a dataset, in memory or mapped; events without an image are left out and counted."""
    from dmcnn import cache

    if settings.cache == "memory":
        images = dataset.load()
        report = dataset.report_lines()
    else:
        images, report = cache.load(dataset, settings.cache, settings.reading())
    for line in report:
        log.info("%s", line)
    present = images.has_image
    if not present.all():
        images = images.take(present)
    if len(images) < len(dataset):
        missing = len(dataset) - len(images)
        log.warning("warning: %d of %d %s events hold no image: left out", missing, len(dataset), what)
    if not len(images):
        raise InputError(f"no {what} event holds an image")
    return images


def _split(settings: TrainSettings, images: dict[str, SparseImages]) -> dict[str, SparseImages]:
    """The images with the parts of the training images that the cfg keeps for validation and test."""
    import numpy as np

    from dmcnn.training.split import stratified

    shares = {
        what: share
        for what, share in (("validation", settings.validation_fraction), ("test", settings.test_fraction))
        if share is not None
    }
    if not shares:
        return images
    whole = images["train"]
    *parts, rest = stratified(np.asarray(whole.label), list(shares.values()), settings.seed_number)
    found = {**images, "train": whole.take(rest)}
    found |= {what: whole.take(part) for what, part in zip(shares, parts, strict=True)}
    for what, part in found.items():
        if not len(part):
            raise InputError(f"{len(whole)} events are too few: none is left for {what}")
    return found


def _prepare(
    settings: TrainSettings,
    outputs: Outputs,
    images: dict[str, SparseImages],
    data: dict[str, dict[str, object]],
    reading: dict[str, object],
    watch: Watch | None,
) -> tuple[Run, Progress]:
    """The network, new or from the last checkpoint of this name, and everything around it."""
    import lightning
    import numpy as np

    from dmcnn import devices
    from dmcnn.training.fit import Progress
    from dmcnn.training.losses import loss_function
    from dmcnn.training.run import Run, restore

    devices.use_whole_cpu()
    device = devices.device(settings.GPUID)
    precision = settings.precision
    if precision == "auto":
        precision = "bf16" if devices.bf16_is_fast(device) else "32"
    seed = settings.seed_number if settings.seed else int(np.random.SeedSequence().generate_state(1)[0])
    card = _card(settings, images["train"].shape, data, reading, f"{device}", precision)
    lightning.seed_everything(seed, verbose=False)
    net, progress = card.build(), Progress()
    if settings.resume and outputs.last.exists():
        progress, seed = restore(outputs.last, net, card, FREE)
        log.info("%s: resuming after step %d", outputs.last, progress.step)
    watched = images.get("validation", images["test"])
    chosen = np.random.default_rng(seed).permutation(len(watched))[: settings.test_events_nums]
    per_epoch = -(-len(images["train"]) // settings.batch_size_train)
    job = Run(
        net=net,
        card=replace(card, seed=seed),
        outputs=outputs,
        test=watched.take(np.sort(chosen)),
        loss=loss_function(settings.loss, 2.0 if settings.focal_gamma is None else settings.focal_gamma),
        device=device,
        precision=precision,
        batch_size_test=settings.batch_size_test,
        learning_rate=settings.learning_rate,
        steps_per_epoch=per_epoch,
        total=settings.EPOCHS * per_epoch,
        test_every_step=(settings.test_every_step or per_epoch) if settings.run_test else 0,
        save_every_step=settings.save_every_step if settings.save_weights else 0,
        watch=watch,
    )
    return job, progress


def _card(
    settings: TrainSettings,
    shape: tuple[int, int, int],
    data: dict[str, dict[str, object]],
    reading: dict[str, object],
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
    drop_out = inspect.signature(MODELS[settings.model]).parameters["drop_out"].default
    return Card(
        model=settings.model,
        arguments={
            "num_class": len(settings.class_names),
            "drop_out": drop_out,
            "channels": channels,
            "height": height,
            "width": width,
            **settings.architecture(),
        },
        classes=settings.class_names,
        signal=settings.signal_class,
        activation=ACTIVATION[settings.loss],
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
        loss=job.loss,
        learning_rate=settings.learning_rate,
        seed=seed,
        device=job.device,
        precision=job.precision,
        progress=progress,
        after_step=job.after_step,
    )
    if not finished and progress.step < job.total:
        if job.save_every_step:
            job.save_last(progress)
            log.info("%s: saved after step %d of %d", job.outputs.last, progress.step, job.total)
        raise KeyboardInterrupt
    _report(job, progress, images["test"])


def _announce(job: Run, images: dict[str, SparseImages]) -> None:
    """What will be trained on what, and what the evaluations on the way look at."""
    import numpy as np

    for what, batch in images.items():
        counts = [
            f"{np.count_nonzero(batch.label == number)} {name}"
            for number, name in enumerate(job.card.classes)
        ]
        log.info("%d %s events: %s", len(batch), "training" if what == "train" else what, ", ".join(counts))
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
    from dmcnn.writers.figure import save_figure

    result = job.finish(progress, test)
    log.info("test: %s", result.line())
    for line in result.class_lines(job.card.classes):
        log.info("%s", line)
    save_figure(curves.confusion(np.array(result.confusion), job.card.classes), job.outputs.confusion)
    if progress.rows:
        columns = {name: [row[name] for row in progress.rows] for name in progress.rows[0]}
        panels = {
            "Loss": {"training": columns["train_loss"], "test": columns["test_loss"]},
            "Accuracy": {"training": columns["train_accu"], "test": columns["test_accu"]},
            "AUC": {"test": columns["test_auc"]},
        }
        save_figure(curves.training(columns["step"], panels), job.outputs.curves)
        log.info("metrics: %s", job.outputs.metrics)
    if job.save_every_step:
        log.info("weights: %s", job.outputs.best)


if __name__ == "__main__":
    sys.exit(main())
