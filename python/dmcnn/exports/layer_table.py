"""Table of the costs of the layers of a network."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path

from torch import nn

from dmcnn.checkpoints.card import Card
from dmcnn.exports.base import ExportFormat
from dmcnn.quantisation.cost import Cost, costs
from dmcnn.tables import table

SUMS = ("parameters", "zeros", "bits", "macs", "used_macs")
"""Columns with a sum in the last row."""


class LayerTable(ExportFormat):
    """CSV format with one row per layer and one of their sums; see dmcnn.quantisation.cost for the columns."""

    ending = "_layers.csv"

    def write(self, path: Path, net: nn.Module, card: Card) -> None:
        """Write the table."""
        table.write(path, rows(net, card))

    def run(self, path: Path, images: object) -> None:
        """Return None: a table has no outputs."""


def rows(net: nn.Module, card: Card) -> table.Table:
    """Return the costs of all layers, and their sums in the last row, as a table."""
    layers = costs(net, card.shape)
    columns: dict[str, list[object]] = {field.name: [] for field in fields(Cost)}
    for cost in layers:
        for name, value in asdict(cost).items():
            columns[name].append("x".join(map(str, value)) if isinstance(value, tuple) else value)
    for name, values in columns.items():
        last = sum(getattr(cost, name) for cost in layers) if name in SUMS else None
        values.append("all" if name == "name" else last)
    return table.Table.from_columns(columns)


def lines(costs_table: table.Table) -> list[str]:
    """Return the lines of a table with aligned columns, for the log."""
    words = [costs_table.columns, *costs_table.rows]
    widths = [max(map(len, column)) for column in zip(*words, strict=True)]
    texts = 3  # name, kind and shape
    return [
        "  ".join(
            word.ljust(width) if number < texts else word.rjust(width)
            for number, (word, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in words
    ]
