"""What ``evaluate`` finds in score tables, of a signal, of several classes, of regression: numbers and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.figure import Figure

from dmcnn.metrics.classification import Interval
from dmcnn.tables.table import Table


@dataclass(frozen=True)
class Evaluation:
    """The result of judging score tables.

    Attributes:
        numbers: everything, ready for JSON.
        figures: by what ends the name of their files.
        lines: for people.
        tables: by what ends the name of their files.
    """

    numbers: dict[str, Any]
    figures: Mapping[str, Figure]
    lines: list[str]
    tables: Mapping[str, Table] = field(default_factory=dict)


def plain(value: float) -> float | None:
    """A number for JSON, which has no NaN."""
    return None if value != value else float(value)


def three(interval: Interval) -> list[float | None]:
    """Value and ends for JSON."""
    return [plain(float(number)) for number in (interval.value, interval.low, interval.high)]


def file_lines(files: Sequence[Mapping[str, Any]]) -> list[str]:
    """What was read of every table of scores."""
    return ["{file}: {rows} rows, {unscored} without score (left out)".format(**file) for file in files]
