"""Pace of a training: images per second, and the share of the time in which the network waited for data."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Protocol

from dmcnn._common.progress import QUIET

log = logging.getLogger("dmcnn")


class Waiting(Protocol):
    """Source of batches that knows how long it let the network wait."""

    waited: float


@dataclass
class Pace:
    """Clock of the steps of a training; the time of evaluations and checkpoints does not count.

    A GPU works on while the host waits for the next batch, so that its own share is at most the one in the log.

    Attributes:
        loader: source of the batches, with the time [s] that it let the network wait.
        per_epoch: steps of an epoch.
        total: steps of the training.
    """

    loader: Waiting
    per_epoch: int
    total: int
    images: int = 0
    seconds: float = 0.0
    waited: float = 0.0
    told: float = field(default_factory=time.monotonic)
    since: float = field(default_factory=time.perf_counter)

    def step(self, number: int, images: int) -> None:
        """Count a step that has ended, the ``number``-th of the training, of ``images`` images."""
        self.seconds += time.perf_counter() - self.since
        self.images += images
        is_last, now = number == self.total, time.monotonic()
        if number % self.per_epoch == 0 and (is_last or now - self.told >= QUIET):
            log.info("%s", self.line(number))
            self.images, self.seconds, self.waited, self.told = 0, 0.0, self.loader.waited, now

    def resume(self) -> None:
        """Let the clock run again, after whatever followed a step."""
        self.since = time.perf_counter()

    def line(self, number: int) -> str:
        """Return the log line of the steps since the last one."""
        seconds = max(self.seconds, 1e-9)
        share = min(1.0, (self.loader.waited - self.waited) / seconds)
        epochs = f"epoch {number // self.per_epoch} of {self.total // self.per_epoch}"
        return (
            f"{epochs}: {self.images / seconds:.3g} images/s, waited for data {100 * share:.2g} % of the time"
        )
