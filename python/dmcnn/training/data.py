"""Images to train and to judge on, and what training files teach their reader."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn.datasets import disk_cache
from dmcnn.datasets.dataset import Dataset, expand
from dmcnn.datasets.labels import LabelRule
from dmcnn.datasets.targets import Targets, fit_scales
from dmcnn.images.sparse import SparseImages
from dmcnn.readers import CHOICE, chosen_reader
from dmcnn.training import parts

log = logging.getLogger("dmcnn")


@dataclass(frozen=True)
class Source:
    """Files of one sample, and the [first, end] entries to take of each (None: all)."""

    inputs: str | Sequence[str]
    between: Sequence[int] | None = None


@dataclass(frozen=True)
class TargetOptions:
    """Numbers that a network shall estimate, and what each is divided by.

    Attributes:
        names: as the files call them.
        scales: numbers, or how they are found, see dmcnn.datasets.targets.fit_scales.
        pitch: [um] of the pixels along x and y, where scales are pitches.
    """

    names: Sequence[str]
    scales: Sequence[float] | Literal["fixed", "percentile", "pitch"] = "fixed"
    pitch: Sequence[float] | None = None

    def scaled(self, training: Source, options: Mapping[str, Any]) -> Targets:
        """Return the targets with their scales, which may be those of the training files."""

        def stored(names: Sequence[str]) -> list[NDArray[np.float64]]:  # most scales need no file
            dataset = Dataset(training.inputs, between=training.between, **options)
            return dataset.targets_by_file(names)

        return fit_scales(self.scales, self.names, stored, self.pitch)


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


def load(
    sources: Mapping[str, Source],
    *,
    reading: Mapping[str, Any],
    label: LabelRule | None = None,
    targets: TargetOptions | None = None,
    shares: Mapping[str, float] | None = None,
    seed: int = 1,
    cache: str = "memory",
) -> Data:
    """Read the images of a training.

    Args:
        sources: files of the "train", "validation" and "test" events.
        reading: options of the reader.
        label: how events get their class; or
        targets: what is estimated.
        shares: shares of the training events that are kept for validation and test.
        seed: of the choice of these.
        cache: "memory", or a folder for files that are mapped into memory.

    Raises:
        InputError: images that do not go together.
    """
    training = sources["train"]
    options = _fitted(training, reading)
    scales = None if targets is None else targets.scaled(training, options)
    datasets = {
        what: Dataset(source.inputs, label, targets=scales, between=source.between, **options)
        for what, source in sources.items()
    }
    images = {what: parts.usable(_read(dataset, cache, options), what) for what, dataset in datasets.items()}
    record: dict[str, dict[str, object]] = {
        "training" if what == "train" else what: {
            "fingerprint": dataset.fingerprint(),
            "events": len(images[what]),
        }
        for what, dataset in datasets.items()
    }
    images = parts.split(images, shares or {}, seed)
    for what, batch in images.items():
        if batch.shape != images["train"].shape:
            shapes = f"{images['train'].shape}, {what} images {batch.shape}"
            raise InputError(f"training images are {shapes} (planes, rows, columns): set xdim and ydim")
    return Data(images, options | datasets["train"].first.size_options, scales, record)


def _fitted(training: Source, reading: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the reader, with those that are fitted to the training files filled in."""
    files = expand(training.inputs)
    how = {key: value for key, value in reading.items() if key not in CHOICE}
    reader = chosen_reader(files[0], reading.get("reader"))
    fitted = reader.fit(files, between=training.between, **how, **(reading.get("reader_options") or {}))
    if fitted:
        log.info("%s", ", ".join(f"{key} = {value}" for key, value in fitted.items()))
    return {**reading, **fitted}


def _read(dataset: Dataset, cache: str, options: dict[str, Any]) -> SparseImages:
    """Return all images of a dataset, in memory or mapped."""
    if cache == "memory":
        images, report = dataset.load(), dataset.report_lines()
    else:
        images, report = disk_cache.load(dataset, cache, options)
    for line in report:
        log.info("%s", line)
    return images
