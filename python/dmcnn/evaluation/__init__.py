"""Evaluation of score tables of a signal, of several classes, and of regression: numbers, tables and figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmcnn.metrics.intervals import Interval
from dmcnn.tables.table import Table

if TYPE_CHECKING:  # matplotlib is imported only where a figure is drawn
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class EvaluationResult:
    """Result of the evaluation of score tables.

    Attributes:
        numbers: all results, ready for JSON.
        figures: figure by the ending of its file name.
        lines: log lines.
        tables: table by the ending of its file name.
        files: function that writes any other file, by the ending of its file name with suffix.
    """

    numbers: dict[str, Any]
    figures: Mapping[str, Figure]
    lines: list[str]
    tables: Mapping[str, Table] = field(default_factory=dict)
    files: Mapping[str, Callable[[Path], None]] = field(default_factory=dict)


def merge(parts: Sequence[EvaluationResult]) -> EvaluationResult:
    """Return the parts of an evaluation as one; of a number in several parts, that of the last."""
    return EvaluationResult(
        {key: value for part in parts for key, value in part.numbers.items()},
        {ending: figure for part in parts for ending, figure in part.figures.items()},
        [line for part in parts for line in part.lines],
        {ending: rows for part in parts for ending, rows in part.tables.items()},
        {ending: write for part in parts for ending, write in part.files.items()},
    )


def json_number(value: float) -> float | None:
    """Return a number for JSON; None for NaN and infinity, which JSON does not have."""
    return float(value) if math.isfinite(value) else None


def interval_numbers(interval: Interval) -> list[float | None]:
    """Return value, low and high of an interval for JSON."""
    return [json_number(float(number)) for number in (interval.value, interval.low, interval.high)]


def file_lines(files: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a log line on the rows of every score table."""
    return ["{file}: {rows} rows, {unscored} without score (left out)".format(**file) for file in files]
