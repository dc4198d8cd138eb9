"""Joins of scored entries to the rows of an analysis table by run, subrun and event; no entry or row is lost."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from dmcnn._common.errors import InputError
from dmcnn.tables.table import IDS, SCORE_COLUMNS, Table

MATCHED, NOT_IN_CSV, NO_ENTRY, NO_IMAGE = "matched", "not in csv", "no entry", "no image"
"""Values of the status column of a joined row."""

Pair = tuple[int | None, int | None]


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
    entry_ids, row_ids = event_ids(entries, -1), event_ids(analysis, -2)
    first = [name for name in SCORE_COLUMNS if name in entries.columns]
    ours = [*first, *(name for name in entries.columns if name not in first)]
    take_ours = [entries.columns.index(name) for name in ours]
    theirs = [at for at, name in enumerate(analysis.columns) if name not in IDS]
    if "status" not in ours:
        ours.append("status")
    status, ids_at = ours.index("status"), [analysis.columns.index(name) for name in IDS]
    blank = ("",) * len(theirs)
    joined, pairs = [], pair(entry_ids, row_ids)
    for entry, row in pairs:
        if entry is None:
            assert row is not None
            ids = row_ids[row]  # without ids the row keeps what it has in their place
            known = map(str, ids) if len(ids) == len(IDS) else (analysis.rows[row][at] for at in ids_at)
            left = [*known, *[""] * (len(ours) - len(IDS))]
            left[status] = NO_ENTRY
        else:
            left = [entries.rows[entry][at] for at in take_ours] + [""] * (len(ours) - len(take_ours))
            left[status] = left[status] or (NOT_IN_CSV if row is None else MATCHED)
        right = blank if row is None else (analysis.rows[row][at] for at in theirs)
        joined.append((*left, *right))
    return Table((*ours, *_csv_names(analysis.columns, ours)), joined), _coverage(entry_ids, row_ids, pairs)


def pair(entry_ids: Sequence[tuple[int, ...]], row_ids: Sequence[tuple[int, ...]]) -> list[Pair]:
    """Return pairs (entry number, row number) with the same ids; None where there is no partner.

    Among entries and rows with the same ids, a single entry pairs with all rows and a single row with all
    entries; otherwise they pair in order of occurrence and the surplus has no partner. Rows come first, in their
    order (a row with several entries is repeated in place), then the entries without a row, in their order.

    Args:
        entry_ids: (run, subrun, event) of each entry.
        row_ids: (run, subrun, event) of each row.
    """
    by_ids: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for entry, ids in enumerate(entry_ids):
        by_ids[ids].append(entry)
    n_rows, seen = Counter(row_ids), Counter[tuple[int, ...]]()
    pairs: list[Pair] = []
    for row, ids in enumerate(row_ids):
        same = by_ids.get(ids, [])
        nth = 0 if len(same) == 1 else seen[ids]
        partners: list[int | None] = list(same) if n_rows[ids] == 1 else list(same[nth : nth + 1])
        pairs += [(entry, row) for entry in partners or [None]]
        seen[ids] += 1
    paired = {entry for entry, _ in pairs}
    return pairs + [(entry, None) for entry in range(len(entry_ids)) if entry not in paired]


def event_ids(table: Table, without: int = -1) -> list[tuple[int, ...]]:
    """Return (run, subrun, event) of every row, exact up to 2**64-1, however the numbers are written.

    A row with an id that was never set (empty, nan or negative) gives (``without``, row), which no event has.

    Raises:
        InputError: the table lacks a column, or an id is no integer in 0..2**64-1 or may have lost digits.
    """
    table.need(IDS)
    at = [table.columns.index(name) for name in IDS]
    ids: list[tuple[int, ...]] = []
    for row, words in enumerate(table.rows):
        numbers = []
        for name, i in zip(IDS, at, strict=True):
            try:
                numbers.append(_id(words[i]))
            except ValueError as error:
                raise InputError(f"{table.place(row)}: {name} is {words[i]!r}, {error}") from None
        known = tuple(number for number in numbers if number is not None)
        ids.append(known if len(known) == len(IDS) else (without, row))
    return ids


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


def describe_entries(entries: Table) -> str:
    """Return a log line: numbers of entries, of scored ones, of those without image, and of those with shared ids."""
    at = [entries.columns.index(name) for name in IDS]
    status = entries.columns.index("status")
    ids = [words for row in entries.rows if all(words := tuple(row[i] for i in at))]
    missing = sum(row[status] == NO_IMAGE for row in entries.rows)
    return (
        f"entries: {len(entries.rows)}, scored {len(entries.rows) - missing}, without image {missing}, "
        f"sharing their ids {_shared(ids)}"
    )


def _shared(ids: Sequence[tuple[Any, ...]]) -> int:
    """Return how many ids occur more than once."""
    return sum(n for n in Counter(ids).values() if n > 1)


def _coverage(
    entry_ids: list[tuple[int, ...]], row_ids: list[tuple[int, ...]], pairs: list[Pair]
) -> Coverage:
    """Count entries and rows, those with a partner, and those that share their ids."""
    both = [(entry, row) for entry, row in pairs if entry is not None and row is not None]
    return Coverage(
        entries=len(entry_ids),
        entries_matched=len({entry for entry, _ in both}),
        entries_duplicate=_shared(entry_ids),
        rows=len(row_ids),
        rows_matched=len({row for _, row in both}),
        rows_duplicate=_shared(row_ids),
        rows_without_ids=sum(len(ids) < len(IDS) for ids in row_ids),
    )
