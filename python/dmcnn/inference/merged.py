"""Merged tables: those of all files, of which some may have failed, or of all shares of a file, as one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn._common.extras import need
from dmcnn._common.files import atomic_file
from dmcnn.images.sparse import UNSET
from dmcnn.inference.outputs import NO_NUMBER, NO_SCORE, TREE, About
from dmcnn.inference.scoring import FileEvents
from dmcnn.tables import table
from dmcnn.tables.table import Table

FILE_FAILED = "file failed"
"""Status of the row of a file without results."""

Parts = Mapping[str, Path | str]
"""Image file -> its table, or the reason why it has none."""


def merge(
    parts: Parts, result: Path, is_legacy: bool = False, check: Callable[[], None] = lambda: None
) -> None:
    """Write the tables of several files, of one format, as one, file after file; one file is in memory at a time.

    A file without a table has one row, with its path and the status FILE_FAILED, and in ROOT its reason in ``about``.

    Args:
        parts: tables, at least one of them.
        result: path of the table of all files.
        is_legacy: whether missing numbers are those of DM-CNN.
        check: called when all are read, before the result gets its name; it raises if they do not belong together.

    Raises:
        InputError: a table that does not exist, or columns of different types.
    """
    for path in parts.values():
        if isinstance(path, Path) and not path.exists():
            raise InputError(f"{path}: no such file, which the table of all files is made from")
    writers = {".csv": _merge_csv, ".parquet": _merge_parquet, ".root": _merge_root}
    writers[result.suffix](parts, result, is_legacy, check)


def _tables(parts: Parts) -> list[Path]:
    """Return the paths of the tables that there are."""
    return [part for part in parts.values() if isinstance(part, Path)]


def _missing(names: Iterable[str], file: str) -> dict[str, str]:
    """Return the texts of a row for a file without a table: its path and its status, by every column of these."""
    return {name: FILE_FAILED for name in names if name.startswith("status")} | {"file": file}


def _legacy_numbers(one: Table) -> dict[str, str]:
    """Return the texts of missing numbers in the columns of a legacy table, by the first number of each."""
    numbers = {}
    for name in one.columns:
        first = next(filter(None, one.column(name)), "")
        if name not in table.IDS and re.fullmatch(r"-?[0-9.e+-]+", first):
            numbers[name] = str(NO_NUMBER if first.lstrip("-").isdecimal() else NO_SCORE)
    return numbers


def _merge_csv(parts: Parts, result: Path, is_legacy: bool, check: Callable[[], None]) -> None:
    """Write CSV files as one; a column that a file lacks is empty there."""
    columns = tuple(dict.fromkeys(name for path in _tables(parts) for name in table.names(path)))
    numbers = _legacy_numbers(table.read(_tables(parts)[0])) if is_legacy else {}

    def tables() -> Iterator[Table]:
        for file, part in parts.items():
            if isinstance(part, str):
                row = numbers | _missing(columns, file)
                yield Table(columns, [[row.get(name, "")] for name in columns])
            else:
                one = table.read(part)
                blank = [""] * len(one)
                yield Table(columns, [one.texts(name) if name in one.columns else blank for name in columns])
        check()

    table.write_parts(result, columns, tables())


def _merge_parquet(parts: Parts, result: Path, is_legacy: bool, check: Callable[[], None]) -> None:
    """Write parquet files as one; a column that a file lacks is null there."""
    arrow, parquet = need("pyarrow"), need("pyarrow.parquet")
    schemas = [parquet.read_schema(path) for path in _tables(parts)]
    try:
        schema = arrow.unify_schemas(schemas, promote_options="permissive")
    except (arrow.ArrowInvalid, arrow.ArrowTypeError) as error:
        raise InputError(f"{result}: the tables of the files differ ({error})") from None
    numbers = {arrow.float64(): NO_SCORE, arrow.int64(): NO_NUMBER} if is_legacy else {}
    with atomic_file(result) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
        for file, path in parts.items():
            if isinstance(path, str):
                row = {one.name: numbers.get(one.type) for one in schema} | _missing(schema.names, file)
                writer.write_table(arrow.Table.from_pylist([row], schema=schema))
                continue
            part = parquet.read_table(path)
            columns = [
                part[one.name].cast(one.type)
                if one.name in part.column_names
                else arrow.nulls(len(part), one.type)
                for one in schema
            ]
            writer.write_table(arrow.table(columns, schema=schema))
        check()


def _merge_root(parts: Parts, result: Path, is_legacy: bool, check: Callable[[], None]) -> None:
    """Write trees as one, with the branch ``file_number``, which counts the files in the text ``about``."""
    import uproot

    def content(part: Path) -> tuple[dict[str, NDArray[Any]], About]:
        """Return the columns of a table, and its text."""
        with uproot.open(part) as file:
            return file[TREE].arrays(library="np"), json.loads(file["about"])

    types = {name: values.dtype for name, values in content(_tables(parts)[0])[0].items()}
    missing = {"f": NO_SCORE if is_legacy else np.nan, "u": UNSET, "i": NO_NUMBER, "b": False}
    with atomic_file(result) as temporary, uproot.recreate(temporary) as file:
        file.mktree(TREE, {**types, "file_number": np.dtype(np.int32)}, title="scores of dmcnn")
        texts = []
        for number, (name, part) in enumerate(parts.items()):
            if isinstance(part, str):
                about: About = {"file": name, "failed": part}
                columns = {key: np.array([missing[dtype.kind]], dtype) for key, dtype in types.items()}
            else:
                columns, about = content(part)
            texts.append(about)
            columns["file_number"] = np.full(len(columns["entry_number"]), number, np.int32)
            file[TREE].extend(columns)
        file["about"] = json.dumps(texts)
        check()


def join_shares(paths: Sequence[str], events: FileEvents, stem: Path) -> Table:
    """Return the tables of all shares of a file as one.

    Args:
        paths: the tables, in order.
        events: events of the file.
        stem: path of the outputs of the whole work, for messages.

    Raises:
        InputError: they do not hold every event once, in order.
    """
    tables = [table.read(path, ["entry_number"]) for path in paths]
    entries = [word for part in tables for word in part.column("entry_number")]
    if entries != table.text(events.file.events["entry"][events.which]):
        raise InputError(
            f"{stem}_share*: the tables do not hold every entry of {events.file.files[0]} once, in order"
        )
    whole = [part for part in tables if len(part)]  # a table without rows may lack columns
    return table.Table.concatenate(whole or tables[:1])
