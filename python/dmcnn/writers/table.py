"""Score tables as CSV: text is kept exactly, missing is empty, and no event is lost in a join."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn.errors import InputError, nearest
from dmcnn.files import replacing

IDS = ("run_number", "subrun_number", "event_number")
SCORE_COLUMNS = (*IDS, "signal_score", "entry_number", "n_pixels")
"""The columns that existing notebooks read, in their order."""

MATCHED, NOT_IN_CSV, NO_ENTRY, NO_IMAGE = "matched", "not in csv", "no entry", "no image"
UNSCORED = -999999.0
"""A score at or below this stands for "no score" in tables of older programs (they write -999999.9)."""

Pair = tuple[int | None, int | None]


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


@dataclass(frozen=True)
class Coverage:
    """What a join found. Duplicates are those that share their ids with another on their own side."""

    entries: int
    entries_matched: int
    entries_duplicate: int
    rows: int
    rows_matched: int
    rows_duplicate: int

    def lines(self) -> list[str]:
        """One line for the entries of the files, one for the rows of the table."""
        return [
            f"entries: {self.entries}, matched {self.entries_matched}, {NOT_IN_CSV}"
            f" {self.entries - self.entries_matched}, sharing their ids {self.entries_duplicate}",
            f"csv rows: {self.rows}, matched {self.rows_matched}, {NO_ENTRY}"
            f" {self.rows - self.rows_matched}, sharing their ids {self.rows_duplicate}",
        ]


def join_by_ids(entries: Table, analysis: Table) -> tuple[Table, Coverage]:
    """The scored ``entries`` beside the rows of an ``analysis`` table with the same run, subrun and event.

    ``pair`` says who goes with whom: each entry and each row appears at least once. The columns are those of
    SCORE_COLUMNS, the others of ``entries``, ``status`` unless it is one of them, and those of ``analysis``
    but its ids, renamed ``<name>_csv`` where the name is one of ours. An entry's own status, if not empty
    (NO_IMAGE), stands; else it is MATCHED, NOT_IN_CSV or, for a row without entry, NO_ENTRY.

    Raises:
        InputError: a table lacks a column, or an id is no integer in 0..2**64-1.
    """
    entries.need(SCORE_COLUMNS)
    entry_ids, row_ids = _ids(entries, -1), _ids(analysis, -2)
    ours = [*SCORE_COLUMNS, *(name for name in entries.columns if name not in SCORE_COLUMNS)]
    take_ours = [entries.columns.index(name) for name in ours]
    theirs = [at for at, name in enumerate(analysis.columns) if name not in IDS]
    if "status" not in ours:
        ours.append("status")
    status = ours.index("status")
    blank = ("",) * len(theirs)
    joined, pairs = [], pair(entry_ids, row_ids)
    for entry, row in pairs:
        if entry is None:
            ids = row_ids[row] if row is not None else ()
            known = ids if len(ids) == len(IDS) else [""] * len(IDS)
            left = [*map(str, known), *[""] * (len(ours) - len(IDS))]
            left[status] = NO_ENTRY
        else:
            left = [entries.rows[entry][at] for at in take_ours] + [""] * (len(ours) - len(take_ours))
            left[status] = left[status] or (NOT_IN_CSV if row is None else MATCHED)
        right = blank if row is None else (analysis.rows[row][at] for at in theirs)
        joined.append((*left, *right))
    return Table((*ours, *_renamed(analysis.columns, ours)), joined), _coverage(entry_ids, row_ids, pairs)


def pair(entry_ids: Sequence[tuple[int, ...]], row_ids: Sequence[tuple[int, ...]]) -> list[Pair]:
    """(entry, row) numbers that belong together, by their ids; None where there is no partner.

    Among entries and rows with the same ids, a single entry serves all rows and a single row all entries;
    otherwise they pair in order of occurrence and the surplus stays alone. Rows come first, in their order
    (one that serves several entries is repeated in place), then the entries without a row, in theirs.
    """
    waiting: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for entry, ids in enumerate(entry_ids):
        waiting[ids].append(entry)
    n_rows, seen = Counter(row_ids), Counter[tuple[int, ...]]()
    pairs: list[Pair] = []
    for row, ids in enumerate(row_ids):
        same = waiting.get(ids, [])
        nth = 0 if len(same) == 1 else seen[ids]
        partners: list[int | None] = list(same) if n_rows[ids] == 1 else list(same[nth : nth + 1])
        pairs += [(entry, row) for entry in partners or [None]]
        seen[ids] += 1
    paired = {entry for entry, _ in pairs}
    return pairs + [(entry, None) for entry in range(len(entry_ids)) if entry not in paired]


def _ids(table: Table, unset: int) -> list[tuple[int, ...]]:
    """The (run, subrun, event) of every row, exact up to 2**64-1, however the numbers are written.

    Ids that were never set (all empty) become (``unset``, row), which are those of no other event.
    """
    table.need(IDS)
    at = [table.columns.index(name) for name in IDS]
    ids: list[tuple[int, ...]] = []
    for row, words in enumerate(table.rows):
        if not any(words[i] for i in at):
            ids.append((unset, row))
            continue
        numbers = [_id(words[i]) for i in at]
        if None in numbers:
            bad = numbers.index(None)
            raise InputError(
                f"{table.place(row)}: {IDS[bad]} is {words[at[bad]]!r}, expected an integer >= 0"
            )
        ids.append(tuple(number for number in numbers if number is not None))
    return ids


def _id(word: str) -> int | None:
    """7001 for ``7001``, ``7001.0`` or ``7.001e+03``; None for what is no integer in 0..2**64-1."""
    try:
        number = Decimal(word.strip())
    except InvalidOperation:
        return None
    if not (number.is_finite() and 0 <= number < 2**64 and number == number.to_integral_value()):
        return None
    return int(number)


def _renamed(columns: Sequence[str], ours: list[str]) -> list[str]:
    """``columns`` but the ids; a name that is one of ``ours`` gets ``_csv`` added until it is free."""
    names: list[str] = []
    for name in columns:
        if name in IDS:
            continue
        free = name
        while free in ours or (free != name and (free in columns or free in names)):
            free += "_csv"
        names.append(free)
    return names


def _coverage(
    entry_ids: list[tuple[int, ...]], row_ids: list[tuple[int, ...]], pairs: list[Pair]
) -> Coverage:
    both = [(entry, row) for entry, row in pairs if entry is not None and row is not None]
    return Coverage(
        entries=len(entry_ids),
        entries_matched=len({entry for entry, _ in both}),
        entries_duplicate=sum(n for n in Counter(entry_ids).values() if n > 1),
        rows=len(row_ids),
        rows_matched=len({row for _, row in both}),
        rows_duplicate=sum(n for n in Counter(row_ids).values() if n > 1),
    )
