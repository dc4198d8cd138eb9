"""Input paths, output folders, and output files that are whole or absent."""

from __future__ import annotations

import errno
import glob
import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from dmcnn._common import unfinished
from dmcnn._common.errors import InputError, nearest, system_error
from dmcnn._common.lock import check_locks

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
def atomic_file(path: str | Path, *, is_output: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` to write to; rename it to ``path`` if the block raises nothing.

    The content is on the disk before the rename, so that a crash leaves the old file or the new one, never a part.

    Args:
        path: the file.
        is_output: whether the command lists the file among those it wrote; journals and caches are none.

    Raises:
        OSError: the file cannot be written; it names ``path``, whatever the library raised.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        path.lstat()  # raises for a name that is too long, before anything is computed
    temporary = unfinished.temporary_path(path)
    try:
        with write_errors(path):
            yield temporary
            check_locks()  # who has taken a lock over has removed the file
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            check_locks()
            temporary.replace(path)
            if is_output:
                note(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Raise faults of the system in the block, whatever library reports them, as OSError about ``path``."""
    try:
        yield
    except Exception as error:
        fault = system_error(error)
        if fault is None and isinstance(error, RuntimeError) and not path.parent.is_dir():  # torch says it so
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from error
        if fault is None or not (fault.filename is None or unfinished.NAME.search(str(fault.filename))):
            raise
        raise OSError(fault.errno, fault.strerror, str(path)) from error


def sha256(path: str | Path) -> str:
    """Return the hexadecimal SHA-256 of the bytes of a file."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """Return a name for the output of every file: its stem, with as much of its folder as tells it from the others.

    Files that differ only in their suffix have it in the name.
    """
    stems = [(*path.resolve().parts[1:-1], path.stem) for path in paths]
    counts = Counter(stems)
    parts = [
        stem if counts[stem] == 1 else (*stem[:-1], path.name.replace(".", "_"))
        for stem, path in zip(stems, paths, strict=True)
    ]
    lengths = [1] * len(paths)
    while True:
        names = ["_".join(own[-length:]) for own, length in zip(parts, lengths, strict=True)]
        uses = Counter(names)
        longer = [
            place for place, name in enumerate(names) if uses[name] > 1 and lengths[place] < len(parts[place])
        ]
        if not longer:
            return names
        for place in longer:
            lengths[place] += 1


def cache_folder() -> Path:
    """Return the folder of the cache: $DMCNN_CACHE, else $XDG_CACHE_HOME/dmcnn, else ~/.cache/dmcnn."""
    own, xdg = os.environ.get("DMCNN_CACHE"), os.environ.get("XDG_CACHE_HOME")
    return Path(own) if own else (Path(xdg) if xdg else Path.home() / ".cache") / "dmcnn"


def output_folder(directory: str | Path) -> Path:
    """Create ``directory`` if it does not exist, remove what dead processes left in it, and return its path.

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
    unfinished.remove_leftovers(path)
    return path


def home(text: str | Path) -> Path:
    """Return the path of a text with ``~`` as the home folder; a ``~`` that means no user stays as it is."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def _pattern(path: Path) -> str:
    """Return a glob in which the folders that exist are meant as they are spelt, such as ``run[12]``."""
    folder = next((parent for parent in path.parents if parent.is_dir()), Path())
    return str(Path(glob.escape(str(folder))) / path.relative_to(folder))


def expand(inputs: str | Sequence[str]) -> list[str]:
    """Return the files and folders that paths and globs name, in the given order; matches of a glob are sorted.

    A glob names files only; a folder whose name holds ``[``, ``*`` or ``?`` may be named. ``sample://…`` is returned
    unchanged.

    Raises:
        InputError: one line for each text that names no file and for each file that is named twice.
    """
    paths: list[str] = []
    faults: list[str] = []
    for text in [inputs] if isinstance(inputs, str) else inputs:
        path = home(text)
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
