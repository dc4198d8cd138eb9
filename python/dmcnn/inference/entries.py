"""Entries to score: those that numbers, a list or the rows of tables name."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn._common.files import expand
from dmcnn.datasets.dataset import Dataset
from dmcnn.images.sparse import SparseImages, join
from dmcnn.tables import table
from dmcnn.tables.join import event_ids

log = logging.getLogger("dmcnn")

Numbers = NDArray[np.int64]


class EntrySubset:
    """Some events of a file, in its order, with the members of a Dataset by which events are scored.

    Args:
        dataset: all events of the file.
        numbers: (n,) int64 increasing numbers of the events.
    """

    def __init__(self, dataset: Dataset, numbers: Numbers) -> None:
        self.dataset, self.numbers = dataset, numbers
        self.events: NDArray[Any] = dataset.events[numbers]

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def sources(self) -> list[str]:
        """(n,) path of the file of every event."""
        return _some(self.dataset.sources, self.numbers)

    @property
    def origins(self) -> list[str]:
        """(n,) origin of every event."""
        return _some(self.dataset.origins, self.numbers)

    def chunks(self, size: int, first: int = 0) -> Iterator[SparseImages]:
        """Yield the events from number ``first`` of the subset on, ``size`` at a time."""
        for start in range(first, len(self), size):
            yield join([self.dataset.read(*run) for run in _runs(self.numbers[start : start + size])])

    def cluster_sizes(self, start: int, stop: int) -> Numbers:
        """Return the (n,) numbers of pixels of events start..stop-1 of the subset that are active in any channel."""
        return np.concatenate([self.dataset.cluster_sizes(*run) for run in _runs(self.numbers[start:stop])])

    def windows(self) -> NDArray[np.float64] | None:
        """Return the (n, C, 2) lower edges of the regions of interest, see ``Dataset.windows``."""
        runs = [self.dataset[slice(*run)].windows() for run in _runs(self.numbers)]
        known = [windows for windows in runs if windows is not None]
        return np.concatenate(known) if known else None

    def unchanged(self) -> AbstractContextManager[str]:
        """Yield the fingerprint of all events, see ``Dataset.unchanged``."""
        return self.dataset.unchanged()

    def old_fingerprint(self) -> str:
        """Return the fingerprint of all events by dmcnn 0.1.0, see ``Dataset.old_fingerprint``."""
        return self.dataset.old_fingerprint()

    def report_lines(self) -> list[str]:
        """Return log lines, see ``Dataset.report_lines``."""
        return self.dataset.report_lines()


def _runs(numbers: Numbers) -> list[tuple[int, int]]:
    """Return first and end of every run of consecutive numbers."""
    breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
    return [(int(run[0]), int(run[-1]) + 1) for run in np.split(numbers, breaks) if len(run)]


def _some(values: Sequence[str], numbers: Numbers) -> list[str]:
    return [values[number] for number in numbers.tolist()]


@dataclass(frozen=True)
class EntryChoice:
    """Choice of the entries to score, by one of three keys; none of them = all.

    Attributes:
        entries: as of ``by_number``.
        entry_list: as of ``by_list``.
        tables: paths and globs of the tables of ``by_tables``.
    """

    entries: int | Sequence[int] | None = None
    entry_list: str | None = None
    tables: str | Sequence[str] | None = None

    @property
    def is_all(self) -> bool:
        """Whether all entries are chosen."""
        return (self.entries, self.entry_list, self.tables) == (None, None, None)

    @property
    def files(self) -> list[str]:
        """Paths of the files that the choice is made by."""
        return [path for key in (self.tables, self.entry_list) if key for path in expand(key)]

    @cached_property
    def counted_key(self) -> str | None:
        """Name of the key that gives numbers which count through all files; None if none does."""
        if self.entries is not None:
            return "entries"
        is_counted = self.entry_list is not None and len(read_list(self.entry_list)[0]) == 1
        return "entry_list" if is_counted else None

    def numbers(self, datasets: Sequence[Dataset]) -> Sequence[Numbers | None]:
        """Return the numbers of the chosen events of every file; None = all."""
        if not datasets or self.is_all:
            return [None] * len(datasets)
        if self.entries is not None:
            return by_number(self.entries, datasets)
        if self.entry_list is not None:
            return by_list(self.entry_list, datasets)
        return by_tables(expand(self.tables or ()), datasets)


def by_number(wanted: int | Sequence[int], datasets: Sequence[Dataset]) -> list[Numbers]:
    """Return the entries of every file by numbers that count through all files; InputError if no file has one."""
    numbers = np.unique([wanted] if isinstance(wanted, int) else list(wanted)).astype(np.int64)
    ends = np.cumsum([0, *map(len, datasets)])
    if not len(numbers) or not 0 <= numbers[0] <= numbers[-1] < ends[-1]:
        names = ", ".join(str(dataset.files[0]) for dataset in datasets)
        missing = numbers[(numbers < 0) | (numbers >= ends[-1])]
        raise InputError(
            f"{names}: no entry {missing[0] if len(missing) else ''}, there are 0 to {ends[-1] - 1}"
        )
    return [numbers[(numbers >= begin) & (numbers < end)] - begin for begin, end in pairwise(ends)]


def by_ids(ids: Sequence[tuple[int, ...]], datasets: Sequence[Dataset], source: str) -> list[Numbers]:
    """Return the entries of every file with one of these (run, subrun, event), and log how many there are.

    Args:
        ids: ids of events.
        datasets: the files.
        source: where the ids come from, for messages.

    Raises:
        InputError: no file has any of the events.
    """
    wanted, seen, numbers = set(ids), set[tuple[int, ...]](), []
    for dataset in datasets:
        columns = (dataset.events[name].tolist() for name in ("run", "subrun", "event"))
        theirs = list(zip(*columns, strict=True))
        numbers.append(np.array([i for i, one in enumerate(theirs) if one in wanted], np.int64))
        seen |= wanted.intersection(theirs)
    if not seen:
        raise InputError(
            f"{source}: names none of the events of {', '.join(str(one.files[0]) for one in datasets)}"
        )
    log.info(
        "%s: names %d events, of which %d are in no file; %d entries are scored",
        source, len(wanted), len(wanted) - len(seen), sum(map(len, numbers)),
    )  # fmt: skip
    return numbers


def by_tables(paths: Sequence[str], datasets: Sequence[Dataset]) -> list[Numbers]:
    """Return the entries of every file that rows of CSV files name by run, subrun and event; see ``by_ids``."""
    tables = [event_ids(table.read(path)) for path in paths]
    ids = [tuple(row) for one in tables for row in one.number[one.known].tolist()]
    return by_ids(ids, datasets, ", ".join(paths))


def by_list(path: str, datasets: Sequence[Dataset]) -> list[Numbers]:
    """Return the entries of every file that the lines of a list name, see ``read_list``."""
    rows = read_list(path)
    if len(rows[0]) == 3:
        return by_ids(rows, datasets, path)
    return by_number([number for (number,) in rows], datasets)


def read_list(path: str) -> list[tuple[int, ...]]:
    """Return the lines of a list of entries: one entry number each, or run, subrun and event.

    Numbers are parted by blanks or commas; ``#`` begins a comment.

    Raises:
        InputError: an unreadable file, or a line of other kind than the first one.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'})"
        ) from None
    rows: list[tuple[int, ...]] = []
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].replace(",", " ").split()
        if not words:
            continue
        if not (all(map(str.isdecimal, words)) and len(words) in ({len(rows[0])} if rows else {1, 3})):
            raise InputError(
                f"{path}:{number}: {line.strip()!r}, expected an entry number, or run, subrun and event, in all "
                "lines alike"
            )
        rows.append(tuple(map(int, words)))
    if not rows:
        raise InputError(f"{path}: an empty list, expected entry numbers, or run, subrun and event")
    return rows
