"""Weights of events in an evaluation: a column of the score tables, or one number per file, such as a POT scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError, nearest
from dmcnn.evaluation.rows import EventRows
from dmcnn.evaluation.rows import join as join_rows
from dmcnn.metrics.distributions import effective
from dmcnn.tables.table import Table

Floats = NDArray[np.float64]
Rule = str | Mapping[str, float] | None
"""Name of a column, {file pattern: weight of all its events}, or None: every event counts 1."""


@dataclass(frozen=True, eq=False)
class Events:
    """Scored events of one kind.

    Attributes:
        score: (n,) float64 scores without NaN.
        weight: (n,) weights; None = 1 each.
        rows: rows of the score tables that the events come from; None = unknown.
    """

    score: Floats
    weight: Floats | None = None
    rows: EventRows | None = None

    def __len__(self) -> int:
        return len(self.score)

    @property
    def counted(self) -> Floats:
        """(n,) weights, 1 each without weights."""
        return np.ones(len(self.score)) if self.weight is None else self.weight

    @cached_property
    def ordered(self) -> Events:
        """The events by rising score, without rows; metrics sort what is in order in no time."""
        return Events(self.score, self.weight).take(np.argsort(self.score, kind="stable"))

    def take(self, at: NDArray[Any]) -> Events:
        """Return some of the events, by number or by a mask."""
        return Events(
            self.score[at],
            None if self.weight is None else self.weight[at],
            None if self.rows is None else self.rows.take(at),
        )


def of_rows(rows: Table, rule: Rule) -> Floats | None:
    """Return the (n,) weights of the rows of a table; None without a rule.

    Raises:
        InputError: no such column, a text that is no finite number, or a file that not exactly one pattern matches.
    """
    if rule is None:
        return None
    if not isinstance(rule, str):
        return np.full(len(rows), of_file(rows.path, rule))
    expected = "a finite number (a weight)"
    weights = rows.numbers(rule, expected)
    for row in np.flatnonzero(~np.isfinite(weights))[:1].tolist():
        raise InputError(f"{rows.place(row)}: {rule} is {rows.column(rule)[row]!r}, expected {expected}")
    return weights


def of_file(path: str, rule: Mapping[str, float]) -> float:
    """Return the weight of the events of a file, by its path or name.

    Raises:
        InputError: not exactly one pattern matches.
    """
    names = (path, Path(path).name)
    fitting = [pattern for pattern in rule if any(fnmatch(name, pattern) for name in names)]
    if len(fitting) != 1:
        what = f"the patterns {', '.join(map(repr, fitting))} match" if fitting else "no pattern matches"
        raise InputError(
            f"event_weight: {what} {path}{nearest(names[1], rule)}, expected exactly one of its keys"
        )
    return float(rule[fitting[0]])


def check_patterns(rule: Rule, paths: Sequence[str]) -> None:
    """Raise InputError for a pattern of files that matches none of the ``paths``."""
    for pattern in rule if isinstance(rule, Mapping) else ():
        if not any(fnmatch(name, pattern) for path in paths for name in (path, Path(path).name)):
            raise InputError(f"event_weight: {pattern!r} matches none of {', '.join(map(str, paths))}")


def join_events(parts: Sequence[Events]) -> Events:
    """Concatenate the events of several tables or samples, of which all or none have weights and rows."""
    rows = [part.rows for part in parts if part.rows is not None]
    return Events(
        np.concatenate([part.score for part in parts]),
        join([part.weight for part in parts]),
        join_rows(rows) if rows else None,
    )


def join(parts: Sequence[Floats | None]) -> Floats | None:
    """Concatenate the weights of several tables; None without weights."""
    weighted = [part for part in parts if part is not None]
    return np.concatenate(weighted) if weighted else None


def numbers(rule: Rule, kinds: Mapping[str, Events]) -> dict[str, Any]:
    """Return rule, sum of weights and effective number of events of every kind for JSON; nothing without weights."""
    if rule is None:
        return {}
    weights = {kind: events.weight for kind, events in kinds.items() if events.weight is not None}
    return {
        "event_weight": rule if isinstance(rule, str) else dict(rule),
        "sum_of_weights": {kind: float(weight.sum()) for kind, weight in weights.items()},
        "effective_events": {
            kind: effective(len(weight), weight) if weight.any() else 0.0 for kind, weight in weights.items()
        },
    }


def negative(kinds: Mapping[str, Events]) -> int:
    """Return the number of events with a negative weight."""
    return sum(int((events.weight < 0).sum()) for events in kinds.values() if events.weight is not None)
