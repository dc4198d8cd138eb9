"""Many files as one dataset: identity, labels and pixels of all their events in order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from dmcnn import files
from dmcnn.errors import InputError
from dmcnn.images import SparseImages, join
from dmcnn.labels import LabelRule
from dmcnn.readers import ImageFile, open_images
from dmcnn.samples import SCHEME, sample_path

CHUNK = 256  # events read at a time


def expand(inputs: str | Sequence[str]) -> list[Path]:
    """The files that paths, globs and ``sample://`` addresses name, each once, in the order given.

    Those of a glob are sorted. A sample that does not exist yet is simulated.
    """
    paths = [sample_path(t) if t.startswith(SCHEME) else Path(t) for t in files.expand(inputs)]
    seen: dict[Path, Path] = {}
    for path in paths:
        first = seen.setdefault(path.resolve(), path)
        if first is not path:
            raise InputError(f"{path}: named twice, it is the same file as {first}")
    return paths


class Dataset:
    """Several files of one image shape as one.

    Ids, sizes and labels of every event are read and checked at once; pixels when they are asked for. Between
    files only the one read last is open.

    Args:
        inputs: path, list of paths, globs, or ``sample://`` addresses.
        label: how events get their class; None leaves images unlabelled.
        arguments: those of the readers (see dmcnn.readers.ImageFile).

    Attributes:
        files: the files, in order.
        events: (n,) EVENT; ``file`` is the place in ``files``.
        labels: (n,) int64 class numbers, or None.
        shape: (C, H, W) of every image.
    """

    def __init__(self, inputs: str | Sequence[str], label: LabelRule | None = None, **arguments: Any) -> None:
        self.files = expand(inputs)
        self._readers: list[ImageFile] = []
        self._open = 0
        for path in self.files:
            self._readers.append(open_images(path, **arguments))
            self._readers[-1].close()
            first = self._readers[0]
            if self._readers[-1].shape != first.shape:
                raise InputError(
                    f"{path}: images of shape {self._readers[-1].shape}, those of {first.path} have "
                    f"{first.shape} (channels, rows, columns); give ydim and xdim"
                )
        self.shape = self._readers[0].shape
        self._ends = np.cumsum([0] + [len(reader) for reader in self._readers])
        self.events: NDArray[Any] = np.concatenate([reader.events for reader in self._readers])
        self.events["file"] = np.repeat(np.arange(len(self.files)), np.diff(self._ends))
        self.labels = None if label is None else self.classes_by(label)

    def classes_by(self, label: LabelRule) -> NDArray[np.int64]:
        """(n,) int64 class number of every event by a rule; InputError where it fits none or several."""
        return label.apply(self.events, self.files, self._particles(label))

    def entries(self, numbers: int | Sequence[int]) -> list[int]:
        """Event numbers, counted through all files, if the dataset has them all; else InputError."""
        wanted = [numbers] if isinstance(numbers, int) else list(numbers)
        missing = [number for number in wanted if not 0 <= number < len(self)]
        if missing or not wanted:
            names = ", ".join(map(str, self.files))
            raise InputError(
                f"{names}: no entry {missing[0] if missing else wanted}, there are 0 to {len(self) - 1}"
            )
        return wanted

    def _particles(self, label: LabelRule) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        if not label.needs_particles:
            return None
        parts = []
        for reader in self._readers:
            parts.append(reader.pdg())
            reader.close()
        return np.concatenate([n for n, _ in parts]), np.concatenate([codes for _, codes in parts])

    def __len__(self) -> int:
        return len(self.events)

    def read(self, start: int = 0, stop: int | None = None) -> SparseImages:
        """Events start..stop-1 of the whole, across files."""
        stop = len(self) if stop is None else stop
        if not 0 <= start <= stop <= len(self):
            raise ValueError(f"events {start}..{stop} asked for, the dataset has {len(self)}")
        number = int(np.searchsorted(self._ends[1:-1], start, side="right"))
        parts = []
        while True:
            end = min(stop, int(self._ends[number + 1]))
            parts.append(self._part(number, start, end))
            if end == stop:
                return parts[0] if len(parts) == 1 else join(parts)
            number, start = number + 1, end

    def _part(self, number: int, start: int, stop: int) -> SparseImages:
        """Events start..stop-1 of the whole, all of them in file ``number``."""
        if number != self._open:
            self._readers[self._open].close()
            self._open = number
        begin = int(self._ends[number])
        images = self._readers[number].read(start - begin, stop - begin)
        labels = None if self.labels is None else self.labels[start:stop].copy()
        return replace(images, events=self.events[start:stop].copy(), label=labels)

    def chunks(self, size: int = CHUNK) -> Iterator[SparseImages]:
        """All events in order, ``size`` at a time."""
        if size < 1:
            raise ValueError(f"chunks of {size} events")
        for start in range(0, len(self), size):
            yield self.read(start, min(start + size, len(self)))

    def load(self, progress: bool = True) -> SparseImages:
        """The whole dataset in memory; with a progress bar if that is wanted and there is a terminal."""
        with tqdm(total=len(self), unit="event", desc="reading", disable=None if progress else True) as bar:
            parts = []
            for chunk in self.chunks():
                parts.append(chunk)
                bar.update(len(chunk))
        return join(parts)

    def report_lines(self) -> list[str]:
        """For people: what became of every file's entries so far."""
        return [line for reader in self._readers for line in reader.report.lines()]

    def fingerprint(self) -> str:
        """16 hexadecimal digits that name these events: file names, sizes, producers and ids, in order."""
        digest = hashlib.sha256()
        for reader in self._readers:
            about = [reader.path.name, reader.path.stat().st_size, reader.producer, len(reader)]
            digest.update(repr(about).encode())
            for field in ("run", "subrun", "event"):
                digest.update(np.ascontiguousarray(reader.events[field], "<u8").tobytes())
        return digest.hexdigest()[:16]
