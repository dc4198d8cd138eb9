"""Input files: existence, LArCV names and producers, and errors of decoding libraries as one line."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from pathlib import Path

from dmcnn._common.errors import InputError, nearest
from dmcnn._common.files import home


def existing_file(path: str | Path) -> Path:
    """Return ``path`` with ``~`` expanded.

    Raises:
        InputError: it is not a file; the message gives the nearest name in its folder.
    """
    path = home(path)
    if path.is_file():
        return path
    if path.is_dir():
        raise InputError(f"{path}: is a folder, expected a file (write {path}/* for all its files)")
    if not path.parent.is_dir():
        raise InputError(f"{path}: no such file, nor a folder {path.parent}")
    raise InputError(f"{path}: no such file{nearest(path.name, (p.name for p in path.parent.iterdir()))}")


UNREADABLE = {
    errno.EACCES, errno.EPERM, errno.ENOENT, errno.EIO, errno.ESTALE, errno.EAGAIN, errno.EMFILE, errno.ENFILE,
}  # fmt: skip
"""Faults of the system that say nothing about the bytes of a file."""


class decoding_errors:  # noqa: N801 - a context, entered once per basket: a generator takes three times as long
    """Context in which any error of uproot or h5py becomes an InputError about the place ``where``.

    A file that the system does not let us read is not damaged: its OSError stays what it is.

    On damaged bytes they raise a dozen unrelated types (KeyError, struct.error, zlib.error, OverflowError,
    MemoryError, ...), so only calls into these libraries belong in the block.
    """

    __slots__ = ("_where",)

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError) and "unable to lock file" in str(error):  # of libhdf5
            raise InputError(
                f"{self._where}: is open for writing elsewhere, or on a file system without locks (then set "
                "HDF5_USE_FILE_LOCKING=FALSE in the environment)"
            ) from error
        if isinstance(error, OSError) and error.errno in UNREADABLE:
            error.filename = error.filename or self._where
            return
        if isinstance(error, Exception) and not isinstance(error, InputError):
            message = " ".join(str(error).split())[:160] or "no message"
            raise InputError(
                f"{self._where}: cannot be read, damaged or truncated ({type(error).__name__}: {message})"
            ) from error


class kernel_errors:  # noqa: N801 - as decoding_errors
    """Context in which a kernel's ValueError about entry k becomes an InputError about entry ``first`` + k."""

    __slots__ = ("_first", "_path", "_what")

    def __init__(self, path: Path, first: int, what: str) -> None:
        self._path, self._first, self._what = path, first, what

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        number, _, message = str(error).removeprefix("entry ").partition(": ") if error else ("", "", "")
        if isinstance(error, ValueError) and number.isdecimal():
            entry = self._first + int(number)
            raise InputError(f"{self._path}: entry {entry}: damaged {self._what}: {message}") from error


def split_name(name: str, suffix: str) -> tuple[str, str] | None:
    """Return (product, producer) of a name ``<product>_<producer>_<suffix>``, or None for any other name.

    LArCV's rule: the product ends at the first underscore, the suffix begins after the last one, and the
    producer between them may contain underscores.
    """
    product, _, rest = name.partition("_")
    producer, underscore, ending = rest.rpartition("_")
    return (product, producer) if product and underscore and ending == suffix else None


def choose_producer(where: str, producers: Iterable[str], producer: str | None, argument: str) -> str:
    """Return ``producer``, or the only one of ``producers`` if it is None.

    Args:
        where: file and product, for messages.
        producers: names in the file.
        producer: name that the user gives; None = not given.
        argument: key with which the user gives it.

    Raises:
        InputError: no such producer, or several and none given; their order decides nothing.
    """
    names = sorted(producers)
    listed = ", ".join(map(repr, names))
    if producer is None and len(names) == 1:
        return names[0]
    if producer is None:
        raise InputError(f"{where}: several producers ({listed}), choose one with {argument}")
    if producer not in names:
        raise InputError(
            f"{where}: no producer {producer!r}{nearest(producer, names)}, expected one of {listed}"
        )
    return producer
