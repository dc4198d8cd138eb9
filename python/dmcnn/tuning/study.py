"""Optuna's study: its database, its sampler, and its pruner."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from dmcnn._common.errors import InputError
from dmcnn.tuning.space import Space, random_combination, storable

if TYPE_CHECKING:
    import optuna

log = logging.getLogger("dmcnn")

DATA = "fingerprints of the data"
"""Name of these among the settings that all trials share."""

NETWORK_DISKS = ("nfs", "cifs", "smb", "lustre", "gpfs", "beegfs", "ceph", "afs", "fuse.sshfs", "9p")
"""Beginnings of the names of file systems that several machines share."""


def connect(address: str) -> optuna.storages.RDBStorage:
    """Connect to the database at an SQL address.

    Raises:
        InputError: no driver, no such database, or one of another schema; the message hides the password.
    """
    import optuna
    from sqlalchemy.exc import IntegrityError

    arguments = {"connect_args": {"timeout": 120}} if address.startswith("sqlite") else {}
    with database(address):
        try:
            try:
                return optuna.storages.RDBStorage(address, engine_kwargs=arguments)
            except IntegrityError:  # another machine has made the tables at this moment
                return optuna.storages.RDBStorage(address, engine_kwargs=arguments)
        except (ImportError, ValueError, RuntimeError) as error:  # no driver, no address, another schema
            raise InputError(_fault(address, error)) from None


@contextmanager
def database(address: str) -> Iterator[None]:
    """Turn errors of the database in the block into an InputError of one line."""
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise InputError(_fault(address, error.__cause__ or error)) from None


def _fault(address: str, error: BaseException) -> str:
    """Return the line on an error of the database at ``address``, without its password."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        public = make_url(address).render_as_string(hide_password=True)
    except ArgumentError:
        public = "?"
    return f"storage {public}: {' '.join(str(error).split())[:160]}"


def warn_of_network_disk(path: Path) -> None:
    """Log a warning if ``path`` is on a network disk, where SQLite's locks are not reliable."""
    if sys.platform != "linux":
        return
    mounts = [line.split()[1:3] for line in Path("/proc/self/mounts").read_text().splitlines()]
    above = {str(parent) for parent in (path.resolve(), *path.resolve().parents)}
    kind = max(((len(place), kind) for place, kind in mounts if place in above), default=(0, ""))[1]
    if kind.startswith(NETWORK_DISKS):
        log.warning(
            "warning: %s is on a network disk (%s), where SQLite is safe for one machine at a time: "
            "choose another output_dir, or the address of a database server as storage",
            path,
            kind,
        )


def open_study(
    storage: optuna.storages.RDBStorage,
    name: str,
    about: Mapping[str, str],
    *,
    higher: bool,
    pruner: str,
    defaults: Mapping[str, str] = MappingProxyType({}),
) -> optuna.Study:
    """Open the study called ``name``, or create it.

    Args:
        about: settings that all its trials share, as text.
        higher: whether a higher objective is better.
        pruner: "none", "median" or "hyperband".
        defaults: values of settings that the study of an earlier dmcnn does not name.

    Raises:
        InputError: trials of the study have results with another ``about``.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    pruners: dict[str, Any] = {
        "none": optuna.pruners.NopPruner,
        "median": optuna.pruners.MedianPruner,
        "hyperband": optuna.pruners.HyperbandPruner,
    }
    for _ in range(2):
        study = optuna.create_study(
            study_name=name,
            storage=storage,
            pruner=pruners[pruner](),
            direction="maximize" if higher else "minimize",
            load_if_exists=True,
        )
        old = {key: defaults[key] for key in about if key in defaults} | study.user_attrs.get("about", about)
        changed = [key for key in _compared(old, about) if old.get(key) != about.get(key)]
        if not changed:
            break
        if any(trial.state.is_finished() or trial.intermediate_values for trial in study.get_trials()):
            key = changed[0]
            was, now = (what.get(key, "its default") for what in (old, about))
            more = f" (and {len(changed) - 1} more: {', '.join(changed[1:])})" if changed[1:] else ""
            raise InputError(
                f"study {name!r} was made with {key} = {was}, now {now}{more}: choose another name"
            )
        optuna.delete_study(study_name=name, storage=storage)  # no trial has a result yet
    study.set_user_attr("about", dict(about))
    return study


def stored_settings(address: str, name: str) -> Mapping[str, str] | None:
    """Return the settings that all trials of the study called ``name`` share, as text; None if there is no study."""
    import optuna

    storage = connect(address)
    with database(address):
        if name not in optuna.get_all_study_names(storage):
            return None
        about: Mapping[str, str] | None = optuna.load_study(study_name=name, storage=storage).user_attrs.get(
            "about"
        )
        return about


def _compared(old: Mapping[str, str], about: Mapping[str, str]) -> list[str]:
    """Return the names of settings that must agree: of the data the fingerprints, in older studies the paths."""
    keys = sorted({*old, *about})
    return (
        [key for key in keys if not key.startswith("input_")]
        if DATA in old
        else [k for k in keys if k != DATA]
    )


def sampler(kind: str, space: Space, *, seed: int, number: int, n_trials: int) -> optuna.samplers.BaseSampler:
    """Return the sampler of trial ``number``.

    Its random numbers depend on seed and number alone: the settings do not depend on how the trials are spread
    over processes or how often the search was interrupted ("tpe" also depends on the results at that time).

    Args:
        kind: "random" and "grid" draw every combination once, in random order, where they can be listed;
            "tpe" is the tree of Parzen estimators (arXiv:2304.11127), random for the first third.
        space: the normalised space.
        seed: seed of the search.
        number: number of the trial.
        n_trials: number of trials of the search.
    """
    import optuna

    trial_seed = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if kind == "tpe":
            first = min(10, max(4, n_trials // 3))
            # constant liar: a running trial counts as bad, so that two processes do not try the same settings
            return optuna.samplers.TPESampler(seed=trial_seed, n_startup_trials=first, constant_liar=True)
        base = optuna.samplers.RandomSampler(seed=trial_seed)
        fixed = random_combination(space, seed, number)
        if fixed is None:
            return base
        storable_values = {
            key: storable(value) if isinstance(space[key], list) else value for key, value in fixed.items()
        }
        return optuna.samplers.PartialFixedSampler(storable_values, base)
