"""Samples of signal and background by name, such as mass points and kinds of background: AUC of each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from dmcnn._common.errors import InputError
from dmcnn.evaluation import EvaluationResult, interval_numbers, weights
from dmcnn.evaluation.signal import arrays
from dmcnn.evaluation.weights import Events
from dmcnn.figures import classification as figures
from dmcnn.figures.samples import auc_against_number
from dmcnn.metrics import classification as metrics
from dmcnn.metrics.intervals import Interval

Samples = Mapping[str, Events]
"""Scored events by the name of their sample."""

ALL = "all"
"""Name of the samples of a kind together."""


def judge(signal: Samples, background: Samples, *, cut: float, level: float) -> EvaluationResult:
    """Evaluate every sample of signal against all background and against each, and every background likewise.

    Args:
        signal, background: samples by name; those of a kind together are the events of the other parts.
        cut: lowest score of an event that is classified as signal.
        level: confidence level of all intervals.
    """
    named = {"signal": signal, "background": background}
    everything = {kind: weights.join_events(list(samples.values())) for kind, samples in named.items()}
    areas = {
        name: {
            other: area(events, against, level)
            for other, against in _with_all(background, everything["background"]).items()
        }
        for name, events in _with_all(signal, everything["signal"]).items()
    }
    numbers: dict[str, dict[str, dict[str, Any]]] = {
        kind: {
            name: {
                "events": len(events),
                "auc": interval_numbers(areas[name][ALL] if kind == "signal" else areas[ALL][name]),
                f"{kind}_efficiency": _efficiency(events, cut, level),
            }
            for name, events in samples.items()
        }
        for kind, samples in named.items()
    }
    matrix = {
        name: {other: interval_numbers(value) for other, value in row.items()} for name, row in areas.items()
    }
    lines = [
        f"  {kind} {name}: AUC {value:.6f} [{low:.6f}, {high:.6f}], {own['events']} events"
        for kind, samples in numbers.items()
        if len(samples) > 1
        for name, own in samples.items()
        for value, low, high in [own["auc"]]
    ]
    more, remarks = _against_number(areas, list(signal), level)
    return EvaluationResult(
        {"samples": {**numbers, "auc_of_signal_against_background": matrix}},
        {**_curves(named, everything, level), **more},
        [*lines, *remarks],
    )


def area(signal: Events, background: Events, level: float) -> Interval:
    """Return the AUC of two samples with its interval."""
    return metrics.auc_interval(**arrays({"signal": signal, "background": background}), level=level)


def numbers_in_names(names: list[str]) -> tuple[list[float], str] | None:
    """Return the number that distinguishes names such as ``ma_0.05`` and ``ma_0.1``, and the text before it.

    None unless the names differ in one number alone.
    """
    parts = [re.split(r"(\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)", name) for name in names]
    if len(names) < 2 or len({len(part) for part in parts}) != 1:
        return None
    differing = [i for i, words in enumerate(zip(*parts, strict=True)) if len(set(words)) > 1]
    if len(differing) != 1 or differing[0] % 2 == 0:
        return None
    at = differing[0]
    values = [float(part[at]) for part in parts]
    return (values, parts[0][at - 1].strip(" _-=")) if len(set(values)) == len(values) else None


def _with_all(samples: Samples, everything: Events) -> dict[str, Events]:
    """Return the samples and, last, all of them together; InputError for a sample of this name."""
    if ALL in samples:
        raise InputError(f"a sample cannot have the name {ALL!r}, which stands for all samples of its kind")
    return {**samples, ALL: everything}


def _efficiency(events: Events, cut: float, level: float) -> list[float]:
    """Return the share of a sample that passes the cut, with its interval."""
    share = metrics.efficiency(events.score, [cut], level, events.weight)
    return [float(end[0]) for end in (share.value, share.low, share.high)]


def _curves(
    named: Mapping[str, Samples], everything: Mapping[str, Events], level: float
) -> dict[str, Figure]:
    """Draw the ROC curves by signal and by background sample, and the scores of all samples."""
    drawings: dict[str, Figure] = {}
    for kind, samples in named.items():
        if len(samples) < 2:
            continue
        given = {name: arrays({**everything, kind: events}) for name, events in samples.items()}
        drawings[f"roc_by_{kind}"] = figures.roc(
            {name: (one["signal"], one["background"]) for name, one in given.items()},
            level,
            log=True,
            weights={name: one["weights"] for name, one in given.items()},
        )
    every = {name: events for samples in named.values() for name, events in samples.items()}
    scores = {name: events.score for name, events in every.items()}
    weight = {name: events.weight for name, events in every.items()}
    weighted = None if all(one is None for one in weight.values()) else weight
    is_share = all(len(one) == 0 or (one.min() >= 0 and one.max() <= 1) for one in scores.values())
    drawings["scores_by_sample"] = figures.score_histogram(scores, logit=is_share, log=True, weights=weighted)
    return drawings


def _against_number(
    areas: Mapping[str, Mapping[str, Interval]], names: list[str], level: float
) -> tuple[dict[str, Figure], list[str]]:
    """Draw the AUC of the signal samples against the number in their names; a line says why there is no figure."""
    if len(names) < 2:
        return {}, []
    numbers = numbers_in_names(names)
    if numbers is None:
        return {}, ["no figure of AUC against mass: the names of signal do not differ in one number alone"]
    values, what = numbers
    backgrounds = [name for name in areas[names[0]] if name != ALL]
    series = {
        name if name != ALL else "all background" if len(backgrounds) > 1 else backgrounds[0]: [
            areas[point][name] for point in names
        ]
        for name in ([*backgrounds, ALL] if len(backgrounds) > 1 else [ALL])
    }
    return {"auc_by_mass": auc_against_number(values, series, what or "number in the name", level)}, []
