"""CSV files and joins row by row, with the csv module and dictionaries: what dmcnn.tables does by column."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from decimal import Decimal


def read(path):
    """Return the names, the rows, and the line number of each row; ValueError for a ragged row."""
    with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        reader = csv.reader(file)
        columns = tuple(next(filter(None, reader), ()))
        rows = [(tuple(row), reader.line_num) for row in filter(None, reader)]
    if ragged := [line for row, line in rows if len(row) != len(columns)]:
        raise ValueError(ragged[0])
    return columns, [row for row, _ in rows], [line for _, line in rows]


def pair(entry_ids, row_ids):
    """Return pairs (entry, row) of the same ids; None where there is no partner."""
    by_ids = defaultdict(list)
    for entry, ids in enumerate(entry_ids):
        by_ids[ids].append(entry)
    n_rows, seen, pairs = Counter(row_ids), Counter(), []
    for row, ids in enumerate(row_ids):
        same = by_ids.get(ids, [])
        nth = 0 if len(same) == 1 else seen[ids]
        partners = list(same) if n_rows[ids] == 1 else list(same[nth : nth + 1])
        pairs += [(entry, row) for entry in partners or [None]]
        seen[ids] += 1
    paired = {entry for entry, _ in pairs}
    return pairs + [(entry, None) for entry in range(len(entry_ids)) if entry not in paired]


def ids(rows, without):
    """Return (run, subrun, event) of rows of three texts; (``without``, row) where one was never set."""
    numbers = [[Decimal(word.strip() or "nan") for word in row] for row in rows]
    unset = [any(number.is_nan() or number < 0 for number in row) for row in numbers]
    return [
        (without, at) if none else tuple(map(int, row))
        for at, (row, none) in enumerate(zip(numbers, unset, strict=True))
    ]
