"""Tables of results: columns for NumPy, pandas, pyarrow and CSV files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import nearest
from dmcnn._common.extras import need
from dmcnn.tables import table

HTML_ROWS = 10
"""Largest number of rows in a notebook."""


class ResultTable:
    """Table of results. ``table["signal_score"]`` is a column, ``len(table)`` the number of rows.

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
        """Return an (n,) column; its dtype is object if it holds texts or if ids are missing."""
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
        """Return the table as text, in the form of a CSV file."""
        return table.Table.from_columns(self._columns)

    def write(self, path: str | Path) -> None:
        """Write the table as CSV, whole or not at all."""
        table.write(path, self.text())

    def to_arrow(self) -> Any:
        """Return a pyarrow.Table; missing values are null, or NaN among numbers. Needs ``dmcnn[notebook]``."""
        pyarrow = need("pyarrow")
        ids = pyarrow.uint64()
        return pyarrow.table(
            {
                name: pyarrow.array(values, ids) if _are_ids(values) else pyarrow.array(values)
                for name, values in self._columns.items()
            }
        )

    def to_pandas(self) -> Any:
        """Return a pandas.DataFrame; ids keep all digits. Needs ``dmcnn[notebook]``."""
        pandas = need("pandas")
        return pandas.DataFrame(
            {
                name: pandas.array(values, dtype="UInt64") if _are_ids(values) else values
                for name, values in self._columns.items()
            }
        )

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """Return the table as an Arrow stream, for polars, DuckDB and others."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        return f"ResultTable({len(self)} rows: {', '.join(self._columns)})"

    def _repr_html_(self) -> str:
        """Return the first rows as an HTML table."""
        words = ResultTable({name: values[:HTML_ROWS] for name, values in self._columns.items()}).text()
        head = "".join(f"<th>{escape(name)}</th>" for name in words.columns)
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(word)}</td>" for word in row) + "</tr>" for row in words.rows
        )
        more = (
            f"<p>{len(self)} rows, of which the first {HTML_ROWS} are shown</p>"
            if len(self) > HTML_ROWS
            else ""
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{more}"


def _are_ids(values: Any) -> bool:
    """Return whether these are ids, some of which may be missing: whole numbers that may need all of 64 bits."""
    kinds = set(map(type, values)) if isinstance(values, list) else set()
    return int in kinds and kinds <= {int, type(None)}
