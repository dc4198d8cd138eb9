"""Finding a file, naming what it holds, and turning any library's complaint about its bytes into one line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dmcnn.errors import InputError, nearest


def existing(path: str | Path) -> Path:
    """``path`` if it is a file; else an InputError with the nearest name in its folder."""
    path = Path(path).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        raise InputError(f"{path}: is a folder, expected a file (write {path}/* for all its files)")
    if not path.parent.is_dir():
        raise InputError(f"{path}: no such file, nor a folder {path.parent}")
    raise InputError(f"{path}: no such file{nearest(path.name, (p.name for p in path.parent.iterdir()))}")


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Whatever uproot or h5py raise on damaged bytes becomes an InputError naming ``where``.

    They raise a dozen unrelated types (KeyError, struct.error, zlib.error, OverflowError, MemoryError, ...),
    so only calls into them belong in this block.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:160] or "no further word"
        raise InputError(
            f"{where}: cannot be read, damaged or truncated ({type(error).__name__}: {said})"
        ) from error


@contextmanager
def damaged(path: Path, first: int, what: str) -> Iterator[None]:
    """A kernel's complaint about its entry k becomes an InputError about entry ``first`` + k of the file."""
    try:
        yield
    except ValueError as error:
        number, _, said = str(error).removeprefix("entry ").partition(": ")
        if not number.isdecimal():
            raise
        raise InputError(f"{path}: entry {first + int(number)}: damaged {what}: {said}") from error


def split_name(name: str, suffix: str) -> tuple[str, str] | None:
    """(product, producer) of ``<product>_<producer>_<suffix>``, or None for any other name.

    LArCV's rule: the product ends at the first underscore, the suffix begins after the last one, and the
    producer between them may hold more of them.
    """
    product, _, rest = name.partition("_")
    producer, underscore, ending = rest.rpartition("_")
    return (product, producer) if product and underscore and ending == suffix else None


def choose_producer(where: str, producers: Iterable[str], wanted: str | None, argument: str) -> str:
    """The producer ``wanted``, or the only one; several are never decided by order."""
    there = sorted(producers)
    listed = ", ".join(map(repr, there))
    if wanted is None and len(there) == 1:
        return there[0]
    if wanted is None:
        raise InputError(f"{where}: several producers ({listed}), say which with {argument}")
    if wanted not in there:
        raise InputError(f"{where}: no producer {wanted!r}{nearest(wanted, there)}, expected one of {listed}")
    return wanted
