"""Origin of results: the files that they were made from, by path and fingerprint, in the comments of their cfg."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from dmcnn._common.errors import InputError
from dmcnn._common.fingerprint import path_fingerprint

log = logging.getLogger("dmcnn")

MARK = "from "
"""Beginning of the comment on a file: its fingerprint and, as JSON, its path."""

Origin = dict[str, str]
"""Path of every file, and its fingerprint."""


def origin_of(files: Iterable[str | Path]) -> Origin:
    """Return path and fingerprint of files and folders."""
    return {str(Path(file).resolve()): path_fingerprint(file) for file in files}


def check_origin(cfg: Path, new: Origin, *, named_by_file: bool = False) -> Origin:
    """Return the origin of results that replace those of ``cfg``, if these were made from the same files.

    The same bytes are the same files, wherever they lie. Files that have changed in their places give the results
    again, with a warning.

    Args:
        cfg: settings of the earlier results; it may be absent.
        new: origin of the new results.
        named_by_file: whether each file has results of its own, named after it, so that others may stay beside them.

    Raises:
        InputError: results of other files, which would be lost.
    """
    before, now = old, new = read_origin(cfg), new
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


def read_origin(cfg: Path) -> Origin:
    """Return the origin in the comments of a cfg; empty without one."""
    origin: Origin = {}
    with suppress(OSError, ValueError):
        for line in cfg.read_text(encoding="utf-8").splitlines():
            if line.startswith(f"# {MARK}"):
                fingerprint, _, path = line.removeprefix(f"# {MARK}").partition(" ")
                origin[str(json.loads(path))] = fingerprint
    return origin


def comments(origin: Origin) -> list[str]:
    """Return the comments of a cfg from which ``read_origin`` reads the origin."""
    return [f"{MARK}{fingerprint} {json.dumps(path)}" for path, fingerprint in origin.items()]


def _of_names(origin: Origin, names: set[str]) -> Origin:
    """Return the part of an origin whose files have one of these names, without suffix."""
    return {path: value for path, value in origin.items() if Path(path).stem in names}
