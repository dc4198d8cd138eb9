"""Robustness of networks: shifts of their scores under variations of the images, event by event and in a table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dmcnn.detectors.smartpixel import UNITS
from dmcnn.images.variations import Variation
from dmcnn.inference.networks import NamedNetwork
from dmcnn.inference.scoring import FileEvents, Scoring
from dmcnn.metrics.classification import auc_interval
from dmcnn.metrics.intervals import wilson
from dmcnn.metrics.paired import auc_covariance, compare_aucs
from dmcnn.tables.result_table import ResultTable
from dmcnn.tables.table import Table, scores_of
from dmcnn.tasks.base import Floats

if TYPE_CHECKING:
    from dmcnn.figures.text import Figure

PLACE = ("run_number", "subrun_number", "event_number", "entry_number", "file", "label")
"""Columns that the table of an event shares with its score table, as far as that has them."""


def event_table(
    scoring: Scoring,
    events: FileEvents,
    rows: Sequence[NDArray[np.float64]],
    results: ResultTable,
    cut: float,
) -> ResultTable:
    """Return a row per event: for each network its score, and under each variation score, shift and decision.

    Columns are ``<score>``, ``<score>_<variation>``, ``<score>_shift_<variation>``, ``<score>_changed_<variation>``
    (1 if the decision is another one) and ``is_signal``. The score is the signal score and its decision the cut;
    without signal class ``score`` is that of the class that is predicted for the event as it is, and the decision the
    class; of a regression network each target has an estimate, without decision.

    Args:
        scoring: networks and variations.
        events: events of a file.
        rows: (n, width) rows of each pass.
        results: score table of the events.
        cut: lowest signal score of signal.
    """
    of_network: dict[int, dict[str, Any]] = {}
    for group, of_pass in zip(scoring.passes, rows, strict=True):
        for number, network in group.networks.items():
            versions = [
                network.task.values(network.outputs(group.outputs_of(network, of_pass, version)))
                for version in range(1 + len(scoring.variations))
            ]
            columns = _columns(network, versions, events.truth(number), cut, scoring.variations)
            of_network[number] = {network.column(name): values for name, values in columns.items()}
    columns = {name: results[name] for name in PLACE if name in results}
    for number in range(len(scoring.networks)):
        columns |= of_network[number]
    return ResultTable(columns)


def _columns(
    network: NamedNetwork, versions: Sequence[Floats], truth: Any, cut: float, variations: Sequence[Variation]
) -> dict[str, Any]:
    """Return the columns of one network by its (n, k) scores or estimates for all versions of the images."""
    card = network.first.card
    if card.targets:
        columns: dict[str, Any] = {}
        for i, name in enumerate(card.targets):
            columns |= _compared(name, [one[:, i] for one in versions], None, variations)
        return columns
    if card.signal is not None:
        place = card.classes.index(card.signal)
        scores = [one[:, place] for one in versions]
        is_signal = [None if word is None else int(word == card.signal) for word in truth]
        columns = _compared("signal_score", scores, [one >= cut for one in scores], variations)
        return {**columns, "is_signal": is_signal}
    best = [np.where(np.isnan(one), -1.0, one).argmax(axis=1) for one in versions]
    return _compared("score", [one[np.arange(len(one)), best[0]] for one in versions], best, variations)


def _compared(
    name: str, values: Sequence[Floats], decisions: Sequence[Any] | None, variations: Sequence[Variation]
) -> dict[str, Any]:
    """Return the columns of one quantity by its (n,) values, and decisions, for all versions of the images."""
    columns: dict[str, Any] = {name: values[0]}
    for number, vary in enumerate(variations, 1):
        columns[f"{name}_{vary.name}"] = values[number]
        columns[f"{name}_shift_{vary.name}"] = shift = values[number] - values[0]
        if decisions is not None:
            changed = (decisions[number] != decisions[0]).astype(int)
            columns[f"{name}_changed_{vary.name}"] = [
                None if lost else one for one, lost in zip(changed.tolist(), np.isnan(shift), strict=True)
            ]
    return columns


SUMMARY = (
    "network", "variation", "quantity", "events", "mean_shift", "rms_shift",
    "changed", "changed_low", "changed_high",
    "auc", "auc_low", "auc_high", "auc_varied", "auc_varied_low", "auc_varied_high",
    "auc_change", "auc_change_low", "auc_change_high", "p_value",
)  # fmt: skip
"""Columns of the summary."""


def summary(tables: Sequence[Table], variations: Sequence[Variation]) -> ResultTable:
    """Return a row per network, quantity and variation, over the events of all files that have a score.

    Shares of events whose decision changes have Wilson's 95 % interval. AUCs have that of ``metrics.auc_limits``, and
    their changes that of DeLong's test for scores of the same events, if the labels name signal and background.

    Args:
        tables: tables of ``event_table``, of the same networks and variations.
        variations: variations, in order.
    """
    rows = []
    for quantity, network, end in _quantities(tables, variations):
        for vary in variations:
            row = {"network": network, "variation": vary.name, "quantity": quantity}
            rows.append(row | _numbers(tables, quantity, vary.name, end))
    return ResultTable({name: [row.get(name) for row in rows] for name in SUMMARY})


def _quantities(tables: Sequence[Table], variations: Sequence[Variation]) -> list[tuple[str, str, str]]:
    """Return quantity, network and end of the columns of every quantity of every network."""
    pattern = re.compile(rf"(.+)_shift_{re.escape(variations[0].name)}(?:_(.+))?")
    matches = filter(None, map(pattern.fullmatch, tables[0].columns))
    return [(match[1], match[2] or "", f"_{match[2]}" if match[2] else "") for match in matches]


def _column(tables: Sequence[Table], name: str) -> Floats | None:
    """Return the values of a column of all tables; None if they lack it."""
    if name not in tables[0].columns:
        return None
    return np.concatenate([scores_of(one, name)[0] for one in tables])


def _numbers(tables: Sequence[Table], quantity: str, variation: str, end: str) -> dict[str, Any]:
    """Return the numbers of the summary for a quantity of one network, whose columns have this end."""
    values, varied = (_column(tables, f"{name}{end}") for name in (quantity, f"{quantity}_{variation}"))
    assert values is not None
    assert varied is not None
    known = ~np.isnan(values) & ~np.isnan(varied)
    shift = (varied - values)[known]
    row: dict[str, Any] = {"events": len(shift)}
    if not len(shift):
        return row
    row |= {"mean_shift": float(shift.mean()), "rms_shift": float(np.sqrt((shift**2).mean()))}
    if (changed := _column(tables, f"{quantity}_changed_{variation}{end}")) is not None:
        share = wilson(changed[known].sum(), len(shift))
        row |= {
            "changed": float(share.value),
            "changed_low": float(share.low),
            "changed_high": float(share.high),
        }
    if (is_signal := _column(tables, f"is_signal{end}")) is not None:
        row |= _auc_change(np.stack([varied, values])[:, known], is_signal[known])
    return row


def _auc_change(scores: Floats, is_signal: Floats) -> dict[str, float]:
    """Return AUCs of (2, n) scores, varied and as they are, and their change; nothing without both classes."""
    signal, background = scores[:, is_signal == 1], scores[:, is_signal == 0]
    if min(signal.shape[1], background.shape[1]) < 2:
        return {}
    areas, covariance = auc_covariance(signal, background)
    test = compare_aucs(areas, covariance, 0, 1)
    change = test.difference
    intervals = {
        name: auc_interval(signal=signal[version], background=background[version])
        for name, version in (("auc", 1), ("auc_varied", 0))
    }
    return {
        **{f"{name}_low": float(one.low) for name, one in intervals.items()},
        **{f"{name}_high": float(one.high) for name, one in intervals.items()},
        "auc": float(areas[1]),
        "auc_varied": float(areas[0]),
        "auc_change": float(change.value),
        "auc_change_low": float(change.low),
        "auc_change_high": float(change.high),
        "p_value": test.p_value,
    }


def figures(
    tables: Sequence[Table], numbers: ResultTable, variations: Sequence[Variation]
) -> dict[str, Figure]:
    """Draw the distributions of the shifts, and AUCs where they are known; return the figures by quantity.

    Args:
        tables, variations: as of ``summary``.
        numbers: their summary.
    """
    from dmcnn.figures.robustness import score_shifts

    keys = zip(*(numbers[name] for name in ("quantity", "network", "variation")), strict=True)
    row_of = {key: row for row, key in enumerate(keys)}
    shifts: dict[str, dict[str, dict[str, Floats]]] = {}
    areas: dict[str, dict[str, dict[str, Any]]] = {}
    for quantity, network, end in _quantities(tables, variations):
        for vary in variations:
            shift = _column(tables, f"{quantity}_shift_{vary.name}{end}")
            assert shift is not None
            shifts.setdefault(quantity, {}).setdefault(str(vary), {})[network] = shift[~np.isnan(shift)]
            row = row_of[quantity, network, vary.name]
            if numbers["auc"][row] is not None:
                areas.setdefault(quantity, {}).setdefault(str(vary), {})[network] = [
                    [numbers[f"{name}{part}"][row] for part in ("", "_low", "_high")]
                    for name in ("auc", "auc_varied")
                ]
    return {
        quantity: score_shifts(one, quantity.replace("_", " "), UNITS.get(quantity, ""), areas.get(quantity))
        for quantity, one in shifts.items()
    }


def lines(table: ResultTable) -> list[str]:
    """Return log lines of a summary, one per row."""
    result = []
    for number in range(len(table)):
        row = {name: table[name][number] for name in SUMMARY}
        text = f"{row['network'] or row['quantity']} {row['variation']}: {row['events']} events"
        if row["mean_shift"] is not None:
            text += f", shift {row['mean_shift']:+.4f}, rms {row['rms_shift']:.4f}"
        if row["changed"] is not None:
            text += f", changed {row['changed']:.4f} [{row['changed_low']:.4f}, {row['changed_high']:.4f}]"
        if row["auc_change"] is not None:
            low, high = row["auc_change_low"], row["auc_change_high"]
            text += f", AUC {row['auc_change']:+.4f} [{low:+.4f}, {high:+.4f}]"
        result.append(text)
    return result
