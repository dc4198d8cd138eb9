"""Active cells of calorimeter images, read from the pieces in which an HDF5 file stores them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import deflate
import h5py
import numpy as np
from numpy.typing import NDArray

from dmcnn import _core
from dmcnn._common.errors import InputError
from dmcnn.formats import hdf5
from dmcnn.formats.source import decoding_errors

NAME = "X"
"""Name of the dataset (n, H, W, 2): energy and time of every cell."""

PIECE = 2**22
"""Bytes read at a time from a dataset that is not chunked."""

DEFLATE = 1032
"""Largest ratio of decompressed to compressed bytes of deflate."""


@dataclass(frozen=True)
class ActiveCells:
    """Active cells of n images.

    Attributes:
        offsets: (n+1,) int64. Image i owns ``cell[offsets[i]:offsets[i+1]]``.
        cell: (m,) int32 number of the cell, row-major, increasing in an image.
        energy, time: (m,) float32 [unit of the file].
        bad: (n,) int64 number of cells with NaN or infinite energy or time, which are left out.
    """

    offsets: NDArray[np.int64]
    cell: NDArray[np.int32]
    energy: NDArray[np.float32]
    time: NDArray[np.float32]
    bad: NDArray[np.int64]

    def take(self, start: int, stop: int) -> ActiveCells:
        """Return the cells of images start..stop-1."""
        first, last = self.offsets[start], self.offsets[stop]
        return ActiveCells(
            offsets=self.offsets[start : stop + 1] - first,
            cell=self.cell[first:last],
            energy=self.energy[first:last],
            time=self.time[first:last],
            bad=self.bad[start:stop],
        )


NO_CELLS = ActiveCells(
    offsets=np.zeros(1, np.int64),
    cell=np.zeros(0, np.int32),
    energy=np.zeros(0, np.float32),
    time=np.zeros(0, np.float32),
    bad=np.zeros(0, np.int64),
)
"""Cells of zero images."""


@dataclass(frozen=True)
class Selection:
    """Selection of cells by place, energy and time.

    Attributes:
        corner: (row, column) of the first cell of the window.
        size: (rows, columns) of the window, in which cells are numbered.
        energy_min: only cells with more energy; float32 is compared as float64.
        time_lo, time_hi: only times strictly between.
    """

    corner: tuple[int, int]
    size: tuple[int, int]
    energy_min: float
    time_lo: float
    time_hi: float

    def apply(self, block: NDArray[np.float32]) -> ActiveCells:
        """Select cells of a contiguous (n, H, W, 2) float32 block of energies and times."""
        limits = self.energy_min, self.time_lo, self.time_hi
        return ActiveCells(*_core.select(block, self.corner, self.size, *limits))


@dataclass(frozen=True)
class Pieces:
    """Pieces in which the rows of the dataset are stored; no file stays open, so that it can be pickled.

    Attributes:
        path: the file.
        shape: (H, W).
        edges: (k+1,) int64, the row where each piece begins and the last one ends.
        rows: rows of a stored piece; the last one may reach beyond the dataset.
        chunks: (k, 2) int64, position and size [bytes] of each piece in the file, if they can be decompressed without
            libhdf5, which is three times as fast and works in several threads; else None. A piece of size 0 is not
            stored.
        fill: number in a piece that is not stored.
    """

    path: Path
    shape: tuple[int, int]
    edges: NDArray[np.int64]
    rows: int
    chunks: NDArray[np.int64] | None
    fill: float = 0.0

    @classmethod
    def from_dataset(cls, path: Path, data: h5py.Dataset) -> Pieces:
        """Return the pieces of a dataset (n, H, W, 2)."""
        n, height, width, _ = data.shape
        with decoding_errors(f"{path}: {NAME}"):
            chunks = _chunk_places(data) if _has_plain_chunks(data) else None
            rows = data.chunks[0] if data.chunks else 1
            if chunks is None:  # whole chunks, several at a time
                rows *= max(1, PIECE // (8 * height * width * rows))
            fill = _fill_value(data)
        edges = np.append(np.arange(0, n, rows), n).astype(np.int64)
        return cls(path, (height, width), edges, rows, chunks, fill)

    def __len__(self) -> int:
        return int(self.edges[-1])

    def between(self, start: int, stop: int) -> list[int]:
        """Return the numbers of the pieces that hold rows start..stop-1."""
        if start == stop:
            return []
        first, last = np.searchsorted(self.edges, (start, stop - 1), side="right") - 1
        return list(range(int(first), int(last) + 1))

    def read(self, number: int, selection: Selection) -> ActiveCells:
        """Read all rows of a piece and return the selected cells."""
        first, last = self.edges[number : number + 2].tolist()
        where = f"{self.path}: entries {first}..{last - 1}"
        if self.chunks is not None:
            return selection.apply(self._inflate(where, number)[: last - first])
        with hdf5.open_file(self.path) as file, decoding_errors(where):
            block = hdf5.member(file, NAME)[first:last].astype(np.float32, copy=False)
        return selection.apply(np.ascontiguousarray(block))

    def _inflate(self, where: str, number: int) -> NDArray[np.float32]:
        """Decompress a piece: (rows, H, W, 2) float32."""
        assert self.chunks is not None
        start, size = self.chunks[number].tolist()
        shape = (self.rows, *self.shape, 2)
        wanted = 4 * int(np.prod(shape))
        if not size:
            return np.full(shape, self.fill, np.float32)
        if wanted > DEFLATE * size:
            raise InputError(f"{where}: {size} bytes cannot hold the expected {wanted}, damaged file")
        with self.path.open("rb", buffering=0) as file, decoding_errors(where):
            file.seek(start)
            values = np.frombuffer(deflate.zlib_decompress(file.read(size), wanted), np.float32)
        if values.nbytes != wanted:
            raise InputError(f"{where}: {values.nbytes} bytes, expected {wanted}; damaged file")
        return values.reshape(shape)


def _has_plain_chunks(data: h5py.Dataset) -> bool:
    """Return whether each chunk holds whole float32 images, compressed with deflate and nothing else."""
    creation = data.id.get_create_plist()
    if data.chunks is None or data.chunks[1:] != data.shape[1:] or data.dtype != np.float32:
        return False
    if data.file.userblock_size:  # positions of chunks do not include it
        return False
    return bool(creation.get_nfilters() == 1 and creation.get_filter(0)[0] == h5py.h5z.FILTER_DEFLATE)


def _fill_value(data: h5py.Dataset) -> float:
    """Return the number that libhdf5 gives for what was never written."""
    is_filled = data.id.get_create_plist().get_fill_time() != h5py.h5d.FILL_TIME_NEVER
    return float(data.fillvalue) if is_filled else 0.0


def _chunk_places(data: h5py.Dataset) -> NDArray[np.int64] | None:
    """Return (k, 2) int64 position and size of every chunk; None if one of them is stored without deflate."""
    n, rows = len(data), data.chunks[0]
    table = np.zeros((-(-n // rows), 2), np.int64)
    masks: list[int] = []

    def note(chunk: Any) -> None:
        """Enter one chunk into the table."""
        table[chunk.chunk_offset[0] // rows] = chunk.byte_offset, chunk.size
        masks.append(chunk.filter_mask)

    data.id.chunk_iter(note)
    return None if any(masks) else table


def image_dataset(file: h5py.File) -> h5py.Dataset:
    """Return the dataset of images; InputError unless its shape, type and size are valid."""
    where = f"{file.filename}: {NAME}"
    with decoding_errors(where):
        data = hdf5.member(file, NAME)
        if not isinstance(data, h5py.Dataset):
            raise InputError(
                f"{where}: no such dataset, expected images (n, H, W, 2) of energy and time; the file holds "
                f"{hdf5.content_list(file)}"
            )
        if data.ndim != 4 or data.shape[3] != 2 or data.dtype.kind != "f" or data.dtype.itemsize > 8:
            raise InputError(
                f"{where}: {data.dtype} of shape {data.shape}, expected float32 (n, H, W, 2): energy and time"
            )
        if not data.size:
            raise InputError(f"{where}: shape {data.shape}, no images")
        if data.size * data.dtype.itemsize > 2000 * Path(file.filename).stat().st_size:
            raise InputError(f"{where}: {len(data)} images, more than the file can hold, damaged file")
    return data


def classes(file: h5py.File, n: int) -> NDArray[np.int64] | None:
    """Return the (n,) class numbers; None if the file holds none."""
    where = f"{file.filename}: y"
    with decoding_errors(where):
        data = hdf5.member(file, "y")
        if data is None:
            return None
        if (
            not isinstance(data, h5py.Dataset)
            or data.shape not in ((n,), (n, 1))
            or data.dtype.kind not in "fiub"
        ):
            found = f"{data.dtype} of shape {data.shape}" if isinstance(data, h5py.Dataset) else "no dataset"
            raise InputError(f"{where}: {found}, expected a class number for each of {n} images")
        stored = data[:].astype(np.float64).ravel()
    wrong = np.flatnonzero(~((stored >= 0) & (stored < 2**31) & (stored == np.floor(stored))))
    if len(wrong):
        raise InputError(
            f"{where}: entry {wrong[0]}: {stored[wrong[0]]}, expected a whole number of 0 or more"
        )
    return np.asarray(stored, np.int64)
