"""Error of bad input, hints at the nearest valid choice, and faults of the surroundings as one line."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches


class InputError(ValueError):
    """Bad input from the user: one clear line per fault, shown without a traceback, exit status 2.

    A message names the file, the place, what was found, what was expected, and the nearest valid choice.
    """

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class FileError(InputError):
    """Fault of one input file, of which others may be free: damaged, vanished, unreadable, or of unfit content."""


class LockError(InputError):
    """Output name that another process owns, or has taken over: the work is its, and not at fault."""


def nearest(word: str, choices: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the choice closest to ``word``, or an empty text if none is close."""
    by_lower = {choice.lower(): choice for choice in choices}
    close = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f" (did you mean {by_lower[close[0]]!r}?)" if close else ""


DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.ESTALE)
"""Faults of a disk, which libraries often replace by an error of their own."""

AGAIN = "; the same command goes on then"
REMEDIES = {
    errno.ENOSPC: "free some space, or choose a folder on another disk" + AGAIN,
    errno.EDQUOT: "free some space, or choose a folder on another disk" + AGAIN,
    errno.EFBIG: "raise the limit (ulimit -f), or choose a folder on another disk" + AGAIN,
    errno.EIO: "the disk or the network to it fails; try again, and look after the disk",
    errno.ESTALE: "the server of the disk has lost it; try again" + AGAIN,
    errno.EROFS: "choose a folder on another disk",
    errno.EACCES: "change its permissions, or choose another",
    errno.EPERM: "change its permissions, or choose another",
    errno.ENOENT: "it, or its folder, is missing or was removed meanwhile",
    errno.ENOTDIR: "a part of this path is a file, expected a folder",
    errno.EISDIR: "expected a file",
    errno.EEXIST: "move it, or choose another name",
    errno.ENOTEMPTY: "move it, or choose another name",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "its links lead in a circle",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "close other programs",
    errno.ENOMEM: "choose a smaller batch size, or a machine with more memory",
    errno.EAGAIN: "another process holds it, or there are too many processes; try again",
}
"""Number of a fault of the system -> what to do."""


def system_error(error: BaseException | None) -> OSError | None:
    """Return the fault of the system that an exception of any library reports; None if it reports another.

    torch, zipfile and others raise errors of their own after a write has failed: these are looked through. An
    invalid argument (EINVAL) is what a damaged file leads to, or a fault of dmcnn.
    """
    first = error
    while error is not None and not isinstance(error, InputError):
        is_fault = isinstance(error, OSError) and error.errno not in (None, 0, errno.EINVAL)
        if isinstance(error, OSError) and is_fault and (error is first or error.errno in DISK):
            return error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return None


def surroundings(error: BaseException) -> str | None:
    """Return a line on a fault of disk, memory or threads: file, fault, what to do; None for a fault of dmcnn."""
    if isinstance(error, MemoryError) or any(
        word in str(error) for word in ("out of memory", "allocate memory")
    ):
        reason = " ".join(str(error).split())[:160]
        return f"not enough memory{reason and f' ({reason})'}: {REMEDIES[errno.ENOMEM]}"
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return "no more threads: raise the limit of processes (ulimit -u), or set DMCNN_NUM_THREADS=1"
    if (fault := system_error(error)) is None:
        return None
    what, remedy = os.strerror(fault.errno or 0), REMEDIES.get(fault.errno or 0, "")
    file = os.fsdecode(fault.filename) if isinstance(fault.filename, str | bytes) else ""
    return f"{file and f'{file}: '}{what}{remedy and f': {remedy}'}"


OF_PROCESS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)
"""Faults of the system that no file is to blame for."""


@contextmanager
def file_faults() -> Iterator[None]:
    """Raise what the block, or a decorated function, finds wrong with an input file as FileError."""
    try:
        yield
    except FileError:
        raise
    except InputError as error:
        raise FileError(*error.faults) from error
    except OSError as error:
        if error.errno in OF_PROCESS or (line := surroundings(error)) is None:
            raise
        raise FileError(line) from error
