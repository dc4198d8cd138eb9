"""How good a network is on a labelled test set."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn.checkpoints.card import Card
from dmcnn.engines.dense import batches, logits
from dmcnn.images.sparse import SparseImages
from dmcnn.losses.classification import Loss
from dmcnn.metrics import classification


@dataclass(frozen=True)
class Evaluation:
    """Results on ``events`` test events; the AUC is that of the signal score, NaN without a signal class.

    ``pixel_auc`` is the AUC of a cut on the number of active pixels in whichever direction does better: what
    the network has to beat. ``confusion[i][j]`` counts the events of class i whose largest logit is j.
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
        """The single numbers by name."""
        return {
            entry.name: getattr(self, entry.name) for entry in fields(self) if entry.type in ("int", "float")
        }

    def lines(self) -> list[str]:
        """For people: the numbers, then a line per class, its share of right answers with Wilson's 95 % interval."""
        text = f"{self.events} events: accuracy {self.accuracy:.3f}, loss {self.loss:.4f}"
        if not np.isnan(self.auc):
            text += f", AUC {self.auc:.4f} [{self.auc_low:.4f}, {self.auc_high:.4f}] (95 % interval)"
            text += f"; a cut on the pixel count alone: AUC {self.pixel_auc:.4f}"
        matrix = np.array(self.confusion)
        right = classification.class_accuracy(matrix)
        return [text] + [
            f"  {name}: {matrix[i, i]} of {matrix[i].sum()} right, {right.value[i]:.3f} "
            f"[{right.low[i]:.3f}, {right.high[i]:.3f}]"
            for i, name in enumerate(self.classes)
        ]


def evaluate(
    net: nn.Module,
    images: SparseImages,
    card: Card,
    loss: Loss,
    *,
    device: torch.device,
    batch_size: int,
    precision: str,
) -> Evaluation:
    """Loss, share of events whose largest logit is the true class, and AUC with DeLong's 95 % interval."""
    training = net.training
    parts = [
        logits(net, batch, device=device, precision=precision, scaling=card.scaling)
        for batch in batches(images, batch_size)
    ]
    found = torch.from_numpy(np.concatenate(parts))
    net.train(training)
    label = torch.from_numpy(np.asarray(images.label, np.int64))
    matrix = classification.confusion(label.numpy(), found.argmax(dim=1).numpy(), len(card.classes))
    area = (float("nan"),) * 4
    if card.signal is not None:
        area = _areas(card.scores(found).numpy(), images, card.classes.index(card.signal))
    return Evaluation(
        events=len(images),
        loss=float(loss(found, label)),
        accuracy=float((found.argmax(dim=1) == label).double().mean()),
        auc=area[0],
        auc_low=area[1],
        auc_high=area[2],
        pixel_auc=area[3],
        confusion=tuple(map(tuple, matrix.tolist())),
        classes=tuple(card.classes),
    )


def _areas(
    scores: NDArray[np.float64], images: SparseImages, signal: int
) -> tuple[float, float, float, float]:
    """AUC of the signal score, its interval, and the AUC of the pixel count; NaN where a class is absent."""
    is_signal = np.asarray(images.label) == signal
    if is_signal.all() or not is_signal.any():
        return (float("nan"),) * 4
    score = scores[:, signal]
    area = classification.auc_interval(score[is_signal], score[~is_signal])
    count = classification.auc(images.n_pixels[is_signal], images.n_pixels[~is_signal])
    return float(area.value), float(area.low), float(area.high), max(count, 1 - count)
