"""Regression task: estimates of targets with their covariance."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn._common.errors import InputError
from dmcnn.checkpoints.card import Card
from dmcnn.datasets.dataset import Dataset
from dmcnn.detectors.smartpixel import UNITS
from dmcnn.images.sparse import SparseImages
from dmcnn.losses import gaussian as density
from dmcnn.metrics import gaussian
from dmcnn.metrics.distributions import format_estimate
from dmcnn.quantisation.quantisers import zero_fraction
from dmcnn.tasks.base import EventScores, Floats, Loss, Row, Task, Truth


@dataclass(frozen=True)
class RegressionResult:
    """Result of a regression network on test events.

    Attributes:
        targets: names of the targets.
        events: number of events.
        loss: mean negative log likelihood of the scaled targets [nats per event], or mean of a loss of one's own.
        rms: (k,) root mean square of the residuals, in the units of the targets.
        bias: (k,) mean of the residuals, in the units of the targets.
        pull: (k,) standard deviation of the pulls, 1 for correct uncertainties.
        zeros: share of the weights that are deployed as zero.
        is_likelihood: whether the loss is the negative log likelihood.
    """

    targets: list[str]
    events: int
    loss: float
    rms: Floats
    bias: Floats
    pull: Floats
    zeros: float
    is_likelihood: bool = True

    @property
    def numbers(self) -> dict[str, float]:
        """Numbers of the result by name."""
        numbers = {"events": self.events, "loss": self.loss, "zeros": self.zeros}
        for what in ("rms", "bias", "pull"):
            values = getattr(self, what).tolist()
            numbers |= {f"{what}_{name}": value for name, value in zip(self.targets, values, strict=True)}
        return numbers

    def lines(self) -> list[str]:
        """Return a line of numbers, then one per target."""
        loss = f"NLL {self.loss:.4f} nats per event" if self.is_likelihood else f"loss {self.loss:.4f}"
        return [f"{self.events} events: {loss}, {100 * self.zeros:.1f} % of the weights 0"] + [
            f"  {name}: rms {rms:.4g}, bias {bias:+.3g}, pull width {pull:.3f}"
            for name, rms, bias, pull in zip(self.targets, self.rms, self.bias, self.pull, strict=True)
        ]


class Regression(Task):
    """Regression of targets with their covariance.

    Args:
        card: card of the network.
        loss: loss of the training; None = the negative log likelihood that the card names.
        constraints: names of the constraints of the training. In the metrics table each has a column with its signed
            distance (at most 0 where an inequality holds, 0 where an equality holds); the column ``violation`` is the
            largest violation, 0 if all constraints are met.
        part, prefix: see ``Task``.
    """

    name = "regression"

    def __init__(
        self,
        card: Card,
        loss: Loss | None = None,
        constraints: Sequence[str] = (),
        part: str = "test",
        prefix: str | None = None,
    ) -> None:
        super().__init__(card, part, prefix)
        self._loss, self.constraints = loss, constraints

    @property
    def outputs(self) -> int:
        return self.card.gaussian.outputs(len(self.card.targets))

    @property
    def names(self) -> list[str]:
        return list(self.card.targets)

    def values(self, outputs: Floats) -> Floats:
        return self.estimates(outputs)[0]

    def unit(self, name: str) -> str:
        return UNITS.get(name, "")

    @property
    def convention(self) -> str:
        names = [f"{name} [{self.unit(name)}]" if self.unit(name) else name for name in self.card.targets]
        return f"estimates of {', '.join(names)} with their uncertainties"

    def estimates(self, outputs: Floats) -> tuple[Floats, Floats]:
        """Return (n, k) means and (n, k, k) covariance factors of (n, m) outputs, in the units of the targets."""
        return self.card.gaussian.decode(outputs, self.card.target_scales)

    def labels(self, dataset: Dataset, label: Any = None) -> tuple[Truth, str]:
        """Return the (n, k) true targets in their units, NaN if the files do not hold them; no rule gives them."""
        return self._stored(dataset), ""

    def _stored(self, dataset: Dataset) -> Floats:
        """Return the (n, k) targets in the files, or NaN for files without them."""
        try:
            return dataset.stored_targets(self.card.targets)
        except InputError:
            return np.full((len(dataset), len(self.card.targets)), np.nan)

    def truth_of_labels(self, labels: NDArray[Any] | None, count: int) -> Floats:
        """Return scaled targets in their units."""
        if labels is None or labels.shape != (count, len(self.card.targets)):
            return np.full((count, len(self.card.targets)), np.nan)
        return np.asarray(labels * np.array(self.card.target_scales), np.float64)

    def truth_of_words(self, words: Sequence[Any]) -> Floats:
        names = self.card.targets
        known = [word if isinstance(word, dict) else {} for word in words]
        rows = [[word.get(name, math.nan) for name in names] for word in known]
        return np.array(rows, np.float64).reshape(len(words), len(names))

    def stored_truth(self, dataset: Dataset) -> Sequence[Sequence[Any]]:
        rows: list[list[float]] = self._stored(dataset).tolist()
        return rows

    def columns(
        self, outputs: Floats, truth: Truth, sizes: NDArray[np.int64], place: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return means, uncertainties and correlations in the units of the targets."""
        names, scales = self.card.targets, np.array(self.card.target_scales)
        mean, factor = self.estimates(outputs)
        sigma, correlation = gaussian.sigma(factor), gaussian.correlation(factor)
        true = np.asarray(truth, np.float64).reshape(len(outputs), len(names))
        per_unit = gaussian.nll(mean - true, factor)
        pairs = list(combinations(range(len(names)), 2))
        return {
            **{name: values for name, values in place.items() if name != "file"},
            "n_pixels": sizes[:, 0],
            "cluster_size": sizes[:, 1],
            "file": place["file"],
            **{name: mean[:, i] for i, name in enumerate(names)},
            **{f"sigma_{name}": sigma[:, i] for i, name in enumerate(names)},
            **{f"corr_{names[i]}_{names[j]}": correlation[:, i, j] for i, j in pairs},
            **{f"true_{name}": true[:, i] for i, name in enumerate(names)},
            "nll": per_unit - np.log(scales).sum(),  # of the scaled targets, as the loss of the training
        }

    def cluster_sizes(
        self, n_pixels: NDArray[np.int64], count: Callable[[], NDArray[np.int64]]
    ) -> NDArray[np.int64]:
        return count()

    def event_scores(self, outputs: Floats, truth: Sequence[Any]) -> EventScores:
        """Return a line per target: estimate, with two digits of the uncertainty, and true value."""
        if np.isnan(outputs).any():
            return EventScores({}, estimates=("no estimate",))
        mean, factor = self.estimates(outputs)
        sigma = gaussian.sigma(factor)[0]
        lines = []
        for name, value, error, true in zip(self.card.targets, mean[0], sigma, truth, strict=True):
            true_text = (
                "" if math.isnan(true) else f" (true {format_estimate(true, error).partition(' ')[0]})"
            )
            estimate = f"{format_estimate(value, error)} {UNITS.get(name, '')}".rstrip()
            text = f"{estimate}{true_text}".replace("-", "−")
            lines.append(f"{name}: {text}")
        return EventScores({}, estimates=tuple(lines))

    def loss(
        self, outputs: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        if self._loss is not None:
            return self._loss(outputs, labels) if weight is None else self._loss(outputs, labels, weight)
        card = self.card
        losses = density.nll(outputs, labels, card.gaussian, legacy=card.loss == "clipped_nll")
        return losses.mean() if weight is None else (losses * weight).mean()

    def evaluate(self, net: nn.Module, outputs: Floats, images: SparseImages) -> RegressionResult:
        """Evaluate residuals, pulls and likelihood of the outputs on labelled images."""
        scaled = np.asarray(images.label, np.float64)
        mean, factor = self.estimates(outputs)
        residual = mean - scaled * self.card.target_scales
        return RegressionResult(
            targets=self.card.targets,
            events=len(images),
            loss=self.loss_of(outputs, images),
            rms=np.sqrt((residual**2).mean(axis=0)),
            bias=residual.mean(axis=0),
            pull=(residual / gaussian.sigma(factor)).std(axis=0),
            zeros=zero_fraction(net),
            is_likelihood=self._loss is None,
        )

    @property
    def metrics(self) -> Sequence[str]:
        one = self.prefix
        columns = [f"{one}_{what}_{name}" for what in ("rms", "bias", "pull") for name in self.card.targets]
        constraints = ["violation", *self.constraints] if self.constraints else []
        return (
            "train_loss", f"{one}_loss", "epoch", "step", *columns, "zeros", *constraints, f"{one}_events",
            "learning_rate",
        )  # fmt: skip

    def row(self, result: RegressionResult) -> dict[str, float]:
        return {
            name if name == "zeros" else f"{self.prefix}_{name}": value
            for name, value in result.numbers.items()
            if name not in ("loss", "events")
        }

    def rank(self, row: Row) -> tuple[float, ...]:
        """Return the key (-violation of the constraints; -loss)."""
        return -row.get("violation", 0.0), -row[f"{self.prefix}_loss"]

    def panels(self, columns: Mapping[str, Sequence[float]]) -> dict[str, dict[str, Sequence[float]]]:
        title = "NLL [nats per event]" if self._loss is None else "Loss"
        return {
            title: {"training": columns["train_loss"], self.part: columns[f"{self.prefix}_loss"]},
            "Pull width": {name: columns[f"{self.prefix}_pull_{name}"] for name in self.card.targets},
            "Weights that are 0": {"share": columns["zeros"]},
        }

    def summary(self, result: RegressionResult) -> dict[str, Any]:
        return {"targets": self.card.targets}

    def about(self, labels: NDArray[Any]) -> str:
        spread = np.std(labels, axis=0) * self.card.target_scales
        return "rms of " + ", ".join(
            f"{name} {rms:.3g}" for name, rms in zip(self.card.targets, spread, strict=True)
        )
