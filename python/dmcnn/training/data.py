"""Images to train and to judge on, read as the settings say, and what training files teach their reader."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn.datasets import disk_cache
from dmcnn.datasets.dataset import Dataset, expand
from dmcnn.datasets.labels import LabelRule
from dmcnn.datasets.targets import Targets, fit_scales
from dmcnn.images.sparse import SparseImages
from dmcnn.readers import reader_of
from dmcnn.settings import TrainSettings
from dmcnn.training import parts

log = logging.getLogger("dmcnn")


@dataclass(frozen=True)
class Data:
    """What a training learns from.

    Attributes:
        images: labelled, "train", "test" and maybe "validation", in memory or mapped.
        reading: arguments of their reader, with what was fitted to the training files.
        targets: what is estimated, for regression.
        record: fingerprint and number of events of each source, for the checkpoint.
    """

    images: dict[str, SparseImages]
    reading: dict[str, Any]
    targets: Targets | None
    record: dict[str, dict[str, object]]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""
        return self.images["train"].shape


def load(settings: TrainSettings) -> Data:
    """All of it; InputError for images that do not go together."""
    reading, targets = _fitted(settings)
    datasets = {
        what: _labelled(settings, *part, reading, targets)
        for what in ("train", "validation", "test")
        if (part := settings.part(what)) is not None
    }
    images = {
        what: parts.usable(_read(settings, dataset, reading), what) for what, dataset in datasets.items()
    }
    record: dict[str, dict[str, object]] = {
        "training" if what == "train" else what: {
            "fingerprint": dataset.fingerprint(),
            "events": len(images[what]),
        }
        for what, dataset in datasets.items()
    }
    images = parts.split(images, settings.shares, settings.seed_number)
    for what, batch in images.items():
        if batch.shape != images["train"].shape:
            shapes = f"{images['train'].shape}, {what} images {batch.shape}"
            raise InputError(f"training images are {shapes} (planes, rows, columns): set xdim and ydim")
    return Data(images, reading | datasets["train"].first.size_options, targets, record)


def _fitted(settings: TrainSettings) -> tuple[dict[str, Any], Targets | None]:
    """The arguments of the reader and the targets, with what is learned from the training files filled in."""
    reading = settings.reading()
    files = expand(settings.input_train)
    fitted = reader_of(files[0]).fit(files, between=settings.events_train, **reading)
    reading |= fitted
    if fitted:
        log.info("%s", ", ".join(f"{key} = {value}" for key, value in fitted.items()))
    if settings.targets is None:
        return reading, None

    def stored(names: Sequence[str]) -> list[NDArray[np.float64]]:  # most scales need no file
        dataset = Dataset(settings.input_train, between=settings.events_train, **reading)
        return dataset.targets_by_file(names)

    return reading, fit_scales(settings.target_scales, settings.targets, stored, settings.pitch)


def _labelled(
    settings: TrainSettings,
    inputs: str | list[str],
    between: list[int] | None,
    reading: dict[str, Any],
    targets: Targets | None,
) -> Dataset:
    if targets is not None:
        return Dataset(inputs, targets=targets, between=between, **reading)
    rule = LabelRule.parse(settings.label, tuple(settings.class_names), settings.signal_class)
    return Dataset(inputs, label=rule, between=between, **reading)


def _read(settings: TrainSettings, dataset: Dataset, reading: dict[str, Any]) -> SparseImages:
    """All images of a dataset, in memory or mapped."""
    if settings.cache == "memory":
        images, report = dataset.load(), dataset.report_lines()
    else:
        images, report = disk_cache.load(dataset, settings.cache, reading)
    for line in report:
        log.info("%s", line)
    return images
