"""Columns of several networks in one score table: their names, and their kinds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn.inference.networks import NamedNetwork
from dmcnn.tables import table
from dmcnn.tables.result_table import ResultTable

Kind = str | tuple[str, ...]
"""Kind of a column: "uint" (ids), "int", "float", "text", or the names of the classes in it."""

BY_READING, BY_RULE = ("n_pixels", "cluster_size", "status", "window_"), ("label", "label_rule")
"""Beginnings of columns that depend on the reader options, and columns that depend on the label rule."""


@dataclass(frozen=True)
class Part:
    """Score table of one network beside those of others.

    Attributes:
        network: the network.
        table: its score table.
        has_first_reading, has_first_rule: whether it reads images, and labels them, as the first network does.
    """

    network: NamedNetwork
    table: ResultTable
    has_first_reading: bool = True
    has_first_rule: bool = True

    def column(self, name: str) -> str:
        """Return the name of a column in the table of all networks."""
        if name.startswith(BY_READING):
            is_shared = self.has_first_reading
        elif name in BY_RULE:
            is_shared = self.has_first_rule
        else:
            is_shared = name in PLACE or name.startswith("true_")
        return name if is_shared else self.network.column(name)

    def kind(self, name: str) -> Kind:
        """Return the kind of a column."""
        if name in ("label", "predicted"):
            return tuple(self.network.task.names)
        if name in table.IDS:
            return "uint"
        if name == "passed":
            return "int"
        if name in ("file", "status", "label_rule", "origin"):
            return "text"
        return {"f": "float", "i": "int", "u": "int"}.get(self.table[name].dtype.kind, "text")


PLACE = (*table.IDS, "entry_number", "file", "origin")
"""Columns that depend on neither network nor reader options."""


def combine(parts: Sequence[Part]) -> tuple[ResultTable, dict[str, Kind]]:
    """Return the score table of all networks, ``<column>_<network>`` unless it is that of any network, and the kinds.

    Raises:
        InputError: networks whose names make two columns of one name.
    """
    columns: dict[str, NDArray[Any]] = {}
    kinds: dict[str, Kind] = {}
    for name in dict.fromkeys(name for part in parts for name in part.table):
        for part in (part for part in parts if name in part.table):
            key, values = part.column(name), part.table[name]
            if key not in columns:
                columns[key], kinds[key] = values, part.kind(name)
            elif key != name:
                raise InputError(f"two columns would be called {key!r}: give the networks other names")
            elif name == "status":
                columns[key] = np.where(np.isin(columns[key], ("scored", "")), values, columns[key])
    return ResultTable(columns), kinds
