"""Working point of a signal: the cut for a requested number, what passes it, and the list of events that pass."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from dmcnn._common.errors import InputError
from dmcnn.evaluation import EvaluationResult, interval_numbers, weights
from dmcnn.evaluation.signal import Kinds, arrays, in_order, pool
from dmcnn.figures.working_point import numbers_against_cut
from dmcnn.metrics import working_point as metrics
from dmcnn.metrics.intervals import Interval
from dmcnn.metrics.working_point import NUMBERS, CutRule, WorkingPoint
from dmcnn.tables.table import Table
from dmcnn.tables.texts import Texts


def choose(kinds: Kinds, cut: float, text: str | None, level: float) -> tuple[float, EvaluationResult]:
    """Return the cut, and what is said of it.

    Args:
        kinds: scored events of each kind.
        cut: cut if there is no rule.
        text: text of a rule; None = none.
        level: confidence level of all intervals.

    Raises:
        InputError: an unknown rule, a rule that no cut obeys, or one for events with negative weights.
    """
    negative = weights.negative(kinds)
    if text is None:
        curves = {} if negative else {"working_point": draw(kinds, level)}
        return cut, EvaluationResult({}, curves, [])
    if negative:
        raise InputError(
            f"working_point: {negative} negative weights; efficiencies need numbers of at least 0"
        )
    rule = CutRule.parse(text)
    point = metrics.working_point(rule.kind, rule.value, **arrays(in_order(kinds)), level=level)
    return float(point.cut.value), judge(kinds, rule, point, level)


def judge(kinds: Kinds, rule: CutRule, point: WorkingPoint, level: float) -> EvaluationResult:
    """Return the numbers at a working point, in place of those at a fixed cut, its curves, and the list of events.

    Args:
        kinds: scored events of each kind.
        rule: rule that chose the cut.
        point: the working point.
        level: confidence level of all intervals.
    """
    intervals = {name: interval_numbers(getattr(point, name)) for name in ("cut", *NUMBERS)}
    numbers = {
        "cut": float(point.cut.value),
        **{name: intervals[name] for name in NUMBERS[:2]},
        "working_point": {"rule": f"{rule.kind} {rule.value:g}", **intervals},
    }
    return EvaluationResult(
        numbers, {"working_point": draw(kinds, level, rule, point)}, lines(rule, point, level, kinds),
        {"selection": selection(kinds, float(point.cut.value))},
    )  # fmt: skip


def draw(
    kinds: Kinds, level: float, rule: CutRule | None = None, point: WorkingPoint | None = None
) -> Figure:
    """Draw efficiencies, purity and significance against the cut, with the working point if there is one."""
    both = np.concatenate([events.score for events in kinds.values()])
    both = both[np.isfinite(both)]
    cuts = np.linspace(both.min(), both.max(), 401) if len(both) else np.linspace(0, 1, 401)
    uncertainty = rule.value if rule is not None and rule.kind == "significance" else 0.0
    curves = metrics.numbers_at_cuts(cuts, **arrays(in_order(kinds)), uncertainty=uncertainty, level=level)
    return numbers_against_cut(cuts, curves, level, None if point is None else point.cut)


def selection(kinds: Kinds, cut: float) -> Table:
    """Return all scored events with ids, label, score and whether they pass (1 or 0), in the order of the tables."""
    events, kind = pool(kinds)
    return Table.from_columns({
        **({} if events.rows is None else events.rows.identity()),
        "label": Texts.of(list(kinds)).take(kind),
        "score": events.score,
        "passed": (events.score >= cut).astype(int),
    })  # fmt: skip


def lines(rule: CutRule, point: WorkingPoint, level: float, kinds: Kinds) -> list[str]:
    """Return log lines on the working point."""
    text = [
        f"working point {rule.kind} {rule.value:g}: cut {_words(point.cut)} ({100 * level:g} % intervals that "
        "include the error of the cut)"
    ]
    text += [f"  {name.replace('_', ' ')} {_words(getattr(point, name))}" for name in NUMBERS]
    if point.at_limit:
        text.append(
            f"warning: the significance is largest where only {metrics.MIN_BACKGROUND:g} effective background "
            "events are left: more of them would move the cut"
        )
    if rule.kind in ("purity", "significance") and kinds["signal"].weight is None:
        text.append(
            f"warning: {rule.kind} of as many events as the tables hold; give event_weight for those expected in "
            "data"
        )
    return text


def _words(interval: Interval) -> str:
    """Return value and ends of an interval as text."""
    return f"{float(interval.value):.6g} [{float(interval.low):.6g}, {float(interval.high):.6g}]"
