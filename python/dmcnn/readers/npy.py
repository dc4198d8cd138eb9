"""Images in .npy files, one per file: folders and single files; pickled objects are refused."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Sequence
from functools import lru_cache
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from dmcnn import _core
from dmcnn._common.errors import InputError
from dmcnn._common.files import home
from dmcnn.formats.origin import Origin, folder_origin
from dmcnn.formats.source import decoding_errors, existing_file
from dmcnn.images.sparse import META, UNIT_PIXEL, unset_events
from dmcnn.readers.fit_to_window import Decoded, FittedFile, join_decoded
from dmcnn.readers.image_choice import LARGEST, ImageTable
from dmcnn.readers.options import FitOptions

SUFFIX = ".npy"
HEAD = 128  # bytes read first: most headers are that long
LONGEST = 2**16 - 1  # bytes of a header at most: no array of numbers needs more
BLOCK = 2**24  # dense pixels in memory at a time


class NpyHeader(NamedTuple):
    """Header of a .npy file: shape, type and memory order of its image."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    begin: int
    """Byte of the first pixel"""

    @property
    def rows(self) -> int:
        """Number of pixels along axis H."""
        return self._plane[0]

    @property
    def cols(self) -> int:
        """Number of pixels along axis W."""
        return self._plane[1]

    @property
    def _plane(self) -> tuple[int, ...]:
        """(H, W): the shape without its channel axis of length 1."""
        if len(self.shape) == 2:
            return self.shape
        return self.shape[:2] if self.shape[2] == 1 else self.shape[1:]

    @property
    def nbytes(self) -> int:
        """Expected size of the file."""
        return self.begin + self.rows * self.cols * self.dtype.itemsize


class NpyFolder(FittedFile):
    """Folder of .npy files, one entry each in the order of their names, or one .npy file.

    A file holds one image (H, W), (H, W, 1) or (1, H, W) of any real type, in any byte order and memory order. The
    ids of the events are unset and plane is 0; edges are pixel numbers. The constructor checks the headers of all
    files; no file stays open. Hidden files are ignored; the report counts other files that are no .npy.
    """

    def __init__(self, path: str | Path, options: FitOptions | None = None, **given: Any) -> None:
        path = home(path)
        super().__init__(path if path.is_dir() else existing_file(path), options, **given)
        if self.options.roi == "vertex":
            raise InputError(
                f"{self.path}: roi = 'vertex' needs the ids of events, which {SUFFIX} files lack"
            )
        self._files, self._others = _list_files(self.path)
        if not self._files:
            raise InputError(f"{self.path}: holds no {SUFFIX} file")
        self._headers = [_check_file(file) for file in self._files]
        self._origin = folder_origin(self.path if self.path.is_dir() else self.path.parent, SUFFIX)
        self.events = unset_events(len(self._files))
        rows, cols = np.array([(header.rows, header.cols) for header in self._headers], np.int64).T
        meta = np.zeros(len(self._files), META)
        meta["unit"], meta["x_max"], meta["y_max"] = UNIT_PIXEL, cols, rows
        table = ImageTable(np.ones(len(rows), np.int64), rows, cols, meta)
        self._fit(str(self.path), table, np.arange(len(rows), dtype=np.int64)[:, None])

    @classmethod
    def reads(cls, path: Path, head: bytes) -> bool:
        if path.is_dir():
            return bool(_list_files(path)[0])
        return head.startswith(npy.MAGIC_PREFIX)

    @property
    def names(self) -> list[str] | None:
        return [file.name for file in self._files] if self.path.is_dir() else None

    @property
    def origin(self) -> Origin:
        return self._origin

    @property
    def content_files(self) -> list[Path]:
        return self._files

    @property
    def size(self) -> int:
        return sum(header.nbytes for header in self._headers)

    @property
    def modified(self) -> int:
        return max(file.stat().st_mtime_ns for file in self._files)

    def report_lines(self) -> list[str]:
        others = [f"{self.path}: {n} {kind}: left out" for kind, n in self._others.items() if n]
        return [*super().report_lines(), *others]

    def _pixels(self, start: int, stop: int) -> Decoded:
        sizes = [header.rows * header.cols for header in self._headers[start:stop]]
        return join_decoded([self._block(start + i, start + j) for i, j in _blocks(sizes)])

    def _block(self, start: int, stop: int) -> Decoded:
        """Decode entries start..stop-1 through one buffer."""
        rows, cols = self._rows[start:stop], self._cols[start:stop]
        starts = np.cumsum(rows * cols, axis=0) - rows * cols
        buffer = np.empty(int((rows * cols).sum()), np.float32)
        for entry, first in enumerate(starts[:, 0].tolist(), start):
            header = self._headers[entry]
            _fill(buffer[first : first + header.rows * header.cols], self._files[entry], header)
        limits = self.options.limits
        decoded: Decoded = _core.sparsify(buffer, starts, rows, cols, self._whole[1:], *limits, True)
        return decoded


def _list_files(path: Path) -> tuple[list[Path], dict[str, int]]:
    """Return the .npy files sorted by name, and kind -> number of the other files; hidden ones do not count."""
    if path.is_file():
        return [path], {}
    try:
        with os.scandir(path) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise InputError(f"{path}: cannot be listed ({error.strerror})") from None
    names = sorted(entry.name for entry in visible if entry.name.endswith(SUFFIX) and entry.is_file())
    folders = sum(entry.is_dir() for entry in visible)
    others = {f"files that are no {SUFFIX}": len(visible) - len(names) - folders, "folders": folders}
    return [path / name for name in names], others


def _check_file(path: Path) -> NpyHeader:
    """Return the header of a file; InputError unless the size of the file fits it."""
    with _open(path) as file:
        header = _check_header(path, _read_header(path, file))
        size = os.fstat(file.fileno()).st_size
    if size != header.nbytes:
        shape = "x".join(map(str, header.shape))
        raise InputError(f"{path}: {size} bytes, expected {header.nbytes} for {shape} pixels of {header.dtype}, "
                         f"{'truncated' if size < header.nbytes else 'damaged'} file")  # fmt: skip
    return header


def _open(path: Path) -> FileIO:
    """Open a file without buffering; InputError if that fails."""
    try:
        return path.open("rb", buffering=0)
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror})") from None


def _read_header(path: Path, file: FileIO) -> bytes:
    """Read the whole header, magic included."""
    head = file.read(HEAD)
    if not head.startswith(npy.MAGIC_PREFIX):
        found = f"begins with {head[:8]!r}" if head else "is empty"
        raise InputError(f"{path}: {found}, expected a {SUFFIX} file")
    length = 10 + int.from_bytes(head[8:10], "little")
    if head[6:7] != b"\x01":
        length = 12 + int.from_bytes(head[8:12], "little")
    if length > LONGEST:
        raise InputError(f"{path}: header of {length} bytes, expected at most {LONGEST}, damaged file")
    return head[:length] if length <= len(head) else head + file.read(length - len(head))


def _check_header(path: Path, head: bytes) -> NpyHeader:
    """Parse a header; InputError naming the file unless it describes one image of real numbers."""
    with decoding_errors(str(path)):
        header = _parse_header(head)
    if header.dtype.kind not in "biuf":
        raise InputError(f"{path}: pixels of type {header.dtype}, expected real numbers")
    shape = header.shape
    if len(shape) not in (2, 3) or min(shape) < 1 or (len(shape) == 3 and 1 not in (shape[0], shape[2])):
        raise InputError(f"{path}: array of shape {shape}, expected one image (H, W), (H, W, 1) or (1, H, W)")
    if header.rows * header.cols > LARGEST:
        raise InputError(f"{path}: image of {header.rows}x{header.cols} (rows x columns) has too many pixels")
    return header


@lru_cache(maxsize=256)  # most files of a folder have the same header
def _parse_header(head: bytes) -> NpyHeader:
    """Parse a header with NumPy; a damaged one raises any of a dozen types of errors."""
    file = io.BytesIO(head)
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):  # 3.0 is for structured types with names beyond ASCII
        raise ValueError(f"format version {version[0]}.{version[1]}, expected 1.0 or 2.0")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    with warnings.catch_warnings():  # NumPy warns of headers that Python 2 wrote
        warnings.simplefilter("ignore")
        shape, fortran, dtype = read(file)
    return NpyHeader(tuple(int(side) for side in shape), dtype, bool(fortran), file.tell())


def _blocks(sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Return runs [i, j) of images, each of at most BLOCK pixels unless one image alone has more."""
    runs, first, total = [], 0, 0
    for number, size in enumerate(sizes):
        if total and total + size > BLOCK:
            runs.append((first, number))
            first, total = number, 0
        total += size
    return [*runs, (first, len(sizes))] if sizes else []


def _fill(out: NDArray[np.float32], path: Path, header: NpyHeader) -> None:
    """Write the pixels of a file, row by row, to ``out`` (rows * cols,)."""
    with _open(path) as file:
        same = _check_header(path, _read_header(path, file)) == header
        file.seek(header.begin)
        pixels = np.fromfile(file, header.dtype, len(out))
    if not same or len(pixels) != len(out):
        raise InputError(f"{path}: is no longer the file that it was when the reading began")
    rows = pixels.reshape((header.rows, header.cols), order="F" if header.fortran else "C")
    with np.errstate(all="ignore"):  # numbers beyond float32 become infinite: bad pixels
        out.reshape(rows.shape)[:] = rows
