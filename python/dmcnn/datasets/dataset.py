"""Dataset: events of one or more files with their labels, as commands and notebooks use them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from itertools import pairwise
from math import prod
from operator import index
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn._common.upward import notebook
from dmcnn.datasets.event import Event
from dmcnn.datasets.event_files import EventFiles
from dmcnn.datasets.labels import LabelRule
from dmcnn.datasets.targets import Targets
from dmcnn.images.sparse import SparseImages
from dmcnn.readers.options import Options

if TYPE_CHECKING:
    from torch.utils.data import Dataset as TorchDataset

SAMPLE = 16
"""Events whose fraction of active pixels stands for all events."""


class Dataset(EventFiles):
    """Events of several files of one image shape, with their labels.

    Args:
        inputs: path, list of paths, globs, or ``sample://`` addresses.
        label: rule for the class of events; None = no classes.
        targets: numbers that a network estimates, instead of classes.
        between, options, given: see EventFiles.

    Attributes:
        labels: (n,) int64 class numbers, (n, k) float32 targets divided by their scales, or None.
        rule, targets: rule for the class of events, or numbers that a network estimates.
    """

    def __init__(
        self,
        inputs: str | Sequence[str],
        label: LabelRule | None = None,
        *,
        targets: Targets | None = None,
        between: Sequence[int] | None = None,
        options: Options | None = None,
        **given: Any,
    ) -> None:
        if label is not None and targets is not None:
            raise ValueError("events have either classes or targets")
        super().__init__(inputs, between=between, options=options, **given)
        self.rule, self.targets = label, targets
        self._occupancy: float | None = None
        self.labels: NDArray[Any] | None = None if label is None else self.classes_by(label)
        if targets is not None:
            self.labels = targets.scale(self.stored_targets(targets.names))

    def classes_by(self, label: LabelRule) -> NDArray[np.int64]:
        """Return the (n,) int64 class numbers by a rule; InputError if it gives an event no class or several."""
        particles = self.particles() if label.needs_particles else None
        return label.apply(self.events, self.files, particles, names=self.names, stored=self.stored_classes)

    @property
    def class_names(self) -> list[str | None]:
        """(n,) name of the class of every event; None without a rule."""
        if self.rule is None or self.labels is None:
            return [None] * len(self)
        return [self.rule.classes[number] for number in self.labels.tolist()]

    @overload
    def __getitem__(self, number: int) -> Event: ...

    @overload
    def __getitem__(self, number: slice) -> Dataset: ...

    def __getitem__(self, number: int | slice) -> Event | Dataset:
        """Return one event, or the dataset of the events ``start:stop``."""
        if isinstance(number, slice):
            start, stop, step = number.indices(len(self))
            if step != 1:
                raise ValueError(f"slices of a dataset have no step, not {step}: take events one by one")
            return self._part_of(start, max(start, stop))
        place = index(number)
        if not -len(self) <= place < len(self):
            raise IndexError(f"event {place}, the dataset has {len(self)}")
        images = self.read(place % len(self), place % len(self) + 1)
        return Event(
            images=images,
            file=self.files[int(images.events["file"][0])],
            source=self.source(images),
            label=self._word(images.label),
            reading=self.reading,
            frame_edges=self.frame_edges,
            frame_unit=self.frame_unit,
            origin=self.file_origins[int(images.events["file"][0])],
        )

    def __iter__(self) -> Iterator[Event]:
        """Yield the events one by one."""
        return (self[number] for number in range(len(self)))

    def _part_of(self, start: int, stop: int) -> Dataset:
        """Return the dataset of events start..stop-1."""
        part = copy(self)
        ends = [min(max(edge, start), stop) for edge in self._ends.tolist()]
        part._ranges = [
            (first + low - begin, first + high - begin)
            for (first, _), begin, (low, high) in zip(
                self._ranges, self._ends.tolist(), pairwise(ends), strict=False
            )
        ]
        part._ends = np.array(ends) - start
        part.events, part._occupancy = self.events[start:stop], None
        part.names = None if self.names is None else self.names[start:stop]
        part.labels = None if self.labels is None else self.labels[start:stop]
        return part

    def reopened(self, whole: Dataset) -> Dataset:
        """Return the events of this dataset, with its labels, from another dataset of the same files.

        Args:
            whole: dataset of all entries of the files, read with other options.
        """
        ranges = [
            range(begin + start, begin + stop)
            for begin, (start, stop) in zip(whole._ends.tolist(), self._ranges, strict=False)
        ]
        part = copy(whole)
        part._ranges = list(self._ranges)
        part._ends = self._ends
        numbers = [number for entries in ranges for number in entries]
        part.events = whole.events[numbers]
        part.names = None if whole.names is None else [whole.names[number] for number in numbers]
        part.rule, part.targets, part.labels = self.rule, self.targets, self.labels
        return part

    def _part(self, number: int, start: int, stop: int) -> SparseImages:
        """Read events start..stop-1, all of them in file ``number``, with their labels."""
        images = super()._part(number, start, stop)
        return images if self.labels is None else replace(images, label=self.labels[start:stop].copy())

    def torch(self, *, scaling: str = "none", cache: str = "memory") -> TorchDataset[Any]:
        """Return the events that hold an image as a map-style dataset for any torch DataLoader.

        A sample is a (C, H, W) float32 tensor; with labels it is a pair of the tensor and its label, an int64 class
        number or (k,) float32 targets divided by their scales. The dataset can be pickled for DataLoader workers.

        Args:
            scaling: "none" or "minmax", as in the card of a network.
            cache: "memory", or a folder for a memory-mapped file.
        """
        dataset: TorchDataset[Any] = notebook("opening.torch_images")(self, scaling, cache)
        return dataset

    def __repr__(self) -> str:
        names = [str(path) for path in self.files]
        shown = ", ".join(names[:3]) + (f", … ({len(names)} files)" if len(names) > 3 else "")
        return f"Dataset({shown}: {len(self)} events of {self.shape}, {self._label_words()}, {self._active_words()})"

    def _label_words(self) -> str:
        """Return the number of events of each class, or the names of the targets, as text."""
        if self.labels is None:
            return "no labels"
        if self.rule is None:
            return f"targets {', '.join(self.targets.names if self.targets else ())}"
        counts = np.bincount(self.labels, minlength=len(self.rule.classes)).tolist()
        return ", ".join(f"{count} {name}" for count, name in zip(counts, self.rule.classes, strict=True))

    def _active_words(self) -> str:
        """Return the fraction of active pixels of the first events as text; they are read once."""
        count = min(len(self), SAMPLE)
        if self._occupancy is None and count:
            try:
                self._occupancy = self.read(0, count).n_pixels.mean() / prod(self.shape)
            except InputError:  # a repr must not raise
                return "pixels cannot be read"
        first = f" of the first {count}" if count < len(self) else ""
        return (
            "empty"
            if self._occupancy is None
            else f"{100 * self._occupancy:.3g} % of the pixels active{first}"
        )

    def _word(self, label: NDArray[Any] | None) -> str | dict[str, float] | None:
        """Return the class name of one event, or its targets (name -> value) in their units; None without labels."""
        if label is None:
            return None
        if self.rule is not None:
            return self.rule.classes[int(label[0])]
        assert self.targets is not None
        values = np.asarray(label[0], np.float64) * self.targets.scales
        return dict(zip(self.targets.names, values.tolist(), strict=True))
