"""Folders of .npy files, one image each, and single .npy files; nothing in them is ever unpickled."""

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
from dmcnn.formats.source import decoding_errors, existing_file
from dmcnn.images.sparse import META, UNIT_PIXEL, unset_events
from dmcnn.readers.fit_to_window import Decoded, FittedFile, joined
from dmcnn.readers.image_choice import LARGEST, ImageTable
from dmcnn.readers.options import FitOptions

SUFFIX = ".npy"
HEAD = 128  # bytes of nearly every header
LONGEST = 2**16 - 1  # bytes of a header: no array of numbers needs more
BLOCK = 2**24  # pixels made dense at a time


class Layout(NamedTuple):
    """What the header of a .npy file says about the image in it."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    begin: int
    """Bytes before the first pixel"""

    @property
    def rows(self) -> int:
        """Pixels along axis H."""
        return self._plane[0]

    @property
    def cols(self) -> int:
        """Pixels along axis W."""
        return self._plane[1]

    @property
    def _plane(self) -> tuple[int, ...]:
        """The shape without a channel axis of one."""
        if len(self.shape) == 2:
            return self.shape
        return self.shape[:2] if self.shape[2] == 1 else self.shape[1:]

    @property
    def nbytes(self) -> int:
        """Size of the whole file."""
        return self.begin + self.rows * self.cols * self.dtype.itemsize


class NpyFolder(FittedFile):
    """A folder of .npy files, one entry each in the order of their names, or one .npy file.

    A file holds one image (H, W), (H, W, 1) or (1, H, W) of any real type, in any byte order and memory order. The
    ids of the events are unset and plane is 0; edges are pixel numbers. Headers of all files are checked at once;
    no file stays open. Hidden files are passed over, others that are no .npy are counted.
    """

    def __init__(self, path: str | Path, options: FitOptions | None = None, **given: Any) -> None:
        path = Path(path).expanduser()
        super().__init__(path if path.is_dir() else existing_file(path), options, **given)
        self._files, self._others = _listed(self.path)
        if not self._files:
            raise InputError(f"{self.path}: holds no {SUFFIX} file")
        self._layouts = [_checked(file) for file in self._files]
        self.events = unset_events(len(self._files))
        rows, cols = np.array([(layout.rows, layout.cols) for layout in self._layouts], np.int64).T
        meta = np.zeros(len(self._files), META)
        meta["unit"], meta["x_max"], meta["y_max"] = UNIT_PIXEL, cols, rows
        table = ImageTable(np.ones(len(rows), np.int64), rows, cols, meta)
        self._fit(str(self.path), table, np.arange(len(rows), dtype=np.int64)[:, None])

    @classmethod
    def reads(cls, path: Path, head: bytes) -> bool:
        if path.is_dir():
            return bool(_listed(path)[0])
        return head.startswith(npy.MAGIC_PREFIX)

    @property
    def names(self) -> list[str] | None:
        return [file.name for file in self._files] if self.path.is_dir() else None

    @property
    def size(self) -> int:
        return sum(layout.nbytes for layout in self._layouts)

    @property
    def modified(self) -> int:
        return max(file.stat().st_mtime_ns for file in self._files)

    def report_lines(self) -> list[str]:
        others = [f"{self.path}: {n} {kind}: left out" for kind, n in self._others.items() if n]
        return [*super().report_lines(), *others]

    def _pixels(self, start: int, stop: int) -> Decoded:
        sizes = [layout.rows * layout.cols for layout in self._layouts[start:stop]]
        return joined([self._block(start + i, start + j) for i, j in _blocks(sizes)])

    def _block(self, start: int, stop: int) -> Decoded:
        """Entries start..stop-1 through one buffer."""
        rows, cols = self._rows[start:stop], self._cols[start:stop]
        starts = np.cumsum(rows * cols, axis=0) - rows * cols
        buffer = np.empty(int((rows * cols).sum()), np.float32)
        for entry, first in enumerate(starts[:, 0].tolist(), start):
            layout = self._layouts[entry]
            _fill(buffer[first : first + layout.rows * layout.cols], self._files[entry], layout)
        limits = self.options.limits
        decoded: Decoded = _core.sparsify(buffer, starts, rows, cols, self.shape[1:], *limits, True)
        return decoded


def _listed(path: Path) -> tuple[list[Path], dict[str, int]]:
    """The .npy files by name, and how many of what else lies in the folder; hidden ones are none of these."""
    if path.is_file():
        return [path], {}
    try:
        with os.scandir(path) as entries:
            found = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise InputError(f"{path}: cannot be listed ({error.strerror})") from None
    names = sorted(entry.name for entry in found if entry.name.endswith(SUFFIX) and entry.is_file())
    folders = sum(entry.is_dir() for entry in found)
    others = {f"files that are no {SUFFIX}": len(found) - len(names) - folders, "folders": folders}
    return [path / name for name in names], others


def _checked(path: Path) -> Layout:
    """The layout of a file whose size fits its header."""
    with _opened(path) as file:
        layout = _layout(path, _head(path, file))
        size = os.fstat(file.fileno()).st_size
    if size != layout.nbytes:
        shape = "x".join(map(str, layout.shape))
        raise InputError(f"{path}: {size} bytes, expected {layout.nbytes} for {shape} pixels of {layout.dtype}, "
                         f"{'truncated' if size < layout.nbytes else 'damaged'} file")  # fmt: skip
    return layout


def _opened(path: Path) -> FileIO:
    try:
        return path.open("rb", buffering=0)
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror})") from None


def _head(path: Path, file: FileIO) -> bytes:
    """The whole header, magic included."""
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


def _layout(path: Path, head: bytes) -> Layout:
    """The layout that a header tells; InputError naming the file for anything but one image of real numbers."""
    with decoding_errors(str(path)):
        layout = _parsed(head)
    if layout.dtype.kind not in "biuf":
        raise InputError(f"{path}: pixels of type {layout.dtype}, expected real numbers")
    shape = layout.shape
    if len(shape) not in (2, 3) or min(shape) < 1 or (len(shape) == 3 and 1 not in (shape[0], shape[2])):
        raise InputError(f"{path}: array of shape {shape}, expected one image (H, W), (H, W, 1) or (1, H, W)")
    if layout.rows * layout.cols > LARGEST:
        raise InputError(f"{path}: image of {layout.rows}x{layout.cols} (rows x columns) has too many pixels")
    return layout


@lru_cache(maxsize=256)  # the files of a folder differ in their pixels, hardly in their headers
def _parsed(head: bytes) -> Layout:
    """A header as NumPy understands it; whatever it raises on damaged ones."""
    file = io.BytesIO(head)
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):  # later ones are for structured types with names beyond ASCII
        raise ValueError(f"format version {version[0]}.{version[1]}, expected 1.0 or 2.0")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    with warnings.catch_warnings():  # about headers that Python 2 wrote
        warnings.simplefilter("ignore")
        shape, fortran, dtype = read(file)
    return Layout(tuple(int(side) for side in shape), dtype, bool(fortran), file.tell())


def _blocks(sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Runs [i, j) of images, each of at most BLOCK pixels unless one image alone has more."""
    runs, first, total = [], 0, 0
    for number, size in enumerate(sizes):
        if total and total + size > BLOCK:
            runs.append((first, number))
            first, total = number, 0
        total += size
    return [*runs, (first, len(sizes))] if sizes else []


def _fill(out: NDArray[np.float32], path: Path, layout: Layout) -> None:
    """Write the pixels of a file, row by row, to ``out`` (rows * cols,)."""
    with _opened(path) as file:
        same = _layout(path, _head(path, file)) == layout
        file.seek(layout.begin)
        pixels = np.fromfile(file, layout.dtype, len(out))
    if not same or len(pixels) != len(out):
        raise InputError(f"{path}: is no longer the file that it was when the reading began")
    rows = pixels.reshape((layout.rows, layout.cols), order="F" if layout.fortran else "C")
    with np.errstate(all="ignore"):  # what float32 cannot hold becomes infinite: a bad pixel
        out.reshape(rows.shape)[:] = rows
