"""Evaluation of signal against background: ROC, AUC with interval, efficiencies, confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dmcnn._common.errors import InputError, nearest
from dmcnn.evaluation import EvaluationResult, file_lines, interval_numbers, weights
from dmcnn.evaluation.rows import EventRows, Read
from dmcnn.evaluation.weights import Events, Rule
from dmcnn.figures import classification as figures
from dmcnn.metrics import classification as metrics
from dmcnn.tables import table
from dmcnn.tables.table import ScoreCounts, Table

Kinds = dict[str, Events]
"""Scored events by kind, "signal" and "background"."""


def judge(
    kinds: Kinds,
    files: list[dict[str, Any]],
    *,
    cut: float,
    level: float,
    name: str = "score",
    event_weight: Rule = None,
    roc: bool = True,
) -> EvaluationResult:
    """Evaluate the scores from ``read_separate`` or ``read_labelled``.

    Negative weights stay in the histograms and in the confusion matrix; ROC curve, AUC and efficiencies are then left
    out, and a line says so.

    Args:
        kinds: scored events of each kind.
        files: counts of the rows of each table.
        cut: lowest score of an event that is classified as signal.
        level: confidence level of all intervals.
        name: name of the curves.
        event_weight: rule of the weights, for the report.
        roc: draw the ROC curve.
    """
    kinds = in_order(kinds)
    matrix = _confusion(kinds, cut)
    numbers = {
        "confidence": level,
        "signal_events": len(kinds["signal"].score),
        "background_events": len(kinds["background"].score),
        **weights.numbers(event_weight, kinds),
        "cut": cut,
        "confusion_classes": ["background", "signal"],
        "confusion": matrix.tolist(),
        "files": files,
    }
    lines = [*file_lines(files), *_cut_lines(kinds, cut)]
    drawings = _histograms(kinds)
    if negative := weights.negative(kinds):
        lines.append(
            f"{negative} negative weights: histograms and sums only, no ROC curve, AUC or efficiency"
        )
    else:
        numbers |= _numbers(kinds, cut, level)
        drawings |= _curves(kinds, level, name if roc else None, area(numbers))
        lines.append(_summary(numbers, level))
    drawings["confusion"] = figures.confusion(matrix, ["background", "signal"])
    return EvaluationResult(numbers, drawings, lines)


def read_separate(
    kinds: Mapping[str, Sequence[str]], column: str, event_weight: Rule = None, read: Read = table.read
) -> tuple[Kinds, list[dict[str, Any]]]:
    """Read the scored events of the tables of each kind, and the counts of the rows of each table.

    Args:
        kinds: score tables of each kind; any names do.
        column: column of the score.
        event_weight: weights of the events.
        read: function that reads a table.

    Raises:
        InputError: no scored event of one kind.
    """
    events: Kinds = {}
    files: list[dict[str, Any]] = []
    for kind, paths in kinds.items():
        parts = []
        for path in paths:
            part, counts = read_scored(read(path), column, event_weight)
            parts.append(part)
            files.append({"file": path, "kind": kind, "rows": counts.rows, "unscored": counts.unscored})
        events[kind] = weights.join_events(parts)
    _need_events(events, files)
    return events, files


def read_labelled(
    paths: Sequence[str], column: str, signal_label: str, event_weight: Rule = None, read: Read = table.read
) -> tuple[Kinds, list[dict[str, Any]]]:
    """Read the scored events of tables that hold both kinds, which the label column distinguishes.

    Raises:
        InputError: a scored event without label, no event of one kind, or one with the label of the signal in another
            spelling, which would count as background.
    """
    parts: list[Events] = []
    is_signal: list[NDArray[np.bool_]] = []
    labels: set[str] = set()
    files: list[dict[str, Any]] = []
    for path in paths:
        rows = read(path)
        rows.need(["label", column])
        part, counts = read_scored(rows, column, event_weight)
        parts.append(part)
        names, number = _labels(part, rows, signal_label)
        labels.update(names[i] for i in np.unique(number))
        is_signal.append(np.array([name == signal_label for name in names], bool)[number])
        files.append({"file": path, "kind": "labelled", "rows": counts.rows, "unscored": counts.unscored})
    if signal_label not in labels:
        names = sorted(labels)
        close = nearest(signal_label, names)
        raise InputError(f"no event is labelled {signal_label!r}; found {', '.join(names)}{close}")
    events, chosen = weights.join_events(parts), np.concatenate(is_signal)
    kinds = {"signal": events.take(chosen), "background": events.take(~chosen)}
    _need_events(kinds, files)
    return kinds, files


def _need_events(kinds: Kinds, files: Sequence[Mapping[str, Any]]) -> None:
    """Raise InputError for a kind without scored events."""
    for kind, events in kinds.items():
        if not len(events):
            raise InputError(f"no scored {kind} event in {', '.join(file['file'] for file in files)}")


def read_scored(rows: Table, column: str, event_weight: Rule) -> tuple[Events, ScoreCounts]:
    """Return the scored events of a table, and the counts of its rows."""
    values, counts = table.scores_of(rows, column)
    scored = np.flatnonzero(~np.isnan(values))
    weight = weights.of_rows(rows, event_weight)
    places = EventRows([rows], np.zeros(len(scored), np.int64), scored)
    return Events(values[scored], None if weight is None else weight[scored], places), counts


def _labels(events: Events, rows: Table, signal_label: str) -> tuple[list[str], NDArray[np.int64]]:
    """Return the labels of a table, and the number of that of each of its scored events.

    Raises:
        InputError: a scored event has none, or another spelling of the signal's.
    """
    names, number = rows.levels("label")
    at = np.empty(0, np.int64) if events.rows is None else events.rows.row
    labels, first = np.unique(number[at], return_index=True)
    for label, row in zip(labels, at[first].tolist(), strict=True):
        if not names[label]:
            raise InputError(f"{rows.place(row)}: a scored event without label, expected its class")
        if names[label] != signal_label and table.is_spelling(names[label], signal_label):
            raise InputError(f"{rows.place(row)}: label {names[label]!r} (did you mean {signal_label!r}?)")
    return names, number[at]


def in_order(kinds: Kinds) -> Kinds:
    """Return the events of each kind by rising score."""
    return {kind: events.ordered for kind, events in kinds.items()}


def arrays(kinds: Kinds) -> dict[str, Any]:
    """Return the arguments of metrics and figures of a ROC curve."""
    signal, background = kinds["signal"], kinds["background"]
    pair = None if signal.weight is None else (signal.weight, background.weight)
    return {"signal": signal.score, "background": background.score, "weights": pair}


def pool(kinds: Kinds) -> tuple[Events, NDArray[np.int64]]:
    """Return the events of all kinds, one kind after another, and the (n,) number of the kind of each."""
    counts = [len(events) for events in kinds.values()]
    return weights.join_events(list(kinds.values())), np.repeat(np.arange(len(counts)), counts)


def area(numbers: Mapping[str, Any]) -> metrics.Interval:
    """Return the AUC with its interval from the numbers of an evaluation."""
    return metrics.Interval(*(np.asarray(numbers[name]) for name in ("auc", "auc_low", "auc_high")))


def _confusion(kinds: Kinds, cut: float) -> metrics.Matrix:
    """Return the (2, 2) confusion matrix at the cut: events, or sums of their weights, of any sign."""
    events = [kinds["background"], kinds["signal"]]
    label = np.repeat([0, 1], [len(one.score) for one in events])
    predicted = np.concatenate([one.score for one in events]) >= cut
    return metrics.confusion(label, predicted, 2, weights.join([one.weight for one in events]))


def _cut_lines(kinds: Kinds, cut: float) -> list[str]:
    """Return a line where scores lie outside 0..1, so that they are logits and the cut may be meant otherwise."""
    both = np.concatenate([events.score for events in kinds.values()])
    if both.min() >= 0 and both.max() <= 1:
        return []
    return [
        f"warning: scores from {both.min():.4g} to {both.max():.4g} are not between 0 and 1 (logits?); "
        f"the cut is at {cut:g}" + ", give cut=0 for logits" * (cut != 0)
    ]


def _numbers(kinds: Kinds, cut: float, level: float) -> dict[str, Any]:
    """Return the numbers of the evaluation that need weights of at least 0."""
    given = arrays(kinds)
    both = np.concatenate([events.score for events in kinds.values()])
    is_share = both.min() >= 0 and both.max() <= 1
    cuts = np.linspace(0.0 if is_share else both.min(), 1.0 if is_share else both.max(), 101)
    area = metrics.auc_interval(**given, level=level)

    def passing(kind: str, at: Sequence[float] | NDArray[np.float64]) -> metrics.Interval:
        """Return the efficiency of a kind at cuts."""
        return metrics.efficiency(kinds[kind].score, at, level, kinds[kind].weight)

    at_cut = {f"{kind}_efficiency": passing(kind, [cut]) for kind in ("signal", "background")}
    squares = {
        kind: Events(events.score, None if events.weight is None else events.weight**2)
        for kind, events in kinds.items()
    }
    accuracy = metrics.accuracy(_confusion(kinds, cut), level, _confusion(squares, cut))
    return {
        "auc": float(area.value),
        "auc_low": float(area.low),
        "auc_high": float(area.high),
        **{name: [float(part[0]) for part in (i.value, i.low, i.high)] for name, i in at_cut.items()},
        "accuracy": interval_numbers(accuracy),
        "cuts": cuts.tolist(),
        "signal_efficiency_at_cuts": passing("signal", cuts).value.tolist(),
        "background_efficiency_at_cuts": passing("background", cuts).value.tolist(),
    }


def _summary(numbers: Mapping[str, Any], level: float) -> str:
    """Return the log line of the AUC."""
    text = (
        "AUC {auc:.6f} [{auc_low:.6f}, {auc_high:.6f}] ({percent:g} % interval), {signal_events} signal and "
    )
    text = (text + "{background_events} background events").format(**numbers, percent=100 * level)
    if "effective_events" in numbers:
        text += ", effectively {signal:.1f} and {background:.1f}".format(**numbers["effective_events"])
    return text


def _histograms(kinds: Kinds) -> dict[str, Figure]:
    """Return the histograms of the scores, of logits too if the scores lie in 0..1."""
    scores = {kind: events.score for kind, events in kinds.items()}
    weight = None if kinds["signal"].weight is None else {kind: one.weight for kind, one in kinds.items()}
    drawings: dict[str, Figure] = {"scores": figures.score_histogram(scores, weights=weight)}
    if all(values.min() >= 0 and values.max() <= 1 for values in scores.values()):
        drawings["scores_logit"] = figures.score_histogram(scores, logit=True, log=True, weights=weight)
    return drawings


def _curves(kinds: Kinds, level: float, name: str | None, auc: metrics.Interval) -> dict[str, Figure]:
    """Return efficiencies, and ROC curves if they have a name."""
    given = arrays(kinds)
    drawings: dict[str, Figure] = {"efficiency": figures.efficiency(**given, level=level)}
    if name is not None:
        samples = {name: (given["signal"], given["background"])}
        pair = None if given["weights"] is None else {name: given["weights"]}
        drawings["roc"], drawings["roc_log"] = figures.roc_pair(samples, level, pair, {name: auc})
    return drawings
