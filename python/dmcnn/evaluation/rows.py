"""Rows of the score tables that events come from: ids, entries and sizes of events, to list and to match them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn.tables import table
from dmcnn.tables.table import IDS, Table
from dmcnn.tables.texts import Texts

Read = Callable[[str], Table]
"""Function that reads the table at a path."""


class ScoreTables:
    """Score tables by path; each file is read once, however many parts of an evaluation ask for it."""

    def __init__(self) -> None:
        self._tables: dict[str, Table] = {}

    def __call__(self, path: str) -> Table:
        """Return the table at a path."""
        if path not in self._tables:
            self._tables[path] = table.read(path)
        return self._tables[path]

    def origins(self) -> list[str]:
        """Return what the tables state of the origin of their events, each text once."""
        columns = (rows.levels("origin")[0] for rows in self._tables.values() if "origin" in rows.columns)
        return list(dict.fromkeys(word for words in columns for word in words if word))


@dataclass(frozen=True, eq=False)
class EventRows:
    """Rows of n events in their score tables.

    Attributes:
        tables: score tables.
        table: (n,) number of the table of each event.
        row: (n,) number of its row.
    """

    tables: Sequence[Table]
    table: NDArray[np.int64]
    row: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.row)

    def take(self, at: NDArray[Any]) -> EventRows:
        """Return the rows of some events, by number or by a mask."""
        return EventRows(self.tables, self.table[at], self.row[at])

    def texts(self, name: str) -> Texts:
        """Return the (n,) texts of a column; empty where a table has no such column."""
        held = [(number, rows) for number, rows in enumerate(self.tables) if name in rows.columns]
        here = [np.flatnonzero(self.table == number) for number, _ in held]
        found = [rows.texts(name)[self.row[at]] for (_, rows), at in zip(held, here, strict=True)]
        if not found:
            return Texts.of([""] * len(self))
        place = np.full(len(self), -1)
        place[np.concatenate(here)] = np.arange(sum(map(len, here)))
        return Texts.concatenate(found).take(place)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a column as (n,) float64; NaN where there is no number."""
        numbers = np.full(len(self), np.nan)
        for number, rows in enumerate(self.tables):
            here = np.flatnonzero(self.table == number)
            if name in rows.columns:
                numbers[here] = _numbers(rows.texts(name)[self.row[here]])
        return numbers

    def identity(self) -> dict[str, Texts]:
        """Return the columns that name the events: ids, entry, size, file of the images, and score table."""
        return {
            **{name: self.texts(name) for name in (*IDS, "entry_number", "n_pixels", "file")},
            "score_table": Texts.of([rows.path for rows in self.tables]).take(self.table),
        }


def join(parts: Sequence[EventRows]) -> EventRows:
    """Concatenate the rows of several groups of events."""
    tables = list({id(rows): rows for part in parts for rows in part.tables}.values())
    place = {id(rows): number for number, rows in enumerate(tables)}
    numbers = [np.array([place[id(rows)] for rows in part.tables], np.int64)[part.table] for part in parts]
    return EventRows(tables, np.concatenate(numbers), np.concatenate([part.row for part in parts]))


def _numbers(words: Texts) -> NDArray[np.float64]:
    """Return texts as numbers, NaN for those that are none."""
    try:
        return Table(("",), [words]).numbers("")
    except InputError:
        return np.array([_number(word) for word in words], np.float64)


def _number(word: str) -> float:
    """Return a text as a number, or NaN."""
    try:
        return float(word)
    except ValueError:
        return float("nan")
