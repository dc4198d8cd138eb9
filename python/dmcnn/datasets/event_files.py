"""Files of events in a row: ids and pixels of all their events, and the fingerprint that identifies them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_128_hexdigest

from dmcnn._common import files
from dmcnn._common.errors import FileError, InputError, file_faults
from dmcnn._common.files import distinct_names
from dmcnn._common.fingerprint import fingerprint
from dmcnn._common.progress import ProgressBar
from dmcnn.formats.origin import origin_text
from dmcnn.images.sparse import Axis, SparseImages, join
from dmcnn.readers import CHOICE, DEFAULTS, open_images
from dmcnn.readers.base import EventFile
from dmcnn.readers.options import Options
from dmcnn.simulation.addresses import SCHEME, sample_path

CHUNK = 256  # events read at a time
PIXELS = 2**21  # pixels read at a time, so that more events of small images are read at once

Self = TypeVar("Self", bound="EventFiles")


def expand(inputs: str | Sequence[str]) -> list[Path]:
    """Return the files of paths, globs and ``sample://`` addresses, in this order; those of a glob are sorted.

    A sample that does not exist yet is simulated.

    Raises:
        InputError: no such file, or one that is named twice.
    """
    paths = [sample_path(t) if t.startswith(SCHEME) else Path(t) for t in files.expand(inputs)]
    seen: dict[Path, Path] = {}
    for path in paths:
        first = seen.setdefault(path.resolve(), path)
        if first is not path:
            raise InputError(f"{path}: named twice, it is the same file as {first}")
    return paths


class EventFiles:
    """Several files of one image shape, with their events counted over all files.

    The constructor reads and checks ids and sizes of all events; ``read`` reads pixels. Only the file read last stays
    open.

    Args:
        inputs: path, list of paths, globs, or ``sample://`` addresses.
        between: only entries ``between[0]`` to ``between[1] - 1`` of every file; None = all.
        options: options of the reader (see dmcnn.readers).
        given: options by name, of any reader of the files; or ``reader`` and ``reader_options``, see
            dmcnn.readers.open_images.

    Attributes:
        files: the files, in order.
        events: (n,) EVENT; ``file`` is the index in ``files``, ``entry`` the number in the file.
        names: (n,) file name of every event, if inputs are folders of one file per event; else None.
        reading: arguments of the readers.
    """

    def __init__(
        self,
        inputs: str | Sequence[str],
        *,
        between: Sequence[int] | None = None,
        options: Options | None = None,
        **given: Any,
    ) -> None:
        self.files = expand(inputs)
        self.reading = {**(options.given() if options else {}), **given}
        self._readers: list[EventFile] = []
        self._open = 0
        for path in self.files:
            self._readers.append(open_images(path, options, **given))
            self._readers[-1].close()
            self._check_shape(self._readers[-1])
        self._state = [_state(reader) for reader in self._readers]
        self._all_used(self.reading)
        self._ranges = [_range(reader, between) for reader in self._readers]
        self._ends = np.cumsum([0] + [stop - start for start, stop in self._ranges])
        self.events: NDArray[Any] = self._of_all([reader.events for reader in self._readers])
        self.events["file"] = np.repeat(np.arange(len(self.files)), np.diff(self._ends))
        self.names = self._names()

    def _check_shape(self, reader: EventFile) -> None:
        """Raise InputError unless the images of a reader have the shape of the first one's."""
        first = self._readers[0]
        if reader.shape != first.shape:
            raise InputError(
                f"{reader.path}: images of shape {reader.shape}, those of {first.path} have "
                f"{first.shape} (channels, rows, columns); give ydim and xdim"
            )

    def _all_used(self, given: dict[str, Any]) -> None:
        """Raise InputError if an option differs from its default and no reader of the files has it."""
        taken = set[str]().union(*(reader.options_class.names() for reader in self._readers))
        for name, value in given.items():
            if name in CHOICE:
                continue
            if value != DEFAULTS[name] and name not in taken:
                kinds = ", ".join(sorted({type(reader).__name__ for reader in self._readers}))
                raise InputError(f"{self.files[0]}: {name} = {value!r} means nothing to the reader ({kinds})")

    def as_drawn(self: Self) -> Self:
        """Return the same events with the values that figures show, see ``EventFile``; itself if it reads those."""
        readers = [reader.as_drawn() for reader in self._readers]
        if all(reader is own for reader, own in zip(readers, self._readers, strict=True)):
            return self
        drawn = copy(self)
        drawn._readers, drawn._open = readers, 0
        for reader in readers:
            reader.close()
            drawn._check_shape(reader)
        return drawn

    def score_tiles(self, score: Callable[[SparseImages], NDArray[np.float64]]) -> None:
        """Set the score of tiles, of which the best stands for its event where images are read in tiles.

        Args:
            score: function of m tiles that returns their (m,) scores.
        """
        for reader in self._readers:
            reader.tile_score = score

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""
        return self._readers[0].shape

    @property
    def axis0(self) -> Axis:
        """Meaning of the channels, see SparseImages."""
        return self._readers[0].axis0

    @property
    def first(self) -> EventFile:
        """Reader of the first file."""
        return self._readers[0]

    @property
    def file_kinds(self) -> list[dict[str, str]]:
        """Kind of every file, see ``EventFile.kind``."""
        return [reader.kind for reader in self._readers]

    @property
    def kinds(self) -> list[dict[str, str]]:
        """Kinds of the files, each once."""
        return [dict(kind) for kind in dict.fromkeys(tuple(kind.items()) for kind in self.file_kinds)]

    @property
    def file_origins(self) -> list[str]:
        """Return what every file states of the origin of its events, as text; "" if nothing."""
        return [origin_text(reader.origin) for reader in self._readers]

    @property
    def origins(self) -> list[str]:
        """(n,) the same of the file of every event."""
        texts = self.file_origins
        return [texts[number] for number in self.events["file"].tolist()]

    def _of_all(self, columns: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Concatenate a column of the entries of every file to a column of the events."""
        return np.concatenate(
            [column[start:stop] for column, (start, stop) in zip(columns, self._ranges, strict=True)]
        )

    def _names(self) -> list[str] | None:
        """Return the file name of every event; None if no input is a folder."""
        if all(reader.names is None for reader in self._readers):
            return None
        names: list[str] = []
        for reader, (start, stop) in zip(self._readers, self._ranges, strict=True):
            names += (reader.names or [reader.path.name] * len(reader))[start:stop]
        return names

    @property
    def stored_classes(self) -> NDArray[np.int64]:
        """(n,) int64 class numbers that the files store; -1 where a file stores none."""
        stored = [reader.stored_classes for reader in self._readers]
        known = [
            np.full(len(reader), -1) if numbers is None else numbers
            for reader, numbers in zip(self._readers, stored, strict=True)
        ]
        return self._of_all(known).astype(np.int64)

    def stored_targets(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Return the (n, k) float64 targets ``names`` in the units of the files; NaN where absent."""
        return np.concatenate(self.targets_by_file(names))

    @file_faults()
    def targets_by_file(self, names: Sequence[str]) -> list[NDArray[np.float64]]:
        """Return the targets ``names`` as one (n, k) float64 array per file."""
        targets = []
        for reader, (start, stop) in zip(self._readers, self._ranges, strict=True):
            targets.append(reader.targets(names)[start:stop])
            reader.close()
        return targets

    def target_units(self, names: Sequence[str]) -> list[str]:
        """Return the unit of each of the targets; "" where it has none or it is not known."""
        return self._readers[0].target_units(names)

    @file_faults()
    def particles(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the primary particles of every event: counts (n,) and PDG codes (m,)."""
        counts, codes = [], []
        for reader, (start, stop) in zip(self._readers, self._ranges, strict=True):
            n, pdg = reader.pdg()
            reader.close()
            counts.append(n[start:stop])
            codes.append(pdg[n[:start].sum() : n[:stop].sum()])
        return np.concatenate(counts), np.concatenate(codes)

    @property
    def frame_edges(self) -> NDArray[np.float64] | None:
        """Edges of the time frames of the first file, see ``EventFile``."""
        return self._readers[0].frame_edges

    @property
    def frame_unit(self) -> str:
        """Unit of the edges of the time frames; "" where it is not known."""
        return self._readers[0].frame_unit

    def entries(self, numbers: int | Sequence[int]) -> list[int]:
        """Return event numbers, counted over all files, as a list; InputError if the dataset has not all of them."""
        wanted = [numbers] if isinstance(numbers, int) else list(numbers)
        missing = [number for number in wanted if not 0 <= number < len(self)]
        if missing or not wanted:
            names = ", ".join(map(str, self.files))
            raise InputError(
                f"{names}: no entry {missing[0] if missing else wanted}, there are 0 to {len(self) - 1}"
            )
        return wanted

    def __len__(self) -> int:
        return len(self.events)

    @file_faults()
    def read(self, start: int = 0, stop: int | None = None) -> SparseImages:
        """Read events start..stop-1, counted over all files."""
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
        """Read events start..stop-1, all of them in file ``number``."""
        if number != self._open:
            self._readers[self._open].close()
            self._open = number
        begin = int(self._ends[number]) - self._ranges[number][0]
        images = self._readers[number].read(start - begin, stop - begin)
        return replace(images, events=self.events[start:stop].copy(), label=None)

    @file_faults()
    def cluster_sizes(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return the (n,) int64 numbers of pixels of events start..stop-1 that are active in any channel."""
        sizes = [np.zeros(0, np.int64)]
        for number, (reader, (first, last)) in enumerate(zip(self._readers, self._ranges, strict=True)):
            begin = int(self._ends[number]) - first
            low, high = (min(max(edge - begin, first), last) for edge in (start, stop))
            if low < high:
                sizes.append(reader.cluster_sizes(low, high))
                if number != self._open:
                    reader.close()
        return np.concatenate(sizes)

    @file_faults()
    def windows(self) -> NDArray[np.float64] | None:
        """Return the (n, C, 2) lower edges of the regions of interest, see ``EventFile``; None where there are none.

        Events that have not been read yet are read.
        """
        parts = []
        for number, (reader, (first, last)) in enumerate(zip(self._readers, self._ranges, strict=True)):
            parts += [reader.windows(low, min(low + CHUNK, last)) for low in range(first, last, CHUNK)]
            if number != self._open:
                reader.close()
        known = [part for part in parts if part is not None]
        return np.concatenate(known) if known and len(known) == len(parts) else None

    def chunks(self, size: int = CHUNK, first: int = 0) -> Iterator[SparseImages]:
        """Yield the events from number ``first`` on, in order, ``size`` at a time."""
        if size < 1:
            raise ValueError(f"chunks of {size} events")
        for start in range(first, len(self), size):
            yield self.read(start, min(start + size, len(self)))

    def load(self, progress: bool = True) -> SparseImages:
        """Read the whole dataset; on a terminal, with a progress bar unless ``progress`` is False."""
        with ProgressBar(total=len(self), unit="event", desc="reading", disable=not progress) as bar:
            parts = []
            for chunk in self.chunks(max(CHUNK, PIXELS // prod(self.shape))):
                parts.append(chunk)
                bar.update(len(chunk))
        return join(parts)

    @property
    def sources(self) -> list[str]:
        """(n,) path of the file of every event; in a folder, that of its own file."""
        paths = [self.files[number] for number in self.events["file"]]
        if self.names is None:
            return [str(path) for path in paths]
        return [str(path / name) for path, name in zip(paths, self.names, strict=True)]

    def source(self, event: SparseImages) -> str:
        """Return the path of the file of one event; in a folder, that of its own file."""
        file = int(event.events["file"][0])
        if self.names is None:
            return str(self.files[file])
        match = (self.events["file"] == file) & (self.events["entry"] == event.events["entry"][0])
        return str(self.files[file] / self.names[int(match.argmax())])

    def output_name(self, event: SparseImages) -> str:
        """Return the name of the outputs of one event: name of its file, told from all others, and entry."""
        return f"{distinct_names(self.files)[int(event.events['file'][0])]}_ENTRY_{event.events['entry'][0]}"

    def short_source(self, event: SparseImages) -> str:
        """Return the path of the file of one event without the folders that all files of the dataset share."""
        folders = [path.absolute().parent for path in self.files]
        return os.path.relpath(Path(self.source(event)).absolute(), os.path.commonpath(folders))

    def report_lines(self) -> list[str]:
        """Return log lines per file: entries read so far, then one line per anomaly."""
        return [line for reader in self._readers for line in reader.report_lines()]

    def modified(self) -> list[int]:
        """Return the time of the last change of every file [ns]."""
        return [reader.modified for reader in self._readers]

    @file_faults()
    def fingerprint(self) -> str:
        """Return 32 hexadecimal digits that identify the events by the bytes of the files, producers and entries.

        Copies of the files under other names are the same data.

        Raises:
            InputError: a file that has changed since its ids were read.
        """
        for reader, state in zip(self._readers, self._state, strict=True):
            if _state(reader) != state:
                raise InputError(f"{reader.path}: changed since it was opened: start again")
        about = [
            (_fingerprint(reader), reader.producer, *self._limits(number))
            for number, reader in enumerate(self._readers)
        ]
        return xxh3_128_hexdigest(repr(about).encode())

    @contextmanager
    def unchanged(self) -> Iterator[str]:
        """Yield the fingerprint; raise FileError after the block if a file has changed meanwhile."""
        before = self.fingerprint()
        yield before
        if self.fingerprint() != before:
            names = ", ".join(map(str, self.files))
            raise FileError(f"{names}: changed while it was read: the result would be a mixture, start again")

    @file_faults()
    def old_fingerprint(self) -> str:
        """Return the 16 hexadecimal digits by which dmcnn 0.1.0 identified events: names, sizes, producers and ids.

        They tell whether an old checkpoint, journal or cache is of these events, as far as they could.
        """
        digest = hashlib.sha256()
        for number, reader in enumerate(self._readers):
            about = [reader.path.name, reader.size, reader.producer, len(reader), *self._limits(number)]
            ids = self.events[self.events["file"] == number]
            digest.update(repr(about).encode())
            digest.update("\n".join(reader.names or []).encode())
            for field in ("run", "subrun", "event"):
                digest.update(np.ascontiguousarray(ids[field], "<u8").tobytes())
        return digest.hexdigest()[:16]

    def _limits(self, number: int) -> tuple[int, ...]:
        """Return first and end entry of a file; empty if all its entries are used."""
        limits = self._ranges[number]
        return () if limits == (0, len(self._readers[number])) else limits


def _fingerprint(reader: EventFile) -> str:
    """Return the fingerprint of the files of a reader, and in a folder of their names."""
    paths, folder = reader.content_files, reader.path
    return fingerprint(paths, [str(path.relative_to(folder)) for path in paths] if folder.is_dir() else None)


def _state(reader: EventFile) -> list[tuple[int, int]]:
    """Return size and time of change of the files of a reader."""
    return [(stat.st_size, stat.st_mtime_ns) for stat in map(Path.stat, reader.content_files)]


def _range(reader: EventFile, between: Sequence[int] | None) -> tuple[int, int]:
    """Return the first and end entry of a file to use; InputError if it has not all of them."""
    if between is None:
        return 0, len(reader)
    start, stop = between
    if not 0 <= start < stop <= len(reader):
        raise InputError(f"{reader.path}: entries {start} to {stop} asked for, it has 0 to {len(reader)}")
    return start, stop
