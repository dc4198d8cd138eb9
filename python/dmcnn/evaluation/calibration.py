"""Calibration of the scores of a signal: reliability, temperature by validation events, and its checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn.evaluation import EvaluationResult, interval_numbers, json_number, weights
from dmcnn.evaluation.classes import ClassScores
from dmcnn.evaluation.signal import Kinds, pool
from dmcnn.figures.reliability import reliability as draw
from dmcnn.metrics import reliability as metrics
from dmcnn.metrics.class_reliability import is_softmax
from dmcnn.metrics.intervals import Interval

if TYPE_CHECKING:
    from dmcnn.checkpoints.card import Card


def judge(kinds: Kinds, level: float, validation: Kinds | None = None) -> EvaluationResult:
    """Return the reliability of scores, and with validation events that at the temperature fitted to these.

    Logits have none. Weights must be at least 0; without them the composition is that of the tables.

    Args:
        kinds: scored events of each kind.
        level: confidence level of all intervals.
        validation: scored validation events of each kind by the same network.

    Raises:
        InputError: validation events, but scores outside 0..1, negative weights, or no temperature.
    """
    scores, labels, weight = _columns(kinds)
    if not (is_probability(scores) and not weights.negative(kinds)) and validation is None:
        return EvaluationResult({}, {}, [])
    before = metrics.reliability(scores, labels, weight, level)
    counts = "Events" if weight is None else "Sum of weights"
    if validation is None:
        figure = draw({"scores": before}, level, counts=counts)
        return EvaluationResult({"calibration": numbers(before)}, {"calibration": figure}, [])
    value = fit(validation, level)
    after = metrics.reliability(metrics.apply_temperature(scores, float(value.value)), labels, weight, level)
    count = {kind: len(events) for kind, events in validation.items()}
    lines = [
        temperature_line(value, level, f"{count['signal']} signal and {count['background']} background"),
        f"calibration error {before.ece:.4f}, at this temperature {after.ece:.4f} (if calibrated, about "
        f"{after.ece_if_calibrated:.4f}); nll {before.nll:.4f}, then {after.nll:.4f}",
    ]
    report = {
        **numbers(before),
        "temperature": interval_numbers(value),
        "validation_events": count,
        "at_temperature": numbers(after),
    }
    figure = draw({"scores": before, at_temperature(value): after}, level, counts=counts)
    return EvaluationResult({"calibration": report}, {"calibration": figure}, lines)


def temperature_line(value: Interval, level: float, events: str) -> str:
    """Return the log line on a temperature that was fitted to some validation ``events``."""
    interval = f"[{value.low:.4f}, {value.high:.4f}] ({100 * level:g} % interval)"
    return f"temperature {value.value:.4f} {interval} from {events} validation events"


def at_temperature(value: Interval) -> str:
    """Return the name of scores at a temperature, for legends."""
    return f"at T = {value.value:.3f}"


def fit(kinds: Kinds, level: float) -> Interval:
    """Return the temperature of scored events; InputError for scores outside 0..1 or negative weights."""
    scores, labels, weight = _columns(kinds)
    check_likelihood(scores, weights.negative(kinds))
    z = metrics.logit(scores)
    return metrics.temperature(np.column_stack([np.zeros(len(z)), z]), labels, weight, level)


def check_likelihood(scores: NDArray[np.float64], negative: int) -> None:
    """Raise InputError for scores outside 0..1, and for a number of negative weights."""
    if negative:
        raise InputError(
            f"calibration: {negative} negative weights; a likelihood needs numbers of at least 0"
        )
    if not is_probability(scores):
        raise InputError(f"calibration needs scores in 0..1, found {scores.min():g} to {scores.max():g}")


def is_probability(scores: NDArray[np.float64]) -> bool:
    """Return whether all scores are in 0..1, as those of a network and unlike its logits."""
    return bool(((scores >= 0) & (scores <= 1)).all())


def numbers(one: metrics.Reliability) -> dict[str, Any]:
    """Return a reliability for JSON; its bins are those with events."""
    names = "ece", "ece_if_calibrated", "brier", "nll"
    return {**{name: json_number(getattr(one, name)) for name in names}, "bins": bins(one)}


def bins(one: metrics.Reliability) -> list[dict[str, Any]]:
    """Return the filled bins for JSON."""
    return [
        {
            "score": float(one.score[i]),
            "share": [float(end[i]) for end in (one.share.value, one.share.low, one.share.high)],
            "weight": float(one.weight[i]),
        }
        for i in np.flatnonzero(one.weight > 0)
    ]


def write_calibrated(
    weight_file: str, value: float, tables: Sequence[str], events: ClassScores | None = None
) -> Path:
    """Write a checkpoint with a temperature on its card beside ``weight_file``, which stays; return its path.

    Args:
        weight_file: weight file of the network that made the scores.
        value: temperature.
        tables: score tables that the temperature was fitted to.
        events: events with such scores; None = it was fitted to the score of the signal alone.

    Raises:
        InputError: a network of regression, of other classes, with another activation, or one that has a temperature;
            tables that other weights made.
    """
    # imported here, so that an evaluation without weight files does not wait for torch
    from dataclasses import replace

    from dmcnn.checkpoints.card import KEY
    from dmcnn.checkpoints.load import load
    from dmcnn.checkpoints.save import save

    _check_weights(weight_file, tables)
    net, card = load(weight_file)
    if card.targets:
        raise InputError(f"{weight_file}: a network of regression has no temperature")
    if card.temperature != 1:
        raise InputError(
            f"{weight_file}: has the temperature {card.temperature:g}; calibrate the weights it was made from"
        )
    if fault := _misfit(card, events):
        raise InputError(f"{weight_file}: {fault}")
    path = Path(weight_file)
    path = path.with_name(f"{path.stem}_calibrated.ckpt")
    save(path, {KEY: replace(card, temperature=value).as_dict(), "state_dict": net.state_dict()})
    return path


def _misfit(card: Card, events: ClassScores | None) -> str:
    """Return why the scores that a temperature was fitted to cannot be those of a network; "" if they can."""
    if events is None and len(card.classes) != 2:
        return (
            f"has {len(card.classes)} classes, and the temperature was fitted to the score of one: give scores=… and "
            "calibration=… tables with a label column and the scores of all, p_<class>"
        )
    if events is None:
        return ""
    if events.classes != card.classes:
        return f"has the classes {card.classes}, the tables have {events.classes}"
    activation = "softmax" if is_softmax(events.scores) else "sigmoid"
    return (
        ""
        if activation == card.activation
        else f"its scores are of a {card.activation}, those of the tables of a {activation}"
    )


def _check_weights(weight_file: str, tables: Sequence[str]) -> None:
    """Raise InputError for a score table whose cfg says that other weights made it."""
    from dmcnn._common.files import sha256

    own = sha256(weight_file)
    for table in tables:
        try:
            head = Path(table).with_suffix(".cfg").read_text(encoding="utf-8").partition("\n")[0]
        except (OSError, UnicodeDecodeError):
            continue
        made_by = head.partition(", weights ")[2].split(",")[0].strip()
        if made_by and made_by != own:
            raise InputError(f"{table}: was made by other weights than those of {weight_file}")


def _columns(kinds: Kinds) -> tuple[Any, Any, Any]:
    """Return (n,) scores, labels (1 of signal) and weights of all events; weights None without."""
    events, labels = pool({kind: kinds[kind] for kind in ("background", "signal")})
    return events.score, labels, events.weight
