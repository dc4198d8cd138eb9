"""The network of a training, new or resumed, and everything around it, as the settings say."""

from __future__ import annotations

import inspect
import logging
import platform
from dataclasses import replace
from typing import Any

import lightning
import numpy as np
import torch
from torch import nn

import dmcnn
from dmcnn._common import plugins
from dmcnn._common.errors import InputError, nearest
from dmcnn.checkpoints.card import Card
from dmcnn.inference import devices
from dmcnn.losses import LIKELIHOODS
from dmcnn.losses.classification import activation_of, loss_function
from dmcnn.metrics.gaussian import Gaussian
from dmcnn.models import MODELS, find_model, takes
from dmcnn.settings import TrainSettings
from dmcnn.tasks import Task, task_of
from dmcnn.training.constraints.multipliers import DAMPING, RATE, WARMUP, Constraints, faults_in
from dmcnn.training.data import Data
from dmcnn.training.loop import Progress
from dmcnn.training.optimiser import Recipe
from dmcnn.training.session import Outputs, Run, Watch, restore

log = logging.getLogger("dmcnn")


def check(settings: TrainSettings) -> None:
    """InputError for an unknown model, a key of the cfg that it does not take, or constraints that are none."""
    maker = find_model(settings.model)
    if maker is None:
        known = [*MODELS, *plugins.names("dmcnn.models")]
        hint = nearest(settings.model, known)
        raise InputError(f"model = {settings.model!r}: known are {', '.join(known)}{hint}")
    faults = [
        f"model {settings.model} takes no {key}" for key in settings.architecture() if not takes(maker, key)
    ]
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
    lightning.seed_everything(seed, verbose=False)
    net, progress = card.build(settings.model), Progress()
    if settings.resume and outputs.last.exists():
        free = settings.keys(resume="free")
        if settings.schedule != "constant" or settings.constraints:
            free.remove("EPOCHS")
        progress, seed = restore(outputs.last, net, card, free)
        log.info("%s: resuming after step %d", outputs.last, progress.step)
    if settings.model not in MODELS:
        _check_outputs(net, card)
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


@torch.inference_mode()
def _check_outputs(net: nn.Module, card: Card) -> None:
    """Raise InputError unless a network of one's own gives (B, num_class) outputs for (B, C, H, W) images."""
    expected, images = (2, task_of(card).outputs), torch.zeros(2, *card.shape)
    try:
        outputs = net.eval()(images)
    except (TypeError, ValueError, RuntimeError) as error:
        said = str(error).partition("\n")[0]
        raise InputError(
            f"model {card.model}: fails on images of shape {tuple(images.shape)}: {said}"
        ) from None
    finally:
        net.train()
    found = tuple(outputs.shape) if isinstance(outputs, torch.Tensor) else type(outputs).__name__
    if found != expected:
        raise InputError(
            f"model {card.model}: gives {found} for images of shape {tuple(images.shape)}, expected {expected}"
        )


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
    training: dict[str, Any] = {} if constraints is None else {"constraints": constraints.names}
    if settings.loss not in LIKELIHOODS:
        gamma = 2.0 if settings.focal_gamma is None else settings.focal_gamma
        training["loss"] = loss_function(settings.loss, gamma)
    return task_of(card, **training)


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
        gaussian=Gaussian(settings.covariance, settings.diagonal),
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
    maker = find_model(settings.model)
    drop_out = inspect.signature(maker).parameters.get("drop_out") if maker is not None else None
    card = Card(
        model=settings.model,
        arguments={
            **(
                {}
                if drop_out is None or drop_out.default is drop_out.empty
                else {"drop_out": drop_out.default}
            ),
            "channels": channels,
            "height": height,
            "width": width,
            **settings.architecture(),
        },
        classes=settings.class_names,
        signal=settings.signal_class,
        activation="none" if data.targets else activation_of(settings.loss),
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
    return replace(card, arguments={"num_class": task_of(card).outputs, **card.arguments})
