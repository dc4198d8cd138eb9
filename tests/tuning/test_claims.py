"""Claims: every trial has one owner, and a trial whose owner has died is taken over."""

from __future__ import annotations

import os
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from dmcnn._common.errors import LockError
from dmcnn.tuning import claims
from dmcnn.tuning.study import connect, open_study


@pytest.fixture
def study(tmp_path: Path) -> tuple[optuna.Study, optuna.storages.RDBStorage]:
    storage = connect(f"sqlite:///{tmp_path / 'trials.db'}")
    return open_study(storage, "s", {}, higher=False, pruner="none"), storage


Study = tuple[optuna.Study, optuna.storages.RDBStorage]


@pytest.mark.slow
def test_claims_are_exclusive_and_as_many_as_wanted(study: Study, tmp_path: Path) -> None:
    with (
        claims.claim(*study, tmp_path, 2) as first,
        claims.claim(*study, tmp_path, 2) as second,
        claims.claim(*study, tmp_path, 2) as third,
    ):
        assert (first, second, third) == (0, 1, None)
        study[0].tell(0, 1.0)
    with claims.claim(*study, tmp_path, 2) as left, claims.claim(*study, tmp_path, 2) as none:
        assert (left, none) == (1, None)
    with claims.claim(*study, tmp_path, 3) as left, claims.claim(*study, tmp_path, 3) as added:
        assert (left, added) == (1, 2)


@pytest.mark.slow
def test_many_claim_at_once_and_every_trial_is_run_once(study: Study, tmp_path: Path) -> None:
    ran: list[int] = []

    def work() -> None:
        while True:
            with claims.claim(*study, tmp_path, 9) as number:
                if number is None:
                    return
                ran.append(number)
                time.sleep(0.01)
                study[0].tell(number, 0.5)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ran) == list(range(9))
    trials = study[0].get_trials()
    assert [trial.number for trial in trials if trial.state == TrialState.COMPLETE] == list(range(9))


def test_an_owner_elsewhere_is_waited_for_until_it_falls_silent(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with claims.claim(*study, tmp_path, 1) as number:
        assert number == 0
    monkeypatch.setattr("platform.node", lambda: "elsewhere")
    with claims.claim(*study, tmp_path, 1) as number:
        assert number is None
    with monkeypatch.context() as clock:
        now = time.time
        clock.setattr(time, "time", lambda: now() + 3600)  # of this machine, which is ahead
        with claims.claim(*study, tmp_path, 1) as number:
            assert number is None
    monkeypatch.setattr(claims, "SILENCE", -1.0)
    with claims.claim(*study, tmp_path, 1) as number:
        assert number == 0
    trial = study[0].get_trials()[0]
    assert trial.user_attrs[claims.OWNER]["lock"].startswith("elsewhere ")


@pytest.mark.parametrize("ahead", [0.0, 3600.0, -3600.0])
@pytest.mark.parametrize("is_early", [False, True])
def test_a_silent_owner_elsewhere_is_followed_whatever_the_clocks_say(
    ahead: float, is_early: bool, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that died before its first sign of life."""
    if is_early:
        monkeypatch.setattr(claims, "_signs_of_life", lambda *_: nullcontext())
    with claims.claim(*study, tmp_path, 1) as number:
        assert number == 0
    assert (claims.OWNER in study[0].get_trials()[0].user_attrs) == (not is_early)
    now = time.time
    monkeypatch.setattr("platform.node", lambda: "elsewhere")
    monkeypatch.setattr(time, "time", lambda: now() + ahead)
    with claims.claim(*study, tmp_path, 1) as number:
        assert number is None
    lock = tmp_path / "trial_0" / ".lock"
    os.utime(lock, (now() - 200, now() - 200))
    with claims.claim(*study, tmp_path, 1) as number:
        assert number == 0


def test_a_lock_on_another_disk_says_nothing_of_the_owner(study: Study, tmp_path: Path) -> None:
    """Two machines with folders of their own share the database."""
    with claims.claim(*study, tmp_path / "one", 1) as number:
        assert number == 0
    (tmp_path / "other" / "trial_0").mkdir(parents=True)
    lock = tmp_path / "other" / "trial_0" / ".lock"
    lock.touch()
    os.utime(lock, (0, 0))
    with claims.claim(*study, tmp_path / "other", 1) as number:
        assert number is None


def test_a_lock_that_vanishes_stops_its_owner_alone(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = claims._take

    def remove(storage: optuna.storages.BaseStorage, trial_id: int, lock: Path) -> bool:
        took = take(storage, trial_id, lock)
        lock.unlink()
        return took

    with monkeypatch.context() as patch:
        patch.setattr(claims, "_take", remove)
        with pytest.raises(LockError, match="the lock is gone"), claims.claim(*study, tmp_path, 1):
            pass
    with monkeypatch.context() as patch:
        patch.setattr(claims, "_take", lambda *words: Path(words[-1]).unlink() or take(*words))
        with claims.claim(*study, tmp_path, 1) as number:
            assert number is None
    monkeypatch.setattr(claims, "SILENCE", -1e9)
    with claims.claim(*study, tmp_path, 1) as number:
        assert number == 0


def test_a_trial_that_ends_between_two_looks_is_not_run_again(study: Study, tmp_path: Path) -> None:
    storage = study[1]
    with claims.claim(*study, tmp_path, 1) as number:
        assert number == 0
        lock = tmp_path / "trial_0" / ".lock"
        trial_id = claims.database_id(*study, 0)
        study[0].tell(0, 1.0)
    with claims.file_lock(lock) as free:
        assert free
        assert not claims._take(storage, trial_id, lock)


def test_a_running_trial_gives_signs_of_life(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "BEAT", 0.05)
    with claims.claim(*study, tmp_path, 1):
        first = study[0].get_trials()[0].user_attrs[claims.OWNER]["alive"]
        deadline = time.monotonic() + 10
        while study[0].get_trials()[0].user_attrs[claims.OWNER]["alive"] == first:
            assert time.monotonic() < deadline
            time.sleep(0.05)
