"""Purpose of a network: what its outputs mean, as tables, figures and words, and how good they are."""

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

if TYPE_CHECKING:  # figures are drawn at the end, if at all
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
Row = Mapping[str, float]
Truth = Sequence[Any] | NDArray[Any]
"""What is true of n events: names of classes (None: not known), or (n, k) numbers (NaN: not known)."""
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(B, m) outputs and the labels of a batch -> its mean loss."""


class Result(Protocol):
    """How good a network is on a test set."""

    @property
    def numbers(self) -> dict[str, float]:
        """Return the single numbers by name."""

    def lines(self) -> list[str]:
        """Return them as log lines."""


@dataclass(frozen=True)
class EventScores:
    """What a network says of one event.

    Attributes:
        named: class -> score (NaN: no image).
        signal: which class is the signal.
        estimates: lines of what a network estimates instead.
    """

    named: dict[str, float]
    signal: str | None = None
    estimates: tuple[str, ...] = ()


class Task(ABC):
    """What a network is for. It works on the outputs of a network, and never runs one.

    Attributes:
        name: as the card has it.
        card: of the network.
    """

    name: ClassVar[str]

    def __init__(self, card: Card) -> None:
        self.card = card

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Return how many numbers the network gives for an image."""

    def need_classes(self, what: str) -> None:
        """Raise InputError if the network does not tell classes apart, which ``what`` is for."""
        raise InputError(
            f"{what} needs a network of classes, this one estimates {', '.join(self.card.targets)}"
        )

    # ---- what a network found

    @abstractmethod
    def truth(self, dataset: Dataset, label: Any = None) -> Truth:
        """Return what is true of the (n,) events, as far as it is known; ``label`` replaces the rule of training."""

    @abstractmethod
    def truth_of_labels(self, labels: NDArray[Any] | None, count: int) -> Truth:
        """Return what the labels of ``count`` images say; nothing is known without them."""

    @abstractmethod
    def truth_of_words(self, words: Sequence[Any]) -> Truth:
        """Return what is known of events: by the name of a class, or by name -> value of targets, or None."""

    def stored_truth(self, dataset: Dataset) -> Sequence[Sequence[Any]]:
        """Return (n, k) numbers that the files give for the outputs; k = 0 where outputs are no such numbers."""
        return [()] * len(dataset)

    @abstractmethod
    def columns(
        self, outputs: Floats, truth: Truth, sizes: NDArray[np.int64], place: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the columns of a score table, n rows.

        Args:
            outputs: (n, m); NaN where an entry holds no image.
            truth: (n,) or (n, k), see ``truth``.
            sizes: (n, 2) active pixels of all channels together, and pixels that are active in any of them.
            place: run_number, subrun_number, event_number, entry_number and file of every row.
        """

    def cluster_sizes(
        self, n_pixels: NDArray[np.int64], count: Callable[[], NDArray[np.int64]]
    ) -> NDArray[np.int64]:
        """Return (n,) pixels active in any channel where the table tells them (``count`` does), else ``n_pixels``."""
        return n_pixels

    def scores(self, outputs: Floats) -> Floats:
        """Return the (n, classes) scores of (n, classes) logits."""
        self.need_classes("a score")
        raise NotImplementedError

    def ranking(self, outputs: Floats) -> Floats:
        """Return the (n,) score that events are ranked by."""
        self.need_classes("a choice of events by score")
        raise NotImplementedError

    @abstractmethod
    def event_scores(self, outputs: Floats, truth: Sequence[Any]) -> EventScores:
        """Return what the (1, m) outputs say of one event; ``truth`` is its row of ``stored_truth``."""

    def histogram(self, outputs: Floats, name: str) -> Figure | None:
        """Return the distribution of the scores of the file called ``name``, where there are scores."""
        return None

    # ---- training

    @abstractmethod
    def loss(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the mean loss of a batch of (B, m) outputs."""

    def right(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor | int:
        """Return how many of a batch are right, where there is right and wrong: a scalar on their device."""
        return 0

    @abstractmethod
    def evaluate(self, net: nn.Module, outputs: Floats, images: SparseImages) -> Result:
        """Return how good (n, m) outputs are on n labelled images; of ``net`` only the weights are looked at."""

    @property
    @abstractmethod
    def metrics(self) -> Sequence[str]:
        """Return the columns of the metrics table."""

    @abstractmethod
    def row(self, result: Any) -> dict[str, float]:
        """Return the columns that are about the result of an evaluation."""

    @abstractmethod
    def rank(self, row: Row) -> tuple[float, ...]:
        """Return what the best evaluation is the largest of."""

    @abstractmethod
    def panels(self, columns: Mapping[str, Sequence[float]]) -> dict[str, dict[str, Sequence[float]]]:
        """Return {title: {curve: values}} of the figure of the metrics table."""

    def figures(self, result: Any) -> dict[str, Figure]:
        """Return the figures of a result by name."""
        return {}

    @abstractmethod
    def summary(self, result: Any) -> dict[str, Any]:
        """Return what a summary says beside the single numbers."""

    @abstractmethod
    def about(self, labels: NDArray[Any]) -> str:
        """Describe the labels of a set of events for a log line."""
