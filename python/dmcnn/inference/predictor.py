"""Trained network: it scores images, read from files the way it was trained on them."""

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

log = logging.getLogger("dmcnn")

Inputs = str | Path | Sequence[str | Path]
Explainable = Event | SparseImages | ArrayLike
Scorable = Inputs | Dataset | Event | Sequence[Event] | SparseImages | ArrayLike
Count = Callable[[], NDArray[np.int64]]
"""Counts the pixels of images that are active in any channel."""

EVENTS = 64
"""Events that are read at a time."""

OF_FILES = ("reader", "producer", "plane", "image_index", "tick_order", "bad_pixels")
"""Arguments of readers that say where files keep the images, and not what is made of them."""

ELECTRONS = "electrons"


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
        self._kept: tuple[tuple[str, str], Dataset] | None = None

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
        """Open image files as the network was trained on them; ``overrides`` are other arguments of their reader."""
        return open_dataset(self.card, _texts(files), overrides)

    def __call__(self, images: Scorable, **options: Any) -> ResultTable:
        """Score images: see ``scores``."""
        return self.scores(images, **options)

    def scores(self, images: Scorable, *, label: Any = None, is_prepared: bool = False) -> ResultTable:
        """Score images with the network's own preprocessing; one row per event, with the columns of ``infer``.

        Args:
            images: image files (path, globs, list), a Dataset, an Event or a list of them, SparseImages, or an array
                (C, H, W) or (n, C, H, W) of what files hold [ADC, GeV]. What was read otherwise than the network
                wants is read again, but for the plane, producer or position in the event that was chosen.
                SparseImages and arrays get the network's threshold, clip and scaling.
            label: gives the events of files or a Dataset their class, as in a cfg; None = the rule of a Dataset, or
                that of training where it fits the files.
            is_prepared: SparseImages or arrays are as ``open`` reads them: only the scaling is left to do.

        Raises:
            InputError: images that the network does not take.
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
        truth = self.task.truth_of_labels(batch.label, len(batch))
        if events is not None:
            sources = [event.source for event in events]
            truth = self.task.truth_of_words([event.label for event in events])
        return score_table(self.task, batch.events, sources, outputs, truth, sizes)

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
            options: of the method, such as n_samples and layer.

        Raises:
            InputError: no network of classes, not one event, or an unknown method, class or option.
        """
        one = self._one(event, is_prepared)
        found: AttributionMap = notebook("maps.explain")(self, one, method, target, output, options)
        return found

    def occlude(
        self, event: Explainable, k: int = 4, *, is_prepared: bool = False, **options: Any
    ) -> OcclusionMap:
        """Map the scores of an event with a window of (2k+1) x (2k+1) pixels around every active pixel blanked.

        Args:
            event: as for ``explain``.
            k: [pixels] reach of a window to every side.
            is_prepared: see ``scores``.
            options: depth, border, stride, fill and seed of dmcnn.occlusion.result.Scan.

        Raises:
            InputError: no network of classes, not one event, or an unknown option.
        """
        one = self._one(event, is_prepared)
        found: OcclusionMap = notebook("maps.occlude")(self, one, k, options)
        return found

    def _one(self, event: Explainable, is_prepared: bool) -> SparseImages:
        """Return one event as the network takes it, before scaling."""
        found = self._batch(event, is_prepared)
        if len(found) != 1:
            raise InputError(f"{len(found)} events, expected one")
        if not found.has_image[0]:
            raise InputError("the event holds no image")
        return found

    def _batch(self, images: Scorable, is_prepared: bool) -> SparseImages:
        """Return images as the network takes them, before scaling."""
        if isinstance(images, Event):
            found = self._event(images)
        elif _are_events(images):
            found = join([self._event(event) for event in images])
        else:
            found = images if isinstance(images, SparseImages) else _from_array(images)
            if not is_prepared:
                found = self._limited(found)
        if found.shape != self.card.shape:
            raise InputError(
                f"images are {found.shape}, the network takes {self.card.shape} (planes, rows, columns)"
            )
        return found

    def _limited(self, images: SparseImages) -> SparseImages:
        """Return what files hold within the threshold and clip of the network."""
        reading = self.card.reading
        if reading.get("charge", ELECTRONS) != ELECTRONS:
            raise InputError(
                f"the network takes charge = {reading['charge']!r}, which an array does not tell from electrons: "
                "give files, a Dataset or an Event; or is_prepared=True for images as its open(…) reads them"
            )
        return images.limited(reading.get("adc_lo"), reading.get("adc_hi"))

    def _event(self, event: Event) -> SparseImages:
        """Return the image of an event as the network takes it: read again, if it was read otherwise."""
        wanted = self._wanted(event.reading)
        if wanted is None:
            return event.images
        dataset = self._opened(event.file, wanted)
        number = int(np.flatnonzero(dataset.events["entry"] == event.entry)[0])
        return dataset.read(number, number + 1)

    def _reread(self, dataset: Dataset) -> Dataset:
        """Return a dataset as the network takes its images: opened again, if it was opened otherwise."""
        wanted = self._wanted(dataset.reading)
        if wanted is None and dataset.shape == self.card.shape:
            return dataset
        chosen = {key: dataset.reading[key] for key in OF_FILES if key in dataset.reading}
        return dataset.reopened(open_dataset(self.card, list(map(str, dataset.files)), chosen))

    def _wanted(self, reading: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the overrides with which images that were read so have to be read again; None if they are right."""
        free = {*OF_FILES, "xdim", "ydim"}  # images of the right shape have them
        mine, theirs = (
            {key: _plain(value) for key, value in some.items() if key not in free and value is not None}
            for some in (self.card.reading, reading)
        )
        return None if mine == theirs else {key: reading[key] for key in OF_FILES if key in reading}

    def _opened(self, file: Path, overrides: Mapping[str, Any]) -> Dataset:
        """Return a file opened for the network; the last one is kept, for events come from it one by one."""
        key = str(file), repr(sorted(overrides.items()))
        if self._kept is None or self._kept[0] != key:
            self._kept = key, open_dataset(self.card, [str(file)], overrides)
        return self._kept[1]

    def _score_dataset(self, dataset: Dataset, label: Any) -> ResultTable:
        named = label is None and dataset.rule is not None
        truth = dataset.class_names if named else self.task.truth(dataset, label)

        def parts() -> Iterator[tuple[SparseImages, Count]]:
            for start in range(0, len(dataset), EVENTS):
                stop = min(start + EVENTS, len(dataset))
                yield dataset.read(start, stop), partial(dataset.cluster_sizes, start, stop)

        outputs, sizes = self._run(parts(), len(dataset))
        return score_table(self.task, dataset.events, dataset.sources, outputs, truth, sizes)

    def _run(
        self, parts: Iterable[tuple[SparseImages, Count]], total: int
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return (n, m) outputs, and (n, 2) active pixels and cluster sizes, with a progress bar if it takes long."""
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
    named = [model] if isinstance(model, str) or callable(model) else list(model or ())
    net, card = load.load(weight_file, [*named, *filter(None, [(overrides or {}).get("reader")])])
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


def _are_events(values: Any) -> TypeGuard[Sequence[Event]]:
    return isinstance(values, list | tuple) and bool(values) and all(isinstance(one, Event) for one in values)


def _are_paths(values: Any) -> TypeGuard[Sequence[str | Path]]:
    return (
        isinstance(values, list | tuple)
        and bool(values)
        and all(isinstance(one, str | Path) for one in values)
    )


def _texts(files: Inputs) -> str | list[str]:
    return str(files) if isinstance(files, str | Path) else [str(file) for file in files]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _from_array(images: Any) -> SparseImages:
    """Return dense images as sparse ones; InputError for anything but finite numbers (C, H, W) or (n, C, H, W)."""
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
