"""Input paths, output folders, and output files that are whole or absent."""

from __future__ import annotations

import glob
import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from dmcnn._common.errors import InputError, nearest

_written: ContextVar[dict[Path, None] | None] = ContextVar("written", default=None)
"""Files that the running command has written, in order."""


@contextmanager
def record_files() -> Iterator[dict[Path, None]]:
    """Yield the paths of the files that are written within the block, but for those of a block inside."""
    paths: dict[Path, None] = {}
    token = _written.set(paths)
    try:
        yield paths
    finally:
        _written.reset(token)


def note(path: Path) -> None:
    """Add a file or folder to the record of the running command."""
    paths = _written.get()
    if paths is not None:
        paths[path] = None


def listing(paths: Iterable[Path]) -> list[str]:
    """Return one line per stem, such as ``outputs/event.png, .pdf``; of very many files one line per folder."""
    endings: dict[Path, list[str]] = {}
    folders: Counter[Path] = Counter()
    for path in paths:
        endings.setdefault(path.with_suffix(""), []).append(path.suffix)
        folders[path.parent] += 1
    if len(endings) > MOST_LINES:
        return [f"{folder}: {count} files" for folder, count in folders.items()]
    return [f"{stem}{', '.join(suffixes)}" for stem, suffixes in endings.items()]


MOST_LINES = 60
"""Largest number of lines that list the outputs of a command one by one."""


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` to write to; rename it to ``path`` if the block raises nothing.

    The content is on the disk before the rename, so that a crash leaves the old file or the new one, never a part.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
        note(path)
    finally:
        temporary.unlink(missing_ok=True)


def sha256(path: str | Path) -> str:
    """Return the hexadecimal SHA-256 of the bytes of a file."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def output_folder(directory: str | Path) -> Path:
    """Create ``directory`` if it does not exist and return its path.

    Raises:
        InputError: the folder can be neither created nor written to.
    """
    path = Path(directory)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: not a folder that can be created ({error.strerror})") from None
    if not os.access(path, os.W_OK):
        raise InputError(f"{path}: not writable")
    return path


def expand(inputs: str | Sequence[str]) -> list[str]:
    """Return the files and folders that paths and globs name, in the given order; matches of a glob are sorted.

    A glob names files only; folders that exist are meant as they are written, such as ``run[12]`` in ``run[12]/*``.
    ``sample://…`` is returned unchanged.

    Raises:
        InputError: one line for each text that names no file and for each file that is named twice.
    """
    paths: list[str] = []
    faults: list[str] = []
    for text in [inputs] if isinstance(inputs, str) else inputs:
        path = Path(text).expanduser()
        if "://" in text or path.exists():
            matches = [text if "://" in text else str(path)]
        else:
            names = glob.glob(_pattern(path), recursive=True)  # noqa: PTH207 - Path.glob needs a folder of its own
            matches = sorted(filter(os.path.isfile, names))
        if not matches:
            siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
            faults.append(f"{text}: no such file{nearest(path.name, siblings)}")
        faults += [f"{match}: named twice" for match in matches if match in paths]
        paths += matches
    if not paths and not faults:
        faults.append("an empty list names no file")
    if faults:
        raise InputError(*faults)
    return paths


def _pattern(path: Path) -> str:
    """Return the glob of a path whose first folders, as far as they exist, stand for themselves."""
    for folder in path.parents:
        if folder.name and os.path.lexists(folder):
            return str(Path(glob.escape(str(folder)), path.relative_to(folder)))
    return str(path)
