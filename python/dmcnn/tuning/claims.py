"""Which process runs which trial: every trial once, also when processes die and machines share a study.

A search for n trials is a row of n places, the trials 0 .. n - 1 of an Optuna study. A process claims a place,
runs it and tells the result; nothing else starts a trial, so that never more than n are run. The database settles
who gets a place that nobody had. Whether the owner of one that was begun still lives is told by a lock on its
folder, which the system frees when a process dies, or, if the owner is on another machine, by its last sign of life.
"""

from __future__ import annotations

import errno
import fcntl
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmcnn._common.errors import InputError
from dmcnn._common.files import writable

if TYPE_CHECKING:
    import optuna

BEAT, SILENCE = 20.0, 180.0
"""[s] Between signs of life of a trial, and after how long without one another machine takes it over."""

OWNER = "owner"
"""User attribute of a trial: who runs it, and when there was a sign of life."""


def folder_of(folder: Path, number: int) -> Path:
    """Where a trial keeps its files."""
    return folder / f"trial_{number}"


@contextmanager
def claim(
    study: optuna.Study, storage: optuna.storages.BaseStorage, folder: Path, wanted: int
) -> Iterator[int | None]:
    """Number of a trial, of the first ``wanted``, that nobody runs; None if there is none.

    It is this process' own for the block. It may have been begun: what it drew and reported is then still there.
    """
    with ExitStack() as held:
        number = _next(study, storage, folder, wanted, held)
        if number is None:
            yield None
            return
        owner = _owner(_lock(folder, number))
        held.enter_context(_signs_of_life(storage, id_of(study, storage, number), owner))
        yield number


def _next(
    study: optuna.Study, storage: optuna.storages.BaseStorage, folder: Path, wanted: int, held: ExitStack
) -> int | None:
    while True:
        trials = study.get_trials(deepcopy=False)
        for trial in trials:
            if trial.number >= wanted or trial.state.is_finished():
                continue
            with ExitStack() as lock:
                path = _lock(folder, trial.number)
                if lock.enter_context(locked(path)) and _take(
                    storage, id_of(study, storage, trial.number), path
                ):
                    held.push(lock.pop_all())
                    return trial.number
        if len(trials) >= wanted:
            return None
        study.enqueue_trial({})


def _take(storage: optuna.storages.BaseStorage, trial_id: int, lock: Path) -> bool:
    """Whether a trial is free for us, who hold its lock: asked for anew, for much happens between two looks."""
    from optuna.trial import TrialState

    trial = storage.get_trial(trial_id)
    if trial.state == TrialState.WAITING:
        return storage.set_trial_state_values(trial_id, TrialState.RUNNING)
    if trial.state != TrialState.RUNNING:
        return False
    owner: dict[str, Any] = trial.user_attrs.get(OWNER, {})
    if owner.get("lock") == _owner(lock):
        return True
    begun = 0.0 if trial.datetime_start is None else trial.datetime_start.timestamp()
    return time.time() - float(owner.get("alive", begun)) > SILENCE


def id_of(study: optuna.Study, storage: optuna.storages.BaseStorage, number: int) -> int:
    """The database's own number of a trial."""
    study_id = storage.get_study_id_from_name(study.study_name)
    return storage.get_trial_id_from_study_id_trial_number(study_id, number)


def _lock(folder: Path, number: int) -> Path:
    return writable(folder_of(folder, number)) / ".lock"


def _owner(lock: Path) -> str:
    """This machine and this very file: locks say nothing about processes that look at another one."""
    return f"{platform.node()} {lock.stat().st_ino}"


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Whether this process, and no other, holds the lock ``path``, to the end of the block or of the process."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free = True
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise InputError(f"{path}: no file locks on this disk ({error.strerror})") from None
            free = False
        yield free


@contextmanager
def _signs_of_life(storage: optuna.storages.BaseStorage, trial_id: int, lock: str) -> Iterator[None]:
    """A note in the database every now and then that the trial is being run."""
    done = threading.Event()

    def note() -> None:
        about: dict[str, Any] = {"lock": lock, "alive": time.time()}
        storage.set_trial_user_attr(trial_id, OWNER, about)

    def beat() -> None:
        while not done.wait(BEAT):
            with suppress(
                Exception
            ):  # one that is missed does no harm, and trouble meets the trial itself too
                note()

    note()
    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
