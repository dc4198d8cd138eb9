"""Results of trials: numbers at the best evaluation, order of the rows, and importance of the settings."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from dmcnn.tuning import results


def metrics(*losses: float) -> list[dict[str, float]]:
    """Return rows of a training with these losses, whose accuracy and AUC rise."""
    return [
        {
            "train_loss": loss / 2,
            "train_accu": 0.1 * i,
            "test_loss": loss,
            "test_accu": 0.2 * i,
            "test_auc": math.nan if i == 1 else 0.3 * i,
            "epoch": i,
        }
        for i, loss in enumerate(losses)
    ]


def trial(
    number: int, state: TrialState, value: float | None = None, **about: Any
) -> optuna.trial.FrozenTrial:
    x = optuna.distributions.FloatDistribution(0, 1)
    found = create_trial(
        state=state, value=value, params={"x": 0.1 * number}, distributions={"x": x}, user_attrs=about
    )
    found.number = number
    return found


def test_the_summary_is_that_of_the_best_evaluation() -> None:
    rows = metrics(0.7, 0.3, 0.5)
    found = results.summary(rows, "val_loss")
    assert found == {
        "round_epochs": 3,
        "diverged": False,
        "loss": 0.15,
        "accuracy": 0.1,
        "val_loss": 0.3,
        "val_accuracy": 0.2,
        "val_auc": None,
    }
    assert results.summary(rows, "val_accuracy")["val_loss"] == 0.5
    assert results.summary(rows, "val_auc")["val_auc"] == pytest.approx(0.6)
    gone = results.summary(metrics(0.7, math.nan), "val_loss")
    assert (gone["val_loss"], gone["diverged"]) == (0.7, True)
    assert results.summary(metrics(math.nan), "val_loss")["val_loss"] is None


@pytest.mark.parametrize(("missed", "loss"), [((0.2, 0.0, 0.0), 0.5), ((0.3, 0.2, 0.1), 0.6)])
def test_constraints_come_before_the_objective(missed: tuple[float, ...], loss: float) -> None:
    rows = metrics(0.1, 0.5, 0.6)
    for row, violation in zip(rows, missed, strict=True):
        row["violation"] = violation
    assert results.summary(rows, "val_loss")["val_loss"] == loss


def test_rows_are_sorted_by_loss_with_the_missing_last() -> None:
    when = datetime(2024, 2, 3, 4, 5, 6)
    good = trial(
        0, TrialState.COMPLETE, 0.5, results={"val_loss": 0.5, "duration": 7.5}, values={"x": [1, 2]}
    )
    good.datetime_start = good.datetime_complete = when
    trials = [
        trial(3, TrialState.FAIL, fault="no"),
        good,
        trial(1, TrialState.PRUNED, results={"val_loss": 0.2}),
        trial(2, TrialState.PRUNED, results={"val_loss": None, "diverged": True}),
    ]
    rows = results.rows(trials, ["x"])
    assert [row["trial"] for row in rows] == [1, 0, 2, 3]
    assert [row["state"] for row in rows] == ["pruned", "complete", "diverged", "failed"]
    assert list(rows[0]) == [*results.COLUMNS, "x", "val_auc", "state", "trial"]
    assert (rows[1]["start"], rows[1]["duration"], rows[1]["x"]) == ("2024-02-03 04:05:06", 7.5, [1, 2])


def test_the_best_is_complete() -> None:
    trials = [
        trial(0, TrialState.PRUNED, 0.1),
        trial(1, TrialState.COMPLETE, 0.4),
        trial(2, TrialState.COMPLETE, 0.9),
        trial(3, TrialState.COMPLETE, 0.4),
    ]
    best = results.best(trials, "val_loss")
    assert best is not None
    assert best.number == 1
    best = results.best(trials, "val_auc")
    assert best is not None
    assert best.number == 2
    assert results.best(trials[:1], "val_loss") is None


def test_importance_goes_to_the_setting_that_acts() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    assert results.importance(study) == {}
    for _ in range(60):
        asked = study.ask()
        acts, _idle = asked.suggest_float("acts", 0, 1), asked.suggest_float("idle", 0, 1)
        study.tell(asked, (acts - 0.3) ** 2)
    shares = results.importance(study)
    assert list(shares) == ["acts", "idle"]
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["acts"] > 0.8
