"""The training loop: Lightning steps the network; what must survive a crash is kept here."""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from torch import nn

from dmcnn.tasks import Task
from dmcnn.training.batches import Batches
from dmcnn.training.loader import Loader
from dmcnn.training.optimiser import Activity, Recipe, activity

if TYPE_CHECKING:
    from dmcnn.training.constraints.multipliers import Constraints

log = logging.getLogger("dmcnn")


@dataclass
class Progress:
    """Where a training stands: everything a later process needs to go on as if nothing had happened."""

    step: int = 0
    """Finished optimiser steps, over all epochs."""
    optimizer: dict[str, Any] | None = None
    rows: list[dict[str, float]] = field(default_factory=list)
    """The metrics table so far, one row per evaluation."""
    best: int | None = None
    """The step whose weights did best in the tests so far."""
    loss_sum: float = 0.0
    correct: int = 0
    seen: int = 0
    """Training loss times images, right answers, and images since the last evaluation."""
    constraints: dict[str, Any] | None = None
    """State of the multipliers."""


@runtime_checkable
class Penalised(Protocol):
    """A network with a penalty on its weights, which training adds to the loss."""

    def penalty(self) -> torch.Tensor:
        """What to add to the loss."""


@dataclass
class _Step:
    """What one optimiser step is made of."""

    task: Task
    recipe: Recipe
    seed: int
    progress: Progress
    activity: Activity
    constraints: Constraints | None


class _Learner(lightning.LightningModule):
    """One optimiser step; its random numbers depend on the seed and the step alone."""

    def __init__(self, net: nn.Module, step: _Step) -> None:
        super().__init__()
        self.net, self.step = net, step
        self.optimizer: torch.optim.Optimizer | None = None

    def configure_optimizers(self) -> torch.optim.Optimizer:
        self.optimizer = self.step.recipe.optimizer_of(self.net)
        if self.step.progress.optimizer is not None:
            self.optimizer.load_state_dict(self.step.progress.optimizer)
        return self.optimizer

    def on_train_start(self) -> None:
        if self.step.constraints is not None:
            self.step.constraints.to(self.device)

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
        images, labels = batch
        step, progress = self.step, self.step.progress
        lightning.seed_everything(
            int(np.random.SeedSequence([step.seed, progress.step]).generate_state(1)[0]), verbose=False
        )
        assert self.optimizer is not None
        for group in self.optimizer.param_groups:
            group["lr"] = step.recipe.rate(progress.step)
        outputs = self.net(images).float()
        loss = step.task.loss(outputs, labels)
        progress.loss_sum += float(loss.detach()) * len(labels)
        progress.correct += int(step.task.right(outputs, labels))
        progress.seen += len(labels)
        loss = loss + step.recipe.penalty(self.net) + step.activity.take()
        if step.constraints is not None:
            loss = loss + step.constraints.penalty(self.net, outputs, labels)
        return loss + self.net.penalty() if isinstance(self.net, Penalised) else loss


class _Keeper(Callback):
    """After every step: keep to the limits, count it, and evaluate, save or stop when it is time."""

    def __init__(self, after_step: AfterStep, stop: list[int]) -> None:
        self.after_step, self.stop, self.enough = after_step, stop, False

    def on_train_batch_end(self, trainer: lightning.Trainer, learner: Any, *_: Any) -> None:
        step: _Step = learner.step
        step.recipe.limit_(learner.net)
        if step.constraints is not None:
            step.constraints.ascend()
            step.progress.constraints = step.constraints.state_dict()
        step.progress.step += 1
        step.progress.optimizer = learner.optimizer.state_dict()
        self.enough = self.after_step(step.progress)
        if self.stop or self.enough:
            trainer.should_stop = True


class _Bar(TQDMProgressBar):
    """Lightning's bar, which here spans all epochs."""

    def on_train_epoch_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        super().on_train_epoch_start(trainer)
        self.train_progress_bar.set_description("training")


AfterStep = Callable[[Progress], bool]
"""Called after every step; True ends the training."""


def fit(
    net: nn.Module,
    batches: Batches,
    *,
    task: Task,
    recipe: Recipe,
    seed: int,
    device: torch.device,
    precision: str,
    progress: Progress,
    after_step: AfterStep,
    constraints: Constraints | None = None,
) -> bool:
    """Train ``net`` on ``batches``; False if a signal stopped it after some whole step.

    Args:
        net: changed in place; must hold the weights that belong to ``progress``.
        batches: from step ``progress.step`` on; threads make them while the network works.
        task: gives the loss of (B, m) outputs and the labels of the batch.
        recipe: optimiser, step size, limits and penalties.
        seed: the random numbers of step s depend on (seed, s) alone.
        device: where to train.
        precision: "32" or "bf16" (autocast).
        progress: updated after every step.
        after_step: called after every step, with ``net`` in training mode; evaluates and saves, and says whether it
            is enough.
        constraints: what the weights or outputs must obey; must hold the multipliers that belong to ``progress``.
    """
    if not len(batches):
        return True
    with (
        _stop_after_step() as stop,
        _quiet(),
        Loader(batches) as loader,
        activity(net, recipe.activity_l2) as seen,
    ):
        learner = _Learner(net.train(), _Step(task, recipe, seed, progress, seen, constraints))
        keeper = _Keeper(after_step, stop)
        trainer = lightning.Trainer(
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=[device.index] if device.type == "cuda" else 1,
            precision="bf16-mixed" if precision == "bf16" else "32-true",
            max_epochs=1,
            gradient_clip_val=recipe.gradient_limit,
            callbacks=[keeper, _Bar()],
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            deterministic="warn",
        )
        trainer.fit(learner, train_dataloaders=loader)
    return keeper.enough or not stop


@contextmanager
def _stop_after_step() -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM fill the list, so that training stops between two steps; a second one acts at once."""
    stop: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        if stop:
            raise KeyboardInterrupt
        stop.append(number)
        log.info("\nstopping after this step")

    old = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning's remarks on workers, tips and hardware are no news to the user of a command."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        yield
    logger.setLevel(level)
