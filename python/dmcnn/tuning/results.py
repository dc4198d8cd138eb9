"""Results of a search: numbers and state of each trial, best trial, importance of the settings."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import isfinite, isnan, nan
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna

COLUMNS = ("start", "end", "duration", "round_epochs", "loss", "accuracy", "val_loss", "val_accuracy")
"""Columns that users of Talos know; ``duration`` is in seconds of training."""

METRICS = {
    "loss": "train_loss",
    "accuracy": "train_accu",
    "val_loss": "val_loss",
    "val_accuracy": "val_accu",
    "val_auc": "val_auc",
}
"""Number of a trial -> column of the metrics of its training, named by ``talos_names``."""

KNOWN_COLUMNS = {
    *METRICS.values(),
    "epoch",
    "step",
    "val_events",
    "learning_rate",
    "val_auc_low",
    "val_auc_high",
}
"""Columns of the metrics that are not listed as further numbers of a trial."""

_EVALUATED = re.compile("^(validation|test)_")

ENGINE = "dense"
"""Engine of trials that name none, as none did once."""

RESULTS, VALUES, FAULT = "results", "values", "fault"
"""User attributes of a trial: numbers of the best evaluation so far, settings, and reason of a failure."""


def talos_names(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Return numbers with val_* for validation_*, or for test_* where the test events chose the weights."""
    return {_EVALUATED.sub("val_", name): value for name, value in numbers.items()}


def higher_is_better(objective: str) -> bool:
    """Return whether a higher value of "val_loss", "val_accuracy" or "val_auc" is better."""
    return objective != "val_loss"


def summary(metrics: Sequence[dict[str, float]], objective: str) -> dict[str, float | None]:
    """Return the numbers of a training at the evaluation with the best objective; None where not finite.

    Only the evaluations with the smallest violation of the constraints are compared.

    Args:
        metrics: one row per evaluation, in order.
        objective: a key of METRICS.
    """
    column, metrics = METRICS[objective], [talos_names(row) for row in metrics]
    choose = max if higher_is_better(objective) else min
    finite = [row for row in metrics if isfinite(row[column])]
    violation = min((row.get("violation", 0.0) for row in finite), default=0.0)
    finite = [row for row in finite if row.get("violation", 0.0) == violation]
    best = choose(finite, key=lambda row: row[column]) if finite else metrics[-1]
    numbers = {name: best.get(column, nan) for name, column in METRICS.items()}
    numbers |= {name: value for name, value in best.items() if name not in KNOWN_COLUMNS}
    return {
        "round_epochs": int(metrics[-1]["epoch"]) + 1,
        "diverged": isnan(metrics[-1]["val_loss"]),
        **{name: value if isfinite(value) else None for name, value in numbers.items()},
    }


def state(trial: optuna.trial.FrozenTrial) -> str:
    """Return the state of a trial: complete, pruned, failed, or diverged if its loss is NaN."""
    name = trial.state.name.lower()
    if name == "pruned" and trial.user_attrs.get(RESULTS, {}).get("diverged"):
        return "diverged"
    return {"fail": "failed"}.get(name, name)


def rows(trials: Sequence[optuna.trial.FrozenTrial], keys: Sequence[str]) -> list[dict[str, Any]]:
    """Return one row per trial, lowest val_loss first: COLUMNS, the settings ``keys``, val_auc, state, trial number.

    Further numbers of the trainings come last.
    """
    table = []
    reported = [talos_names(trial.user_attrs.get(RESULTS, {})) for trial in trials]
    known = {*COLUMNS, "val_auc", "diverged"}
    more = list(dict.fromkeys(name for numbers in reported for name in numbers if name not in known))
    for trial, numbers in zip(trials, reported, strict=True):
        drawn = trial.user_attrs.get(VALUES, {})
        table.append(
            {
                "start": _time(trial.datetime_start),
                "end": _time(trial.datetime_complete),
                **{name: numbers.get(name) for name in COLUMNS[2:]},
                **{key: drawn.get(key) for key in keys},
                "val_auc": numbers.get("val_auc"),
                "state": state(trial),
                "trial": trial.number,
                **{name: numbers.get(name, ENGINE if name == "engine" else None) for name in more},
            }
        )
    return sorted(table, key=lambda row: (row["val_loss"] is None, row["val_loss"] or 0.0, row["trial"]))


def _time(when: datetime | None) -> str | None:
    """Return date and time as text."""
    return None if when is None else when.isoformat(" ", "seconds")


def best(trials: Sequence[optuna.trial.FrozenTrial], objective: str) -> optuna.trial.FrozenTrial | None:
    """Return the complete trial with the best objective, the first of equals; None if none is complete."""
    sign = -1 if higher_is_better(objective) else 1
    complete = [trial for trial in trials if trial.state.name == "COMPLETE" and trial.value is not None]
    return min(complete, key=lambda trial: (sign * (trial.value or 0.0), trial.number), default=None)


def importance(study: optuna.Study) -> dict[str, float]:
    """Return the importance of each setting for a good objective, highest first, normalised to a sum of 1.

    PED-ANOVA, arXiv:2304.10255. The result is empty if there are too few trials.
    """
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            shares = optuna.importance.get_param_importances(
                study, evaluator=optuna.importance.PedAnovaImportanceEvaluator()
            )
        except (RuntimeError, ValueError):  # too few trials
            return {}
    return {key: float(share) for key, share in shares.items() if isfinite(share)}
