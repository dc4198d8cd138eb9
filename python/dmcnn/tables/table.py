"""Score tables as CSV: text is kept exactly, and missing is empty."""

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
from dmcnn._common.files import replacing

IDS = ("run_number", "subrun_number", "event_number")
SCORE_COLUMNS = (*IDS, "signal_score", "entry_number", "n_pixels")
"""The columns that existing notebooks read, in their order."""

UNSCORED = -999999.0
"""A score at or below this stands for "no score" in tables of older programs (they write -999999.9)."""


@dataclass(frozen=True)
class Table:
    """Columns of text.

    Attributes:
        columns: k distinct names.
        rows: n tuples of k texts, exactly as in the file (quotes and line ends apart).
        path: the file they come from, for messages.
        lines: n line numbers in that file, each that of the row's last line.
    """

    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    path: str = ""
    lines: tuple[int, ...] = ()

    @classmethod
    def of(cls, columns: Mapping[str, Iterable[Any]]) -> Table:
        """A table of arrays or lists of one length, made text by ``text``."""
        words = [text(values) for values in columns.values()]
        return cls(tuple(columns), list(zip(*words, strict=True)))

    def column(self, name: str) -> list[str]:
        """The n texts of one column."""
        self.need([name])
        at = self.columns.index(name)
        return [row[at] for row in self.rows]

    def need(self, names: Iterable[str]) -> None:
        """InputError naming the first column that is missing, and the nearest one that is there."""
        for name in names:
            if name not in self.columns:
                found = ", ".join(map(repr, self.columns[:12])) + (", …" if len(self.columns) > 12 else "")
                raise InputError(
                    f"{self.path or 'table'}: no column {name!r}{nearest(name, self.columns)}; found {found}"
                )

    def place(self, row: int) -> str:
        """``file:line`` of a row, for messages."""
        return f"{self.path}:{self.lines[row]}" if self.lines else f"row {row}"


def read(path: str | Path, needed: Iterable[str] = ()) -> Table:
    """The CSV file at ``path``; blank lines are passed over, bytes that are no UTF-8 survive a rewrite.

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


def write(path: str | Path, table: Table) -> None:
    """Write ``table`` as CSV at ``path``, whole or not at all; lines end with a newline alone."""
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        file.write(_line(table.columns))
        file.writelines(map(_line, table.rows))


def _line(row: Sequence[str]) -> str:
    """A line of CSV. The csv module of older Pythons leaves a carriage return unquoted: it ends the row."""
    return (",".join(map(_quoted, row)) or '""') + "\n"


def _quoted(word: str) -> str:
    return '"' + word.replace('"', '""') + '"' if set(word) & set(',"\r\n') else word


def text(values: Iterable[Any]) -> list[str]:
    """Each value as the shortest text that reads back to it: None and NaN are empty, integers have no point.

    A float32 is written with the digits a float32 needs (read it back as float32), a float64 likewise.
    """
    if isinstance(values, np.ndarray) and values.dtype == np.float32:
        return ["" if np.isnan(value) else str(value) for value in values]
    plain = values.tolist() if isinstance(values, np.ndarray) else values
    return [_word(value) for value in plain]


def _word(value: Any) -> str:
    if value is None or (isinstance(value, float | np.floating) and value != value):
        return ""
    return repr(value) if type(value) is float else str(value)


@dataclass(frozen=True)
class Scored:
    """How many rows of a table hold a score."""

    rows: int
    scored: int

    @property
    def unscored(self) -> int:
        """Rows without a score: lost or image-less events."""
        return self.rows - self.scored


def scores(path: str | Path, column: str = "signal_score") -> tuple[NDArray[np.float64], Scored]:
    """(n,) float64: the scores in the CSV file at ``path``, NaN where empty, nan or <= -999999; their counts.

    Raises:
        InputError: as ``read`` does, and for a text that is no number.
    """
    table = read(path, [column])
    values = np.empty(len(table.rows), np.float64)
    for row, word in enumerate(table.column(column)):
        try:
            values[row] = float(word) if word.strip() else np.nan
        except ValueError:
            raise InputError(f"{table.place(row)}: {column} is {word!r}, expected a number") from None
    values[values <= UNSCORED] = np.nan
    return values, Scored(len(values), int((~np.isnan(values)).sum()))
