"""Outputs that are whole or absent."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dmcnn._common.errors import InputError, nearest


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside ``path`` to write to; rename it to ``path`` only if nothing failed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sha256(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def writable(directory: str | Path) -> Path:
    """``directory``, created if need be; InputError if it cannot be written to."""
    path = Path(directory)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: not a folder that can be created ({error.strerror})") from None
    if not os.access(path, os.W_OK):
        raise InputError(f"{path}: not writable")
    return path


def expand(inputs: str | Sequence[str]) -> list[str]:
    """The files, or folders, that paths and globs name: in the order given, those of a glob sorted.

    A glob names files only. ``sample://…`` is passed on as it is. InputError, one line each, for what names no
    file or one file twice.
    """
    found: list[str] = []
    faults: list[str] = []
    for text in [inputs] if isinstance(inputs, str) else inputs:
        path = Path(text).expanduser()
        if "://" in text or path.exists():
            matches = [text if "://" in text else str(path)]
        else:
            found_here = glob.glob(str(path), recursive=True)  # noqa: PTH207 - Path.glob needs a folder of its own
            matches = sorted(filter(os.path.isfile, found_here))
        if not matches:
            there = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
            faults.append(f"{text}: no such file{nearest(path.name, there)}")
        faults += [f"{match}: named twice" for match in matches if match in found]
        found += matches
    if not found and not faults:
        faults.append("an empty list names no file")
    if faults:
        raise InputError(*faults)
    return found
