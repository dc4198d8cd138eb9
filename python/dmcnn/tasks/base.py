"""Base class of tasks: meaning of the outputs of a network, with tables, figures and evaluation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn._common.errors import InputError
from dmcnn.checkpoints.card import Card
from dmcnn.datasets.dataset import Dataset
from dmcnn.images.sparse import SparseImages

if TYPE_CHECKING:  # matplotlib is imported only where a figure is drawn
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
Row = Mapping[str, float]
Truth = Sequence[Any] | NDArray[Any]
"""Truth of n events: names of classes (None = unknown), or (n, k) values of targets (NaN = unknown)."""
Loss = Callable[..., torch.Tensor]
"""Function of the (B, m) outputs and the labels of a batch, and of the (B,) weights of its events where they have
some, that returns the mean of weight * loss."""


class Result(Protocol):
    """Result of an evaluation on test events."""

    @property
    def numbers(self) -> dict[str, float]:
        """Numbers of the result by name."""

    def lines(self) -> list[str]:
        """Return the result as log lines."""


@dataclass(frozen=True)
class EventScores:
    """Scores or estimates of one event.

    Attributes:
        named: class -> score; NaN for an event without image.
        signal: name of the signal class.
        estimates: lines with the estimates of a regression network.
    """

    named: dict[str, float]
    signal: str | None = None
    estimates: tuple[str, ...] = ()


class Scored(Protocol):
    """Task whose outputs become scores of classes."""

    def scores(self, outputs: Floats, /) -> Floats:
        """Return the (n, classes) scores of (n, classes) logits."""

    def ranking(self, outputs: Floats) -> Floats:
        """Return the (n,) scores by which events are ranked."""

    def mean_logits(self, logits: Floats, /) -> Floats:
        """Return the (n, classes) logits whose scores are the mean of those of (k, n, classes) logits."""

    def spreads(self, logits: Floats, /) -> dict[str, Floats]:
        """Return columns of the standard deviation of every score over k networks."""


class Task(ABC):
    """Task of a network. It works on the outputs of a network, and never runs one.

    Args:
        card: card of the network.
        part: events of the evaluations during a training, "validation" or "test".
        prefix: beginning of the names of their columns; None = ``part``. Trainings begun by an earlier dmcnn call the
            columns of validation events test_*, and go on with these names.

    Attributes:
        name: name on the card.
    """

    name: ClassVar[str]

    def __init__(self, card: Card, part: str = "test", prefix: str | None = None) -> None:
        self.card, self.part, self.prefix = card, part, prefix or part

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Number of outputs of the network per image."""

    def need_classes(self, what: str) -> Scored:
        """Return the task if it has classes; else raise InputError, which says that ``what`` needs them."""
        raise InputError(
            f"{what} needs a network of classes, this one estimates {', '.join(self.card.targets)}"
        )

    # ---- outputs of a network

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """Names of the k values: classes, or targets."""

    @abstractmethod
    def values(self, outputs: Floats) -> Floats:
        """Return the (n, k) scores of the classes, or estimates of the targets in their units, of (n, m) outputs."""

    def unit(self, name: str) -> str | None:
        """Return the unit of a target, "" where it has none; None for the score of a class."""
        return None

    @property
    @abstractmethod
    def convention(self) -> str:
        """What the columns of a score table are, in one line."""

    @abstractmethod
    def labels(self, dataset: Dataset, label: Any = None) -> tuple[Truth, str]:
        """Return the truth of the n events of a dataset, and the label rule that gives it as text ("" = none).

        Args:
            dataset: events.
            label: label rule as in a cfg; None = the rule of the training, for files of the kind of the training.
        """

    def truth(self, dataset: Dataset, label: Any = None) -> Truth:
        """Return the truth of the n events of a dataset, see ``labels``."""
        return self.labels(dataset, label)[0]

    @abstractmethod
    def truth_of_labels(self, labels: NDArray[Any] | None, count: int) -> Truth:
        """Return the truth of ``count`` images by their labels; unknown without labels."""

    @abstractmethod
    def truth_of_words(self, words: Sequence[Any]) -> Truth:
        """Return the truth of events by their words: name of the class, {target: value}, or None."""

    def stored_truth(self, dataset: Dataset) -> Sequence[Sequence[Any]]:
        """Return the (n, k) values of the targets in the files; k = 0 for classification."""
        return [()] * len(dataset)

    @abstractmethod
    def columns(
        self, outputs: Floats, truth: Truth, sizes: NDArray[np.int64], place: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the columns of a score table of n rows.

        Args:
            outputs: (n, m) outputs; NaN for entries without image.
            truth: (n,) or (n, k), see ``truth``.
            sizes: (n, 2) number of active pixels, summed over the channels, and of pixels active in any channel.
            place: run_number, subrun_number, event_number, entry_number and file of every row.
        """

    def cluster_sizes(
        self, n_pixels: NDArray[np.int64], count: Callable[[], NDArray[np.int64]]
    ) -> NDArray[np.int64]:
        """Return the (n,) pixels active in any channel, by ``count``, if the table has them, else ``n_pixels``."""
        return n_pixels

    @abstractmethod
    def event_scores(self, outputs: Floats, truth: Sequence[Any]) -> EventScores:
        """Return the scores or estimates by the (1, m) outputs of one event with its row of ``stored_truth``."""

    def histogram(self, outputs: Floats, name: str) -> Figure | None:
        """Draw the distribution of the scores of the file called ``name``; return None without scores."""
        return None

    # ---- training

    @abstractmethod
    def loss(
        self, outputs: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the mean loss of a batch of (B, m) outputs, each event's multiplied by its weight (B,)."""

    def loss_of(self, outputs: Floats, images: SparseImages) -> float:
        """Return the mean loss of (n, m) outputs on labelled images, weighted if the images have weights."""
        assert images.label is not None
        labels = np.asarray(images.label, np.int64 if images.label.ndim == 1 else np.float64)
        weight = None if images.weight is None else torch.from_numpy(images.weight / images.weight.mean())
        return float(self.loss(torch.from_numpy(outputs), torch.from_numpy(labels), weight))

    def right(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor | int:
        """Return the number of correct classifications in a batch, a scalar on its device; 0 for regression."""
        return 0

    @abstractmethod
    def evaluate(self, net: nn.Module, outputs: Floats, images: SparseImages) -> Result:
        """Evaluate (n, m) outputs on n labelled images; of ``net`` only the weights are used."""

    @property
    @abstractmethod
    def metrics(self) -> Sequence[str]:
        """Names of the columns of the metrics table."""

    @abstractmethod
    def row(self, result: Any) -> dict[str, float]:
        """Return the values of the columns of the metrics table that depend on the result of an evaluation."""

    @abstractmethod
    def rank(self, row: Row) -> tuple[float, ...]:
        """Return the key that is largest for the best evaluation."""

    @abstractmethod
    def panels(self, columns: Mapping[str, Sequence[float]]) -> dict[str, dict[str, Sequence[float]]]:
        """Return {title: {curve: values}} of the figure of the metrics table."""

    def figures(self, result: Any) -> dict[str, Figure]:
        """Draw the figures of a result; return them by name."""
        return {}

    @abstractmethod
    def summary(self, result: Any) -> dict[str, Any]:
        """Return the entries of the summary besides the numbers of the result."""

    @abstractmethod
    def about(self, labels: NDArray[Any]) -> str:
        """Describe the labels of a set of events for a log line."""
