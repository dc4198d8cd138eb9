"""Samples of a stack: events of score tables with a variable, a weight and ids, and their bins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dmcnn._common.errors import InputError
from dmcnn._common.extras import need
from dmcnn.evaluation import weights
from dmcnn.evaluation.rows import Read
from dmcnn.evaluation.weights import Rule
from dmcnn.tables import table
from dmcnn.tables.join import EventIds, event_ids
from dmcnn.tables.table import Table

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SCORE_VARIABLES = ("score", "logit")
"""Variables that rise with the score, so that a cut on the score hides whole bins; others are names of columns."""


@dataclass(frozen=True)
class Variable:
    """Variable of a stack, and the column of the score.

    Attributes:
        name: "score", "logit" = ln(s / (1 - s)) of scores s in 0..1, or the name of a column.
        score_column: column of the score.
        blind_above: score above which events stay hidden; None hides nothing. For another variable than the score
            they leave the sample, simulated or not, so that both are selected alike.
    """

    name: str = "score"
    score_column: str = "signal_score"
    blind_above: float | None = None

    @property
    def cut(self) -> float | None:
        """Value of the variable above which its bins stay hidden; None = no bin."""
        if self.blind_above is None or self.name not in SCORE_VARIABLES:
            return None
        return float(special.logit(self.blind_above)) if self.name == "logit" else self.blind_above

    @property
    def label(self) -> str:
        """Label of the axis."""
        return {"score": "Score", "logit": "Score logit  ln(s / (1 - s))"}.get(self.name, self.name)

    def values(self, rows: Table, score: Floats) -> Floats:
        """Return the (n,) values of the rows of a table; NaN without score, or where they stay hidden.

        Raises:
            InputError: no such column, a text that is no number, or a logit of a score outside 0..1.
        """
        if self.name == "score":
            return score
        if self.name == "logit":
            outside = np.flatnonzero((score < 0) | (score > 1))
            if len(outside):
                raise InputError(
                    f"{rows.place(int(outside[0]))}: {self.score_column} is {score[outside[0]]:.4g}, expected 0 to 1 "
                    "for variable=logit (give variable=score if the column holds logits)"
                )
            return np.asarray(special.logit(score))
        value, _ = table.scores_of(rows, self.name)
        hidden = np.isnan(score) | (score > (np.inf if self.blind_above is None else self.blind_above))
        return np.where(hidden, np.nan, value)


@dataclass(frozen=True, eq=False)
class StackSample:
    """Events of one kind, the rows of its score tables in order.

    Attributes:
        name: name of the sample.
        tables: score tables.
        value: (n,) values of the variable; NaN = in no bin.
        weight: (n,) weights.
    """

    name: str
    tables: Sequence[Table]
    value: Floats
    weight: Floats

    def __len__(self) -> int:
        return len(self.value)

    @cached_property
    def ids(self) -> EventIds:
        """Ids of the events; InputError where a table has none."""
        parts = [event_ids(rows) for rows in self.tables]
        return EventIds(
            np.concatenate([one.number for one in parts]), np.concatenate([one.known for one in parts])
        )

    @property
    def unscored(self) -> int:
        """Number of events in no bin."""
        return int(np.isnan(self.value).sum())

    def histogram(self, axis: Any) -> Any:
        """Return the histogram of the weights with their variances on an axis of hist."""
        filled = need("hist").Hist(axis, storage=need("hist").storage.Weight(), name=self.name)
        some = ~np.isnan(self.value)
        return filled.fill(_closed(self.value[some], axis), weight=self.weight[some])

    def bins(self, axis: Any) -> Ints:
        """Return the (n,) bin of each event: 0 = below the range, b + 1 = above it, -1 = none."""
        some = ~np.isnan(self.value)
        place = np.full(len(self), -1)
        place[some] = axis.index(_closed(self.value[some], axis)) + 1
        return place


def read_sample(
    name: str,
    paths: Sequence[str],
    variable: Variable,
    rule: Rule = None,
    scale: float = 1.0,
    clean_above: float | None = None,
    read: Read = table.read,
) -> tuple[StackSample, list[str]]:
    """Read the events of a sample, and lines on what is unusual.

    Args:
        name: name of the sample.
        paths: score tables.
        variable: variable on the axis.
        rule: weights of the events; in a table without its column every event counts 1, and a line says so.
        scale: factor of all weights, such as the POT of the data over those of the simulation.
        clean_above: see ``clean``; None = weights as they are.
        read: function that reads a table.
    """
    tables = [read(path) for path in paths]
    values, factors, lines = [], [], []
    for rows in tables:
        score, _ = table.scores_of(rows, variable.score_column)
        values.append(variable.values(rows, score))
        if isinstance(rule, str) and rule not in rows.columns:
            lines.append(f"{name}: {rows.path}: no column {rule!r}, every event counts 1")
            factors.append(np.ones(len(score)))
        elif isinstance(rule, str) and clean_above is not None:
            weight, count = clean(rows.numbers(rule), clean_above)
            lines += [f"{name}: {rows.path}: {count} of {len(weight)} values of {rule!r} set to 1"] * bool(
                count
            )
            factors.append(weight)
        else:
            given = weights.of_rows(rows, rule)
            factors.append(np.ones(len(score)) if given is None else given)
    return StackSample(name, tables, np.concatenate(values), scale * np.concatenate(factors)), lines


def clean(weight: Floats, above: float) -> tuple[Floats, int]:
    """Return weights in which NaN, infinity, values <= 0 and values > ``above`` are 1, and the number of these."""
    bad = ~((weight > 0) & (weight <= above))
    return np.where(bad, 1.0, weight), int(bad.sum())


def _closed(value: Floats, axis: Any) -> Floats:
    """Return values of which the upper edge of the axis lies in the last bin, as in NumPy."""
    last = axis.edges[-1]
    return np.where(value == last, np.nextafter(last, -np.inf), value)


def make_axis(
    samples: Sequence[StackSample],
    variable: Variable,
    bins: int | Sequence[float],
    reach: Sequence[float] | None,
) -> Any:
    """Return the axis of hist on which the samples are filled.

    Args:
        samples: samples of the stack.
        variable: variable of the axis.
        bins: number of bins of equal width, or their edges.
        reach: lowest and highest edge; None takes 0..1 for scores within it, else the range of the samples.

    Raises:
        InputError: hist is not installed, or no event has a value.
    """
    axis = need("hist").axis
    if not isinstance(bins, int):
        return axis.Variable(list(bins), name="variable", label=variable.label)
    if reach is None:
        values = np.concatenate([sample.value for sample in samples])
        values = values[np.isfinite(values)]
        if not len(values):
            raise InputError(
                f"no event of {', '.join(sample.name for sample in samples)} has a {variable.name}"
            )
        low, high = float(values.min()), float(values.max())
        if variable.name == "score" and low >= 0 and high <= 1:
            low, high = 0.0, 1.0
        reach = (low, high) if low < high else (low - 0.5, high + 0.5)
    return axis.Variable(np.linspace(reach[0], reach[1], bins + 1), name="variable", label=variable.label)


def hidden_bins(axis: Any, cut: float | None) -> NDArray[np.bool_]:
    """Return (b + 2,) whether a bin, with those below and above the range, reaches above the cut."""
    if cut is None:
        return np.zeros(axis.size + 2, np.bool_)
    rounding = 1e-9 * (axis.edges[-1] - axis.edges[0])
    return np.asarray(np.append(axis.edges, np.inf) > cut + rounding)
