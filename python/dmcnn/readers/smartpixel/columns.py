"""Columns of numbers in parquet and csv files, a few at a time."""

from __future__ import annotations

import gc
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError, nearest
from dmcnn._common.extras import need
from dmcnn.formats.origin import Origin, read_origin
from dmcnn.formats.source import decoding_errors

MAGIC = b"PAR1"
CSV = ".csv"

DECODED = 2**22
"""Bytes of columns decoded at a time."""
MOST_ROWS = 2**27
"""Rows of a file at most: a larger number is damaged."""
HEADER = 2**20
"""Bytes of the first line of a csv file at most."""

ONE_NUMBER = bytes([0x15, 4, 0x15, 16])
"""First bytes of the page of a dictionary of one float64: page type 2 and size 8 bytes in Thrift's compact form."""
SHORT = 128
"""Bytes of all pages of a column at most, if it repeats one number."""

FLOATS = ("halffloat", "float", "double")
COUNTS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
INTEGERS = ("bool", *COUNTS)

INDEX = "__index_level_"
"""Beginning of the names under which pandas stores an index."""


@dataclass(frozen=True)
class TableLayout:
    """Columns of a file, and the blocks in which its rows are read.

    Attributes:
        rows: number of rows of every block.
        numbered: (k,) int64, increasing: names of the columns of numbers whose names are numbers.
        others: name -> type of every other column.
        index: names of the columns of an index that pandas stored, which are no others.
        origin: where the events come from, as the file states it.
    """

    rows: tuple[int, ...]
    numbered: NDArray[np.int64]
    others: Mapping[str, str]
    index: tuple[str, ...] = ()
    origin: Origin = field(default_factory=dict)

    @classmethod
    def from_columns(
        cls, where: str, rows: Sequence[int], columns: Sequence[tuple[str, str]], origin: Origin | None = None
    ) -> TableLayout:
        """Return the layout of a file of these columns (name, type); InputError if a name occurs twice or no row."""
        numbered, others = [], {}
        for name, kind in columns:
            if kind in FLOATS + COUNTS and name.isdecimal() and name.isascii() and str(int(name)) == name:
                numbered.append(int(name))
            elif name in others:
                raise InputError(f"{where}: two columns {name!r}")
            elif name and not name.startswith((INDEX, "Unnamed: ")):
                others[name] = kind
        numbers = np.sort(np.array(numbered, np.int64))
        twice = numbers[1:][numbers[1:] == numbers[:-1]]
        if len(twice):
            raise InputError(f"{where}: two columns {str(twice[0])!r}")
        if not 0 < sum(rows) <= MOST_ROWS or min(rows) < 0:
            raise InputError(f"{where}: {sum(rows)} rows, expected 1 to {MOST_ROWS}")
        index = tuple(name for name, kind in columns if name.startswith(INDEX) and kind in INTEGERS)
        return cls(tuple(rows), numbers, others, index, origin or {})


class Piece(NamedTuple):
    """Some rows of some columns: number of the first row, numbers of the columns, and their contents."""

    row: int
    columns: Sequence[int]
    arrays: list[NDArray[np.float64]]


class Columns(ABC):
    """File of columns; only its layout is in memory. Objects can be pickled.

    Attributes:
        path: the file.
        layout: its columns and blocks.
    """

    path: Path
    layout: TableLayout

    @abstractmethod
    def pieces(self, block: int, names: Sequence[str]) -> Iterator[Piece]:
        """Yield the columns ``names`` of a block of rows in pieces; within a row, columns are in that order.

        A missing number is NaN. Columns that hold only zeros may be left out.
        """

    @abstractmethod
    def numbers(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Return (n, k) float64, the columns ``names`` in all rows; a missing number is NaN."""

    def close(self) -> None:  # noqa: B027 - a csv file is open only while it is read
        """Close the file."""

    @property
    def rows(self) -> int:
        """Number of rows of all blocks."""
        return sum(self.layout.rows)

    def fault(self, names: Sequence[str]) -> str:
        """Return why the first of ``names`` that is no column of numbers cannot be read; "" if all can."""
        for name in names:
            kind = self.layout.others.get(name)
            if kind is None:
                return f"no column {name!r}{nearest(name, self.layout.others)}"
            if kind not in FLOATS + INTEGERS:
                return f"column {name!r} holds {kind}, expected numbers"
        return ""


_LAYOUTS: dict[tuple[str, int, int], TableLayout] = {}
"""(path, size, time of change) -> layout: the header of a parquet file of thousands of columns takes long to read."""


def open_columns(path: Path) -> Columns:
    """Open a parquet or csv file; InputError if it is neither or damaged."""
    with path.open("rb") as file:
        head = file.read(len(MAGIC))
    return Parquet(path) if head == MAGIC else Csv(path)


def _layout(path: Path, make: Any) -> TableLayout:
    """Return the layout of a file, from memory or from ``make()``."""
    about = path.stat()
    key = str(path.resolve()), about.st_size, about.st_mtime_ns
    if key not in _LAYOUTS:
        if len(_LAYOUTS) > 1000:
            _LAYOUTS.clear()
        _LAYOUTS[key] = make()
    return _LAYOUTS[key]


class Parquet(Columns):
    """Parquet file; its blocks are its row groups."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open: Any = None
        self._places: dict[str, int] = {}
        self.layout = _layout(path, self._read_layout)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": None, "_places": {}}

    def close(self) -> None:
        self._open, self._places = None, {}

    def _file(self) -> Any:
        """Return the open pyarrow file."""
        if self._open is None:
            need("pyarrow.parquet")
            with decoding_errors(str(self.path)), _no_collection():
                self._open = _flat_file()(self.path, memory_map=True)
        return self._open

    def _read_layout(self) -> TableLayout:
        """Read the layout from the metadata of the file."""
        file = self._file()
        with decoding_errors(str(self.path)):
            about, schema = file.metadata, file.schema_arrow
            rows = [about.row_group(number).num_rows for number in range(about.num_row_groups)]
            kinds = [str(kind) for kind in schema.types]
            stated = (schema.metadata or {}).get(b"dmcnn", b"{}")
        columns = list(zip(schema.names, kinds, strict=True))
        return TableLayout.from_columns(str(self.path), rows, columns, _origin(stated))

    def pieces(self, block: int, names: Sequence[str]) -> Iterator[Piece]:
        count = self.layout.rows[block]
        step = max(1, DECODED // (8 * max(count, 1)))
        where = f"{self.path}: row group {block}"
        with decoding_errors(where):
            filled = self._nonzero_columns(block, names)
        for first in range(0, len(filled), step):
            numbers = filled[first : first + step]
            wanted = [names[number] for number in numbers]
            with decoding_errors(where):
                table = self._file().read_row_group(block, columns=wanted, use_threads=False)
            yield Piece(0, numbers, self._arrays(table, wanted, count))

    def _nonzero_columns(self, block: int, names: Sequence[str]) -> list[int]:
        """Return the numbers of the columns that may hold anything but zeros in a block."""
        about = self._file().metadata.row_group(block)
        place = self._places = self._places or {name: n for n, name in enumerate(self._file().schema.names)}
        with self.path.open("rb", buffering=0) as file:
            return [
                number
                for number, name in enumerate(names)
                if not _all_zero(about.column(place[name]), file.fileno())
            ]

    def _arrays(self, table: Any, names: Sequence[str], count: int) -> list[NDArray[np.float64]]:
        """Return the columns ``names`` of a table in this order; InputError if one has not ``count`` rows."""
        columns = dict(zip(table.column_names, table.columns, strict=True))
        arrays = [_array(columns[name]) for name in names]
        for name, array in zip(names, arrays, strict=True):
            if len(array) != count:
                raise InputError(
                    f"{self.path}: {len(array)} rows of column {name!r}, expected {count}, damaged file"
                )
        return arrays

    def numbers(self, names: Sequence[str]) -> NDArray[np.float64]:
        with decoding_errors(str(self.path)):
            table = self._file().read(columns=list(names), use_threads=False)
        return np.stack(self._arrays(table, names, self.rows), axis=1)


class Csv(Columns):
    """Csv file with the names in its first line; it is one block."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.layout = _layout(path, self._read_layout)

    def _read_layout(self) -> TableLayout:
        """Read the names of the columns and count the rows."""
        with self.path.open("rb") as file:
            line = file.readline(HEADER)
            rows = sum(not line.isspace() for line in file)
        try:
            names = [name.strip().strip('"') for name in line.decode("utf-8-sig").split(",")]
        except UnicodeDecodeError:
            raise InputError(
                f"{self.path}: begins with {line[:8]!r}, expected a parquet or csv file"
            ) from None
        return TableLayout.from_columns(str(self.path), [rows], [(name, "double") for name in names])

    def pieces(self, block: int, names: Sequence[str]) -> Iterator[Piece]:
        arrow, csv = need("pyarrow"), need("pyarrow.csv")
        row = 0
        batches = self._batches(arrow, csv, names)
        while True:
            with decoding_errors(str(self.path)):
                batch = next(batches, None)
            if batch is None:
                break
            yield Piece(row, range(len(names)), [_array(column) for column in batch.columns])
            row += batch.num_rows
        if row != self.rows:
            raise InputError(f"{self.path}: {row} rows, expected {self.rows}, damaged file")

    def _batches(self, arrow: Any, csv: Any, names: Sequence[str]) -> Iterator[Any]:
        """Yield pyarrow batches of the columns ``names``."""
        with csv.open_csv(
            self.path,
            csv.ReadOptions(use_threads=False, block_size=DECODED),
            convert_options=csv.ConvertOptions(
                include_columns=list(names), column_types=dict.fromkeys(names, arrow.float64())
            ),
        ) as batches:
            yield from batches

    def numbers(self, names: Sequence[str]) -> NDArray[np.float64]:
        return np.concatenate([np.stack(piece.arrays, axis=1) for piece in self.pieces(0, names)])


def _origin(stated: bytes) -> Origin:
    """Return the origin that the metadata of a parquet file state as JSON."""
    try:
        about = json.loads(stated)
    except ValueError:
        return {}
    return read_origin(about) if isinstance(about, dict) else {}


@cache
def _flat_file() -> Any:
    """Return a subclass of pyarrow's ParquetFile that opens files of thousands of flat columns faster.

    It overrides a private method; if pyarrow drops that method, files only open more slowly.
    """
    from pyarrow.parquet import ParquetFile

    class FlatFile(ParquetFile):  # type: ignore[misc]  # pyarrow has no types
        def _build_nested_paths(self) -> Any:
            paths = self.reader.column_paths
            if any(len(path) > 1 for path in paths):
                return super()._build_nested_paths()
            return {path[0]: [place] for place, path in enumerate(paths)}

    return FlatFile


@contextmanager
def _no_collection() -> Iterator[None]:
    """Suspend Python's cyclic garbage collection within the block.

    The thousands of lists that describe the columns of a file would trigger it; it took a quarter of the time of
    reading small files.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _all_zero(chunk: Any, file: int) -> bool:
    """Return whether a column of a row group surely holds only zeros, as half of the pixels do.

    Statistics do not count NaN, so the column's dictionary must hold exactly one number. Within ``SHORT`` bytes there
    is room for one more page, which without the dictionary would need 8 bytes per number.
    """
    if (
        not 0 < chunk.total_uncompressed_size <= SHORT
        or not chunk.has_dictionary_page
        or chunk.num_values < SHORT
    ):
        return False
    statistics = chunk.statistics
    if (
        statistics is None
        or not (statistics.has_min_max and statistics.has_null_count)
        or statistics.null_count
    ):
        return False
    if not statistics.min == 0 == statistics.max:
        return False
    return os.pread(file, len(ONE_NUMBER), chunk.dictionary_page_offset) == ONE_NUMBER


def _array(column: Any) -> NDArray[np.float64]:
    """Convert a pyarrow column, or a batch's array, to float64; a missing number is NaN."""
    chunks = getattr(column, "chunks", None)
    array = column if chunks is None else chunks[0] if len(chunks) == 1 else column.combine_chunks()
    values = array.to_numpy(zero_copy_only=False)
    if values.dtype == object:  # booleans or integers, some of them missing
        values = np.array([np.nan if value is None else value for value in values], np.float64)
    return np.asarray(values, np.float64)
