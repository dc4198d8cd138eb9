"""Decompression of the blocks of ROOT files, with the fastest library for each method; all release the GIL."""

from __future__ import annotations

import lzma
import struct
from collections.abc import Callable
from typing import Any

import cramjam
import deflate
import numpy as np
import xxhash
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn.formats.source import decoding_errors

HEADER = 9
"""Bytes before each block: 2 of the method's tag, 1 of its variant, 3 little-endian of the compressed size, 3 of
the decompressed size (so that a block holds less than 16 MiB)."""


def _xz(data: memoryview, size: int) -> bytes:
    """Decompress one xz block; one byte more than ``size`` shows that the size is wrong."""
    return lzma.LZMADecompressor().decompress(data, max_length=size + 1)


def _lz4(data: memoryview, size: int) -> NDArray[np.uint8]:
    """Decompress one LZ4 block and check the 64-bit xxHash before it: LZ4 itself would not notice a wrong byte."""
    if struct.unpack(">Q", data[:8])[0] != xxhash.xxh64(data[8:]).intdigest():
        raise ValueError("wrong checksum")
    return _into(cramjam.lz4.decompress_block_into, data[8:], size)


def _zstd(data: memoryview, size: int) -> NDArray[np.uint8]:
    """Decompress one Zstandard block."""
    return _into(cramjam.zstd.decompress_into, data, size)


def _into(inflate: Callable[..., int], data: memoryview, size: int) -> NDArray[np.uint8]:
    """Decompress with a function that writes into an array and returns the number of bytes."""
    out = np.empty(size, np.uint8)
    return out[: inflate(data, out)]


METHODS: dict[bytes, Callable[[memoryview, int], Any]] = {
    b"ZL": deflate.zlib_decompress,
    b"CS": deflate.deflate_decompress,
    b"XZ": _xz,
    b"L4": _lz4,
    b"ZS": _zstd,
}


def decompress(where: str, stored: memoryview, size: int) -> NDArray[np.uint8]:
    """Return (size,) uint8: the decompressed bytes; ROOT stores them plain if that is shorter.

    Raises:
        InputError: naming ``where``; blocks that do not fill ``stored`` and ``size`` to the last byte, an unknown
            method, or bytes that cannot be decompressed.
    """
    if len(stored) == size:
        return np.frombuffer(bytes(stored), np.uint8)  # a copy: the caller reads the next basket over it
    blocks = _blocks(where, stored, size)  # all sizes are checked before memory is allocated
    with decoding_errors(where):
        parts = [np.frombuffer(METHODS[tag](block, length), np.uint8) for tag, block, length in blocks]
    for part, (_, _, length) in zip(parts, blocks, strict=True):
        if len(part) != length:
            raise InputError(f"{where}: a block holds {len(part)} bytes, expected {length}; damaged file")
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _blocks(where: str, stored: memoryview, size: int) -> list[tuple[bytes, memoryview, int]]:
    """Return tag, compressed bytes and decompressed size of each block."""
    blocks = []
    at = total = 0
    while at < len(stored):
        head = bytes(stored[at : at + HEADER])
        tag, packed = head[:2], int.from_bytes(head[3:6], "little")
        length = int.from_bytes(head[6:9], "little")
        at, total = at + HEADER + packed, total + length
        if len(head) < HEADER or tag not in METHODS or not length or at > len(stored):
            known = ", ".join(method.decode() for method in METHODS)
            raise InputError(f"{where}: begins a block with {head!r}, expected one of {known}; damaged file")
        blocks.append((tag, stored[at - packed : at], length))
    if total != size:
        raise InputError(f"{where}: blocks of {total} bytes in all, expected {size}; damaged file")
    return blocks
