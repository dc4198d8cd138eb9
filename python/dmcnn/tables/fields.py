"""Fields of CSV files as columns of texts; every field is exactly as the csv module reads it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn.tables.texts import Texts, integer

BLOCK = 1 << 22
"""[bytes] Part of a file in which separators are searched at once."""

ROWS = 50_000
"""Rows that the csv module reads before they become columns."""

BOM, COMMA, NEWLINE = b"\xef\xbb\xbf", ord(","), ord("\n")

Fields = tuple[tuple[str, ...], list[Texts], NDArray[Any]]
"""Names of the k columns, k columns of n texts, and (n,) numbers of the last line of each row."""


def read(path: str | Path) -> Fields:
    """Return the columns of the CSV file at ``path``; blank lines are skipped.

    Raises:
        OSError: unreadable file.
        InputError: a ragged row, or no CSV.
    """
    return split(Path(path).read_bytes()) or parse(path)


def names(path: str | Path) -> tuple[str, ...]:
    """Return the first row of the CSV file at ``path``, which names the columns."""
    with Path(path).open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        try:
            return tuple(next(filter(None, csv.reader(file)), ()))
        except csv.Error as error:
            raise InputError(f"{path}:1: not CSV ({error})") from None


def split(data: bytes) -> Fields | None:
    """Return the columns of a file without quotes, blank lines or ragged rows; None for any other."""
    data = data.removeprefix(BOM)
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    if not data or any(byte in data for byte in (b"\r", b'"', b"\0")):
        return None
    if not data.endswith(b"\n") or data.endswith(b"\n\n"):
        data = data.rstrip(b"\n") + b"\n"
    first = data.index(b"\n") + 1
    columns = tuple(data[: first - 1].decode("utf-8", "surrogateescape").split(",")) if first > 1 else ()
    table = places(data, first, len(columns)) if columns else None
    if table is None:
        return None
    before = np.concatenate([np.full(min(1, len(table)), first - 1, table.dtype), table[:-1, -1]])
    starts, source = [before + 1, *(table[:, :-1].T + 1)], data.decode("latin-1")
    texts = [Texts(source, start, stop) for start, stop in zip(starts, table.T, strict=True)]
    longest = max(int((text.stop - text.start).max(initial=0)) for text in texts)
    if max(longest, *map(len, columns)) > csv.field_size_limit():
        return None
    return columns, texts, np.arange(2, len(table) + 2, dtype=table.dtype)


def places(data: bytes, first: int, width: int) -> NDArray[Any] | None:
    """Return the (n, width) places of the separators that end the fields of n lines; None if a line has more or less.

    Args:
        data: lines, each with its newline.
        first: place of the first of them.
        width: number of fields of each line.
    """
    kind, parts, source = integer(len(data)), [], np.frombuffer(data, np.uint8)
    for begin in range(first, len(data), BLOCK):
        block = source[begin : begin + BLOCK]
        parts.append(np.flatnonzero((block == COMMA) | (block == NEWLINE)).astype(kind) + kind(begin))
    separators = np.concatenate(parts) if parts else np.zeros(0, kind)
    if len(separators) % width:
        return None
    table = separators.reshape(-1, width)
    at_end = source[table] == NEWLINE
    if not at_end[:, -1].all() or at_end[:, :-1].any():
        return None
    blank = width == 1 and bool((np.diff(table[:, 0], prepend=first - 1) == 1).any())
    return None if blank else table


def parse(path: str | Path) -> Fields:
    """Return the columns of any CSV file, row by row.

    Raises:
        InputError: a ragged row, or no CSV.
    """
    with Path(path).open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        reader = csv.reader(file)
        try:
            columns = tuple(next(filter(None, reader), ()))
            lines: list[int] = []
            rows = _rows(reader, len(columns), str(path), lines)
            parts: list[list[Texts]] = [[] for _ in columns]
            while block := list(islice(rows, ROWS)):
                for column, words in zip(parts, zip(*block, strict=True), strict=True):
                    column.append(Texts.of(words))
        except csv.Error as error:
            raise InputError(f"{path}:{reader.line_num}: not CSV ({error})") from None
    return (
        columns,
        [Texts.concatenate(column or [Texts.of([])]) for column in parts],
        np.array(lines, np.int64),
    )


def _rows(reader: Any, width: int, path: str, lines: list[int]) -> Iterator[list[str]]:
    """Yield the rows that are not blank, and note the last line of each in ``lines``."""
    for row in filter(None, reader):
        if len(row) != width:
            raise InputError(f"{path}:{reader.line_num}: {len(row)} fields, expected {width} as in line 1")
        lines.append(reader.line_num)
        yield row
