"""Fingerprints of files: XXH3 of their bytes, so that copies are the same data and changed files are not."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import xxhash
from tqdm import tqdm

from dmcnn._common.errors import InputError
from dmcnn._common.files import atomic_file, cache_folder

BLOCK = 2**22  # bytes read at a time
SLOW = 2**31
"""Bytes of files whose hashing takes seconds, so that a progress bar is shown."""
TICK = 4 * 10**9
"""[ns] Time after a change in which another change may leave the same time: FAT counts in 2 s."""

Stamp = list[list[int]]
"""Size, times of change [ns] and inode of every file: as long as they stay, the bytes do."""


def fingerprint(files: Sequence[Path], names: Sequence[str] | None = None) -> str:
    """Return 32 hexadecimal digits that identify the bytes of files in order; of one file, its XXH3 of 128 bits.

    The bytes are read once, and again only if size, time of change or inode of a file has changed since: the result
    is remembered in the cache folder.

    Args:
        files: the files.
        names: names that belong to the identity, one per file; None = names do not count.

    Raises:
        InputError: a file that changes meanwhile.
    """
    now, stamp = time.time_ns(), _stamp(files)
    place = xxhash.xxh3_64_hexdigest(repr([str(file.resolve()) for file in files] + [names]).encode())
    memory = cache_folder() / "fingerprints" / f"{place}.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads(memory.read_bytes())
        if content["stamp"] == stamp:
            return str(content["fingerprint"])
    digest = _hash(files, names, sum(size for size, *_ in stamp))
    if _stamp(files) != stamp:
        raise InputError(f"{files[0].parent if names else files[0]}: changed while it was read: start again")
    if now - max((max(times) for _, *times, _ in stamp), default=0) > TICK:
        with suppress(OSError), atomic_file(memory, is_output=False) as temporary:
            temporary.write_text(json.dumps({"stamp": stamp, "fingerprint": digest}))
    return digest


def path_fingerprint(path: str | Path) -> str:
    """Return the fingerprint of a file, or of the files in a folder and their names."""
    path = Path(path)
    if not path.is_dir():
        return fingerprint([path])
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return fingerprint(files, [str(file.relative_to(path)) for file in files])


def _stamp(files: Sequence[Path]) -> Stamp:
    """Return size, times of change and inode of every file."""
    stats = [file.stat() for file in files]
    return [[each.st_size, each.st_mtime_ns, each.st_ctime_ns, each.st_ino] for each in stats]


def _hash(files: Sequence[Path], names: Sequence[str] | None, size: int) -> str:
    """Return the hash of all files, with a progress bar if they hold many bytes."""
    state, buffer = xxhash.xxh3_128(), memoryview(bytearray(min(BLOCK, max(1, size))))
    with tqdm(
        total=size, unit="B", unit_scale=True, desc="fingerprint", disable=None if size > SLOW else True
    ) as bar:
        for number, path in enumerate(files):
            if len(files) > 1 or names is not None:
                state.update(repr([names and names[number], path.stat().st_size]).encode())
            with path.open("rb", buffering=0) as file:
                while count := file.readinto(buffer):
                    state.update(buffer[:count])
                    bar.update(count)
    return state.hexdigest()
