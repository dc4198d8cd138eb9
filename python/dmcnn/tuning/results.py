"""What came of the trials of a search."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from datetime import datetime
from math import isfinite, isnan, nan
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna

COLUMNS = ("start", "end", "duration", "round_epochs", "loss", "accuracy", "val_loss", "val_accuracy")
"""Those that users of Talos know; ``duration`` in seconds of training."""

METRICS = {
    "loss": "train_loss",
    "accuracy": "train_accu",
    "val_loss": "test_loss",
    "val_accuracy": "test_accu",
    "val_auc": "test_auc",
}
"""Numbers of a trial -> columns of the metrics of its training."""

ASIDE = {*METRICS.values(), "epoch", "step", "test_events", "learning_rate", "test_auc_low", "test_auc_high"}
"""Columns of the metrics that are no further numbers of a trial."""

RESULTS, VALUES, FAULT = "results", "values", "fault"
"""User attributes of a trial: its numbers so far, its settings, and why it failed."""


def higher_is_better(objective: str) -> bool:
    """Of "val_loss", "val_accuracy" and "val_auc"."""
    return objective != "val_loss"


def summary(metrics: Sequence[dict[str, float]], objective: str) -> dict[str, float | None]:
    """Numbers of a training at the evaluation where its objective was best; None for what is not finite.

    Evaluations at which the constraints are met, or nearest to it, come before all others.
    """
    column = METRICS[objective]
    choose = max if higher_is_better(objective) else min
    finite = [row for row in metrics if isfinite(row[column])]
    nearest = min((row.get("violation", 0.0) for row in finite), default=0.0)
    finite = [row for row in finite if row.get("violation", 0.0) == nearest]
    best = choose(finite, key=lambda row: row[column]) if finite else metrics[-1]
    found = {name: best.get(column, nan) for name, column in METRICS.items()}
    found |= {name: value for name, value in best.items() if name not in ASIDE}
    return {
        "round_epochs": int(metrics[-1]["epoch"]) + 1,
        "diverged": isnan(metrics[-1]["test_loss"]),
        **{name: value if isfinite(value) else None for name, value in found.items()},
    }


def state(trial: optuna.trial.FrozenTrial) -> str:
    """complete, pruned, failed, or diverged: its loss is no number any more."""
    name = trial.state.name.lower()
    if name == "pruned" and trial.user_attrs.get(RESULTS, {}).get("diverged"):
        return "diverged"
    return {"fail": "failed"}.get(name, name)


def rows(trials: Sequence[optuna.trial.FrozenTrial], keys: Sequence[str]) -> list[dict[str, Any]]:
    """One row per trial, lowest val_loss first: COLUMNS, the settings, val_auc, state and number of the trial.

    Further numbers that the trainings measured come last.
    """
    found = []
    seen = [trial.user_attrs.get(RESULTS, {}) for trial in trials]
    known = {*COLUMNS, "val_auc", "diverged"}
    more = list(dict.fromkeys(name for numbers in seen for name in numbers if name not in known))
    for trial in trials:
        numbers, drawn = trial.user_attrs.get(RESULTS, {}), trial.user_attrs.get(VALUES, {})
        found.append(
            {
                "start": _time(trial.datetime_start),
                "end": _time(trial.datetime_complete),
                **{name: numbers.get(name) for name in COLUMNS[2:]},
                **{key: drawn.get(key) for key in keys},
                "val_auc": numbers.get("val_auc"),
                "state": state(trial),
                "trial": trial.number,
                **{name: numbers.get(name) for name in more},
            }
        )
    return sorted(found, key=lambda row: (row["val_loss"] is None, row["val_loss"] or 0.0, row["trial"]))


def _time(when: datetime | None) -> str | None:
    return None if when is None else when.isoformat(" ", "seconds")


def best(trials: Sequence[optuna.trial.FrozenTrial], objective: str) -> optuna.trial.FrozenTrial | None:
    """The complete trial with the best objective; the first of equals."""
    sign = -1 if higher_is_better(objective) else 1
    complete = [trial for trial in trials if trial.state.name == "COMPLETE" and trial.value is not None]
    return min(complete, key=lambda trial: (sign * (trial.value or 0.0), trial.number), default=None)


def importance(study: optuna.Study) -> dict[str, float]:
    """How much each setting matters for a good objective (PED-ANOVA, arXiv:2304.10255), highest first; sum 1."""
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = optuna.importance.get_param_importances(
                study, evaluator=optuna.importance.PedAnovaImportanceEvaluator()
            )
        except (RuntimeError, ValueError):  # too few trials
            return {}
    return {key: float(share) for key, share in found.items() if isfinite(share)}
