"""Comparison of classification networks on the same events: AUCs, paired tests, and events that flip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from dmcnn._common.errors import InputError
from dmcnn.evaluation import EvaluationResult, file_lines, interval_numbers, json_number
from dmcnn.evaluation.matching import Matches, match_events
from dmcnn.evaluation.regression.sparsity import file_name
from dmcnn.evaluation.rows import EventRows
from dmcnn.evaluation.signal import Kinds, area, arrays, in_order, pool
from dmcnn.evaluation.weights import Events
from dmcnn.figures import classification as figures
from dmcnn.figures.networks import score_pairs
from dmcnn.metrics.intervals import Interval
from dmcnn.metrics.paired import auc_covariance, compare_aucs
from dmcnn.tables.table import Table
from dmcnn.tables.texts import Texts

Networks = Mapping[str, Kinds]
"""Scored events of each kind by network; after ``match_networks`` the nth event of a kind is the same for all."""


def match_networks(networks: Networks) -> tuple[dict[str, Kinds], dict[str, Matches]]:
    """Return the events that all networks have scored, in one order, and the matches of each kind.

    Raises:
        InputError: see ``match_events``; or an event with different weights in the tables of two networks.
    """
    matches = {
        kind: match_events({name: _rows(kinds[kind]) for name, kinds in networks.items()}, kind)
        for kind in ("signal", "background")
    }
    common = {
        name: {kind: events.take(matches[kind].at[name]) for kind, events in kinds.items()}
        for name, kinds in networks.items()
    }
    first, *others = common
    for name in others:
        for kind, events in common[name].items():
            _check_weights(common[first][kind], events, first, name)
    return common, matches


def judge(
    networks: Networks,
    matches: Mapping[str, Matches],
    results: Mapping[str, EvaluationResult],
    files: list[dict[str, Any]],
    *,
    level: float,
) -> EvaluationResult:
    """Compare networks on the same events.

    Args:
        networks, matches: result of ``match_networks``.
        results: evaluation of each network alone on these events, with its cut.
        files: counts of the rows of each table.
        level: confidence level of all intervals.
    """
    own = {
        name: {key: value for key, value in result.numbers.items() if key not in ("files", "confidence")}
        for name, result in results.items()
    }
    numbers: dict[str, Any] = {
        "confidence": level,
        "networks": own,
        "matching": {kind: one.numbers() for kind, one in matches.items()},
        "files": files,
    }
    cuts = {name: result.numbers["cut"] for name, result in results.items()}
    lines = [*file_lines(files), *_match_lines(matches)]
    lines += [f"{name}: {line}" for name, result in results.items() for line in result.lines]
    drawings = {
        f"{ending}_{file_name(name)}": figure
        for name, result in results.items()
        for ending, figure in result.figures.items()
    }
    tables = {
        f"{ending}_{file_name(name)}": rows
        for name, result in results.items()
        for ending, rows in result.tables.items()
    }
    if all("auc" in one for one in own.values()):
        numbers["pairs"] = compare_pairs(networks, cuts, level)
        lines += [_pair_line(pair, level) for pair in numbers["pairs"]]
        drawings |= _curves(networks, level, {name: area(one) for name, one in own.items()})
    drawings |= _pairs(networks, cuts)
    return EvaluationResult(numbers, drawings, lines, {**tables, "flips": flips(networks, cuts)})


def compare_pairs(networks: Networks, cuts: Mapping[str, float], level: float) -> list[dict[str, Any]]:
    """Return the paired comparison of every two networks: difference of AUC, z, p-value, and events of one alone."""
    names = list(networks)
    scores = {
        kind: np.stack([networks[name][kind].score for name in names]) for kind in ("signal", "background")
    }
    areas, covariance = auc_covariance(**scores, weights=arrays(networks[names[0]])["weights"])
    pairs = []
    for a, b in combinations(range(len(names)), 2):
        result = compare_aucs(areas, covariance, a, b, level)
        pairs.append({
            "networks": [names[a], names[b]],
            "auc_difference": interval_numbers(result.difference),
            "z": json_number(result.z),
            "p_value": json_number(result.p_value),
            "passed_by_one": {
                kind: _passed_by_one(networks, kind, (names[a], names[b]), cuts) for kind in scores
            },
        })  # fmt: skip
    return pairs


def flips(networks: Networks, cuts: Mapping[str, float]) -> Table:
    """Return the events whose decision is not the same by all networks, by falling spread of their scores.

    The columns are the ids, entry, size and file of an event, its label, then ``score_<network>`` of every network
    and ``passed_<network>`` (1 or 0).
    """
    order = ("signal", "background")
    pools = [pool({kind: kinds[kind] for kind in order}) for kinds in networks.values()]
    events, kind = pools[0]
    scores = np.stack([one.score for one, _ in pools])
    passed = scores >= np.array([cuts[name] for name in networks])[:, None]
    at = np.flatnonzero(passed.any(axis=0) & ~passed.all(axis=0))
    at = at[np.argsort(-np.ptp(scores[:, at], axis=0), kind="stable")]
    return Table.from_columns({
        **{name: texts for name, texts in _rows(events).take(at).identity().items() if name != "score_table"},
        "label": Texts.of(order).take(kind[at]),
        **{f"score_{name}": scores[i, at] for i, name in enumerate(networks)},
        **{f"passed_{name}": passed[i, at].astype(int) for i, name in enumerate(networks)},
    })  # fmt: skip


def _passed_by_one(
    networks: Networks, kind: str, names: tuple[str, str], cuts: Mapping[str, float]
) -> dict[str, float | int]:
    """Return the events (or their weight) that pass the cut of one of two networks alone, by network."""
    first, second = (networks[name][kind].score >= cuts[name] for name in names)
    weight = networks[names[0]][kind].weight
    alone = (first & ~second, second & ~first)
    sums = [int(one.sum()) if weight is None else float(weight[one].sum()) for one in alone]
    return dict(zip(names, sums, strict=True))


def _curves(networks: Networks, level: float, areas: Mapping[str, Interval]) -> dict[str, Figure]:
    """Draw the ROC curves of all networks, with a linear and a logarithmic axis."""
    given = {name: arrays(in_order(kinds)) for name, kinds in networks.items()}
    samples = {name: (one["signal"], one["background"]) for name, one in given.items()}
    weight = {name: one["weights"] for name, one in given.items()}
    pair = figures.roc_pair(samples, level, weight, areas)
    return dict(zip(("roc", "roc_log"), pair, strict=True))


def _pairs(networks: Networks, cuts: Mapping[str, float]) -> dict[str, Figure]:
    """Draw the scores of the first network against those of each other."""
    first, *others = networks
    return {
        f"scores_{file_name(first)}_{file_name(name)}": score_pairs(
            {kind: (networks[first][kind].score, networks[name][kind].score) for kind in networks[first]},
            (first, name),
            (cuts[first], cuts[name]),
        )
        for name in others
    }


def _rows(events: Events) -> EventRows:
    """Return the rows of events that were read from tables."""
    if events.rows is None:
        raise InputError("events without ids cannot be matched")
    return events.rows


def _check_weights(first: Events, other: Events, *names: str) -> None:
    """Raise InputError for an event whose weight differs between the tables of two networks."""
    if first.weight is None or other.weight is None:
        return
    different = np.flatnonzero(~np.isclose(first.weight, other.weight, rtol=1e-6, atol=0))
    if len(different):
        at = int(different[0])
        rows = _rows(other)
        place = rows.tables[rows.table[at]].place(int(rows.row[at]))
        raise InputError(
            f"{place}: event weight {other.weight[at]:g} for {names[1]!r}, but {first.weight[at]:g} for "
            f"{names[0]!r}: an event has one weight"
        )


def _match_lines(matches: Mapping[str, Matches]) -> Sequence[str]:
    """Return a log line on the matched events of each kind."""
    return [
        f"{kind}: {one.count} events scored by all networks; of one or some alone "
        + ", ".join(f"{count - one.count} ({name})" for name, count in one.events.items())
        for kind, one in matches.items()
    ]


def _pair_line(pair: Mapping[str, Any], level: float) -> str:
    """Return the log line of a pair of networks."""
    a, b = pair["networks"]
    value, low, high = pair["auc_difference"]
    z = "infinite" if pair["z"] is None else f"{pair['z']:.2f}"
    return (
        f"AUC of {a} minus {b}: {value:.6f} [{low:.6f}, {high:.6f}] ({100 * level:g} % interval), z = {z}, "
        f"p-value {pair['p_value']:.3g}"
    )
