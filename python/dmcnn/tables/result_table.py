"""Results in columns of numbers and words: for pandas, pyarrow and NumPy, and as text for a CSV file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import nearest
from dmcnn._common.extras import need
from dmcnn.tables import table

SHOWN = 10
"""Rows in a notebook."""


class ResultTable:
    """Columns of one length. ``table["signal_score"]`` is a column, ``len(table)`` the number of rows.

    Args:
        columns: name -> array or list of n values; None and NaN are missing.
    """

    def __init__(self, columns: Mapping[str, Any]) -> None:
        lengths = {name: len(values) for name, values in columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns of different lengths: {lengths}")
        self._columns = dict(columns)

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns."""
        return tuple(self._columns)

    def __len__(self) -> int:
        return len(next(iter(self._columns.values()), ()))

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return a column as an array, of objects where it holds words or lacks ids."""
        if name not in self._columns:
            raise KeyError(
                f"no column {name!r}{nearest(name, self._columns)}; there are {', '.join(self._columns)}"
            )
        values = self._columns[name]
        if isinstance(values, np.ndarray):
            return values
        whole = all(isinstance(value, int | np.integer) for value in values)
        return np.asarray(values, np.uint64 if whole else object)

    def to_dict(self) -> dict[str, NDArray[Any]]:
        """Return the columns by name."""
        return {name: self[name] for name in self._columns}

    def text(self) -> table.Table:
        """Return the table as text, as a CSV file has it."""
        return table.Table.of(self._columns)

    def write(self, path: str | Path) -> None:
        """Write the table as CSV, whole or not at all."""
        table.write(path, self.text())

    def to_arrow(self) -> Any:
        """Return a pyarrow.Table; what is missing is null (NaN among numbers). It needs ``dmcnn[notebook]``."""
        pyarrow = need("pyarrow")
        return pyarrow.table({name: pyarrow.array(_plain(values)) for name, values in self._columns.items()})

    def to_pandas(self) -> Any:
        """Return a pandas.DataFrame; columns of ids keep all their digits. It needs ``dmcnn[notebook]``."""
        pandas = need("pandas")
        return pandas.DataFrame(
            {
                name: pandas.array(values, dtype="UInt64") if _lacks_ids(values) else _plain(values)
                for name, values in self._columns.items()
            }
        )

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """Hand the table to anything that speaks Arrow, such as polars or DuckDB."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        return f"ResultTable({len(self)} rows: {', '.join(self._columns)})"

    def _repr_html_(self) -> str:
        words = self.text()
        head = "".join(f"<th>{escape(name)}</th>" for name in words.columns)
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(word)}</td>" for word in row) + "</tr>"
            for row in islice(words.rows, SHOWN)
        )
        more = f"<p>{len(self)} rows, the first {SHOWN} are shown</p>" if len(self) > SHOWN else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{more}"


def _plain(values: Any) -> Any:
    """Return values of one kind: whole numbers as unsigned ones of 64 bits, for ids may use all of them."""
    whole = isinstance(values, list) and values and all(type(value) is int for value in values)
    return np.asarray(values, np.uint64) if whole else values


def _lacks_ids(values: Any) -> bool:
    """Return whether these are ids some of which are missing."""
    kinds = set(map(type, values)) if isinstance(values, list) else set()
    return kinds == {int, type(None)}
