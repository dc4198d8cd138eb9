"""Locks of output names: at most one process writes the files of a name, on any number of machines.

A lock is a hidden file beside the output. The operating system frees it with the process, so that a name is free at
once when its process has died on the same machine. Another machine may not see this: there the file counts while its
time of change, the heartbeat of the owner, is younger than SILENCE.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from dmcnn._common import process
from dmcnn._common.errors import InputError
from dmcnn._common.threads import call_repeatedly

try:
    import fcntl
except ImportError:  # not a POSIX system: the process number decides
    fcntl = None  # type: ignore[assignment]

BEAT, SILENCE = 20.0, 180.0
"""[s] Interval of the heartbeats of an owner, and silence after which another machine takes over."""
RETRY = 0.1
"""[s] Interval between two attempts to get a lock."""

_own: dict[Path, bytes] = {}
"""Content of every lock file of this process."""


@contextmanager
def lock(stem: str | Path, wait: float = 0.0) -> Iterator[None]:
    """Lock the output name ``stem`` for this process while the block runs.

    Args:
        stem: path of the output files, without suffix; its folder is created.
        wait: [s] longest time to wait for another owner.

    Raises:
        InputError: another process owns the name, with its command, machine and process number.
    """
    stem = Path(stem)
    stem.parent.mkdir(parents=True, exist_ok=True)
    path = stem.resolve().with_name(f".{stem.name}.lock")
    file = _acquire(path, stem, time.monotonic() + wait)
    try:
        with call_repeatedly(partial(_beat, path), BEAT):
            yield
    finally:
        content = _own.pop(path)
        with suppress(OSError):
            if path.read_bytes() == content:
                path.unlink()  # before the system frees it: who waits for this file sees that it is gone
        file.close()


def check_locks() -> None:
    """Raise InputError if another process has taken over a lock of this one, which was silent for too long."""
    for path, content in list(_own.items()):
        try:
            lost = path.read_bytes() != content
        except OSError:
            lost = True
        if lost:
            raise InputError(f"{path}: the lock is gone, another process may write these files now: stopped")


def try_lock(file: IO[Any]) -> bool | None:
    """Lock an open file for this process, until it is closed; return False if another has it, None without locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in (errno.EAGAIN, errno.EACCES) else None
    return True


def _acquire(path: Path, stem: Path, deadline: float) -> IO[bytes]:
    """Return the open lock file with this process in it; InputError if it has an owner until the deadline."""
    while True:
        file = path.open("a+b")
        is_free = try_lock(file)
        if not _is_current(path, file):  # its owner has removed it meanwhile
            file.close()
            continue
        file.seek(0)
        owner = _parse(file.read())
        if is_free is False or _is_alive(owner, file, path.parent, has_locks=is_free is not None):
            fault = f"{stem}: {_words(owner, path, file)}"
            file.close()
            if time.monotonic() >= deadline:
                raise InputError(fault)
            time.sleep(RETRY)
            continue
        content = json.dumps({**_identity(), "since": time.time()}).encode()
        file.truncate(0)
        file.write(content)
        file.flush()
        _own[path] = content
        return file


def _is_current(path: Path, file: IO[bytes]) -> bool:
    """Return whether the path still leads to the open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _is_alive(owner: dict[str, Any], file: IO[bytes], folder: Path, *, has_locks: bool) -> bool:
    """Return whether the owner in a lock file may still write; this process could lock the file, if that exists.

    The time of another machine is compared on the clock of the disk, by a new file.
    """
    if not owner:
        return False
    ended = process.has_ended(owner["process"])
    if ended is not None:
        return not has_locks and not ended
    if owner.get("host") == platform.node():
        return False  # started again since
    with TemporaryFile(dir=folder) as probe:
        now = os.fstat(probe.fileno()).st_mtime
    return now - os.fstat(file.fileno()).st_mtime < SILENCE


def _words(owner: dict[str, Any], path: Path, file: IO[bytes]) -> str:
    """Return who owns a name, and what to do."""
    age = max(0.0, time.time() - os.fstat(file.fileno()).st_mtime)
    pid = owner["process"].split("-")[1] if owner else "?"
    who = f"process {pid} on {owner.get('host', '?')}, last sign of life {age:.0f} s ago"
    return (
        f"{owner.get('command') or 'another process'} is writing these files ({who}): choose another name= or "
        f"output folder, or remove {path} if that process has died"
    )


def _parse(content: bytes) -> dict[str, Any]:
    """Return the owner in a lock file; empty if the file names none."""
    try:
        owner: dict[str, Any] = json.loads(content)
        return owner if process.NAME.fullmatch(owner["process"]) else {}
    except (ValueError, TypeError, KeyError):
        return {}


def _identity() -> dict[str, Any]:
    """Return machine, process and command."""
    command = f"dmcnn {Path(sys.argv[0]).stem}" if sys.argv and sys.argv[0] else ""
    return {"host": platform.node(), "process": process.name(), "command": command}


def _beat(path: Path) -> None:
    """Renew the time of a lock file, unless the lock is another's."""
    with suppress(OSError):  # a missed heartbeat does no harm
        if path.read_bytes() == _own.get(path):
            os.utime(path)
