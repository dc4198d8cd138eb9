"""Data of a training: labelled images of all parts, fitted reader options, and target scales."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_128_hexdigest

from dmcnn._common.errors import InputError
from dmcnn._common.files import distinct_names
from dmcnn.datasets import disk_cache
from dmcnn.datasets.dataset import Dataset
from dmcnn.datasets.event_files import expand
from dmcnn.datasets.labels import LabelRule, check_kinds
from dmcnn.datasets.targets import Targets, fit_scales
from dmcnn.images.sparse import SparseImages
from dmcnn.readers import CHOICE, chosen_reader
from dmcnn.training import parts, weights

log = logging.getLogger("dmcnn")


@dataclass(frozen=True)
class Source:
    """Files of one sample, and the range [first, end) of entries of each file (None = all)."""

    inputs: str | Sequence[str]
    between: Sequence[int] | None = None


@dataclass(frozen=True)
class TargetOptions:
    """Targets of a regression network and their scales.

    Attributes:
        names: names of the targets in the files.
        scales: divisors of the targets, or the rule that fits them, see dmcnn.datasets.targets.fit_scales.
        pitch: [um] pixel pitch along x and y, for the rule "pitch".
    """

    names: Sequence[str]
    scales: Sequence[float] | Literal["fixed", "percentile", "pitch"] = "fixed"
    pitch: Sequence[float] | None = None

    def to_targets(self, training: Source, options: Mapping[str, Any]) -> Targets:
        """Return the targets with their scales, fitted to the training files if the rule needs them."""

        def read_targets(names: Sequence[str]) -> list[NDArray[np.float64]]:
            """Return the targets in the training files, one array per file; most rules never call it."""
            dataset = Dataset(training.inputs, between=training.between, **options)
            return dataset.targets_by_file(names)

        return fit_scales(self.scales, self.names, read_targets, self.pitch)


@dataclass(frozen=True)
class Data:
    """Images of a training, and how they were read.

    Attributes:
        images: labelled images of the parts "train", "test" and, if there is one, "validation", in memory or mapped.
        reading: options of the reader, with those fitted to the training files.
        targets: targets with their scales; None for classification.
        record: fingerprint, number of events and hash of the labels of each sample, for the checkpoint.
        old_fingerprints: fingerprint of each sample as dmcnn 0.1.0 wrote it.
        kinds: kinds of the training files, each once, see ``EventFile.kind``.
        files: names of the files that the events of each part count through.
    """

    images: dict[str, SparseImages]
    reading: dict[str, Any]
    targets: Targets | None
    record: dict[str, dict[str, object]]
    old_fingerprints: dict[str, str]
    kinds: list[dict[str, str]]
    files: dict[str, list[str]]

    def matches(self, record: Mapping[str, Mapping[str, object]]) -> bool:
        """Return whether the record of a checkpoint is of these data; an old one has no hash of the labels."""
        expected = {part: dict(about) for part, about in self.record.items()}
        for part, about in record.items():
            if part in expected and "labels" not in about:
                expected[part] = {
                    "fingerprint": self.old_fingerprints[part],
                    "events": expected[part]["events"],
                }
        return expected == record

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""
        return self.images["train"].shape


def load(
    sources: Mapping[str, Source],
    *,
    reading: Mapping[str, Any],
    label: LabelRule | None = None,
    label_kinds: Sequence[Mapping[str, str]] | None = None,
    targets: TargetOptions | None = None,
    shares: Mapping[str, float] | None = None,
    seed: int = 1,
    cache: str = "memory",
    fold: tuple[int, int] | None = None,
    event_weights: weights.EventWeights | None = None,
    class_weights: weights.ClassWeights = None,
) -> Data:
    """Read the images of a training.

    Args:
        sources: files of the parts "train", "validation" and "test".
        reading: options of the reader.
        label: rule that gives events their class, for classification.
        label_kinds: kinds of files for which that rule is meant; None = all, because the user gave it.
        targets: targets and scales, for regression.
        shares: shares of the training events that become the parts "validation" and "test".
        seed: seed of the draw of these events.
        cache: "memory", or the folder of files that are mapped into memory.
        event_weights: weights of the events of all parts in the loss; None = 1 each.
        class_weights: weights of their classes, likewise.

    Raises:
        InputError: a part without a usable image, an event without a weight, or images whose shape differs from that
            of the training images.
    """
    training = sources["train"]
    options = _fit_reader(training, reading)
    scales = None if targets is None else targets.to_targets(training, options)
    datasets = {
        part: Dataset(source.inputs, label, targets=scales, between=source.between, **options)
        for part, source in sources.items()
    }
    for dataset in datasets.values():
        if label is not None and label_kinds is not None:
            check_kinds(label, dataset, label_kinds)
    if event_weights is not None:
        event_weights.check([str(path) for dataset in datasets.values() for path in dataset.files])
    images: dict[str, SparseImages] = {}
    record: dict[str, dict[str, object]] = {}
    for part, dataset in datasets.items():
        with dataset.unchanged() as fingerprint:
            images[part] = parts.drop_unusable(_read(dataset, cache, options), part)
        labels = xxh3_128_hexdigest(np.ascontiguousarray(images[part].label).data)
        record[_word(part)] = {"fingerprint": fingerprint, "events": len(images[part]), "labels": labels}
        if event_weights is not None:
            images[part] = event_weights.assign(images[part], [str(path) for path in dataset.files], part)
            record[_word(part)]["weights"] = xxh3_128_hexdigest(
                np.ascontiguousarray(images[part].weight).data
            )
    images = parts.split(images, shares or {}, seed, fold)
    for part, batch in images.items():
        if batch.shape != images["train"].shape:
            shapes = f"{images['train'].shape}, {part} images {batch.shape}"
            raise InputError(f"training images are {shapes} (planes, rows, columns): set xdim and ydim")
    images = weights.weigh(images, class_weights, [] if label is None else label.classes)
    old = {_word(part): dataset.old_fingerprint() for part, dataset in datasets.items()}
    reading = options | datasets["train"].first.size_options
    names = {part: _names(dataset.files) for part, dataset in datasets.items()}
    files = {part: names.get(part, names["train"]) for part in images}
    return Data(images, reading, scales, record, old, datasets["train"].kinds, files)


def fingerprints(sources: Mapping[str, Source], reading: Mapping[str, Any]) -> dict[str, str]:
    """Return the fingerprint of the files of every part; no pixels are read."""
    return {
        part: Dataset(source.inputs, between=source.between, **reading).fingerprint()
        for part, source in sources.items()
    }


def _names(paths: Sequence[Path]) -> list[str]:
    """Return the names of files in tables, with as much of their folders as tells them apart."""
    names = [path.name for path in paths]
    return names if len(set(names)) == len(names) else distinct_names(paths)


def _word(part: str) -> str:
    """Return the name of a part in the record of a checkpoint."""
    return "training" if part == "train" else part


def _fit_reader(training: Source, reading: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the reader, including those fitted to the training files."""
    files = expand(training.inputs)
    options = {key: value for key, value in reading.items() if key not in CHOICE}
    reader = chosen_reader(files[0], reading.get("reader"))
    fitted = reader.fit(files, between=training.between, **options, **(reading.get("reader_options") or {}))
    if fitted:
        log.info("%s", ", ".join(f"{key} = {value}" for key, value in fitted.items()))
    return {**reading, **fitted}


def _read(dataset: Dataset, cache: str, options: dict[str, Any]) -> SparseImages:
    """Return all images of a dataset, in memory or mapped, and log what was read."""
    if cache == "memory":
        images, report = dataset.load(), dataset.report_lines()
    else:
        images, report = disk_cache.load(dataset, cache, options)
    for line in report:
        log.info("%s", line)
    return images
