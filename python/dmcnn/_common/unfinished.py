"""Unfinished files: names that say which process writes them, so that those of dead processes can be removed."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dmcnn._common import process

NAME = re.compile(rf"\.dmcnn-[0-9a-f]{{8}}-({process.NAME.pattern})\.(part|old)(\.\w{{1,16}})?")
"""Name of an unfinished file, with the process that writes it."""

DAY = 86400.0
"""[s] Age at which an unfinished file of another machine counts as left behind."""


def temporary_path(path: Path, kind: str = "part") -> Path:
    """Return the path beside ``path`` of an unfinished file of this process.

    The name is short, so that every name that the disk admits can be written, and ends as that of ``path``.
    """
    suffix = path.suffix if re.fullmatch(r"\.\w{1,16}", path.suffix, re.ASCII) else ""
    return _beside(path, b"", kind + suffix)


def path_of_thread(path: Path) -> Path:
    """Return the path beside ``path`` of an unfinished file of this thread."""
    return _beside(path, b"%d" % threading.get_ident(), "part.lock")


def remove_leftovers(folder: Path) -> None:
    """Remove the unfinished files and folders of processes that have ended, here or a day ago on another machine."""
    for path, owner in _unfinished(folder):
        with suppress(OSError):  # another process removes it too
            ended = process.has_ended(owner)
            if ended if ended is not None else time.time() - path.stat().st_mtime > DAY:
                _remove(path)


def remove_of_process(folder: Path, owner: str) -> None:
    """Remove the unfinished files and folders of a process that has died, maybe elsewhere."""
    for path, writer in _unfinished(folder):
        if writer == owner:
            with suppress(OSError):
                _remove(path)


def _unfinished(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the unfinished files and folders in a folder, each with the process that writes it."""
    for path in folder.iterdir():
        if match := NAME.fullmatch(path.name):
            yield path, match[1]


def _beside(path: Path, more: bytes, ending: str) -> Path:
    digest = hashlib.sha256(os.fsencode(path.name) + more).hexdigest()[:8]
    return path.with_name(f".dmcnn-{digest}-{process.name()}.{ending}")


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
