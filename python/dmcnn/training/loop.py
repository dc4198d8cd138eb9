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
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import nn
from torch.utils import deterministic
from tqdm import tqdm

from dmcnn.tasks import Task
from dmcnn.training.batches import Batches
from dmcnn.training.loader import Loader
from dmcnn.training.optimiser import Activity, Recipe, activity

if TYPE_CHECKING:
    from dmcnn.training.constraints.multipliers import Constraints

log = logging.getLogger("dmcnn")


class Stateful(Protocol):
    """A part of a training whose state is stored with its progress."""

    def state_dict(self) -> dict[str, Any]:
        """Return the present state."""


@dataclass
class Progress:
    """State of a training: everything a later process needs to go on as if nothing had happened."""

    step: int = 0
    """Finished optimiser steps, over all epochs."""
    optimizer: dict[str, Any] | None = None
    """State of the optimiser where training starts."""
    rows: list[dict[str, float]] = field(default_factory=list)
    """The metrics table so far, one row per evaluation."""
    best: int | None = None
    """The step whose weights did best in the tests so far."""
    loss_sum: torch.Tensor | float = 0.0
    correct: torch.Tensor | int = 0
    seen: int = 0
    """Training loss times images, right answers, and images since the last evaluation; the first two are scalars on
    the device of the network, for which no step has to wait."""
    constraints: dict[str, Any] | None = None
    """State of the multipliers where training starts."""

    def __post_init__(self) -> None:
        self.parts: dict[str, Stateful] = {}
        """What is in training, by the name of the field that stores its state."""

    def state_dict(self) -> dict[str, Any]:
        """Return every field by name, with the present states of the parts: numbers and tensors alone."""
        state = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        state |= {name: part.state_dict() for name, part in self.parts.items()}
        return {**state, "loss_sum": float(self.loss_sum), "correct": int(self.correct)}


@runtime_checkable
class Penalised(Protocol):
    """A network with a penalty on its weights, which training adds to the loss."""

    def penalty(self) -> torch.Tensor:
        """What to add to the loss."""


@dataclass
class _Step:
    """Optimiser step of a network; its random numbers depend on the seed and the step alone."""

    net: nn.Module
    task: Task
    recipe: Recipe
    seed: int
    device: torch.device
    precision: str
    progress: Progress
    optimizer: torch.optim.Optimizer
    activity: Activity
    constraints: Constraints | None

    def __call__(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        """Move the weights along the gradient of a batch, keep to the limits, and count the step."""
        recipe, progress = self.recipe, self.progress
        seed_generators(int(np.random.SeedSequence([self.seed, progress.step]).generate_state(1)[0]))
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.rate(progress.step)
        self.optimizer.zero_grad()
        images, labels = (part.to(self.device, non_blocking=True) for part in (images, labels))
        # weights are used once in a step: to keep their casts would only cost memory
        with torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.precision == "bf16", cache_enabled=False
        ):
            loss = self._loss(images, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        if recipe.gradient_limit is not None:
            nn.utils.clip_grad_norm_(self.net.parameters(), recipe.gradient_limit)
        self.optimizer.step()
        recipe.limit_(self.net)
        if self.constraints is not None:
            self.constraints.ascend()
        progress.step += 1

    def _loss(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the mean loss of a batch with all penalties; the progress counts it without them."""
        progress = self.progress
        outputs = self.net(images).float()
        loss = self.task.loss(outputs, labels)
        # in float64, as a sum of Python's numbers
        progress.loss_sum = progress.loss_sum + loss.detach().double() * len(labels)
        progress.correct = progress.correct + self.task.right(outputs.detach(), labels)
        progress.seen += len(labels)
        loss = loss + self.recipe.penalty(self.net) + self.activity.take()
        if self.constraints is not None:
            loss = loss + self.constraints.penalty(self.net, outputs, labels)
        return loss + self.net.penalty() if isinstance(self.net, Penalised) else loss


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
    net.to(device).train()
    optimizer = recipe.optimizer_of(net)
    if progress.optimizer is not None:
        optimizer.load_state_dict(progress.optimizer)
    progress.parts = {"optimizer": optimizer}
    if constraints is not None:
        progress.parts["constraints"] = constraints.to(device)
    enough = False
    with (
        _stop_after_step() as stop,
        reproducible(),
        Loader(batches) as loader,
        activity(net, recipe.activity_l2) as seen,
        _bar(len(loader)) as bar,
    ):
        step = _Step(net, task, recipe, seed, device, precision, progress, optimizer, seen, constraints)
        for images, labels in loader:
            step(images, labels)
            bar.update()
            enough = after_step(progress)
            if stop or enough:
                break
    return enough or not stop


def seed_generators(seed: int) -> None:
    """Seed the generators of Python, NumPy and torch (CPU, and GPUs in use): 0 <= seed < 2^32.

    It is ``torch.manual_seed`` without its notes for devices that are not in use: each is a formatted stack that
    stays in memory.
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  # networks of users may draw from it
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(seed)


@contextmanager
def reproducible() -> Iterator[None]:
    """Let torch choose algorithms whose results do not vary; where it has none, it warns and goes on."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is only reproducible with this
    memory: Any = deterministic  # whose attribute mypy does not see
    mode, fill = torch.get_deterministic_debug_mode(), memory.fill_uninitialized_memory
    torch.set_deterministic_debug_mode("warn")  # use_deterministic_algorithms would import the compiler
    memory.fill_uninitialized_memory = False  # nothing reads it, and it costs a pass over every tensor
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(mode)
        memory.fill_uninitialized_memory = fill


def _bar(steps: int) -> tqdm:
    """Return the progress bar of a training; its rate is that of all steps so far."""
    return tqdm(total=steps, desc="training", file=sys.stdout, dynamic_ncols=True, smoothing=0)


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
