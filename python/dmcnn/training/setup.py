"""Set-up of a training from named options: network, card, constraints and progress, new or resumed."""

from __future__ import annotations

import inspect
import logging
import platform
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn

import dmcnn
from dmcnn._common.environment import facts
from dmcnn._common.errors import InputError, nearest
from dmcnn.checkpoints.card import Card
from dmcnn.engines.choice import check_engine, resumed
from dmcnn.engines.hardware import bf16_is_fast, warn_of_emulation
from dmcnn.images.augment import ROTATION
from dmcnn.inference import devices
from dmcnn.losses import LIKELIHOODS
from dmcnn.losses.classification import activation_of, loss_function
from dmcnn.models import MODELS, accepts, find_model
from dmcnn.readers import OF_FILES
from dmcnn.tasks import Task, task_of
from dmcnn.training import parts
from dmcnn.training.constraints.multipliers import DAMPING, RATE, WARMUP, Constraints, find_faults
from dmcnn.training.data import Data
from dmcnn.training.fine_tuning import freeze, start_from
from dmcnn.training.loop import Progress, seed_generators
from dmcnn.training.optimiser import Recipe
from dmcnn.training.ranks import ALONE, Ranks
from dmcnn.training.session import OutputFiles, Run, Watch, restore

log = logging.getLogger("dmcnn")

TEST_CHOOSES = (
    "the test events chose the weights, so that the test result is too good on average: "
    "input_validation or validation_fraction gives other events for the choice"
)


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """Options of the network and its outputs.

    Attributes:
        model: name of the model, or ``module:Name``.
        architecture: arguments of the model that differ from its defaults.
        classes: names of the classes in the order of the logits; empty for regression.
        signal: name of the signal class.
        label: rule that gave the events their class, as the card stores it.
        scaling: one of dmcnn.images.scaling.SCALINGS.
        loss: name of the loss.
        loss_options: arguments of the loss, see dmcnn.losses.classification, such as ``gamma``.
        diagonal, covariance: how outputs become a covariance, see dmcnn.metrics.gaussian.Gaussian.
        start_weights: weight file that a new training starts from.
        cfg: text of the cfg, as the card stores it.
    """

    model: str = "mpid"
    architecture: Mapping[str, Any] = field(default_factory=dict)
    classes: Sequence[str] = ()
    signal: str | None = None
    label: Any = "run == 100"
    scaling: str = "none"
    loss: str = "bce"
    loss_options: Mapping[str, float] = field(default_factory=dict)
    diagonal: str = "softplus"
    covariance: str = "full"
    start_weights: str | None = None
    cfg: str = ""


@dataclass(frozen=True, kw_only=True)
class ConstraintOptions:
    """Options of the constraints, see dmcnn.training.constraints.multipliers.

    Attributes:
        texts: texts of the constraints, such as "zeros >= 0.75".
        rate: step size of the multipliers, summed over the whole training.
        damping: factor of the squared violations.
        warmup: share of the training over which the bounds move to their final values.
    """

    texts: Sequence[str]
    rate: float = RATE
    damping: float = DAMPING
    warmup: float = WARMUP


@dataclass(frozen=True, kw_only=True)
class SessionOptions:
    """Options of the session: length, device, evaluations and checkpoints.

    Attributes:
        epochs: number of passes over the training images.
        batch_size_train, batch_size_test: images per forward pass of a training step, and of an evaluation.
        accumulate: number of forward passes whose gradients make one step.
        test_every_step: steps between evaluations; 0 = once per epoch, None = never.
        test_events: number of events of an evaluation; None = all.
        save_every_step: steps between checkpoints to resume from; 0 = none.
        patience: evaluations without improvement after which the training ends; 0 = never.
        schedule_start: share of the training after which the step size begins to fall.
        schedule_patience: evaluations without improvement after which the schedule "plateau" falls.
        warmup: share of the training over which the step size rises.
        seed: seed of all random numbers; None draws one.
        gpuid: device, see dmcnn.inference.devices.device.
        precision: "32", "bf16", "fp16", or "auto": bf16 for classification on a device where it is fast, else 32.
        engine: "sparse", "dense", or "auto": the faster one by estimate, or that of the training that continues.
        resume: whether a training of the same name continues.
        may_change: keys of the cfg whose values may differ from those of the training that continues.
        defaults: text of a cfg with the values of keys that an older cfg lacks.
    """

    epochs: int
    batch_size_train: int = 32
    batch_size_test: int = 16
    test_every_step: int | None = 0
    test_events: int | None = None
    save_every_step: int = 200
    patience: int = 0
    schedule_start: float = 0.0
    schedule_patience: int | None = None
    warmup: float = 0.0
    accumulate: int = 1
    seed: int | None = 1
    gpuid: str = ""
    precision: str = "auto"
    engine: str = "auto"
    resume: bool = True
    may_change: Collection[str] = ()
    defaults: str = ""


def check(
    model: str, architecture: Mapping[str, Any], constraints: Sequence[str], targets: Sequence[str]
) -> None:
    """Raise InputError for an unknown model, an argument that it does not take, or an invalid constraint."""
    maker = find_model(model)
    taken = inspect.signature(maker).parameters
    faults = [
        f"model {model} takes no {key}{nearest(key, taken)}"
        for key in architecture
        if not accepts(maker, key)
    ]
    if constraints:
        faults += find_faults(constraints, targets)
    if faults:
        raise InputError(*faults)


def prepare(
    files: OutputFiles,
    data: Data,
    network: NetworkOptions,
    recipe: Recipe,
    session: SessionOptions,
    constraints: ConstraintOptions | None = None,
    watch: Watch | None = None,
    ranks: Ranks = ALONE,
) -> tuple[Run, Progress]:
    """Return a training and its progress, new or from the last checkpoint of the same name.

    Args:
        files: paths of all output files.
        data: images of the training.
        network: model, classes and loss.
        recipe: optimiser, step size, limits and penalties.
        session: length, device, evaluations and checkpoints.
        constraints: options of the constraints; None = no constraints.
        watch: called with the rows of the metrics table after every evaluation.
        ranks: processes that share the training.

    Raises:
        InputError: a device or engine that does not exist, a checkpoint of another training or engine, or a network
            of one's own with outputs of the wrong shape.
    """
    check_engine(session.engine)
    devices.use_whole_cpu()
    device = devices.device(session.gpuid)
    precision = session.precision
    if precision == "auto":  # estimates and quantised weights need float32
        precision = "bf16" if data.targets is None and bf16_is_fast(device) else "32"
    if precision == "fp16" and device.type == "cpu":
        raise InputError("precision = 'fp16' needs a GPU; a CPU has 'bf16'")
    warn_of_emulation(precision, device)
    seed = int(np.random.SeedSequence().generate_state(1)[0]) if session.seed is None else session.seed
    seed = ranks.agree(seed)
    card = _card(network, data, device, precision)
    if ranks.count > 1:
        card = replace(card, environment={**card.environment, "ranks": str(ranks.count)})
    seed_generators(seed)
    net, progress, engine = card.build(network.model), Progress(), session.engine
    if session.resume and files.last.exists():
        progress, begun = restore(
            files.last, net, card, data.matches, set(session.may_change), session.defaults
        )
        seed = begun.seed or 0
        engine = resumed(engine, begun.environment.get("engine", "dense"), files.last)
        log.info("%s: resuming after step %d", files.last, progress.step)
        card = replace(card, start=begun.start)
    elif network.start_weights is not None:
        card = replace(card, start=start_from(net, card, network.start_weights))
    freeze(net, recipe.freeze)
    if network.model not in MODELS:
        _check_outputs(net, card)
    images = data.images
    part = "validation" if "validation" in images else "test"
    watched = images[part]
    chosen = np.random.default_rng(seed).permutation(len(watched))[: session.test_events]
    per_epoch = -(-len(images["train"]) // (session.batch_size_train * session.accumulate))
    total = session.epochs * per_epoch
    multipliers = None if constraints is None else _multipliers(constraints, net, card, total, progress)
    warmup = round(session.warmup * total)
    hold = max(
        round(session.schedule_start * total), warmup, 0 if multipliers is None else multipliers.warmup
    )
    every = session.test_every_step
    interval = 0 if every is None else every or per_epoch
    remarks = parts.remarks(images, card.classes)
    if part == "test" and 0 < interval < total:
        remarks.append(TEST_CHOOSES)
    run = Run(
        net=net,
        card=replace(card, seed=seed, remarks=remarks),
        files=files,
        chosen_on=watched.take(np.sort(chosen)),
        task=_task(network, card, multipliers, part, _prefix(progress), images["train"].weight is not None),
        recipe=replace(
            recipe,
            total=total,
            hold=hold,
            warmup=warmup,
            per_epoch=per_epoch,
            batch_size=session.batch_size_train,
        ),
        device=device,
        precision=precision,
        engine=engine,
        batch_size_test=session.batch_size_test,
        steps_per_epoch=per_epoch,
        total=total,
        test_every_step=interval,
        save_every_step=session.save_every_step,
        patience=session.patience,
        schedule_patience=session.schedule_patience,
        constraints=multipliers,
        watch=watch,
        first_step=progress.step,
        ranks=ranks,
    )
    return run, progress


def _prefix(progress: Progress) -> str | None:
    """Return how the columns of the evaluations so far begin; None without an evaluation."""
    names = (name for row in progress.rows[:1] for name in row if name.endswith("_events"))
    return next((name.removesuffix("_events") for name in names), None)


@torch.inference_mode()
def _check_outputs(net: nn.Module, card: Card) -> None:
    """Raise InputError unless a network of one's own returns (B, num_class) outputs for (B, C, H, W) images."""
    expected, images = (2, task_of(card).outputs), torch.zeros(2, *card.shape)
    try:
        outputs = net.eval()(images)
    except (TypeError, ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"model {card.model}: fails on images of shape {tuple(images.shape)}: {reason}"
        ) from None
    finally:
        net.train()
    shape = tuple(outputs.shape) if isinstance(outputs, torch.Tensor) else type(outputs).__name__
    if shape != expected:
        raise InputError(
            f"model {card.model}: gives {shape} for images of shape {tuple(images.shape)}, expected {expected}"
        )


def _task(
    network: NetworkOptions,
    card: Card,
    multipliers: Constraints | None,
    part: str,
    prefix: str | None,
    weighted: bool,
) -> Task:
    """Return the task of the network with its loss, the names of its constraints, and those of its columns."""
    training: dict[str, Any] = {"part": part, "prefix": prefix}
    if multipliers is not None:
        training["constraints"] = multipliers.names
    if network.loss not in LIKELIHOODS:
        training["loss"] = loss_function(network.loss, weighted=weighted, **network.loss_options)
    return task_of(card, **training)


def _multipliers(
    constraints: ConstraintOptions, net: nn.Module, card: Card, total: int, progress: Progress
) -> Constraints:
    """Return the constraints with their multipliers, restored if the training resumes."""
    multipliers = Constraints(
        constraints.texts,
        net,
        targets=card.targets,
        gaussian=card.gaussian,
        shape=card.shape,
        rate=constraints.rate / total,
        damping=constraints.damping,
        warmup=round(constraints.warmup * total),
    )
    if progress.constraints is not None:
        multipliers.load_state_dict(progress.constraints)
    return multipliers


def _card(network: NetworkOptions, data: Data, device: torch.device, precision: str) -> Card:
    """Return the card of a new network, without results."""
    channels, height, width = data.shape
    drop_out = inspect.signature(find_model(network.model)).parameters.get("drop_out")
    has_default = drop_out is not None and drop_out.default is not drop_out.empty
    card = Card(
        model=network.model,
        arguments={
            **({"drop_out": drop_out.default} if drop_out is not None and has_default else {}),
            "channels": channels,
            "height": height,
            "width": width,
            **network.architecture,
        },
        classes=list(network.classes),
        signal=network.signal,
        activation="none" if data.targets else activation_of(network.loss),
        targets=list(data.targets.names) if data.targets else [],
        target_scales=list(data.targets.scales) if data.targets else [],
        diagonal=network.diagonal,
        covariance=network.covariance,
        reading={key: value for key, value in data.reading.items() if key not in OF_FILES},
        scaling=network.scaling,
        label=network.label,
        loss=network.loss,
        cfg=network.cfg,
        environment={
            "dmcnn": dmcnn.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": str(torch.__version__),
            "device": f"{device}",
            **({"gpu": torch.cuda.get_device_name(device)} if device.type == "cuda" else {}),
            "precision": precision,
            "threads": str(torch.get_num_threads()),
            "rotation": ROTATION,
            **facts(),
        },
        data=data.record,
        origin=data.kinds,
    )
    return replace(card, arguments={"num_class": task_of(card).outputs, **card.arguments})
