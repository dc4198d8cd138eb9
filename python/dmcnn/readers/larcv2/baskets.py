"""Baskets of one branch of a ROOT file: read by position, several at a time, checked against the tree."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn._common.threads import map_in_threads
from dmcnn.formats.source import decoding_errors
from dmcnn.readers.larcv2.compression import decompress

KEY = struct.Struct(">ihiIhh")
"""fNbytes, version, fObjlen, fDatime, fKeylen, fCycle; then fSeekKey and fSeekPdir, of 8 bytes if version > 1000."""
BASKET = struct.Struct(">hiiiiB")
"""version, fBufferSize, fNevBufSize, fNevBuf, fLast, flag: the last bytes of a basket's key."""

NARROW, WIDE = struct.Struct(">i"), struct.Struct(">q")
OFFSET = np.dtype(">i4")

WORTH_A_THREAD = 32_768
"""Stored bytes per thread at least: with fewer, starting the thread costs more than it saves."""

Entries = tuple[NDArray[np.uint8], NDArray[np.int64]]
"""Decompressed bytes, and the (n+1,) positions in them where each entry begins and the last one ends."""
Result = TypeVar("Result")


class Baskets:
    """Positions of the baskets of a branch; it holds no uproot object, so that it can be pickled.

    Args:
        path: the file.
        name: name of the branch.
        edges: (n+1,) int64, the entry where each basket begins and the last one ends.
        seek, nbytes: (n,) position and size of each basket in the file.
        item: bytes of an entry if all have the same size and the baskets do not list their positions, else None.
        fetch: reads one basket through uproot, for branches whose last baskets lie inside the tree's record.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        edges: NDArray[np.int64],
        seek: NDArray[np.int64],
        nbytes: NDArray[np.int64],
        item: int | None = None,
        fetch: Callable[[int], Entries] | None = None,
    ) -> None:
        self.path, self.name, self.edges, self._seek, self._nbytes = path, name, edges, seek, nbytes
        self._item, self._fetch = item, fetch
        self._title = bytes([7]) + b"TBasket" + _text(name)
        self._last: tuple[int, Entries] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_last": None}

    def close(self) -> None:
        """Free the last basket, which ``read`` keeps in memory."""
        self._last = None

    def read(
        self,
        start: int,
        stop: int,
        decode: Callable[[NDArray[np.uint8], NDArray[np.int64], int], Result],
        n_threads: int,
    ) -> list[Result]:
        """Return ``decode(data, at, first)`` of every basket that holds some of the entries start..stop-1, in order.

        ``data[at[i]:at[i+1]]`` are the bytes of entry first + i; ``at`` has the entries start..stop-1 only.
        A damaged basket may have any numbers in ``at``: ``decode`` checks them, as the kernels do.
        With several threads the error raised is still that of the first faulty basket.
        """
        numbers = np.flatnonzero((self.edges[:-1] < stop) & (self.edges[1:] > start))
        stored = int(self._nbytes[numbers].sum()) if self._fetch is None else WORTH_A_THREAD * len(numbers)

        def work(numbers: Iterator[int]) -> Iterator[Result]:
            with self.path.open("rb", buffering=0) as file:
                most = min(int(self._nbytes.max(initial=0)), os.fstat(file.fileno()).st_size)
                buffer = np.empty(max(0, most), np.uint8).data
                for number in numbers:
                    yield decode(*self._entries(file, buffer, number, start, stop))

        return map_in_threads(work, numbers.tolist(), min(n_threads, len(numbers), stored // WORTH_A_THREAD))

    def _entries(
        self, file: FileIO, buffer: memoryview, number: int, start: int, stop: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64], int]:
        """Return the arguments of ``decode`` for the wanted entries of a basket."""
        begin, end = int(self.edges[number]), int(self.edges[number + 1])
        last = self._last
        data, at = last[1] if last is not None and last[0] == number else self._basket(file, buffer, number)
        if stop < end:  # small images share a basket, in which the next chunk of entries begins
            self._last = number, (data, at)
        first = max(start, begin)
        return data, at[first - begin : min(stop, end) - begin + 1], first

    def _basket(self, file: FileIO, buffer: memoryview, number: int) -> Entries:
        """Read the entries of one basket; ``buffer`` takes its record."""
        begin, end = int(self.edges[number]), int(self.edges[number + 1])
        where = f"{self.path}: branch {self.name}: entries {begin}..{end - 1}"
        if self._fetch is not None:
            with decoding_errors(where):
                data, at = self._fetch(number)
        else:
            seek, nbytes = int(self._seek[number]), int(self._nbytes[number])
            with decoding_errors(where):
                file.seek(seek)
                record = buffer[: max(nbytes, 0)]
                record = record[: file.readinto(record)]
            if len(record) < nbytes or nbytes < KEY.size:
                raise InputError(f"{where}: {len(record)} bytes at {seek}, expected {nbytes}; truncated")
            data, at = self._parse(where, record, seek, end - begin)
        if len(at) != end - begin + 1:
            raise InputError(f"{where}: the basket does not say where its entries begin, damaged file")
        return data, at

    def _parse(self, where: str, record: memoryview, seek: int, entries: int) -> Entries:
        """Check and decompress the record of a basket: its key, then its compressed blocks."""
        nbytes, version, size, _, keylen, _ = KEY.unpack_from(record)
        place, title = (WIDE, KEY.size + 16) if version > 1000 else (NARROW, KEY.size + 8)
        if not title + len(self._title) + BASKET.size <= keylen <= len(record) or size < 0:
            raise InputError(f"{where}: no basket at {seek}, damaged file")
        _, _, _, n, last, flag = BASKET.unpack_from(record, keylen - BASKET.size)
        stated = (nbytes, bytes(record[title : title + len(self._title)]), *place.unpack_from(record, KEY.size),
                  n, flag)  # fmt: skip
        expected = len(record), self._title, seek, entries, 0
        if stated != expected or not keylen <= last <= keylen + size:
            raise InputError(f"{where}: not the basket that the tree describes at {seek} (length, name, position, "
                             f"entries, flag {stated}, expected {expected}), damaged file")  # fmt: skip
        data = decompress(where, record[keylen:], size)
        return data, self._ends(data, last - keylen, keylen, entries)

    def _ends(self, data: NDArray[np.uint8], length: int, keylen: int, entries: int) -> NDArray[np.int64]:
        """Return the (n+1,) positions of the entries of a basket, the last of which ends at ``length``.

        Empty if the basket does not state them. After the entries it holds i32 number of entries + 1, the i32
        position of each counted from the key, i32 0.
        """
        table = data[length + 4 : length + 4 + 4 * entries]
        if len(table) == 4 * entries and self._item is None:
            ends = np.empty(entries + 1, np.int64)
            np.subtract(table.view(OFFSET), keylen, out=ends[:-1])
            ends[-1] = length
            return ends
        if self._item is not None and self._item * entries == length:
            return np.arange(entries + 1, dtype=np.int64) * self._item
        return np.zeros(0, np.int64)


def _text(name: str) -> bytes:
    """Return a TString as ROOT writes it: its length in one byte, or 255 and then the length in four bytes."""
    raw = name.encode()
    return (bytes([len(raw)]) if len(raw) < 255 else b"\xff" + struct.pack(">i", len(raw))) + raw
