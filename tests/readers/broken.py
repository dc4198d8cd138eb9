"""Damaged copies of real ROOT files, as a full disk, a crash or a bad node leaves them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import uproot


def rewritten(
    source: Path, target: Path, tree: str, branch: str, number: int, change: Callable[[bytearray], None]
) -> Path:
    """Copy ``source`` after ``change`` has edited the bytes of basket ``number`` of a branch."""
    data = bytearray(source.read_bytes())
    with uproot.open(source) as root:
        seek = int(root[tree][branch].member("fBasketSeek")[number])
    nbytes, _, objlen, _, keylen = struct.unpack(">ihiIh", data[seek : seek + 16])
    start, end = seek + keylen, seek + nbytes
    stored = bytes(data[start:end])
    raw = len(stored) == objlen
    content = bytearray(stored if raw else zlib.decompress(stored[9:]))
    change(content)
    if raw:
        data[start:end] = content
    else:
        packed = zlib.compress(bytes(content), 9)
        assert stored[:2] == b"ZL"
        if len(packed) > len(stored) - 9:  # ROOT's old method lacks zlib's 6 bytes of header and checksum
            data[start : start + 2], packed = b"CS", packed[2:-4]
        assert len(packed) <= len(stored) - 9
        data[start + 9 : end] = packed.ljust(len(stored) - 9, b"\0")
    target.write_bytes(data)
    return target


def without_keys(source: Path, target: Path) -> Path:
    """Copy a file with an empty directory, as a job leaves it that is killed before it closes the file."""
    data = bytearray(source.read_bytes())
    (seek,) = struct.unpack(">i", data[100 + struct.unpack(">h", data[114:116])[0] + _names(data) :][:4])
    keylen = struct.unpack(">h", data[seek + 14 : seek + 16])[0]
    data[seek + keylen : seek + keylen + 4] = bytes(4)
    target.write_bytes(data)
    return target


def _names(data: bytearray) -> int:
    """Return the bytes from the end of the root directory's key to its fSeekKeys: two strings and a header of 26."""
    at = 100 + struct.unpack(">h", data[114:116])[0]
    first = 1 + data[at]
    second = 1 + data[at + first]
    return first + second + 26
