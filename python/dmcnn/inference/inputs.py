"""Inputs of a network: files, events and arrays, read and prepared as in its training."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import ArrayLike

from dmcnn._common.errors import InputError
from dmcnn.checkpoints.card import Card
from dmcnn.datasets.dataset import Dataset
from dmcnn.datasets.event import Event
from dmcnn.datasets.labels import LabelRule
from dmcnn.images.sparse import SparseImages, join, sparse
from dmcnn.readers.roi import TileScore

log = logging.getLogger("dmcnn")

Paths = str | Path | Sequence[str | Path]
Explainable = Event | SparseImages | ArrayLike
Scorable = Paths | Dataset | Event | Sequence[Event] | SparseImages | ArrayLike

IMAGE_CHOICE = (
    "reader", "producer", "plane", "image_index", "tick_order", "bad_pixels", "particles", "vertex_csv",
    "vertex_columns",
)  # fmt: skip
"""Options of readers that select an image in a file, and do not change its pixels."""

ELECTRONS = "electrons"


def override(card: Card, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the reader options of a card with some replaced; log a warning for each that differs."""
    given = {key: value for key, value in overrides.items() if value is not None}
    reading = {**card.reading, **given}
    if "image_index" in given:
        reading.pop("plane", None)
    elif "plane" in given:
        reading.pop("image_index", None)
    for key, value in given.items():
        if _plain(value) != _plain(card.reading.get(key, value)):
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


class Inputs:
    """Inputs of the network of a card, from events, datasets and arrays.

    Args:
        card: card of the network.
        tile_score: score by which one tile stands for its event where images are read in tiles.
    """

    def __init__(self, card: Card, tile_score: TileScore) -> None:
        self.card, self._tile_score = card, tile_score
        self._last_file: tuple[tuple[str, str], Dataset] | None = None

    def open(self, inputs: str | Sequence[str], overrides: Mapping[str, Any]) -> Dataset:
        """Open image files, see ``open_dataset``; of tiles, the one with the highest score of the network is read."""
        dataset = open_dataset(self.card, inputs, overrides)
        dataset.score_tiles(self._tile_score)
        return dataset

    def one_image(self, event: Explainable, is_prepared: bool) -> SparseImages:
        """Return the image of one event, prepared but for its scaling; raise InputError for several or none."""
        images = self.batch(event, is_prepared)
        if len(images) != 1:
            raise InputError(f"{len(images)} events, expected one")
        if not images.has_image[0]:
            raise InputError("the event holds no image")
        return images

    def batch(self, images: Scorable, is_prepared: bool) -> SparseImages:
        """Return images prepared for the network but for their scaling; raise InputError for another shape."""
        if isinstance(images, Event):
            batch = self._event_image(images)
        elif are_events(images):
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
        dataset = self._file(event.file, overrides)
        number = int(np.flatnonzero(dataset.events["entry"] == event.entry)[0])
        return dataset.read(number, number + 1)

    def reread(self, dataset: Dataset) -> Dataset:
        """Return a dataset, opened again if its reader options or shape differ from those of the network."""
        overrides = self._overrides(dataset.reading)
        if overrides is None and dataset.shape == self.card.shape:
            return dataset
        overrides = {key: dataset.reading[key] for key in IMAGE_CHOICE if key in dataset.reading}
        return dataset.reopened(self.open(list(map(str, dataset.files)), overrides))

    def _overrides(self, reading: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the overrides for reading images again; None if ``reading`` agrees with that of the network.

        Tiles are read again, because each network chooses its own.
        """
        free = {*IMAGE_CHOICE, "xdim", "ydim"}  # the shape of the images is compared elsewhere
        expected, actual = (
            {key: _plain(value) for key, value in some.items() if key not in free and value is not None}
            for some in (self.card.reading, reading)
        )
        if expected == actual and expected.get("roi") != "tiles":
            return None
        return {key: reading[key] for key in IMAGE_CHOICE if key in reading}

    def _file(self, file: Path, overrides: Mapping[str, Any]) -> Dataset:
        """Return the dataset of a file; the last one is cached, because events of one file come one by one."""
        key = str(file), repr(sorted(overrides.items()))
        if self._last_file is None or self._last_file[0] != key:
            self._last_file = key, self.open([str(file)], overrides)
        return self._last_file[1]


def are_events(values: Any) -> TypeGuard[Sequence[Event]]:
    """Return whether ``values`` is a list or tuple of at least one Event, and nothing else."""
    return isinstance(values, list | tuple) and bool(values) and all(isinstance(one, Event) for one in values)


def events_of(images: Any) -> Sequence[Event]:
    """Return the events of an Event or a list of Events; none for everything else."""
    return [images] if isinstance(images, Event) else images if are_events(images) else []


def are_paths(values: Any) -> TypeGuard[Sequence[str | Path]]:
    """Return whether ``values`` is a list or tuple of at least one path, and nothing else."""
    return (
        isinstance(values, list | tuple)
        and bool(values)
        and all(isinstance(one, str | Path) for one in values)
    )


def as_texts(files: Paths) -> str | list[str]:
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
