"""Score tables as CSV: text is kept exactly, and a missing value is empty."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError, nearest
from dmcnn._common.files import atomic_file

IDS = ("run_number", "subrun_number", "event_number")
SCORE_COLUMNS = (*IDS, "signal_score", "entry_number", "n_pixels")
"""Columns that existing notebooks read, in their order."""

UNSCORED = -999999.0
"""A score at or below this means "no score" in tables of older programs, which write -999999.9."""


@dataclass(frozen=True)
class Table:
    """Table of texts.

    Attributes:
        columns: k distinct names.
        rows: n tuples of k texts, exactly as in the file (quotes and line ends apart).
        path: file of the table, for messages.
        lines: n line numbers in that file, of the last line of each row.
    """

    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    path: str = ""
    lines: tuple[int, ...] = ()

    @classmethod
    def from_columns(cls, columns: Mapping[str, Iterable[Any]]) -> Table:
        """Make a table of arrays or lists of one length; ``text`` converts the values."""
        words = [text(values) for values in columns.values()]
        return cls(tuple(columns), list(zip(*words, strict=True)))

    def column(self, name: str) -> list[str]:
        """Return the n texts of one column; InputError if there is none of this name."""
        self.need([name])
        at = self.columns.index(name)
        return [row[at] for row in self.rows]

    def need(self, names: Iterable[str]) -> None:
        """Raise InputError for the first of ``names`` that the table lacks, with its nearest column."""
        for name in names:
            if name not in self.columns:
                listed = ", ".join(map(repr, self.columns[:12])) + (", …" if len(self.columns) > 12 else "")
                raise InputError(
                    f"{self.path or 'table'}: no column {name!r}{nearest(name, self.columns)}; found {listed}"
                )

    def place(self, row: int) -> str:
        """Return ``file:line`` of a row, for messages."""
        return f"{self.path}:{self.lines[row]}" if self.lines else f"row {row}"


def read(path: str | Path, needed: Iterable[str] = ()) -> Table:
    """Read the CSV file at ``path``; blank lines are skipped, and bytes that are not UTF-8 survive a rewrite.

    Raises:
        InputError: unreadable or empty file, repeated column, ragged row, or a ``needed`` column is missing.
    """
    rows: list[tuple[str, ...]] = []
    lines: list[int] = []
    try:
        with Path(path).open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            reader = csv.reader(file)
            columns = tuple(next(filter(None, reader), ()))
            for row in filter(None, reader):
                if len(row) != len(columns):
                    raise InputError(
                        f"{path}:{reader.line_num}: {len(row)} fields, expected {len(columns)} as in line 1"
                    )
                rows.append(tuple(row))
                lines.append(reader.line_num)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: not CSV ({error})") from None
    if not columns:
        raise InputError(f"{path}: empty file, expected a line of column names")
    for name, count in Counter(columns).items():
        if count > 1:
            raise InputError(f"{path}: column {name!r} appears {count} times, expected once")
    table = Table(columns, rows, str(path), tuple(lines))
    table.need(needed)
    return table


def is_spelling(word: str, of: str) -> bool:
    """Return whether ``word`` is the label ``of`` in any spelling: case, spaces, ``_`` or ``-``, ``1.0`` for 1."""
    try:
        return float(word) == float(of)
    except ValueError:
        return _plain(word) == _plain(of)


def _plain(word: str) -> str:
    """Return a label in lower case with one space between its words."""
    return " ".join(word.casefold().replace("_", " ").replace("-", " ").split())


def distinct(path: str | Path, column: str) -> list[str]:
    """Return the different texts of a column, each once and none empty; nothing if the file has no such column."""
    with Path(path).open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        columns = next(filter(None, csv.reader([file.readline()])), [])
    if column not in columns:
        return []
    return list(dict.fromkeys(filter(None, read(path).column(column))))


def write(path: str | Path, table: Table) -> None:
    """Write ``table`` as CSV to ``path``, whole or not at all; lines end with a newline alone."""
    write_rows(path, table.columns, table.rows)


def write_rows(path: str | Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write rows of texts as CSV to ``path``, one by one, whole or not at all."""
    with (
        atomic_file(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        file.write(_line(columns))
        file.writelines(map(_line, rows))


def _line(row: Sequence[str]) -> str:
    """Return a line of CSV.

    The csv module of older Pythons does not quote a carriage return, which then ends the row.
    """
    return (",".join(map(_quote, row)) or '""') + "\n"


def _quote(word: str) -> str:
    """Return a text in quotes if it holds a comma, a quote or a line end."""
    return '"' + word.replace('"', '""') + '"' if set(word) & set(',"\r\n') else word


def text(values: Iterable[Any]) -> list[str]:
    """Return the shortest text of each value that reads back to it; None and NaN are empty, integers have no point.

    A float32 has the digits that a float32 needs, to be read back as float32; a float64 likewise.
    """
    if isinstance(values, np.ndarray) and values.dtype == np.float32:
        return ["" if np.isnan(value) else str(value) for value in values]
    plain = values.tolist() if isinstance(values, np.ndarray) else values
    return [_word(value) for value in plain]


def _word(value: Any) -> str:
    """Return the shortest text of one value."""
    if value is None or (isinstance(value, float | np.floating) and value != value):
        return ""
    return repr(value) if type(value) is float else str(value)


@dataclass(frozen=True)
class ScoreCounts:
    """Numbers of rows of a table: all, with score, without score."""

    rows: int
    scored: int

    @property
    def unscored(self) -> int:
        """Number of rows without a score: events that were lost or have no image."""
        return self.rows - self.scored


def scores(path: str | Path, column: str = "signal_score") -> tuple[NDArray[np.float64], ScoreCounts]:
    """Return the (n,) float64 scores of the CSV file at ``path``, and the counts of its rows.

    The score is NaN where the text is empty, nan or a number <= UNSCORED.

    Raises:
        InputError: as in ``read``, and for a text that is no finite number.
    """
    return scores_of(read(path, [column]), column)


def scores_of(table: Table, column: str) -> tuple[NDArray[np.float64], ScoreCounts]:
    """Return the scores in a column of a table, as ``scores`` of its file."""
    values = np.empty(len(table.rows), np.float64)
    for row, word in enumerate(table.column(column)):
        try:
            values[row] = float(word) if word.strip() else np.nan
        except ValueError:
            raise InputError(f"{table.place(row)}: {column} is {word!r}, expected a number") from None
        if np.isinf(values[row]):
            raise InputError(f"{table.place(row)}: {column} is {word!r}, expected a finite number")
    values[values <= UNSCORED] = np.nan
    return values, ScoreCounts(len(values), int((~np.isnan(values)).sum()))
