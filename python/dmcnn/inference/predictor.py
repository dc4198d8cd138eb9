"""Trained network: it scores images, read from files the way it was trained on them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from dmcnn._common.errors import InputError
from dmcnn._common.files import sha256
from dmcnn.checkpoints import load
from dmcnn.checkpoints.card import Card, Own
from dmcnn.datasets.dataset import Dataset
from dmcnn.datasets.labels import LabelRule
from dmcnn.engines import dense
from dmcnn.images.sparse import SparseImages
from dmcnn.inference import devices
from dmcnn.tasks import task_of

log = logging.getLogger("dmcnn")


class Predictor:
    """A network on a device, with the card that says how its images are prepared and what its outputs mean.

    Args:
        net: moved to the device and put into evaluation mode, here and once.
        card: of the network; its ``reading`` is how ``open_dataset`` reads images for it.
        device: where the network works.
        precision: "32", or "bf16", which is faster and wrong by up to 0.02 in the logit.
        batch_size: images per forward pass.
        sha256: of the weight file, "" of a network that has none.

    Attributes:
        task: what the network is for, see dmcnn.tasks.
    """

    def __init__(
        self,
        net: nn.Module,
        card: Card,
        device: torch.device | str = "cpu",
        *,
        precision: str = "32",
        batch_size: int = 8,
        sha256: str = "",
    ) -> None:
        self.device = torch.device(device)
        self.net, self.card, self.task = net.to(self.device).eval(), card, task_of(card)
        self.precision, self.batch_size, self.sha256 = precision, batch_size, sha256

    def logits(self, chunks: Iterable[SparseImages], rotation: int = 0) -> Iterator[NDArray[np.float64]]:
        """Yield the (m, outputs) outputs of the network, batch by batch; NaN where an event holds no image.

        Args:
            chunks: images as ``open_dataset`` reads them.
            rotation: [degrees] images are turned first.
        """
        for chunk in chunks:
            for batch in dense.batches(chunk, self.batch_size):
                found = np.full((len(batch), self.task.outputs), np.nan)
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

    def all_logits(self, dataset: Dataset, rotation: int = 0) -> NDArray[np.float64]:
        """Return the (n, outputs) outputs of all events of a dataset, with a progress bar; NaN as in ``logits``."""
        parts = [np.zeros((0, self.task.outputs))]
        with tqdm(total=len(dataset), desc="scoring", unit="event") as bar:
            for part in self.logits(dataset.chunks(64), rotation):
                parts.append(part)
                bar.update(len(part))
        return np.concatenate(parts)


def load_predictor(
    weight_file: str | Path,
    *,
    model: Own = None,
    overrides: Mapping[str, Any] | None = None,
    gpuid: str = "",
    precision: str = "32",
    batch_size: int = 8,
) -> Predictor:
    """Load a network from a weight file of any kind.

    Args:
        weight_file: checkpoint of dmcnn, DM-CNN's ``.pwf``, or Keras' ``.h5``.
        model: a network that is not dmcnn's, as the training was told it: ``module:Name``; a file alone imports none.
        overrides: arguments of a reader (None = not given) that replace those of the training, aloud.
        gpuid: see dmcnn.inference.devices.device.
        precision: see Predictor.
        batch_size: images per forward pass.

    Raises:
        InputError: not a weight file, or there is no such device.
    """
    devices.use_whole_cpu()
    net, card = load.load(weight_file, model)
    return Predictor(
        net,
        replace(card, reading=overruled(card, overrides or {})),
        devices.device(gpuid),
        precision=precision,
        batch_size=batch_size,
        sha256=sha256(weight_file),
    )


def overruled(card: Card, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the reading of a card with arguments replaced; log a warning for each that differs from training."""
    given = {key: value for key, value in overrides.items() if value is not None}
    reading = {**card.reading, **given}
    if "image_index" in given:
        reading.pop("plane", None)
    elif "plane" in given:
        reading.pop("image_index", None)
    for key, value in given.items():
        if value != card.reading.get(key, value):
            log.warning(
                "warning: %s = %s, but the network was trained with %s", key, value, card.reading[key]
            )
    return reading


def open_dataset(
    card: Card,
    inputs: str | Sequence[str],
    overrides: Mapping[str, Any] | None = None,
    rule: LabelRule | None = None,
) -> Dataset:
    """Open image files as the network of a card was trained on them.

    Args:
        card: of the network.
        inputs: path, list of paths, globs, or ``sample://`` addresses.
        overrides: arguments of a reader that replace those of the card, aloud.
        rule: gives events their class.

    Raises:
        InputError: files that cannot be read so, or images of another shape than the network takes.
    """
    dataset = Dataset(inputs, label=rule, **overruled(card, overrides or {}))
    if dataset.shape != card.shape:
        raise InputError(
            f"{inputs}: images are {dataset.shape}, the network takes {card.shape} (planes, rows, columns)"
        )
    return dataset
