"""Finding a file, naming what it holds, and turning any library's complaint about its bytes into one line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dmcnn._common.errors import InputError, nearest


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


class reading:  # noqa: N801 - a context, used once per basket: a generator would take three times as long
    """Whatever uproot or h5py raise on damaged bytes becomes an InputError naming ``where``.

    They raise a dozen unrelated types (KeyError, struct.error, zlib.error, OverflowError, MemoryError, ...),
    so only calls into them belong in this block.
    """

    __slots__ = ("_where",)

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, InputError):
            said = " ".join(str(error).split())[:160] or "no further word"
            raise InputError(
                f"{self._where}: cannot be read, damaged or truncated ({type(error).__name__}: {said})"
            ) from error


class damaged:  # noqa: N801 - as reading
    """A kernel's complaint about its entry k becomes an InputError about entry ``first`` + k of the file."""

    __slots__ = ("_first", "_path", "_what")

    def __init__(self, path: Path, first: int, what: str) -> None:
        self._path, self._first, self._what = path, first, what

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        number, _, said = str(error).removeprefix("entry ").partition(": ") if error else ("", "", "")
        if isinstance(error, ValueError) and number.isdecimal():
            entry = self._first + int(number)
            raise InputError(f"{self._path}: entry {entry}: damaged {self._what}: {said}") from error


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
