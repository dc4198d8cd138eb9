"""Provenance of results: the files they were made from, by path and fingerprint, in the comments of their cfg."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from dmcnn._common.errors import InputError, file_faults
from dmcnn._common.fingerprint import path_fingerprint

log = logging.getLogger("dmcnn")

MARK = "from "
"""Beginning of the comment on a file: its fingerprint and, as JSON, its path."""

Provenance = dict[str, str]
"""Path of every file, and its fingerprint."""


@file_faults()
def provenance_of(files: Iterable[str | Path]) -> Provenance:
    """Return path and fingerprint of files and folders; FileError for one that cannot be read."""
    return {str(Path(file).resolve()): path_fingerprint(file) for file in files}


def check_provenance(cfg: Path, new: Provenance, *, named_by_file: bool = False) -> Provenance:
    """Return the provenance of results that replace those of ``cfg``, if these were made from the same files.

    The same bytes are the same files, wherever they lie. Files that have changed in their places give the results
    again, with a warning.

    Args:
        cfg: settings of the earlier results; it may be absent.
        new: provenance of the new results.
        named_by_file: whether each file has results of its own, named after it, so that others may stay beside them.

    Raises:
        InputError: results of other files, which would be lost.
    """
    before, now = old, new = read_provenance(cfg), new
    if named_by_file:
        before, now = (
            _of_names(one, {Path(path).stem for path in other}) for one, other in ((old, new), (new, old))
        )
    if before and sorted(before.values()) != sorted(now.values()):
        if before.keys() != now.keys():
            theirs, mine = (
                ", ".join(sorted(set(a) - set(b)) or a) for a, b in ((before, now), (now, before))
            )
            raise InputError(
                f"{cfg.with_suffix('')}: holds results of {theirs}, not of {mine}: choose another name= or output "
                f"folder, or remove {cfg.name} to replace them"
            )
        log.warning("warning: %s: made again, since %s has changed", cfg.with_suffix(""), ", ".join(now))
    return {**old, **new} if named_by_file else new


def read_provenance(cfg: Path) -> Provenance:
    """Return the provenance in the comments of a cfg; empty without one."""
    provenance: Provenance = {}
    with suppress(OSError, ValueError):
        for line in cfg.read_text(encoding="utf-8").splitlines():
            if line.startswith(f"# {MARK}"):
                fingerprint, _, path = line.removeprefix(f"# {MARK}").partition(" ")
                provenance[str(json.loads(path))] = fingerprint
    return provenance


def comments(provenance: Provenance) -> list[str]:
    """Return the comments of a cfg from which ``read_provenance`` reads the provenance."""
    return [f"{MARK}{fingerprint} {json.dumps(path)}" for path, fingerprint in provenance.items()]


def _of_names(provenance: Provenance, names: set[str]) -> Provenance:
    """Return the part of a provenance whose files have one of these names, without suffix."""
    return {path: value for path, value in provenance.items() if Path(path).stem in names}
