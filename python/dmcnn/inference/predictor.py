"""Predictor: a trained network on a device, which scores and explains images with its own preprocessing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn
from tqdm import tqdm

from dmcnn._common.errors import InputError
from dmcnn._common.files import sha256
from dmcnn._common.upward import notebook
from dmcnn.checkpoints import load
from dmcnn.checkpoints.card import Card, Own
from dmcnn.datasets.dataset import Dataset
from dmcnn.datasets.event import Event
from dmcnn.datasets.labels import LabelRule
from dmcnn.engines import dense
from dmcnn.images.sparse import SparseImages, join, sparse
from dmcnn.inference import devices
from dmcnn.inference.maps import AttributionMap, OcclusionMap
from dmcnn.inference.score_table import score_table
from dmcnn.tables.result_table import ResultTable
from dmcnn.tasks import task_of
from dmcnn.tasks.base import Truth

log = logging.getLogger("dmcnn")

Inputs = str | Path | Sequence[str | Path]
Explainable = Event | SparseImages | ArrayLike
Scorable = Inputs | Dataset | Event | Sequence[Event] | SparseImages | ArrayLike
Count = Callable[[], NDArray[np.int64]]
"""Function that returns the (n,) number of pixels of every image that are active in any channel."""

EVENTS = 64
"""Number of events that are read at a time."""

IMAGE_CHOICE = ("reader", "producer", "plane", "image_index", "tick_order", "bad_pixels")
"""Options of readers that select an image in a file, and do not change its pixels."""

ELECTRONS = "electrons"


class Predictor:
    """Network on a device, with the card that describes its preprocessing and its outputs.

    Args:
        net: network, which is moved to the device and set to evaluation mode.
        card: card of the network; ``open_dataset`` reads images by its ``reading``.
        device: device of the forward passes.
        precision: "32", or "bf16", which is faster and changes logits by up to 0.02.
        batch_size: images per forward pass.
        sha256: SHA-256 of the weight file; "" = no file.

    Attributes:
        task: task of the network, see dmcnn.tasks.
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
        self._last_file: tuple[tuple[str, str], Dataset] | None = None

    def __repr__(self) -> str:
        size = sum(parameter.numel() for parameter in self.net.parameters())
        card = self.card
        what = (
            f"estimates {', '.join(card.targets)}" if card.targets else f"classes {', '.join(card.classes)}"
        )
        signal = f" (signal: {card.signal})" if card.signal else ""
        return f"Predictor({card.model}: {size} parameters, images {card.shape}, {what}{signal}, on {self.device})"

    # ---- in a notebook

    def open(self, files: Inputs, **overrides: Any) -> Dataset:
        """Open image files with the reader options of the training; ``overrides`` replace some of them."""
        return open_dataset(self.card, _texts(files), overrides)

    def __call__(self, images: Scorable, **options: Any) -> ResultTable:
        """Score images, see ``scores``."""
        return self.scores(images, **options)

    def scores(self, images: Scorable, *, label: Any = None, is_prepared: bool = False) -> ResultTable:
        """Score images with the network's own preprocessing; one row per event, with the columns of ``infer``.

        Args:
            images: image files (path, globs, list), a Dataset, an Event or a list of Events, SparseImages, or an
                array (C, H, W) or (n, C, H, W) of values as in files [ADC, GeV]. Events that were read with other
                reader options than those of the network are read again, from the same plane, producer and position.
                SparseImages and arrays get the threshold, clip and scaling of the network.
            label: label rule as in a cfg, which gives the events of files or a Dataset their class; None = the rule
                of the Dataset, or that of the training if it fits the files.
            is_prepared: whether SparseImages or arrays are as ``open`` reads them, so that only the scaling is
                applied.

        Raises:
            InputError: images of another shape or kind than those of the network.
        """
        if isinstance(images, str | Path) or _are_paths(images):
            images = self.open(images)
        if isinstance(images, Dataset):
            return self._score_dataset(self._reread(images), label)
        batch = self._batch(images, is_prepared)
        outputs, sizes = self._run([(batch, lambda: batch.cluster_sizes)], len(batch))
        events: Sequence[Event] | None = images if _are_events(images) else None
        if isinstance(images, Event):
            events = [images]
        sources: list[str | None] = [None] * len(batch)
        truth, origins = self.task.truth_of_labels(batch.label, len(batch)), None
        if events is not None:
            sources, origins = [event.source for event in events], [event.origin for event in events]
            truth = self.task.truth_of_words([event.label for event in events])
        return score_table(self.task, batch.events, sources, outputs, truth, sizes, origins=origins)

    def explain(
        self,
        event: Explainable,
        method: str | Any = "grad_cam",
        *,
        target: str | int = "predicted",
        output: str = "logit",
        is_prepared: bool = False,
        **options: Any,
    ) -> AttributionMap:
        """Map how much every pixel of an event matters for a number of the network.

        Args:
            event: an Event, SparseImages of one event, or a (C, H, W) array, prepared as by ``scores``.
            method: name of one of dmcnn.attribution.METHODS, ``module:Name``, or a Method.
            target: class by name or number, or "predicted".
            output: "logit" or "score" of that class.
            is_prepared: see ``scores``.
            options: options of the method, such as n_samples and layer.

        Raises:
            InputError: a regression network, more or fewer than one event, or an unknown method, class or option.
        """
        image = self._one_image(event, is_prepared)
        result: AttributionMap = notebook("maps.explain")(self, image, method, target, output, options)
        return result

    def occlude(
        self, event: Explainable, k: int = 4, *, is_prepared: bool = False, **options: Any
    ) -> OcclusionMap:
        """Map the scores of an event with a window of (2k+1) x (2k+1) pixels around every active pixel filled.

        Args:
            event: as for ``explain``.
            k: [pixels] half width of a window, without its centre.
            is_prepared: see ``scores``.
            options: depth, border, stride, fill and seed of dmcnn.occlusion.result.Scan.

        Raises:
            InputError: a regression network, more or fewer than one event, or an unknown option.
        """
        image = self._one_image(event, is_prepared)
        result: OcclusionMap = notebook("maps.occlude")(self, image, k, options)
        return result

    def _one_image(self, event: Explainable, is_prepared: bool) -> SparseImages:
        """Return the image of one event, prepared but for its scaling; raise InputError for several or none."""
        images = self._batch(event, is_prepared)
        if len(images) != 1:
            raise InputError(f"{len(images)} events, expected one")
        if not images.has_image[0]:
            raise InputError("the event holds no image")
        return images

    def _batch(self, images: Scorable, is_prepared: bool) -> SparseImages:
        """Return images prepared for the network but for their scaling; raise InputError for another shape."""
        if isinstance(images, Event):
            batch = self._event_image(images)
        elif _are_events(images):
            batch = join([self._event_image(event) for event in images])
        else:
            batch = images if isinstance(images, SparseImages) else _from_array(images)
            if not is_prepared:
                batch = self._apply_limits(batch)
        if batch.shape != self.card.shape:
            raise InputError(
                f"images are {batch.shape}, the network takes {self.card.shape} (planes, rows, columns)"
            )
        return batch

    def _apply_limits(self, images: SparseImages) -> SparseImages:
        """Return images with the threshold and clip of the network applied to values as in files."""
        reading = self.card.reading
        if reading.get("charge", ELECTRONS) != ELECTRONS:
            raise InputError(
                f"the network takes charge = {reading['charge']!r}, but the unit of an array is unknown: give files, "
                "a Dataset or an Event; or is_prepared=True for images as its open(…) reads them"
            )
        return images.limited(reading.get("adc_lo"), reading.get("adc_hi"))

    def _event_image(self, event: Event) -> SparseImages:
        """Return the image of an event, read again if its reader options differ from those of the network."""
        overrides = self._overrides(event.reading)
        if overrides is None:
            return event.images
        dataset = self._open_file(event.file, overrides)
        number = int(np.flatnonzero(dataset.events["entry"] == event.entry)[0])
        return dataset.read(number, number + 1)

    def _reread(self, dataset: Dataset) -> Dataset:
        """Return a dataset, opened again if its reader options or shape differ from those of the network."""
        overrides = self._overrides(dataset.reading)
        if overrides is None and dataset.shape == self.card.shape:
            return dataset
        overrides = {key: dataset.reading[key] for key in IMAGE_CHOICE if key in dataset.reading}
        return dataset.reopened(open_dataset(self.card, list(map(str, dataset.files)), overrides))

    def _overrides(self, reading: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the overrides for reading images again; None if ``reading`` agrees with that of the network."""
        free = {*IMAGE_CHOICE, "xdim", "ydim"}  # the shape of the images is compared elsewhere
        expected, actual = (
            {key: _plain(value) for key, value in some.items() if key not in free and value is not None}
            for some in (self.card.reading, reading)
        )
        return None if expected == actual else {key: reading[key] for key in IMAGE_CHOICE if key in reading}

    def _open_file(self, file: Path, overrides: Mapping[str, Any]) -> Dataset:
        """Return the dataset of a file; the last one is cached, because events of one file come one by one."""
        key = str(file), repr(sorted(overrides.items()))
        if self._last_file is None or self._last_file[0] != key:
            self._last_file = key, open_dataset(self.card, [str(file)], overrides)
        return self._last_file[1]

    def _score_dataset(self, dataset: Dataset, label: Any) -> ResultTable:
        """Score all events of a dataset; ``label`` as of ``scores``."""
        truth: Truth = dataset.class_names
        rule = "" if dataset.rule is None else dataset.rule.text
        if label is not None or dataset.rule is None:
            truth, rule = self.task.labels(dataset, label)

        def parts() -> Iterator[tuple[SparseImages, Count]]:
            """Yield the images, EVENTS at a time, and the function that counts their pixels."""
            for start in range(0, len(dataset), EVENTS):
                stop = min(start + EVENTS, len(dataset))
                yield dataset.read(start, stop), partial(dataset.cluster_sizes, start, stop)

        outputs, sizes = self._run(parts(), len(dataset))
        return score_table(
            self.task,
            dataset.events,
            dataset.sources,
            outputs,
            truth,
            sizes,
            rule=rule,
            origins=dataset.origins,
        )

    def _run(
        self, parts: Iterable[tuple[SparseImages, Count]], total: int
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return (n, m) outputs and (n, 2) active pixels and cluster sizes; show a bar if n > EVENTS."""
        outputs, sizes = [np.zeros((0, self.task.outputs))], [np.zeros((0, 2), np.int64)]
        with tqdm(total=total, desc="scoring", unit="event", disable=None if total > EVENTS else True) as bar:
            for images, count in parts:
                outputs += list(self.logits([images]))
                sizes.append(
                    np.stack([images.n_pixels, self.task.cluster_sizes(images.n_pixels, count)], axis=1)
                )
                bar.update(len(images))
        return np.concatenate(outputs), np.concatenate(sizes)

    # ---- batch by batch

    def logits(self, chunks: Iterable[SparseImages], rotation: int = 0) -> Iterator[NDArray[np.float64]]:
        """Yield the (m, outputs) outputs of the network, batch by batch; NaN where an event holds no image.

        Args:
            chunks: images as ``open_dataset`` reads them.
            rotation: [degrees] rotation of the images, counter-clockwise.
        """
        for chunk in chunks:
            for batch in dense.batches(chunk, self.batch_size):
                outputs = np.full((len(batch), self.task.outputs), np.nan)
                has_image = batch.has_image
                if has_image.any():
                    outputs[has_image] = dense.logits(
                        self.net,
                        batch.take(has_image),
                        device=self.device,
                        precision=self.precision,
                        rotation=rotation,
                        scaling=self.card.scaling,
                    )
                yield outputs

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
        model: network of one's own, ``module:Name`` or its class; a file alone never imports a module.
        overrides: reader options that replace those of the training, with a warning; None values are ignored.
        gpuid: see dmcnn.inference.devices.device.
        precision: see Predictor.
        batch_size: images per forward pass.

    Raises:
        InputError: not a weight file, or a device that does not exist.
    """
    devices.use_whole_cpu()
    names = [model] if isinstance(model, str) or callable(model) else list(model or ())
    net, card = load.load(weight_file, [*names, *filter(None, [(overrides or {}).get("reader")])])
    return Predictor(
        net,
        replace(card, reading=override(card, overrides or {})),
        devices.device(gpuid),
        precision=precision,
        batch_size=batch_size,
        sha256=sha256(weight_file),
    )


def override(card: Card, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the reader options of a card with some replaced; log a warning for each that differs."""
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
    """Open image files with the reader options of a card.

    Args:
        card: card of the network.
        inputs: path, list of paths, globs, or ``sample://`` addresses.
        overrides: reader options that replace those of the card, with a warning; None values are ignored.
        rule: label rule that gives events their class.

    Raises:
        InputError: files that the reader cannot read, or images of another shape than that of the card.
    """
    dataset = Dataset(inputs, label=rule, **override(card, overrides or {}))
    if dataset.shape != card.shape:
        raise InputError(
            f"{inputs}: images are {dataset.shape}, the network takes {card.shape} (planes, rows, columns)"
        )
    return dataset


def _are_events(values: Any) -> TypeGuard[Sequence[Event]]:
    """Return whether ``values`` is a list or tuple of at least one Event, and nothing else."""
    return isinstance(values, list | tuple) and bool(values) and all(isinstance(one, Event) for one in values)


def _are_paths(values: Any) -> TypeGuard[Sequence[str | Path]]:
    """Return whether ``values`` is a list or tuple of at least one path, and nothing else."""
    return (
        isinstance(values, list | tuple)
        and bool(values)
        and all(isinstance(one, str | Path) for one in values)
    )


def _texts(files: Inputs) -> str | list[str]:
    """Return paths as texts."""
    return str(files) if isinstance(files, str | Path) else [str(file) for file in files]


def _plain(value: Any) -> Any:
    """Return a tuple as a list, and everything else unchanged."""
    return list(value) if isinstance(value, tuple) else value


def _from_array(images: Any) -> SparseImages:
    """Return sparse images of an array; raise InputError unless it is finite numbers, (C, H, W) or (n, C, H, W)."""
    dense = np.asarray(images)
    if dense.ndim == 3:
        dense = dense[None]
    if dense.ndim != 4 or dense.dtype.kind not in "fiub":
        raise InputError(
            f"an array of shape {np.shape(images)} and type {dense.dtype}, expected numbers "
            "(channels, rows, columns) or (images, channels, rows, columns)"
        )
    if not np.isfinite(dense).all():
        raise InputError(f"{(~np.isfinite(dense)).sum()} pixels are NaN or infinite")
    return sparse(dense.astype(np.float32))
