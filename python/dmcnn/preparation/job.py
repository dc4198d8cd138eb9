"""The network of a training, new or resumed, and everything around it, as the settings say."""

from __future__ import annotations

import inspect
import logging
import platform
from dataclasses import replace

import numpy as np
import torch
from torch import nn

import dmcnn
from dmcnn import devices
from dmcnn.errors import InputError, nearest
from dmcnn.models import MODELS
from dmcnn.models.checkpoint import Card
from dmcnn.preparation.data import Data
from dmcnn.settings import TrainSettings
from dmcnn.training.constraints import DAMPING, RATE, WARMUP, Constraints, faults_in
from dmcnn.training.fit import Progress, seed_generators
from dmcnn.training.losses import ACTIVATION, loss_function
from dmcnn.training.recipe import Recipe
from dmcnn.training.run import Outputs, Run, Watch, restore
from dmcnn.training.tasks import Classification, Regression, Task

log = logging.getLogger("dmcnn")

FREE = {
    "EPOCHS", "GPUID", "input_train", "input_test", "weights_directory", "output_directory", "resume",
    "run_test", "save_every_step", "save_weights", "batch_size_test", "cache",
}  # fmt: skip
"""Settings that may change when a run is resumed, because none of them changes a step. (Data are compared by
fingerprint: files may move.)"""


def check(settings: TrainSettings) -> None:
    """InputError for an unknown model, a key of the cfg that it does not take, or constraints that are none."""
    if settings.model not in MODELS:
        known = ", ".join(MODELS)
        raise InputError(f"model = {settings.model!r}: known are {known}{nearest(settings.model, MODELS)}")
    taken = inspect.signature(MODELS[settings.model]).parameters
    faults = [f"model {settings.model} takes no {key}" for key in settings.architecture() if key not in taken]
    if settings.constraints:
        faults += faults_in(settings.constraints, settings.targets or [])
    if faults:
        raise InputError(*faults)


def prepare(
    settings: TrainSettings, outputs: Outputs, data: Data, watch: Watch | None
) -> tuple[Run, Progress]:
    """The network, new or from the last checkpoint of this name, and everything around it."""
    devices.use_whole_cpu()
    device = devices.device(settings.GPUID)
    precision = settings.precision
    if precision == "auto":  # estimates, and quantised weights, need every bit
        precision = "bf16" if data.targets is None and devices.bf16_is_fast(device) else "32"
    seed = settings.seed_number if settings.seed else int(np.random.SeedSequence().generate_state(1)[0])
    card = _card(settings, data, f"{device}", precision)
    seed_generators(seed)
    net, progress = card.build(), Progress()
    if settings.resume and outputs.last.exists():
        lasting = settings.schedule == "constant" and not settings.constraints
        free = FREE if lasting else FREE - {"EPOCHS"}
        progress, seed = restore(outputs.last, net, card, free)
        log.info("%s: resuming after step %d", outputs.last, progress.step)
    images = data.images
    watched = images.get("validation", images["test"])
    chosen = np.random.default_rng(seed).permutation(len(watched))[: settings.test_events_nums]
    per_epoch = -(-len(images["train"]) // settings.batch_size_train)
    total = settings.EPOCHS * per_epoch
    constraints = _constraints(settings, net, data.shape, total, progress)
    job = Run(
        net=net,
        card=replace(card, seed=seed),
        outputs=outputs,
        test=watched.take(np.sort(chosen)),
        task=_task(settings, card, constraints),
        recipe=_recipe(settings, total, constraints),
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


def _recipe(settings: TrainSettings, total: int, constraints: Constraints | None) -> Recipe:
    return Recipe(
        learning_rate=settings.learning_rate,
        optimizer=settings.optimizer,
        schedule=settings.schedule,
        total=total,
        hold=max(round(settings.schedule_start * total), 0 if constraints is None else constraints.warmup),
        weight_limit=settings.weight_limit,
        gradient_limit=settings.gradient_limit,
        l1=settings.l1_weights,
        l2=settings.l2_weights,
        activity_l2=settings.l2_activity,
    )


def _task(settings: TrainSettings, card: Card, constraints: Constraints | None) -> Task:
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
    share = WARMUP if settings.constraint_warmup is None else settings.constraint_warmup
    damping = DAMPING if settings.constraint_damping is None else settings.constraint_damping
    found = Constraints(
        settings.constraints,
        net,
        targets=settings.targets or [],
        diagonal=settings.diagonal,
        covariance=settings.covariance,
        shape=shape,
        rate=(settings.constraint_rate or RATE) / total,
        damping=damping,
        warmup=round(share * total),
    )
    if progress.constraints is not None:
        found.load_state_dict(progress.constraints)
    return found


def _card(settings: TrainSettings, data: Data, device: str, precision: str) -> Card:
    """How the network is made, and all that makes it."""
    channels, height, width = data.shape
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
        targets=list(data.targets.names) if data.targets else [],
        target_scales=list(data.targets.scales) if data.targets else [],
        diagonal=settings.diagonal,
        covariance=settings.covariance,
        reading=data.reading,
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
        data=data.record,
    )
    return replace(card, arguments={"num_class": card.outputs, **card.arguments})
