"""Score tables as CSV: text is kept exactly, and a missing value is empty."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError, nearest
from dmcnn._common.files import atomic_file
from dmcnn.tables import fields
from dmcnn.tables.texts import Texts

IDS = ("run_number", "subrun_number", "event_number")
SCORE_COLUMNS = (*IDS, "signal_score", "entry_number", "n_pixels")
"""Columns that existing notebooks read, in their order."""

UNSCORED = -999999.0
"""A score at or below this means "no score" in tables of older programs, which write -999999.9."""


BLOCK = 20_000
"""Rows whose texts are made at once."""

Values = Texts | NDArray[Any] | Sequence[Any]
"""Column of a table: texts, or values that ``text`` converts when they are asked for or written."""


@dataclass(frozen=True, eq=False)
class Table:
    """Table of texts, stored by column.

    Attributes:
        columns: k distinct names.
        values: k columns of one length; texts of a file are exactly as in the file (quotes and line ends apart).
        path: file of the table, for messages.
        lines: n line numbers in that file, of the last line of each row.
    """

    columns: tuple[str, ...]
    values: Sequence[Values]
    path: str = ""
    lines: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        for name, values in zip(self.columns, self.values, strict=True):
            if len(values) != len(self):
                word = "shorter" if len(values) < len(self) else "longer"
                raise ValueError(f"column {name!r} is {word} than column {self.columns[0]!r}")

    @classmethod
    def from_columns(cls, columns: Mapping[str, Iterable[Any]]) -> Table:
        """Make a table of arrays or lists of one length; ``text`` converts the values."""
        values = (v if isinstance(v, Texts | np.ndarray | list) else list(v) for v in columns.values())
        return cls(tuple(columns), list(values))

    @classmethod
    def from_rows(
        cls, columns: Sequence[str], rows: Sequence[Sequence[str]], path: str = "", lines: Sequence[int] = ()
    ) -> Table:
        """Make a table of n rows of k texts; ``path`` and ``lines`` as of the class."""
        values = [Texts.of(words) for words in zip(*rows, strict=True)] or [Texts.of([])] * len(columns)
        return cls(tuple(columns), values, path, np.array(lines, np.int64) if lines else None)

    @classmethod
    def concatenate(cls, tables: Sequence[Table]) -> Table:
        """Join tables of the same columns, one below the other."""
        columns = tables[0].columns
        return cls(columns, [Texts.concatenate([one.texts(name) for one in tables]) for name in columns])

    def __len__(self) -> int:
        return len(self.values[0]) if self.values else 0

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """List of n tuples of k texts; tables of many rows are quicker by column."""
        return list(zip(*map(text, self.values), strict=True))

    def column(self, name: str) -> list[str]:
        """Return the n texts of one column; InputError if there is none of this name."""
        return text(self._values(name))

    def texts(self, name: str) -> Texts:
        """Return one column; InputError if there is none of this name."""
        values = self._values(name)
        return values if isinstance(values, Texts) else Texts.of(text(values))

    def numbers(self, name: str, expected: str = "a number") -> NDArray[np.float64]:
        """Return one column as (n,) float64, NaN where the text is blank; InputError for one that is no number."""
        values = self._values(name)
        if isinstance(values, Texts) and len(values) and values[:1].words()[0].isdecimal():
            whole, is_whole = values.integers()
            if is_whole.all():
                return whole.astype(np.float64)
        numbers = np.empty(len(values), np.float64)
        for start in range(0, len(values), BLOCK):
            words = text(values[start : start + BLOCK])
            try:
                numbers[start : start + BLOCK] = np.fromiter(map(float, words), np.float64, len(words))
            except ValueError:
                for row, word in enumerate(words, start):
                    numbers[row] = self._number(row, name, word, expected)
        return numbers

    def _number(self, row: int, name: str, word: str, expected: str) -> float:
        """Return the number that a text is, NaN for a blank one; InputError for any other text."""
        try:
            return float(word) if word.strip() else np.nan
        except ValueError:
            raise InputError(f"{self.place(row)}: {name} is {word!r}, expected {expected}") from None

    def levels(self, name: str) -> tuple[list[str], NDArray[np.int64]]:
        """Return the different texts of one column in order of occurrence, and the (n,) number of each row's text."""
        values, place = self._values(name), dict[str, int]()
        number = np.empty(len(values), np.int64)
        for start in range(0, len(values), BLOCK):
            words = text(values[start : start + BLOCK])
            for word in dict.fromkeys(words):
                place.setdefault(word, len(place))
            number[start : start + BLOCK] = np.fromiter(map(place.__getitem__, words), np.int64, len(words))
        return list(place), number

    def _values(self, name: str) -> Values:
        """Return the values of one column; InputError if there is none of this name."""
        self.need([name])
        return self.values[self.columns.index(name)]

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
        return f"row {row}" if self.lines is None else f"{self.path}:{self.lines[row]}"


def names(path: str | Path) -> tuple[str, ...]:
    """Return the names of the columns of the CSV file at ``path``; faults as of ``read``, but for those of rows."""
    try:
        return _checked(path, fields.names(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def _checked(path: str | Path, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of columns; InputError if there is none, or one twice."""
    if not columns:
        raise InputError(f"{path}: empty file, expected a line of column names")
    for name, count in Counter(columns).items():
        if count > 1:
            raise InputError(f"{path}: column {name!r} appears {count} times, expected once")
    return columns


def read(path: str | Path, needed: Iterable[str] = ()) -> Table:
    """Read the CSV file at ``path``; blank lines are skipped, and bytes that are not UTF-8 survive a rewrite.

    Raises:
        InputError: unreadable or empty file, repeated column, ragged row, or a ``needed`` column is missing.
    """
    try:
        columns, values, lines = fields.read(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    table = Table(_checked(path, columns), values, str(path), lines)
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


def write(path: str | Path, table: Table) -> None:
    """Write ``table`` as CSV to ``path``, whole or not at all; lines end with a newline alone."""
    write_parts(path, table.columns, [table])


def write_parts(path: str | Path, columns: Sequence[str], parts: Iterable[Table]) -> None:
    """Write tables of the same columns as one, each when it is asked for, as ``write``."""
    with (
        atomic_file(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        file.writelines(_lines([[name] for name in columns]))
        for table in parts:
            for start in range(0, len(table), BLOCK):
                file.writelines(_lines([text(values[start : start + BLOCK]) for values in table.values]))


def _lines(columns: Sequence[list[str]]) -> Iterator[str]:
    """Yield the lines of CSV of a block of columns.

    The csv module of older Pythons does not quote a carriage return, which then ends the row.
    """
    quoted = [list(map(_quote, words)) if _must_quote("".join(words)) else words for words in columns]
    if len(columns) > 1:
        return (line + "\n" for line in map(",".join, zip(*quoted, strict=True)))
    return ((word or '""') + "\n" for word in (quoted[0] if quoted else [""]))


def _must_quote(word: str) -> bool:
    """Return whether a text holds a comma, a quote or a line end."""
    return any(letter in word for letter in ',"\r\n')


def _quote(word: str) -> str:
    """Return a text, in quotes if need be."""
    return '"' + word.replace('"', '""') + '"' if _must_quote(word) else word


def text(values: Iterable[Any]) -> list[str]:
    """Return the shortest text of each value that reads back to it; None and NaN are empty, integers have no point.

    A float32 has the digits that a float32 needs, to be read back as float32; a float64 likewise.
    """
    if isinstance(values, Texts):
        return values.words()
    if not isinstance(values, np.ndarray):
        return list(map(_word, values))
    plain = values if values.dtype == np.float32 else values.tolist()
    if values.dtype.kind not in "fiub":
        return list(map(_word, plain))
    words = list(map(str, plain))
    for row in np.flatnonzero(np.isnan(values)).tolist():
        words[row] = ""
    return words


def _word(value: Any) -> str:
    """Return the shortest text of one value."""
    return "" if value is None or value != value else str(value)


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
    values = table.numbers(column)
    if (infinite := np.flatnonzero(np.isinf(values))).size:
        row = int(infinite[0])
        word = table.column(column)[row]
        raise InputError(f"{table.place(row)}: {column} is {word!r}, expected a finite number")
    values[values <= UNSCORED] = np.nan
    return values, ScoreCounts(len(values), int((~np.isnan(values)).sum()))
