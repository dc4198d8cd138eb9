"""Batches of rows of wide tables, CSV or parquet: chosen columns as numbers, a bounded part of the file in memory."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError, nearest
from dmcnn._common.extras import need
from dmcnn.tables.join import EventIds, event_ids
from dmcnn.tables.table import IDS, Table

BLOCK = 2**24
"""Bytes of a CSV file that are parsed at a time."""

VALUES = 2**23
"""Largest number of values of a batch of a parquet file."""

COLUMNS = 100
"""Columns of parquet files that are read at once: each takes about 2 MB beside its values."""

PARQUET = (".parquet", ".pq")


def column_names(path: str | Path) -> list[str]:
    """Return the names of the columns of a table.

    Raises:
        InputError: pyarrow is not installed, or the file cannot be read.
    """
    if Path(path).suffix.lower() in PARQUET:
        parquet = need("pyarrow.parquet")
        return list(_read(path, lambda: parquet.read_schema(path).names))
    with _read(path, lambda: Path(path).open(newline="", encoding="utf-8-sig", errors="replace")) as file:
        return next(filter(None, csv.reader(file)), [])


def column_groups(paths: Sequence[str | Path], columns: Sequence[str]) -> list[list[str]]:
    """Return the columns in groups that fit in memory; of a CSV file all at once, since it is parsed as a whole."""
    is_parquet = all(Path(path).suffix.lower() in PARQUET for path in paths)
    step = COLUMNS if is_parquet else max(1, len(columns))
    return [list(columns[at : at + step]) for at in range(0, len(columns), step)]


def batches(
    path: str | Path, columns: Sequence[str], *, ids: bool = True
) -> Iterator[tuple[EventIds | None, list[NDArray[Any]]]]:
    """Yield ids and columns of the rows of a table in order, batch by batch; an empty value is NaN.

    Args:
        path: CSV or parquet file.
        columns: names of k columns of numbers.
        ids: read the ids, which take a third of the time of 100 columns of a parquet file.

    Yields:
        Ids of m rows, None without ``ids``, and k arrays of their (m,) values, float32 where the file has float32,
        else float64.

    Raises:
        InputError: pyarrow is not installed, the file cannot be read, a column is missing, or a value is no number.
    """
    names = column_names(path)
    wanted = [*(IDS if ids else ()), *columns]
    for name in wanted:
        if name not in names:
            raise InputError(f"{path}: no column {name!r}{nearest(name, names)}")
    source = _parquet if Path(path).suffix.lower() in PARQUET else _csv
    steps = _read(path, lambda: iter(source(path, wanted)))
    while (batch := _read(path, lambda: next(steps, None))) is not None:
        yield (
            _ids(batch, path) if ids else None,
            [_read(path, partial(_floats, batch, name)) for name in columns],
        )


def _floats(batch: Any, name: str) -> NDArray[Any]:
    """Return a column of a batch, float32 as it is and any other as float64; null is NaN."""
    column = batch.column(name)
    column = column if str(column.type) == "float" else column.cast("float64")
    return np.asarray(column.to_numpy(zero_copy_only=False))


def _ids(batch: Any, path: str | Path) -> EventIds:
    """Return the ids of a batch; columns of whole numbers are read at once, other texts one by one."""
    columns = [batch.column(name) for name in IDS]
    if all(column.null_count == 0 for column in columns):
        with suppress(need("pyarrow").ArrowException):
            ids = np.stack(
                [column.cast("uint64").to_numpy(zero_copy_only=False) for column in columns], axis=1
            )
            return EventIds(ids, np.ones(len(ids), np.bool_))
    texts = [["" if word is None else str(word) for word in column.to_pylist()] for column in columns]
    return event_ids(Table.from_rows(IDS, list(zip(*texts, strict=True)), str(path)))


def _parquet(path: str | Path, columns: Sequence[str]) -> Iterator[Any]:
    """Return the record batches of a parquet file."""
    file = need("pyarrow.parquet").ParquetFile(path, memory_map=True)
    rows = max(1, VALUES // max(1, len(columns)))
    yield from file.iter_batches(batch_size=rows, columns=list(columns))


def _csv(path: str | Path, columns: Sequence[str]) -> Iterator[Any]:
    """Return the record batches of a CSV file: ids as text, columns as numbers."""
    reading, arrow = need("pyarrow.csv"), need("pyarrow")
    types = {name: arrow.string() if name in IDS else arrow.float64() for name in columns}
    empty = ["", "nan", "NaN", "NAN", "-nan", "NA", "null", "None"]
    with reading.open_csv(
        path,
        read_options=reading.ReadOptions(block_size=BLOCK),
        convert_options=reading.ConvertOptions(
            column_types=types, include_columns=list(columns), null_values=empty
        ),
    ) as steps:
        yield from steps


def _read(path: str | Path, step: Callable[[], Any]) -> Any:
    """Return the result of a step of reading; its errors become one line that names the file."""
    try:
        return step()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except need("pyarrow").ArrowException as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: cannot be read as a table ({reason})") from None
