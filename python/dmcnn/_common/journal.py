"""Journals of finished work, from which a killed command resumes."""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from dmcnn._common.files import atomic_file
from dmcnn._common.lock import check_locks

log = logging.getLogger("dmcnn")

FORMAT = 2
"""Number in the first line; files without it hold bare rows, which nothing can check."""

DURABLE = 5.0
"""[s] Longest time for which rows are in the memory of the system alone, where a power cut ends them."""


class Rows:
    """Finished rows, in memory.

    Args:
        width: numbers in a row.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._rows = [np.zeros((0, width))]

    def __len__(self) -> int:
        return sum(map(len, self._rows))

    @property
    def rows(self) -> NDArray[np.float64]:
        """(n, width) float64: all finished rows."""
        self._rows = [np.concatenate(self._rows)]
        return self._rows[0]

    def append(self, rows: NDArray[np.float64]) -> None:
        """Append (m, width) rows."""
        self._rows.append(np.ascontiguousarray(rows, np.float64).reshape(-1, self._width))


class Journal(Rows):
    """Journal file of finished rows, from which a killed command resumes.

    The first line is JSON and holds the ``key`` that identifies the work. Entries 0, 1, … follow: entry number
    (uint64), row (width float64), and XXH3 of first line, entry number and row (uint64). All from the first entry on
    that is cut short, damaged or out of turn is dropped; a journal with another key is begun anew.

    Args:
        path: journal file; its output name is locked by this process.
        key: everything on which the rows depend.
        width: numbers in a row.
        old: values of the key in journals of earlier versions, which identified data by names, sizes and ids.
    """

    def __init__(
        self, path: str | Path, key: dict[str, Any], width: int, old: dict[str, Any] | None = None
    ) -> None:
        super().__init__(width)
        self.path, self._synced = Path(path), time.monotonic()
        self._dtype = np.dtype([("entry", "<u8"), ("row", "<f8", (width,)), ("check", "<u8")])
        self._header, begin = _headers(key, width, old)
        content = self.path.read_bytes() if self.path.exists() else b""
        if content.startswith(begin):
            rows = _whole(content[len(begin) :], np.dtype(("<f8", (width,))))
            self._begin(np.asarray(rows))
        elif content.startswith(self._header):
            self._rows = [self._valid(content[len(self._header) :])]
            os.truncate(self.path, len(self._header) + len(self) * self._dtype.itemsize)
        else:
            if content:
                log.warning(
                    "warning: %s: %s: the work begins anew", self.path, _difference(content, self._header)
                )
            self._begin(np.zeros((0, width)))

    def append(self, rows: NDArray[np.float64]) -> None:
        """Append (m, width) rows and hand them to the operating system before returning."""
        rows = np.ascontiguousarray(rows, np.float64).reshape(-1, self._width)
        check_locks()
        with self.path.open("ab") as file:
            file.write(self._records(rows, len(self)))
            if time.monotonic() - self._synced > DURABLE:
                file.flush()
                os.fsync(file.fileno())
                self._synced = time.monotonic()
        super().append(rows)

    def close(self) -> None:
        """Remove the journal: the work is finished and its result is stored elsewhere."""
        self.path.unlink(missing_ok=True)

    def _begin(self, rows: NDArray[np.float64]) -> None:
        """Write a new journal of these rows."""
        self._rows = [rows]
        with atomic_file(self.path, is_output=False) as temporary:
            temporary.write_bytes(self._header + self._records(rows, 0))

    def _records(self, rows: NDArray[np.float64], first: int) -> bytes:
        """Return the bytes of the entries ``first``, ``first`` + 1, …"""
        records = np.zeros(len(rows), self._dtype)
        records["entry"], records["row"] = np.arange(first, first + len(rows)), rows
        records["check"] = self._checksums(records)
        return records.tobytes()

    def _checksums(self, records: NDArray[Any]) -> NDArray[np.uint64]:
        """Return the (n,) checksums of entry number and row; the first line seeds them."""
        seed, raw, step = xxhash.xxh3_64_intdigest(self._header), records.tobytes(), self._dtype.itemsize
        ends = range(step, len(raw) + 1, step)
        sums = [xxhash.xxh3_64_intdigest(raw[end - step : end - 8], seed) for end in ends]
        return np.array(sums, np.uint64)

    def _valid(self, content: bytes) -> NDArray[np.float64]:
        """Return the rows before the first entry that is cut short, damaged or out of turn."""
        records = _whole(content, self._dtype)
        right = (records["check"] == self._checksums(records)) & (records["entry"] == np.arange(len(records)))
        count = len(records) if right.all() else int(right.argmin())
        if lost := len(content) - count * self._dtype.itemsize:
            log.warning(
                "warning: %s: %d bytes after entry %d are damaged: these entries are computed again",
                self.path, lost, count,
            )  # fmt: skip
        return records["row"][:count].copy()


def holds(path: Path, key: dict[str, Any], width: int, old: dict[str, Any] | None = None) -> bool:
    """Return whether a file is the journal of the work with a key; arguments as of ``Journal``."""
    if not path.exists():
        return False
    with path.open("rb") as file:
        return file.readline() in _headers(key, width, old)


def _headers(key: dict[str, Any], width: int, old: dict[str, Any] | None) -> tuple[bytes, bytes]:
    """Return the first line of a journal, and that which earlier versions wrote."""
    return _line({**key, "width": width, "journal": FORMAT}), _line({**key, **(old or {}), "width": width})


def _whole(content: bytes, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the whole records at the beginning of bytes."""
    return np.frombuffer(content, dtype, count=len(content) // dtype.itemsize)


def _line(key: dict[str, Any]) -> bytes:
    """Return the first line of a journal."""
    return (json.dumps(key, sort_keys=True) + "\n").encode()


def _difference(content: bytes, header: bytes) -> str:
    """Return why a journal cannot be used: the parts of its key that differ, if it can be read."""
    try:
        theirs = json.loads(content.partition(b"\n")[0])
        changed = [name for name, value in json.loads(header).items() if theirs.get(name) != value]
    except (ValueError, AttributeError):
        changed = []
    return f"of another {' and '.join(changed)}" if changed else "damaged"
