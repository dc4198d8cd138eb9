"""Trials, with a function of known minimum in place of a training."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dmcnn._common.errors import InputError, LockError
from dmcnn.tuning import results
from dmcnn.tuning.study import connect
from dmcnn.tuning.trials import Attempt, Search, Watch

SPACE = {"drop_out": [0.1, 0.2, 0.3, 0.4], "augment": [True, False]}


def row(loss: float, epoch: int) -> dict[str, float]:
    numbers = {"train_loss": loss, "train_accu": 0.5, "test_loss": loss, "test_accu": 1 - loss}
    return {**numbers, "test_auc": math.nan, "epoch": epoch}


def loss_of(values: dict[str, Any]) -> float:
    return abs(values["drop_out"] - 0.3) + (0.05 if values["augment"] else 0.0)


def trains(values: dict[str, Any], folder: Path, watch: Watch) -> None:
    """Report three evaluations, the second of them the best, and write the checkpoints of a training."""
    for name in ("last", "best"):
        (folder / f"DM-CNN_model_{name}.ckpt").write_text("weights")
    metrics = []
    for epoch, more in enumerate((0.2, 0.0, 0.1)):
        metrics.append(row(loss_of(values) + more, epoch))
        watch(metrics, "dense")


Make = Callable[..., Search]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that makes searches over SPACE; those of one test share a database in memory."""
    storage = connect("sqlite://")

    def search(attempt: Attempt = trains, **more: Any) -> Search:
        arguments: dict[str, Any] = {
            "name": "s", "common": {"EPOCHS": "3"}, "space": SPACE, "folder": tmp_path, "n_trials": 8,
            "sampler": "grid", "seed": 1, "objective": "val_loss", "pruner": "none", "keep_checkpoints": False,
        }  # fmt: skip
        return Search(storage, attempt=attempt, **{**arguments, **more})

    return search


def values_of(search: Search) -> list[Any]:
    return [trial.user_attrs[results.VALUES] for trial in search.finished()]


@pytest.mark.slow
def test_a_grid_is_run_once_and_its_best_is_known(make: Make, tmp_path: Path) -> None:
    search = make()
    search.work()
    search.work()
    assert sorted(map(loss_of, values_of(search))) == pytest.approx(
        [0, 0.05, 0.1, 0.1, 0.15, 0.15, 0.2, 0.25]
    )
    best = search.best()
    assert best is not None
    assert best.user_attrs[results.VALUES] == {"drop_out": 0.3, "augment": False}
    assert best.value == 0
    assert [len(trial.intermediate_values) for trial in search.finished()] == [3] * 8
    found = results.rows(search.finished(), list(SPACE))
    assert [row["val_loss"] for row in found] == sorted(loss_of(values) for values in values_of(search))
    kept = [path.relative_to(tmp_path) for path in tmp_path.rglob("*.ckpt")]
    assert kept == [Path(f"trial_{best.number}/DM-CNN_model_best.ckpt")]


@pytest.mark.slow
def test_checkpoints_are_kept_on_request(make: Make, tmp_path: Path) -> None:
    make(n_trials=2, keep_checkpoints=True).work()
    assert len(list(tmp_path.rglob("*.ckpt"))) == 4


@pytest.mark.slow
def test_more_trials_go_on_without_repetition(make: Make) -> None:
    make(n_trials=3).work()
    before = values_of(make(n_trials=3))
    search = make(n_trials=8)
    search.work()
    after = values_of(search)
    assert after[:3] == before
    assert len({repr(values) for values in after}) == 8
    assert len(make(n_trials=2).finished()) == 2


@pytest.mark.slow
def test_an_interrupted_trial_goes_on_under_its_number(make: Make, tmp_path: Path) -> None:
    began: list[tuple[dict[str, Any], Path]] = []

    def stops(values: dict[str, Any], folder: Path, watch: Watch) -> None:
        began.append((values, folder))
        if len(began) == 3:
            (folder / "DM-CNN_model_last.ckpt").write_text("half")
            watch([row(0.9, 0)], "dense")
            raise KeyboardInterrupt
        trains(values, folder, watch)

    with pytest.raises(KeyboardInterrupt):
        make(stops).work()
    assert (tmp_path / "trial_2" / "DM-CNN_model_last.ckpt").read_text() == "half"

    def goes_on(values: dict[str, Any], folder: Path, watch: Watch) -> None:
        began.append((values, folder))
        watch([row(0.9, 0), row(0.7, 1)], "dense")  # training shows the rows that it had, then its own

    search = make(goes_on, n_trials=3)
    assert len(search.finished()) == 2
    search.work()
    assert began[3] == began[2]
    assert len(began) == 4
    last = search.finished()[2]
    assert last.intermediate_values == {1: 0.9, 2: 0.7}
    assert last.user_attrs[results.RESULTS]["round_epochs"] == 2


@pytest.mark.slow
def test_a_training_that_diverges_is_stopped_and_counted(make: Make) -> None:
    seen = []

    def diverges(values: dict[str, Any], folder: Path, watch: Watch) -> None:
        watch([row(0.9, 0)], "dense")
        watch([row(0.9, 0), row(math.nan, 1)], "dense")
        seen.append(values)

    search = make(diverges, n_trials=3, sampler="tpe", objective="val_accuracy")
    search.work()
    assert seen == []
    assert [results.state(trial) for trial in search.finished()] == ["diverged"] * 3
    assert search.best() is None
    assert results.rows(search.finished(), list(SPACE))[0]["val_loss"] == 0.9


@pytest.mark.slow
@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_bad_trials_are_stopped_early(make: Make, pruner: str) -> None:
    epochs: dict[str, int] = {}

    def long(values: dict[str, Any], folder: Path, watch: Watch) -> None:
        metrics = []
        for epoch in range(5):
            metrics.append(row(loss_of(values) + 1 / (epoch + 1), epoch))
            epochs[repr(values)] = epoch
            watch(metrics, "dense")

    search = make(long, pruner=pruner)
    search.work()
    states = [results.state(trial) for trial in search.finished()]
    assert set(states) == {"complete", "pruned"}
    for trial, state in zip(search.finished(), states, strict=True):
        assert (epochs[repr(trial.user_attrs[results.VALUES])] == 4) is (state == "complete")


@pytest.mark.slow
def test_a_fault_of_all_trials_stops_the_search_and_one_of_some_is_noted(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(values: dict[str, Any], folder: Path, watch: Watch) -> None:
        raise InputError("train.h5: no such file")

    with pytest.raises(InputError, match="no such file"):
        make(fails).work()
    assert make(fails).finished() == []

    def fails_augmented(values: dict[str, Any], folder: Path, watch: Watch) -> None:
        if values["augment"]:
            raise InputError("too big")
        trains(values, folder, watch)

    caplog.set_level("INFO", "dmcnn")
    search = make(common={"EPOCHS": "4"}, seed=2)  # what brought no result binds nobody
    search.n_trials = 1
    search.work()
    search = make(fails_augmented, common={"EPOCHS": "4"}, seed=2)
    search.work()
    states = [results.state(trial) for trial in search.finished()]
    assert len(states) == 8
    assert 3 <= states.count("failed") <= 4
    assert "failed: too big" in caplog.text


@pytest.mark.slow
def test_an_objective_that_is_never_a_number_fails(make: Make) -> None:
    make(n_trials=1).work()
    search = make(n_trials=3, objective="val_auc")
    search.work()
    assert [results.state(trial) for trial in search.finished()] == ["complete", "failed", "failed"]


@pytest.mark.slow
def test_a_trial_that_another_process_takes_over_has_not_failed(make: Make) -> None:
    def stopped(values: dict[str, Any], folder: Path, watch: Watch) -> None:
        watch([row(0.5, 0)], "dense")
        raise LockError("the lock is gone")

    search = make(stopped, n_trials=1)
    with pytest.raises(LockError):
        search.work()
    assert search.finished() == []
    search = make(n_trials=1)
    search.work()
    (trial,) = search.finished()
    assert results.state(trial) == "complete"
