"""Search for a step size: loss of a short training whose step size rises from step to step (arXiv:1506.01186)."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn._common.interrupts import interrupt
from dmcnn.training.batches import Batches
from dmcnn.training.loop import Progress, fit
from dmcnn.training.optimiser import Recipe
from dmcnn.training.session import Run

log = logging.getLogger("dmcnn")

LOWEST, HIGHEST = 1e-7, 10.0
STEPS = 200
"""Step sizes between the lowest and the highest."""
SMOOTHING = 0.9
"""Share of the running mean of the loss that a step leaves."""
BEGINNING = STEPS // 10
"""Steps that are too small to change the loss: their losses show its level and its spread."""


@dataclass(frozen=True)
class RateScan:
    """Losses of a short training.

    Attributes:
        rate: (n,) step sizes.
        loss: (n,) mean loss of the batch of every step, before the step.
        smoothed: (n,) running mean of the losses.
    """

    rate: NDArray[np.float64]
    loss: NDArray[np.float64]
    smoothed: NDArray[np.float64]

    @property
    def suggestion(self) -> float | None:
        """A tenth of the step size at the smallest running mean; None if the loss never fell."""
        least = int(np.argmin(self.smoothed))
        return None if least < BEGINNING else float(self.rate[least] / 10)


class _Rising(Recipe):
    """Recipe whose step size rises by the same factor from step to step."""

    def rate(self, step: int, falls: int = 0) -> float:
        return rising(step)


def rising(step: int) -> float:
    """Return the step size of a step, from 0."""
    return float(LOWEST * (HIGHEST / LOWEST) ** (step / (STEPS - 1)))


def _has_diverged(losses: Sequence[float], mean: float) -> bool:
    """Return whether the running mean is above the first losses by a quarter of their level and their spread.

    Beyond that a network may settle at outputs that no longer depend on the image, with a loss below the first ones.
    """
    first = losses[:BEGINNING]
    level = float(np.mean(first))
    return len(losses) > BEGINNING and mean > level + abs(level) / 4 + float(np.std(first))


def scan_rates(run: Run, batches: Batches, seed: int) -> RateScan:
    """Train the network of ``run`` for up to STEPS steps with rising step sizes; return the losses.

    Args:
        run: training that has not begun; its network is changed, and none of its files.
        batches: at least STEPS batches.
        seed: seed of the training.
    """
    rates: list[float] = []
    losses: list[float] = []
    means: list[float] = []
    mean = 0.0

    def record(progress: Progress) -> bool:
        """Note the loss of a step; return True where the training has diverged."""
        nonlocal mean
        loss = float(progress.loss_sum) / progress.seen
        progress.loss_sum, progress.correct, progress.seen = 0.0, 0, 0
        if not math.isfinite(loss):
            return True
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        rates.append(rising(progress.step - 1))
        losses.append(loss)
        means.append(mean / (1 - SMOOTHING ** len(losses)))
        return progress.step >= STEPS or _has_diverged(losses, means[-1])

    recipe = _Rising(**{entry.name: getattr(run.recipe, entry.name) for entry in fields(Recipe)})
    stopped_by = fit(
        run.net,
        batches,
        task=run.task,
        recipe=recipe,
        seed=seed,
        device=run.device,
        precision=run.precision,
        progress=Progress(),
        after_step=record,
        constraints=run.constraints,
        engine=run.engine,
        ranks=run.ranks,
    )
    if stopped_by:
        raise interrupt(stopped_by)
    if not losses:
        raise InputError("find_rate: the loss of the first step is not finite")
    return RateScan(np.array(rates), np.array(losses), np.array(means))
