"""A trained network, opened on image files the way it was trained."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from dmcnn._common.errors import InputError
from dmcnn._common.files import sha256
from dmcnn.checkpoints import load
from dmcnn.checkpoints.card import Card
from dmcnn.datasets.dataset import Dataset
from dmcnn.datasets.labels import LabelRule
from dmcnn.engines import dense
from dmcnn.images.sparse import SparseImages
from dmcnn.inference import devices

log = logging.getLogger("dmcnn")


@dataclass(frozen=True)
class Trained:
    """A network with its card, its device, and how its images are read."""

    net: nn.Module
    card: Card
    sha256: str
    device: torch.device
    precision: str
    batch_size: int
    reading: dict[str, Any]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the images that the network takes."""
        arguments = self.card.arguments
        return arguments["channels"], arguments["height"], arguments["width"]

    def needs_classes(self, what: str) -> None:
        """InputError if the network does not tell classes apart, which ``what`` is for."""
        if self.card.targets:
            raise InputError(
                f"{what} needs a network of classes, this one estimates {', '.join(self.card.targets)}"
            )

    @property
    def has_signal(self) -> bool:
        """Whether one of the classes is the signal."""
        return self.card.signal is not None

    @property
    def signal(self) -> int:
        """Number of the signal class; InputError if the network has none."""
        if self.card.signal is None:
            raise InputError(f"the network tells {self.card.classes} apart and names no signal class")
        return self.card.classes.index(self.card.signal)

    def dataset(self, inputs: str | list[str], rule: LabelRule | None = None) -> Dataset:
        """Image files, prepared as the network was trained; InputError if the images do not fit it."""
        dataset = Dataset(inputs, label=rule, **self.reading)
        if dataset.shape != self.shape:
            raise InputError(
                f"{inputs}: images are {dataset.shape}, the network takes {self.shape} (planes, rows, columns)"
            )
        return dataset

    def logits(self, chunks: Iterable[SparseImages], rotation: int = 0) -> Iterator[NDArray[np.float64]]:
        """(n, outputs) logits, or outputs of a regression, batch by batch; NaN where an event holds no image."""
        for chunk in chunks:
            for batch in dense.batches(chunk, self.batch_size):
                found = np.full((len(batch), self.card.outputs), np.nan)
                there = batch.has_image
                if there.any():
                    found[there] = dense.logits(
                        self.net,
                        batch.take(there),
                        device=self.device,
                        precision=self.precision,
                        rotation=rotation,
                        scaling=self.card.scaling,
                    )
                yield found

    def scores(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, classes) scores of (n, classes) logits."""
        found: NDArray[np.float64] = self.card.scores(torch.from_numpy(logits)).numpy()
        return found

    def estimates(self, outputs: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(n, k) means and (n, k, k) covariance factors of (n, outputs) outputs, in the units of the targets."""
        return self.card.gaussian.decode(outputs, self.card.target_scales)

    def ranking(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) the score that events are ranked by: of the signal, or without one that of the likeliest class."""
        scores = self.scores(logits)
        return scores[:, self.signal] if self.has_signal else scores.max(axis=1)

    def all_logits(self, dataset: Dataset, rotation: int = 0) -> NDArray[np.float64]:
        """(n, outputs) logits of all events of a dataset, with a progress bar; NaN where one holds no image."""
        parts = [np.zeros((0, self.card.outputs))]
        with tqdm(total=len(dataset), desc="scoring", unit="event") as bar:
            for part in self.logits(dataset.chunks(64), rotation):
                parts.append(part)
                bar.update(len(part))
        return np.concatenate(parts)

    def labels(self, dataset: Dataset, label: Any = None) -> list[str | None]:
        """True class of every event by a label rule, or else by that of training where it fits the files."""
        raw = self.card.label if label is None else label
        try:
            rule: LabelRule = LabelRule.parse(raw, tuple(self.card.classes), self.card.signal)
            return [self.card.classes[number] for number in dataset.classes_by(rule)]
        except InputError as error:
            if label is not None:
                raise
            log.warning("warning: no labels, for the rule of training does not fit: %s", error)
            return [None] * len(dataset)


def open_trained(
    weight_file: str,
    *,
    asked: dict[str, Any] | None = None,
    gpuid: str = "",
    precision: str = "32",
    batch_size: int = 8,
) -> Trained:
    """Load a checkpoint; ``asked`` (arguments of a reader, None = not given) overrules its preprocessing, aloud."""
    asked = asked or {}
    devices.use_whole_cpu()
    net, card = load.load(weight_file)
    reading = {**card.reading, **{key: value for key, value in asked.items() if value is not None}}
    if asked.get("image_index") is not None:
        reading.pop("plane", None)
    elif asked.get("plane") is not None:
        reading.pop("image_index", None)
    for key, value in asked.items():
        if value is not None and value != card.reading.get(key, value):
            log.warning(
                "warning: %s = %s, but the network was trained with %s", key, value, card.reading[key]
            )
    return Trained(
        net=net,
        card=card,
        sha256=sha256(weight_file),
        device=devices.device(gpuid),
        precision=precision,
        batch_size=batch_size,
        reading=reading,
    )
