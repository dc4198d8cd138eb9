"""A table of what every layer costs."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path

from torch import nn

from dmcnn.checkpoints.card import Card
from dmcnn.exports.base import Format
from dmcnn.quantisation.cost import Cost, costs
from dmcnn.tables import table

SUMS = ("parameters", "zeros", "bits", "macs", "used_macs")


class Layers(Format):
    """CSV with one row per layer and one of their sums; see dmcnn.quantisation.cost for the columns."""

    ending = "_layers.csv"

    def write(self, path: Path, net: nn.Module, card: Card) -> None:
        table.write(path, rows(net, card))

    def run(self, path: Path, images: object) -> None:
        """A table gives no outputs."""


def rows(net: nn.Module, card: Card) -> table.Table:
    """The table."""
    found = costs(net, card.shape)
    columns: dict[str, list[object]] = {field.name: [] for field in fields(Cost)}
    for cost in found:
        for name, value in asdict(cost).items():
            columns[name].append("x".join(map(str, value)) if isinstance(value, tuple) else value)
    for name, values in columns.items():
        last = sum(getattr(cost, name) for cost in found) if name in SUMS else None
        values.append("all" if name == "name" else last)
    return table.Table.from_columns(columns)


def lines(found: table.Table) -> list[str]:
    """The table for people."""
    words = [found.columns, *found.rows]
    wide = [max(map(len, column)) for column in zip(*words, strict=True)]
    texts = 3  # name, kind and shape
    return [
        "  ".join(
            word.ljust(width) if at < texts else word.rjust(width)
            for at, (word, width) in enumerate(zip(row, wide, strict=True))
        )
        for row in words
    ]
