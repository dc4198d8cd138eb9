"""Claims of trials by processes: each trial runs once, also when processes die or several machines share a study.

A search for n trials consists of the trials 0 .. n - 1 of an Optuna study. A process claims a trial, runs it and
stores its result; no other code starts a trial, so that at most n run. The database decides which process gets a new
trial. A trial that has begun is taken over if its owner has died: on the same machine the system then frees the lock
on the trial's folder, and on another machine the owner stores no more signs of life.
"""

from __future__ import annotations

import os
import platform
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmcnn._common import process
from dmcnn._common.errors import InputError, LockError
from dmcnn._common.files import output_folder
from dmcnn._common.lock import BEAT, SILENCE, silence, try_lock
from dmcnn._common.threads import call_repeatedly

if TYPE_CHECKING:
    import optuna

OWNER = "owner"
"""User attribute of a trial: its owner, and the time of the last sign of life."""
CANDIDATE = "candidate "
"""Beginning of user attributes of a trial: the locks of processes that asked for it."""

MARK = 32
"""[bytes] Length of the mark of a lock."""


def trial_folder(folder: Path, number: int) -> Path:
    """Return the folder of the files of a trial."""
    return folder / f"trial_{number}"


@contextmanager
def claim(
    study: optuna.Study, storage: optuna.storages.BaseStorage, folder: Path, n_trials: int
) -> Iterator[int | None]:
    """Yield the number of a trial below ``n_trials`` that no process runs; None if there is none.

    The trial belongs to this process until the block ends. If it has begun before, its settings and reports are
    still in the study.
    """
    with ExitStack() as locks:
        number = _next(study, storage, folder, n_trials, locks)
        if number is None:
            yield None
            return
        path = _lock(folder, number)
        locks.enter_context(_signs_of_life(storage, database_id(study, storage, number), path))
        yield number


def _next(
    study: optuna.Study, storage: optuna.storages.BaseStorage, folder: Path, n_trials: int, locks: ExitStack
) -> int | None:
    """Return the number of a free trial, whose lock is added to ``locks``; None if there is none."""
    while True:
        trials = study.get_trials(deepcopy=False)
        for trial in trials:
            if trial.number >= n_trials or trial.state.is_finished():
                continue
            trial_id = database_id(study, storage, trial.number)
            # a user who tells that the owner has died removes the lock: then the next process asks again
            with ExitStack() as lock, suppress(FileNotFoundError):
                path = _lock(folder, trial.number)
                if lock.enter_context(file_lock(path)) and _take(storage, trial_id, path):
                    locks.push(lock.pop_all())
                    return trial.number
        if len(trials) >= n_trials:
            return None
        study.enqueue_trial({})


def _take(storage: optuna.storages.BaseStorage, trial_id: int, lock: Path) -> bool:
    """Return whether this process, which holds the lock, may run the trial.

    The state is read again, because another process may have changed it since the list of trials was read.
    """
    from optuna.trial import TrialState

    trial = storage.get_trial(trial_id)
    if trial.state == TrialState.WAITING:
        # who gets the trial may die before its first sign of life: the age of its lock then tells how long ago
        os.utime(lock)
        storage.set_trial_user_attr(trial_id, CANDIDATE + _mark(lock), value=True)
        return storage.set_trial_state_values(trial_id, TrialState.RUNNING)
    if trial.state != TrialState.RUNNING:
        return False
    owner: dict[str, Any] = trial.user_attrs.get(OWNER, {})
    theirs, mine = str(owner.get("lock", "")), _owner(lock)
    if theirs == mine:
        return True
    locks = [key for key in trial.user_attrs if key.startswith(CANDIDATE)] if not theirs else [theirs]
    if {text.split()[-1] for text in locks} == {_mark(lock)}:  # the same file, whose disk has one clock
        with lock.open("rb") as file:
            return silence(file, lock.parent) > SILENCE
    begun = 0.0 if trial.datetime_start is None else trial.datetime_start.timestamp()
    return time.time() - float(owner.get("alive", begun)) > SILENCE


def database_id(study: optuna.Study, storage: optuna.storages.BaseStorage, number: int) -> int:
    """Return the id of trial ``number`` in the database."""
    study_id = storage.get_study_id_from_name(study.study_name)
    return storage.get_trial_id_from_study_id_trial_number(study_id, number)


def _lock(folder: Path, number: int) -> Path:
    """Return the lock file of a trial, whose folder is created."""
    return output_folder(trial_folder(folder, number)) / ".lock"


def _owner(lock: Path) -> str:
    """Return machine, its start, and the mark of the lock."""
    return f"{platform.node()} {process.boot() or '-'} {_mark(lock)}"


def _mark(lock: Path) -> str:
    """Return what tells a lock from those on all other disks: a random number that its first owner writes into it."""
    if lock.stat().st_size < MARK:
        with lock.open("ab") as file:
            file.write(uuid.uuid4().hex.encode())
    return lock.read_bytes()[:MARK].decode("ascii", "replace")


@contextmanager
def file_lock(path: Path) -> Iterator[bool]:
    """Yield whether this process holds the lock ``path``; it is freed when the block or the process ends.

    Raises:
        InputError: the file system has no locks.
    """
    with path.open("a") as file:
        is_free = try_lock(file)
        if is_free is None:
            raise InputError(f"{path}: no file locks on this disk")
        yield is_free


@contextmanager
def _signs_of_life(storage: optuna.storages.BaseStorage, trial_id: int, lock: Path) -> Iterator[None]:
    """Store a sign of life in the database, and in the lock file, every BEAT seconds while the block runs."""

    def note() -> None:
        """Store one sign of life."""
        os.utime(lock)
        about: dict[str, Any] = {"lock": _owner(lock), "alive": time.time()}
        storage.set_trial_user_attr(trial_id, OWNER, about)

    def beat() -> None:
        """Store a later one."""
        with suppress(Exception):  # a missed sign does no harm, and the trial itself meets the same error
            note()

    try:
        note()
    except FileNotFoundError:
        raise LockError(
            f"{lock}: the lock is gone, another process may run this trial now: stopped"
        ) from None
    with call_repeatedly(beat, BEAT):
        yield
