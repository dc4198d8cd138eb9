"""Joins of scored entries to the rows of an analysis table by run, subrun and event; no entry or row is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn.tables.table import IDS, SCORE_COLUMNS, Table
from dmcnn.tables.texts import Texts

MATCHED, NOT_IN_CSV, NO_ENTRY, NO_IMAGE = "matched", "not in csv", "no entry", "no image"
"""Values of the status column of a joined row."""


@dataclass(frozen=True)
class Coverage:
    """Counts of a join. Duplicates share their ids with another entry, or another row, of their own table."""

    entries: int
    entries_matched: int
    entries_duplicate: int
    rows: int
    rows_matched: int
    rows_duplicate: int
    rows_without_ids: int = 0

    def lines(self) -> list[str]:
        """Return log lines: one on the entries of the files, one on the rows of the table."""
        return [
            f"entries: {self.entries}, matched {self.entries_matched}, {NOT_IN_CSV}"
            f" {self.entries - self.entries_matched}, sharing their ids {self.entries_duplicate}",
            f"csv rows: {self.rows}, matched {self.rows_matched}, {NO_ENTRY}"
            f" {self.rows - self.rows_matched}, sharing their ids {self.rows_duplicate}"
            + (
                f", without ids (empty, nan or negative) {self.rows_without_ids}"
                * bool(self.rows_without_ids)
            ),
        ]


def join_by_ids(entries: Table, analysis: Table) -> tuple[Table, Coverage]:
    """Join scored ``entries`` to the rows of an ``analysis`` table with the same run, subrun and event.

    ``pair`` decides which entry and row belong together; each entry and each row appears at least once. The
    columns are SCORE_COLUMNS, as far as ``entries`` has them, its others, ``status`` unless it is one of them, then
    those of ``analysis`` without its ids, renamed ``<name>_csv`` where ``entries`` has the name. A status of an entry
    that is not empty (NO_IMAGE) is kept; else it is MATCHED, NOT_IN_CSV or, for a row without entry, NO_ENTRY.

    Returns:
        The joined table, and the counts of the join.

    Raises:
        InputError: see ``event_ids``.
    """
    entries.need(IDS)
    entry_ids, row_ids = event_ids(entries), event_ids(analysis)
    of_entries, of_rows = number_ids(entry_ids, row_ids)
    entry, row = pair(of_entries, of_rows)
    first = [name for name in SCORE_COLUMNS if name in entries.columns]
    ours = [*first, *(name for name in entries.columns if name not in first)]
    left = {name: entries.texts(name).take(entry) for name in ours}
    lonely = row[entry < 0]
    for i, name in enumerate(IDS):  # without ids the row keeps what it has in their place
        words = analysis.texts(name).take(lonely).words()
        known = row_ids.known[lonely].tolist()
        numbers = map(str, row_ids.number[lonely, i].tolist())
        ids = [number if is_id else word for number, is_id, word in zip(numbers, known, words, strict=True)]
        left[name] = _replace(left[name], entry < 0, Texts.of(ids))
    status = Texts.of([NO_ENTRY, NOT_IN_CSV, MATCHED]).take(np.where(entry < 0, 0, np.where(row < 0, 1, 2)))
    own = left.get("status", status)
    blank = own.start == own.stop
    left["status"] = _replace(own, blank, status[blank])
    theirs = [analysis.texts(name).take(row) for name in analysis.columns if name not in IDS]
    columns = (*left, *_csv_names(analysis.columns, list(left)))
    return Table(columns, [*left.values(), *theirs]), _coverage(of_entries, of_rows, entry, row, row_ids)


def _replace(texts: Texts, where: NDArray[np.bool_], others: Texts) -> Texts:
    """Return the column with ``others`` in place of its texts ``where`` the mask is set."""
    if len(others) in (0, len(texts)):
        return others if len(others) else texts
    which = np.arange(len(texts))
    which[where] = len(texts) + np.arange(len(others))
    return Texts.concatenate([texts, others])[which]


def pair(entry: NDArray[np.int64], row: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers of entry and row of every pair with the same ids; -1 where there is no partner.

    Among entries and rows with the same ids, a single entry pairs with all rows and a single row with all
    entries; otherwise they pair in order of occurrence and the surplus has no partner. Rows come first, in their
    order (a row with several entries is repeated in place), then the entries without a row, in their order.

    Args:
        entry, row: numbers of the ids of each entry and of each row, of ``number_ids``.
    """
    size = int(max(entry.max(initial=-1), row.max(initial=-1))) + 1
    entries, rows = np.bincount(entry, minlength=size), np.bincount(row, minlength=size)
    order, nth = np.argsort(entry, kind="stable"), occurrences(row)
    repeats = np.where(rows[row] == 1, np.maximum(entries[row], 1), 1)
    of = np.repeat(np.arange(len(row)), repeats)
    place = np.arange(len(of)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    number = row[of]
    nth = np.where(entries[number] == 1, 0, np.where(rows[number] == 1, place, nth[of]))
    partner, has = np.full(len(of), -1), nth < entries[number]
    partner[has] = order[(np.cumsum(entries) - entries)[number[has]] + nth[has]]
    alone = np.ones(len(entry), bool)
    alone[partner[has]] = False
    lonely = np.flatnonzero(alone)
    return np.concatenate([partner, lonely]), np.concatenate([of, np.full(len(lonely), -1)])


def occurrences(number: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how often each of (n,) small numbers, at least 0, occurred before."""
    counts = np.bincount(number)
    order = np.argsort(number, kind="stable")
    nth = np.empty(len(number), np.int64)
    nth[order] = np.arange(len(number)) - np.repeat(np.cumsum(counts) - counts, counts)
    return nth


@dataclass(frozen=True, eq=False)
class EventIds:
    """Ids of n events.

    Attributes:
        number: (n, 3) uint64 run, subrun and event.
        known: (n,) bool, False where an id was never set; its numbers then mean nothing.
    """

    number: NDArray[np.uint64]
    known: NDArray[np.bool_]


def event_ids(table: Table) -> EventIds:
    """Return the ids of every row, exact up to 2**64-1, however they are written; empty, nan and negative are unset.

    Raises:
        InputError: the table lacks a column, or an id is no integer in 0..2**64-1 or may have lost digits.
    """
    table.need(IDS)
    number, known = np.empty((len(table), len(IDS)), np.uint64), np.ones(len(table), bool)
    faults: dict[int, str] = {}
    for i, name in enumerate(IDS):
        texts = table.texts(name)
        number[:, i], plain = texts.integers()
        rows = np.flatnonzero(~plain)
        for row, word in zip(rows.tolist(), texts[rows].words(), strict=True):
            try:
                exact = _id(word)
            except ValueError as error:
                faults.setdefault(row, f"{table.place(row)}: {name} is {word!r}, {error}")
                break
            number[row, i], known[row] = exact or 0, known[row] and exact is not None
    if faults:
        raise InputError(faults[min(faults)])
    return EventIds(number, known)


def number_ids(*tables: EventIds) -> list[NDArray[np.int64]]:
    """Return a number for the ids of each event of each table: one for the same ids, and each unset one its own."""
    ids, known = (np.concatenate([getattr(one, name) for one in tables]) for name in ("number", "known"))
    code, size = np.zeros(len(ids), np.int64), 1
    for column in ids.T:
        low, high = (int(limit(column)) for limit in (np.min, np.max)) if len(ids) else (0, 0)
        rank, count = (column - np.uint64(low)).astype(np.int64), high - low + 1
        if count > 4 * len(ids):
            values, rank = np.unique(column, return_inverse=True)
            count = len(values)
        if size * count >= 2**62:  # then size <= n and count <= 4 n
            code, size = np.unique(code, return_inverse=True)[1], len(ids)
        code, size = code * count + rank, size * count
    code[~known] = size + np.arange(int((~known).sum()))
    code = np.unique(code, return_inverse=True)[1]
    return np.split(code, np.cumsum([len(one.known) for one in tables])[:-1])


def _id(word: str) -> int | None:
    """Return 7001 for ``7001``, ``7001.0`` or ``7.001e+03``, and None for an id that was never set.

    Raises:
        ValueError: no integer in 0..2**64-1, or one that a float or too few digits may have rounded.
    """
    try:
        number = Decimal(word.strip() or "nan")
    except InvalidOperation:
        number = Decimal("inf")
    if number.is_nan() or number < 0:
        return None
    if not (number.is_finite() and number < 2**64 and number == number.to_integral_value()):
        raise ValueError("expected an integer >= 0")
    exact, digits = int(number), len(word.strip().lower().partition("e")[0].replace(".", "").lstrip("+0"))
    from_float = exact >= 2**53 and int(float(exact)) == exact
    if exact and not word.strip().isdecimal() and (from_float or digits < len(str(exact))):
        raise ValueError("which may be rounded: expected all digits of an integer, without point or exponent")
    return exact


def _csv_names(columns: Sequence[str], ours: list[str]) -> list[str]:
    """Return ``columns`` without the ids; ``_csv`` is added to a name of ``ours`` until no column has it."""
    names: list[str] = []
    for name in columns:
        if name in IDS:
            continue
        free = name
        while free in ours or (free != name and (free in columns or free in names)):
            free += "_csv"
        names.append(free)
    return names


def count_shared(entries: Table) -> int:
    """Return the number of rows that share their ids with another row."""
    (ids,) = number_ids(event_ids(entries))
    return _shared(ids)


def _shared(ids: NDArray[np.int64]) -> int:
    """Return how many of the numbers occur more than once."""
    counts = np.bincount(ids)
    return int(counts[counts > 1].sum())


def _count(numbers: NDArray[np.int64], size: int) -> int:
    """Return how many different numbers below ``size`` there are."""
    present = np.zeros(size, bool)
    present[numbers] = True
    return int(present.sum())


def _coverage(
    entry_ids: NDArray[np.int64],
    row_ids: NDArray[np.int64],
    entry: NDArray[np.int64],
    row: NDArray[np.int64],
    rows: EventIds,
) -> Coverage:
    """Count entries and rows, those with a partner, and those that share their ids."""
    both = (entry >= 0) & (row >= 0)
    return Coverage(
        entries=len(entry_ids),
        entries_matched=_count(entry[both], len(entry_ids)),
        entries_duplicate=_shared(entry_ids),
        rows=len(row_ids),
        rows_matched=_count(row[both], len(row_ids)),
        rows_duplicate=_shared(row_ids),
        rows_without_ids=int((~rows.known).sum()),
    )
