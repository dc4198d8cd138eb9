"""What networks are trained for: telling classes apart, or estimating numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn.images import SparseImages
from dmcnn.models.checkpoint import Card
from dmcnn.training import evaluation, regression
from dmcnn.training.evaluation import Evaluation
from dmcnn.training.losses import Loss
from dmcnn.training.regression import Residuals

Row = Mapping[str, float]


class Result(Protocol):
    """How good a network is on a test set."""

    @property
    def numbers(self) -> dict[str, float]:
        """The single numbers by name."""

    def lines(self) -> list[str]:
        """For people."""


class Task(ABC):
    """What training, its evaluations and its tables need to know of the purpose of a network.

    Attributes:
        card: of the network.
    """

    def __init__(self, card: Card) -> None:
        self.card = card

    @abstractmethod
    def loss(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean loss of a batch of (B, m) outputs."""

    def right(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor | int:
        """Return how many of a batch are right, where there is right and wrong: a scalar on their device."""
        return 0

    @abstractmethod
    def evaluate(self, net: nn.Module, images: SparseImages, **how: Any) -> Result:
        """The network on a labelled test set; ``how``: device, batch_size, precision."""

    @property
    @abstractmethod
    def columns(self) -> Sequence[str]:
        """Columns of the metrics table."""

    @abstractmethod
    def row(self, result: Any) -> dict[str, float]:
        """The columns that are about the result of an evaluation."""

    @abstractmethod
    def rank(self, row: Row) -> tuple[float, ...]:
        """What the best evaluation is the largest of."""

    @abstractmethod
    def panels(self, columns: Mapping[str, Sequence[float]]) -> dict[str, dict[str, Sequence[float]]]:
        """{title: {curve: values}} of the figure of the metrics table."""

    @abstractmethod
    def more(self, result: Any) -> dict[str, Any]:
        """What a summary says beside the single numbers."""

    @abstractmethod
    def about(self, labels: NDArray[Any]) -> str:
        """What the labels of a set of events are, for people."""


class Classification(Task):
    """Tells classes apart."""

    columns = (
        "train_accu", "test_accu", "train_loss", "test_loss", "epoch", "step",
        "test_auc", "test_auc_low", "test_auc_high", "test_events", "learning_rate",
    )  # fmt: skip
    """DM-CNN's columns, then ours. train_* are over the batches since the last row (dropout and augmentation on),
    test_* over ``test_events`` events; accuracies are shares of events whose largest logit is the true class."""

    def __init__(self, card: Card, loss: Loss) -> None:
        super().__init__(card)
        self._loss = loss

    def loss(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return self._loss(outputs, labels)

    def right(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return (outputs.argmax(dim=1) == labels).sum()

    def evaluate(self, net: nn.Module, images: SparseImages, **how: Any) -> Evaluation:
        return evaluation.evaluate(net, images, self.card, self._loss, **how)

    def row(self, result: Evaluation) -> dict[str, float]:
        return {
            "test_accu": result.accuracy,
            "test_auc": result.auc,
            "test_auc_low": result.auc_low,
            "test_auc_high": result.auc_high,
        }

    def rank(self, row: Row) -> tuple[float, ...]:
        """By AUC where there is a signal class, else by accuracy; then by loss."""
        first = row["test_auc"] if not np.isnan(row["test_auc"]) else row["test_accu"]
        return first, -row["test_loss"]

    def panels(self, columns: Mapping[str, Sequence[float]]) -> dict[str, dict[str, Sequence[float]]]:
        return {
            "Loss": {"training": columns["train_loss"], "test": columns["test_loss"]},
            "Accuracy": {"training": columns["train_accu"], "test": columns["test_accu"]},
            "AUC": {"test": columns["test_auc"]},
        }

    def more(self, result: Evaluation) -> dict[str, Any]:
        return {"classes": self.card.classes, "confusion": result.confusion}

    def about(self, labels: NDArray[Any]) -> str:
        counts = np.bincount(labels, minlength=len(self.card.classes)).tolist()
        return ", ".join(f"{count} {name}" for count, name in zip(counts, self.card.classes, strict=True))


class Regression(Task):
    """Estimates numbers with their covariance.

    ``constraints`` are the names of what the weights must also obey; an evaluation gives each a column with its
    distance from what is wanted (0 or less where that is met, but of an equality 0 alone), and there is a column
    ``violation``: how far that which is furthest from being met is from it, 0 = all are met.
    """

    def __init__(self, card: Card, constraints: Sequence[str] = ()) -> None:
        super().__init__(card)
        self.constraints = constraints

    def loss(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return regression.nll(outputs, labels, self.card).mean()

    def evaluate(self, net: nn.Module, images: SparseImages, **how: Any) -> Residuals:
        return regression.evaluate(net, images, self.card, **how)

    @property
    def columns(self) -> Sequence[str]:
        each = [f"test_{what}_{name}" for what in ("rms", "bias", "pull") for name in self.card.targets]
        obeyed = ["violation", *self.constraints] if self.constraints else []
        return (
            "train_loss", "test_loss", "epoch", "step", *each, "zeros", *obeyed, "test_events", "learning_rate",
        )  # fmt: skip

    def row(self, result: Residuals) -> dict[str, float]:
        return {
            name if name == "zeros" else f"test_{name}": value
            for name, value in result.numbers.items()
            if name not in ("loss", "events")
        }

    def rank(self, row: Row) -> tuple[float, ...]:
        """What is nearer to obeying the constraints before what is not; then by loss."""
        return -row.get("violation", 0.0), -row["test_loss"]

    def panels(self, columns: Mapping[str, Sequence[float]]) -> dict[str, dict[str, Sequence[float]]]:
        return {
            "NLL [nats per event]": {"training": columns["train_loss"], "test": columns["test_loss"]},
            "Pull width": {name: columns[f"test_pull_{name}"] for name in self.card.targets},
            "Weights that are 0": {"share": columns["zeros"]},
        }

    def more(self, result: Residuals) -> dict[str, Any]:
        return {"targets": self.card.targets}

    def about(self, labels: NDArray[Any]) -> str:
        spread = np.std(labels, axis=0) * self.card.target_scales
        return "rms of " + ", ".join(
            f"{name} {rms:.3g}" for name, rms in zip(self.card.targets, spread, strict=True)
        )
