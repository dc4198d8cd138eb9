"""Classification task: one logit per class, with or without a signal class."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn._common.errors import InputError
from dmcnn.checkpoints.card import Card
from dmcnn.datasets.dataset import Dataset
from dmcnn.datasets.labels import LabelRule, check_kinds
from dmcnn.detectors.lartpc import DM_CNN_FILES, DM_CNN_LABEL
from dmcnn.images.sparse import SparseImages
from dmcnn.losses.classification import loss_function
from dmcnn.metrics import classification
from dmcnn.tasks.base import EventScores, Floats, Loss, Row, Task, Truth

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger("dmcnn")


@dataclass(frozen=True)
class ClassificationResult:
    """Result of a classification network on test events.

    Attributes:
        events: number of events.
        loss: mean loss.
        accuracy: share of events whose predicted class is the true one.
        auc, auc_low, auc_high: AUC of the signal score with its 95 % interval; NaN without a signal class.
        pixel_auc: AUC of a cut on the number of active pixels, in the better direction, as a baseline.
        confusion: ``confusion[i][j]`` = number of events of class i that are predicted as class j.
        classes: names of the classes.
    """

    events: int
    loss: float
    accuracy: float
    auc: float
    auc_low: float
    auc_high: float
    pixel_auc: float
    confusion: tuple[tuple[int, ...], ...]
    classes: tuple[str, ...]

    @property
    def numbers(self) -> dict[str, float]:
        """Numbers of the result by name."""
        return {
            entry.name: getattr(self, entry.name) for entry in fields(self) if entry.type in ("int", "float")
        }

    def lines(self) -> list[str]:
        """Return a line of numbers, then one per class: its accuracy with Wilson's 95 % interval."""
        text = f"{self.events} events: accuracy {self.accuracy:.3f}, loss {self.loss:.4f}"
        if not np.isnan(self.auc):
            text += f", AUC {self.auc:.4f} [{self.auc_low:.4f}, {self.auc_high:.4f}] (95 % interval)"
        matrix = np.array(self.confusion)
        right = classification.class_accuracy(matrix)
        return [text] + [
            f"  {name}: {matrix[i, i]} of {matrix[i].sum()} right, {right.value[i]:.3f} "
            f"[{right.low[i]:.3f}, {right.high[i]:.3f}]"
            for i, name in enumerate(self.classes)
        ]


class Classification(Task):
    """Classification of events.

    Args:
        card: card of the network.
        loss: loss of the training; None = the loss of dmcnn that the card names.
        part, prefix: see ``Task``.
    """

    name = "classification"

    def __init__(
        self, card: Card, loss: Loss | None = None, part: str = "test", prefix: str | None = None
    ) -> None:
        super().__init__(card, part, prefix)
        self._loss = loss

    @property
    def metrics(self) -> Sequence[str]:
        """Columns of DM-CNN, then those of dmcnn.

        train_* are means over the batches since the last row, with dropout and augmentation; validation_*, or test_*
        where the test events choose the weights, are means over as many events as *_events says. Accuracies are
        shares of events whose ``predicted`` class is the true one.
        """
        one = self.prefix
        return (
            "train_accu", f"{one}_accu", "train_loss", f"{one}_loss", "epoch", "step",
            f"{one}_auc", f"{one}_auc_low", f"{one}_auc_high", f"{one}_events", "learning_rate",
        )  # fmt: skip

    @property
    def outputs(self) -> int:
        return len(self.card.classes)

    def need_classes(self, what: str) -> Classification:
        return self

    @property
    def names(self) -> list[str]:
        return list(self.card.classes)

    def values(self, outputs: Floats) -> Floats:
        return self.scores(outputs)

    @property
    def has_signal(self) -> bool:
        """Whether one of the classes is the signal."""
        return self.card.signal is not None

    @property
    def signal(self) -> int:
        """Number of the signal class.

        Raises:
            InputError: a network without signal class.
        """
        if self.card.signal is None:
            raise InputError(f"the network has the classes {self.card.classes} and no signal class")
        return self.card.classes.index(self.card.signal)

    def scores(self, logits: Floats) -> Floats:
        """Return the (n, classes) scores of (n, classes) logits, by the activation and temperature of the card."""
        values = torch.from_numpy(np.asarray(logits, np.float64) / self.card.temperature)
        scores: Floats = (
            values.sigmoid() if self.card.activation == "sigmoid" else values.softmax(dim=1)
        ).numpy()
        return scores

    @property
    def convention(self) -> str:
        what = "sigmoid of each logit" if self.card.activation == "sigmoid" else "softmax of the logits"
        return f"{what} of {', '.join(self.card.classes)}" + (
            f", signal: {self.card.signal}" * self.has_signal
        )

    def mean_logits(self, logits: Floats) -> Floats:
        """Return the (n, classes) logits whose scores are the mean of those of (k, n, classes) logits of networks."""
        if self.card.activation == "sigmoid":
            for_it, against = (
                np.logaddexp.reduce(-np.logaddexp(0, sign * logits), axis=0) for sign in (-1, 1)
            )
            return np.asarray(for_it - against)
        logarithms = logits - np.logaddexp.reduce(logits, axis=2, keepdims=True)
        return np.asarray(np.logaddexp.reduce(logarithms, axis=0) - np.log(len(logits)))

    def spreads(self, logits: Floats) -> dict[str, Floats]:
        """Return columns of the standard deviation of every score over k networks, by (k, n, classes) logits."""
        spread = np.std([self.scores(one) for one in logits], axis=0, ddof=1)
        signal = {"signal_score_spread": spread[:, self.signal]} if self.has_signal else {}
        if self.has_signal and self.outputs == 2:
            return signal
        return signal | {f"p_{name}_spread": spread[:, i] for i, name in enumerate(self.card.classes)}

    def labels(self, dataset: Dataset, label: Any = None) -> tuple[list[str | None], str]:
        raw = self.card.label if label is None else label
        unknown: list[str | None] = [None] * len(dataset)
        if raw is None:
            return unknown, ""
        try:
            rule: LabelRule = LabelRule.parse(raw, tuple(self.card.classes), self.card.signal)
            if label is None:
                usual = DM_CNN_FILES if rule.text == DM_CNN_LABEL else ()  # older cards state no kinds
                check_kinds(rule, dataset, self.card.origin or usual)
            return [self.card.classes[number] for number in dataset.classes_by(rule)], rule.text
        except InputError as error:
            if label is not None:
                raise
            log.warning("warning: no labels, because the rule of the training does not fit: %s", error)
            return unknown, ""

    def truth_of_labels(self, labels: NDArray[Any] | None, count: int) -> list[str | None]:
        """Return the names of class numbers; raise InputError for a number that the network does not have."""
        if labels is None or labels.ndim != 1:
            return [None] * count
        unknown = labels[(labels < 0) | (labels >= len(self.card.classes))]
        if len(unknown):
            raise InputError(f"label {unknown[0]}: the network has classes 0 to {len(self.card.classes) - 1}")
        return [self.card.classes[number] for number in labels.tolist()]

    def truth_of_words(self, words: Sequence[Any]) -> list[str | None]:
        return [word if isinstance(word, str) else None for word in words]

    def columns(
        self, outputs: Floats, truth: Truth, sizes: NDArray[np.int64], place: Mapping[str, Any]
    ) -> dict[str, Any]:
        names, scores = self.card.classes, self.scores(outputs)
        ids = {name: values for name, values in place.items() if name not in ("entry_number", "file")}
        return {
            **ids,
            **({"signal_score": scores[:, self.signal]} if self.has_signal else {}),
            "entry_number": place["entry_number"],
            "n_pixels": sizes[:, 0],
            "file": place["file"],
            **self._class_columns(scores),
            **{f"logit_{name}": outputs[:, i] for i, name in enumerate(names)},
            "label": truth,
        }

    def _class_columns(self, scores: Floats) -> dict[str, Any]:
        """Return the most likely class and all scores; no columns for two classes with a signal."""
        names = self.card.classes
        if self.has_signal and len(names) == 2:
            return {}
        best = np.where(np.isnan(scores), -1.0, scores).argmax(axis=1)
        predicted = [None if np.isnan(row[0]) else names[i] for row, i in zip(scores, best, strict=True)]
        return {"predicted": predicted, **{f"p_{name}": scores[:, i] for i, name in enumerate(names)}}

    def ranking(self, outputs: Floats) -> Floats:
        """Return the (n,) signal scores, or without signal class the scores of the most likely class."""
        scores = self.scores(outputs)
        return np.asarray(scores[:, self.signal] if self.has_signal else scores.max(axis=1))

    def event_scores(self, outputs: Floats, truth: Sequence[Any]) -> EventScores:
        named = dict(zip(self.card.classes, map(float, self.scores(outputs)[0]), strict=True))
        return EventScores(named, self.card.signal)

    def histogram(self, outputs: Floats, name: str) -> Figure:
        """Draw the signal scores of all entries; without a signal class, the scores of all classes."""
        from dmcnn.figures import classification as figures

        scores = self.scores(outputs)
        named = {f"score of {word}": scores[:, i] for i, word in enumerate(self.card.classes)}
        return figures.score_histogram(
            {name: scores[:, self.signal]} if self.has_signal else named, density=False
        )

    def loss(
        self, outputs: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        if self._loss is None:
            self._loss = loss_function(self.card.loss)
        return self._loss(outputs, labels) if weight is None else self._loss(outputs, labels, weight)

    def predicted(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return the (n,) int64 class of (n, classes) logits that every command names.

        With two classes and a sigmoid for each it is the signal from a signal score of 0.5 on, as ``evaluate`` cuts;
        else the class of the largest logit.
        """
        if self.has_signal and self.outputs == 2 and self.card.activation == "sigmoid":
            return torch.where(outputs[:, self.signal] >= 0, self.signal, 1 - self.signal)
        return outputs.argmax(dim=1)

    def right(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return (self.predicted(outputs) == labels).sum()

    def evaluate(self, net: nn.Module, outputs: Floats, images: SparseImages) -> ClassificationResult:
        """Evaluate loss, accuracy, and AUC with its 95 % interval."""
        logits, label = torch.from_numpy(outputs), torch.from_numpy(np.asarray(images.label, np.int64))
        predicted = self.predicted(logits)
        matrix = classification.confusion(label.numpy(), predicted.numpy(), len(self.card.classes))
        auc, low, high, pixel_auc = (
            self._areas(self.scores(outputs), images) if self.has_signal else (float("nan"),) * 4
        )
        return ClassificationResult(
            events=len(images),
            loss=self.loss_of(outputs, images),
            accuracy=float((predicted == label).double().mean()),
            auc=auc,
            auc_low=low,
            auc_high=high,
            pixel_auc=pixel_auc,
            confusion=tuple(map(tuple, matrix.tolist())),
            classes=tuple(self.card.classes),
        )

    def _areas(self, scores: Floats, images: SparseImages) -> tuple[float, float, float, float]:
        """Return AUC of the signal score, its interval, and AUC of the pixel count; NaN unless both kinds occur."""
        is_signal = np.asarray(images.label) == self.signal
        if is_signal.all() or not is_signal.any():
            return (float("nan"),) * 4
        score = scores[:, self.signal]
        area = classification.auc_interval(labels=is_signal, scores=score)
        count = classification.auc(labels=is_signal, scores=images.n_pixels)
        return float(area.value), float(area.low), float(area.high), max(count, 1 - count)

    def row(self, result: ClassificationResult) -> dict[str, float]:
        return {
            f"{self.prefix}_accu": result.accuracy,
            f"{self.prefix}_auc": result.auc,
            f"{self.prefix}_auc_low": result.auc_low,
            f"{self.prefix}_auc_high": result.auc_high,
        }

    def rank(self, row: Row) -> tuple[float, ...]:
        """Return the key (AUC, or accuracy without AUC; -loss)."""
        accuracy, auc, loss = (row[f"{self.prefix}_{what}"] for what in ("accu", "auc", "loss"))
        return accuracy if np.isnan(auc) else auc, -loss

    def panels(self, columns: Mapping[str, Sequence[float]]) -> dict[str, dict[str, Sequence[float]]]:
        return {
            "Loss": {"training": columns["train_loss"], self.part: columns[f"{self.prefix}_loss"]},
            "Accuracy": {"training": columns["train_accu"], self.part: columns[f"{self.prefix}_accu"]},
            "AUC": {self.part: columns[f"{self.prefix}_auc"]},
        }

    def figures(self, result: ClassificationResult) -> dict[str, Figure]:
        from dmcnn.figures import classification as figures

        return {"confusion": figures.confusion(np.array(result.confusion), result.classes)}

    def summary(self, result: ClassificationResult) -> dict[str, Any]:
        return {"classes": self.card.classes, "confusion": result.confusion}

    def about(self, labels: NDArray[Any]) -> str:
        counts = np.bincount(labels, minlength=len(self.card.classes)).tolist()
        return ", ".join(f"{count} {name}" for count, name in zip(counts, self.card.classes, strict=True))
