"""Calibration of the scores of several classes: reliability, and the one temperature of all their logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from dmcnn._common.errors import InputError
from dmcnn.evaluation import EvaluationResult, interval_numbers, json_number
from dmcnn.evaluation import calibration as of_one
from dmcnn.evaluation.classes import ClassScores
from dmcnn.figures import reliability as figures
from dmcnn.metrics import class_reliability as metrics
from dmcnn.metrics import reliability
from dmcnn.metrics.intervals import Interval

NUMBERS = "ece", "ece_if_calibrated", "classwise_ece", "classwise_ece_if_calibrated", "brier", "nll"


def judge(events: ClassScores, level: float, validation: ClassScores | None = None) -> EvaluationResult:
    """Return the reliability of scores, and with validation events that at the temperature fitted to these.

    Logits have none. Weights must be at least 0; without them the composition is that of the tables.

    Args:
        events: scored events.
        level: confidence level of all intervals.
        validation: scored validation events of the same network.

    Raises:
        InputError: validation events, but of other classes, scores outside 0..1, negative weights, or no temperature.
    """
    if validation is None and (events.negative or not of_one.is_probability(events.scores)):
        return EvaluationResult({}, {}, [])
    of_one.check_likelihood(events.scores, events.negative)
    before = metrics.class_reliability(events.scores, events.label, events.weight, level)
    if validation is None:
        drawn = _draw({"scores": before}, events, level)
        return EvaluationResult({"calibration": numbers(before, events.classes)}, drawn, [])
    _check_same(events, validation)
    value, softmax = fit(validation, level), metrics.is_softmax(events.scores)
    scores = metrics.class_scores_at(metrics.logits_of(events.scores), float(value.value), softmax=softmax)
    after = metrics.class_reliability(scores, events.label, events.weight, level)
    count = np.bincount(validation.label, minlength=len(events.classes)).tolist()
    report = {
        **numbers(before, events.classes),
        "temperature": interval_numbers(value),
        "validation_events": dict(zip(events.classes, count, strict=True)),
        "at_temperature": numbers(after, events.classes),
    }
    drawn = _draw({"scores": before, of_one.at_temperature(value): after}, events, level)
    line = of_one.temperature_line(value, level, str(len(validation.label)))
    return EvaluationResult({"calibration": report}, drawn, [line, _comparison(before, after)])


def _comparison(before: metrics.ClassReliability, after: metrics.ClassReliability) -> str:
    """Return the log line on the numbers without and at a temperature."""
    errors = f"calibration error of the predicted class {before.ece:.4f}, at this temperature {after.ece:.4f}"
    classes = f"class by class {before.classwise_ece:.4f}, then {after.classwise_ece:.4f}"
    expected = f"{after.ece_if_calibrated:.4f} and {after.classwise_ece_if_calibrated:.4f}"
    return (
        f"{errors}; {classes} (if calibrated, about {expected}); nll {before.nll:.4f}, then {after.nll:.4f}"
    )


def fit(events: ClassScores, level: float) -> Interval:
    """Return the temperature of scored events; InputError for scores outside 0..1 or negative weights."""
    of_one.check_likelihood(events.scores, events.negative)
    logits, softmax = metrics.logits_of(events.scores), metrics.is_softmax(events.scores)
    return reliability.temperature(logits, events.label, events.weight, level, softmax=softmax)


def _check_same(events: ClassScores, validation: ClassScores) -> None:
    """Raise InputError for validation events that cannot be of the same network."""
    if events.classes != validation.classes:
        raise InputError(f"calibration: scores of {validation.classes}, expected those of {events.classes}")
    softmax, other = (metrics.is_softmax(one.scores) for one in (events, validation))
    if softmax != other:
        kinds = ("of sigmoids", "of a softmax")
        raise InputError(f"calibration: scores {kinds[other]}, expected those {kinds[softmax]}")


def numbers(one: metrics.ClassReliability, classes: Sequence[str]) -> dict[str, Any]:
    """Return the reliability for JSON."""
    return {
        **{name: json_number(getattr(one, name)) for name in NUMBERS},
        "bins": of_one.bins(one.confidence),
        "classes": {
            name: of_one.numbers(of_class) for name, of_class in zip(classes, one.classes, strict=True)
        },
    }


def _draw(
    samples: dict[str, metrics.ClassReliability], events: ClassScores, level: float
) -> dict[str, Figure]:
    """Draw the reliability of the confidence, and of each class."""
    counts = "Events" if events.weight is None else "Sum of weights"
    confidence = {name: one.confidence for name, one in samples.items()}
    classes = {name: one.classes for name, one in samples.items()}
    share, score = "Share of right predictions", "Confidence: score of the predicted class"
    return {
        "calibration": figures.reliability(confidence, level, share, counts, score),
        "calibration_classes": figures.by_class(classes, events.classes, level),
    }
