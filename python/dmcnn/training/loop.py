"""Training loop: optimiser steps on batches, and the state from which a later process goes on."""

from __future__ import annotations

import logging
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import nn
from torch.utils import deterministic

from dmcnn._common.progress import ProgressBar
from dmcnn.engines.choice import evaluator
from dmcnn.engines.compiled import compiled
from dmcnn.tasks import Task
from dmcnn.training.averages import Averages
from dmcnn.training.batches import Batches
from dmcnn.training.fine_tuning import freeze
from dmcnn.training.loader import Loader
from dmcnn.training.optimiser import Activity, Recipe, record_activity
from dmcnn.training.pace import Pace
from dmcnn.training.pixels import ActivePixels
from dmcnn.training.ranks import ALONE, Ranks

if TYPE_CHECKING:
    from dmcnn.training.constraints.multipliers import Constraints

log = logging.getLogger("dmcnn")


class Stateful(Protocol):
    """Part of a training whose state is stored with the progress."""

    def state_dict(self) -> dict[str, Any]:
        """Return the current state."""


@dataclass
class Progress:
    """State of a training, from which a later process continues with the same result as without a break."""

    step: int = 0
    """Number of finished optimiser steps, over all epochs."""
    optimizer: dict[str, Any] | None = None
    """State of the optimiser at the start of this process."""
    rows: list[dict[str, float]] = field(default_factory=list)
    """Rows of the metrics table, one per evaluation."""
    best: int | None = None
    """Step with the best evaluation so far."""
    loss_sum: torch.Tensor | float = 0.0
    correct: torch.Tensor | int = 0
    seen: int = 0
    """Sum of the training loss over images, number of correct classifications, and number of images since the last
    evaluation. The first two are scalars on the device of the network, so that no step waits for the device."""
    constraints: dict[str, Any] | None = None
    """State of the multipliers at the start of this process."""
    averages: dict[str, Any] | None = None
    """Moving averages of the weights at the start of this process."""
    scaler: dict[str, Any] | None = None
    """State of the scale of the loss (fp16) at the start of this process."""
    plateaus: int = 0
    """Number of times that evaluations brought no improvement for long, see dmcnn.training.optimiser.plateaus."""

    def __post_init__(self) -> None:
        self.parts: dict[str, Stateful] = {}
        """Optimiser, multipliers, averages and scaler in use, by the name of the field that stores their state."""

    def state_dict(self) -> dict[str, Any]:
        """Return all fields by name, with the current states of the parts, as numbers and tensors."""
        state = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        state |= {name: part.state_dict() for name, part in self.parts.items()}
        return {**state, "loss_sum": float(self.loss_sum), "correct": int(self.correct)}


@runtime_checkable
class NetworkWithPenalty(Protocol):
    """Network with a penalty on its weights, which the loop adds to the loss."""

    def penalty(self) -> torch.Tensor:
        """Return the scalar penalty."""


@dataclass
class _Step:
    """Optimiser step of a network; its random numbers depend only on the seed and the number of the step.

    ``forward`` evaluates ``net``, densely or on rows.
    """

    net: nn.Module
    forward: nn.Module
    task: Task
    recipe: Recipe
    seed: int
    device: torch.device
    precision: str
    progress: Progress
    optimizer: torch.optim.Optimizer
    activity: Activity
    constraints: Constraints | None
    scaler: torch.amp.GradScaler
    averages: Averages | None
    ranks: Ranks = ALONE

    def __call__(
        self, images: torch.Tensor | ActivePixels, labels: torch.Tensor, weight: torch.Tensor | None = None
    ) -> None:
        """Update the weights with the gradient of a batch, apply the limits, and count the step.

        Args:
            images: (B, C, H, W) float32, or active pixels; of several ranks, those of this one.
            labels: (B,) int64 class numbers, or (B, k) float32 targets.
            weight: (B,) float32 weights of the events; None = 1 each.
        """
        recipe, progress = self.recipe, self.progress
        rank = [self.ranks.number] if self.ranks.number else []  # else all ranks drop the same neurons
        seed_generators(int(np.random.SeedSequence([self.seed, progress.step, *rank]).generate_state(1)[0]))
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.rate(progress.step, progress.plateaus)
        self.optimizer.zero_grad()
        at = 0
        for part, own in self.ranks.parts(len(labels), recipe.batch_size):
            count = own.stop - own.start
            self._backward(
                images[at : at + count], labels[part], None if weight is None else weight[part], len(labels)
            )
            at += count
        self.ranks.join_gradients(self.net, len(labels))
        if recipe.gradient_limit is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.net.parameters(), recipe.gradient_limit)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        recipe.limit_(self.net)
        if self.constraints is not None:
            self.constraints.ascend()
        if self.averages is not None:
            self.averages.update(progress.step)
        progress.step += 1

    def _backward(
        self,
        images: torch.Tensor | ActivePixels,
        labels: torch.Tensor,
        weight: torch.Tensor | None,
        whole: int,
    ) -> None:
        """Add the gradient of a part of a step of ``whole`` images to that of the parts before."""
        given = [part.to(self.device, non_blocking=True) for part in (images, labels)]
        if weight is not None:
            given.append(weight.to(self.device, non_blocking=True))
        # each weight is used once per step: a cache of the cast weights would only need memory
        with autocast(self.device, self.precision):
            loss = self._loss(*given)
        if len(labels) < whole:
            loss = loss * (len(labels) / whole)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def _loss(
        self, images: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the mean loss of a batch with all penalties; add the loss without penalties to the progress."""
        progress = self.progress
        outputs = self.ranks.gather(self.forward(images).float(), len(labels))
        loss = self.task.loss(outputs, labels, weight)
        # summed in float64, as Python floats are
        progress.loss_sum = progress.loss_sum + loss.detach().double() * len(labels)
        progress.correct = progress.correct + self.task.right(outputs.detach(), labels)
        progress.seen += len(labels)
        loss = loss + self.recipe.penalty(self.net)
        loss = loss + self.activity.penalty() * self.ranks.share(len(labels))
        if self.constraints is not None:
            loss = loss + self.constraints.penalty(self.net, outputs, labels)
        return loss + self.net.penalty() if isinstance(self.net, NetworkWithPenalty) else loss


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
    engine: str = "dense",
    ranks: Ranks = ALONE,
) -> int:
    """Train ``net`` on ``batches``; return the number of the signal that stopped it between two steps, else 0.

    Args:
        net: network with the weights that belong to ``progress``; changed in place.
        batches: batches from step ``progress.step`` on; threads make them while the network works.
        task: its loss takes the (B, m) outputs and the labels of a batch.
        recipe: optimiser, step size, limits and penalties.
        seed: the random numbers of step s depend only on (seed, s).
        device: device of the training.
        precision: "32", or "bf16" or "fp16" (autocast, and for fp16 a scaled loss).
        progress: state of the training, updated after every step.
        after_step: called after every step, with ``net`` in training mode, to evaluate and save; True ends the
            training.
        constraints: constraints with the multipliers that belong to ``progress``.
        engine: "dense" or "sparse".
        ranks: processes that share every step; they stop after the same one.
    """
    if not len(batches):
        return 0
    net.to(device).train()
    freeze(net, recipe.freeze)
    optimizer, averages, scaler = _parts(net, recipe, device, precision, progress)
    if constraints is not None:
        progress.parts["constraints"] = constraints.to(device)
    enough, stopped_by = False, 0
    with (
        _stop_after_step() as stop,
        reproducible(),
        Loader(batches) as loader,
        record_activity(net, recipe.activity_l2) as activity,
        _progress_bar(len(loader), shown=ranks.first) as bar,
    ):
        forward, about = evaluator(net, engine), (seed, device, precision, progress)
        if recipe.compile:
            first = batches.batch(progress.step)[0][: recipe.batch_size].to(device)
            forward = compiled(net, first, partial(autocast, device, precision))
        own = optimizer, activity, constraints
        step = _Step(net, forward, task, recipe, *about, *own, scaler, averages, ranks)
        pace = Pace(loader, batches.per_epoch, batches.total)
        for images, labels in loader:
            step(images, labels, batches.weights(progress.step))
            bar.update()
            pace.step(progress.step, len(labels))
            enough = after_step(progress)
            stopped_by = ranks.largest(stop[0] if stop else 0)
            if stopped_by or enough:
                break
            pace.resume()
    return 0 if enough else stopped_by


def _parts(
    net: nn.Module, recipe: Recipe, device: torch.device, precision: str, progress: Progress
) -> tuple[torch.optim.Optimizer, Averages | None, torch.amp.GradScaler]:
    """Return the optimiser, averages and scaler of a training with the states that belong to its progress."""
    optimizer = recipe.make_optimizer(net)
    if progress.optimizer is not None:
        optimizer.load_state_dict(progress.optimizer)
    progress.parts = {"optimizer": optimizer}
    averages = None if recipe.ema is None else Averages(net, recipe.ema, progress.averages)
    if averages is not None:
        progress.parts["averages"] = averages
    scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
    if progress.scaler is not None:
        scaler.load_state_dict(progress.scaler)
    if precision == "fp16":
        progress.parts["scaler"] = scaler
    return optimizer, averages, scaler


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Return the context of a forward pass in a precision."""
    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(device.type, dtype, enabled=precision != "32", cache_enabled=False)


def seed_generators(seed: int) -> None:
    """Seed the generators of Python, NumPy and torch (CPU, and GPUs in use) with 0 <= seed < 2^32.

    ``torch.manual_seed`` would also queue a call for every device that is not in use, with a formatted stack that
    stays in memory.
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  # networks of users may draw from it
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(seed)


@contextmanager
def reproducible() -> Iterator[None]:
    """Let torch use deterministic algorithms within the block; torch warns where it has none."""
    os.environ.setdefault(
        "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
    )  # cuBLAS needs a fixed workspace to be deterministic
    memory: Any = deterministic  # mypy does not know its attribute
    mode, fill = torch.get_deterministic_debug_mode(), memory.fill_uninitialized_memory
    torch.set_deterministic_debug_mode("warn")  # use_deterministic_algorithms would import the compiler
    memory.fill_uninitialized_memory = (
        False  # no code reads such memory, and to fill it costs a pass over every tensor
    )
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(mode)
        memory.fill_uninitialized_memory = fill


def _progress_bar(steps: int, *, shown: bool) -> ProgressBar:
    """Return the progress bar of a training, which shows the mean rate of all steps so far."""
    return ProgressBar(total=steps, desc="training", file=sys.stdout, smoothing=0, disable=not shown)


@contextmanager
def _stop_after_step() -> Iterator[list[int]]:
    """Yield a list to which Ctrl-C and SIGTERM append, so that training stops between two steps.

    A second signal raises KeyboardInterrupt at once.
    """
    stop: list[int] = []

    def handle(number: int, _: FrameType | None) -> None:
        """Note the first signal; raise KeyboardInterrupt at the second."""
        if stop:
            raise KeyboardInterrupt
        stop.append(number)
        log.info("\nstopping after this step")

    old = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
