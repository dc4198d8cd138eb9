"""Optuna's study: where its trials are kept, how they are drawn, and when one is stopped early."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dmcnn._common.errors import InputError
from dmcnn.tuning.space import Space, shuffled, stored

if TYPE_CHECKING:
    import optuna

log = logging.getLogger("dmcnn")

NETWORK_DISKS = ("nfs", "cifs", "smb", "lustre", "gpfs", "beegfs", "ceph", "afs", "fuse.sshfs", "9p")
"""File systems that several machines see, by the beginning of their names."""


def connect(address: str) -> optuna.storages.RDBStorage:
    """The database at an SQL address; InputError, without its password, if there is none."""
    import optuna

    waits = {"connect_args": {"timeout": 120}} if address.startswith("sqlite") else {}
    with database(address):
        try:
            return optuna.storages.RDBStorage(address, engine_kwargs=waits)
        except (ImportError, ValueError, RuntimeError) as error:  # no driver, no address, another schema
            raise InputError(_fault(address, error)) from None


@contextmanager
def database(address: str) -> Iterator[None]:
    """Trouble with the database is an InputError of one line."""
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise InputError(_fault(address, error.__cause__ or error)) from None


def _fault(address: str, error: BaseException) -> str:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        shown = make_url(address).render_as_string(hide_password=True)
    except ArgumentError:
        shown = "?"
    return f"storage {shown}: {' '.join(str(error).split())[:160]}"


def warn_of_network_disk(path: Path) -> None:
    """One line if ``path`` is on a disk of another machine, where SQLite's locks are not to be relied on."""
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
) -> optuna.Study:
    """The study called ``name``, new or as it was left.

    Args:
        about: what all its trials have in common; InputError if it was made with anything else.
        higher: whether a higher objective is better.
        pruner: "none", "median" or "hyperband".
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
        old = study.user_attrs.get("about", about)
        changed = [key for key in sorted({*old, *about}) if old.get(key) != about.get(key)]
        if not changed:
            break
        if any(trial.state.is_finished() or trial.intermediate_values for trial in study.get_trials()):
            key = changed[0]
            was, now = (what.get(key, "its default") for what in (old, about))
            more = f" (and {len(changed) - 1} more: {', '.join(changed[1:])})" if changed[1:] else ""
            raise InputError(
                f"study {name!r} was made with {key} = {was}, now {now}{more}: choose another name"
            )
        optuna.delete_study(study_name=name, storage=storage)  # nothing came of it yet
    study.set_user_attr("about", dict(about))
    return study


def sampler(kind: str, space: Space, *, seed: int, number: int, wanted: int) -> optuna.samplers.BaseSampler:
    """What draws trial ``number``.

    Its random numbers depend on seed and number alone: the same settings are drawn however the trials are spread
    over processes and however often the search was interrupted (for "tpe", as far as its results were known).

    Args:
        kind: "random" and "grid" draw every combination once, in random order, where they can be listed;
            "tpe" is the tree of Parzen estimators (arXiv:2304.11127), random for the first third.
    """
    import optuna

    own = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if kind == "tpe":
            first = min(10, max(4, wanted // 3))
            # a trial that others are running counts as a bad one: two do not try the same
            return optuna.samplers.TPESampler(seed=own, n_startup_trials=first, constant_liar=True)
        base = optuna.samplers.RandomSampler(seed=own)
        fixed = shuffled(space, seed, number)
        if fixed is None:
            return base
        as_stored = {
            key: stored(value) if isinstance(space[key], list) else value for key, value in fixed.items()
        }
        return optuna.samplers.PartialFixedSampler(as_stored, base)
