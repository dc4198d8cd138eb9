"""Locks of output names: at most one process writes the files of a name, on any number of machines.

A lock is a hidden file beside the output. The operating system frees it with the process, so that a name is free at
once when its process has died on the same machine. Another machine may not see this: there the file counts while its
time of change, the heartbeat of the owner, is younger than SILENCE. Only the clock of the disk is asked.
"""

from __future__ import annotations

import errno
import json
import math
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
from dmcnn._common.errors import LockError
from dmcnn._common.threads import call_repeatedly
from dmcnn._common.unfinished import path_of_thread, remove_of_process

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
        LockError: another process owns the name, with its command, machine and process number.
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
    """Raise LockError if another process has taken over a lock of this one, which was silent for too long."""
    for path, content in list(_own.items()):
        try:
            lost = path.read_bytes() != content
        except OSError:
            lost = True
        if lost:
            raise LockError(f"{path}: the lock is gone, another process may write these files now: stopped")


def try_lock(file: IO[Any]) -> bool | None:
    """Lock an open file for this process, until it is closed; return False if another has it, None without locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in (errno.EAGAIN, errno.EACCES) else None
    return True


def silence(file: IO[Any], folder: Path) -> float:
    """Return the time in seconds since an open file last changed, on the clock of the disk of ``folder``."""
    with TemporaryFile(dir=folder) as probe:
        now = os.fstat(probe.fileno()).st_mtime
    return max(0.0, now - os.fstat(file.fileno()).st_mtime)


def _acquire(path: Path, stem: Path, deadline: float) -> IO[bytes]:
    """Return the open lock file with this process in it; LockError if it has an owner until the deadline."""
    content = json.dumps({**_identity(), "since": time.time()}).encode()
    while True:
        if fault := _clear(path):
            if time.monotonic() >= deadline:
                raise LockError(f"{stem}: {fault}")
            time.sleep(RETRY)
        elif (file := _create(path, content)) is not None:
            _own[path] = content
            return file


def _create(path: Path, content: bytes) -> IO[bytes] | None:
    """Return the new lock file, open and locked; None if there is one.

    It gets its name when it is complete, and of several processes only one can give it, also on disks without locks.
    """
    temporary = path_of_thread(path)
    try:
        temporary.write_bytes(content)
        if not _give_name(temporary, path):
            return None
    finally:
        temporary.unlink(missing_ok=True)
    file = path.open("r+b")
    while try_lock(file) is False:  # another process looks whose it is
        time.sleep(RETRY / 100)
    return file


def _clear(path: Path) -> str:
    """Remove the lock file of a dead process; return who owns it if the process may live, "" if the name is free."""
    try:
        file = path.open("r+b")
    except FileNotFoundError:
        return ""
    with file:
        is_free = try_lock(file)
        if not _is_current(path, file):  # its owner has removed it meanwhile
            return ""
        content = file.read()
        owner, silent = _parse(content), silence(file, path.parent)
        longest = 0.0 if is_free is False else _longest_silence(owner, has_locks=is_free is not None)
        if is_free is False or silent < longest:
            return _words(owner, path, silent, longest)
        aside = path_of_thread(path)
        with suppress(FileNotFoundError):  # another process was faster
            path.rename(aside)
            is_taken = aside.read_bytes() != content  # by another process, which was faster
            if is_taken:
                _give_name(aside, path)
            elif owner:
                remove_of_process(path.parent, owner["process"])
            aside.unlink(missing_ok=True)
    return ""


def _give_name(file: Path, path: Path) -> bool:
    """Move a file to the name ``path``, or let it have both names; return False if the name is taken."""
    try:
        os.link(file, path)
    except FileExistsError:
        return False
    except OSError:  # a disk without hard links: an empty file holds the place
        try:
            path.open("xb").close()
        except FileExistsError:
            return False
        file.replace(path)
    return True


def _is_current(path: Path, file: IO[bytes]) -> bool:
    """Return whether the path still leads to the open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _longest_silence(owner: dict[str, Any], *, has_locks: bool) -> float:
    """Return the silence in seconds after which an owner is dead whose file is not locked, or cannot be.

    A machine that was started again looks like another one of the same name. Of the same start, but with numbers of
    processes of its own, is a container: the system would know of the locks in it.
    """
    if not owner:
        return 3 * BEAT
    if (ended := process.has_ended(owner["process"])) is not None:
        is_known = not has_locks or not owner["process"].endswith("-0")  # 0: another may have the number now
        return math.inf if is_known and not ended else 0.0
    if owner.get("host") != platform.node():
        return SILENCE
    return 0.0 if has_locks and owner.get("boot") == process.boot() is not None else 3 * BEAT


def _words(owner: dict[str, Any], path: Path, silent: float, longest: float) -> str:
    """Return who owns a name, and what to do."""
    pid = owner["process"].split("-")[1] if owner else "?"
    who = f"process {pid} on {owner.get('host', '?')}, last sign of life {silent:.0f} s ago"
    later = (
        f"; without another sign of life it is free in {longest - silent:.0f} s"
        if silent < longest < math.inf
        else ""
    )
    return (
        f"{owner.get('command') or 'another process'} is writing these files ({who}): choose another name= or "
        f"output folder, or remove {path} if that process has died{later}"
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
    return {"host": platform.node(), "boot": process.boot(), "process": process.name(), "command": command}


def _beat(path: Path) -> None:
    """Renew the time of a lock file, unless the lock is another's."""
    with suppress(OSError):  # a missed heartbeat does no harm
        if path.read_bytes() == _own.get(path):
            os.utime(path)
