"""Reader of calorimeter images of energy and time in HDF5 files, as published for ML4SCI's electron/photon challenge.

A file holds ``X`` (n, H, W, 2), energy and time of every cell, and often ``y`` (n,), the class of every image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from dmcnn._common.columns import join
from dmcnn._common.errors import InputError
from dmcnn._common.threads import threads
from dmcnn.detectors.calorimeter import FRAME_ENERGY, TIME_UNIT
from dmcnn.formats import hdf5
from dmcnn.formats.origin import Origin
from dmcnn.formats.source import decoding_errors, existing_file
from dmcnn.images.frames import Frames, cells_to_voxels
from dmcnn.images.sparse import (
    META,
    UNIT_CELL,
    UNIT_X_FRAME,
    UNIT_Y_FRAME,
    Axis,
    SparseImages,
    unset_events,
)
from dmcnn.readers.base import EventFile
from dmcnn.readers.calorimeter.cells import (
    NO_CELLS,
    ActiveCells,
    Pieces,
    Selection,
    classes,
    image_dataset,
)
from dmcnn.readers.calorimeter.options import CalorimeterOptions, View

AXES: dict[View, Axis] = {"frames": "time", "energy_time": "channel", "projections": "plane"}


class Calorimeter(EventFile):
    """File of energy and time images.

    Events have no ids: ``entry`` is the row. The unit of the axes is the cell, row 0 at the bottom, column 0 at the
    left; a crop keeps their numbers. A cell without energy is empty whatever its time. Without ``energy_min`` the
    threshold is 0.005 for frames and projections, and there is none for energy_time.
    """

    options_class = CalorimeterOptions
    options: CalorimeterOptions

    def __init__(self, path: str | Path, options: CalorimeterOptions | None = None, **given: Any) -> None:
        super().__init__(existing_file(path), options, **given)
        options, view = self.options, self.options.view
        with hdf5.open_file(self.path) as file:
            data = image_dataset(file)
            self._pieces = Pieces.from_dataset(self.path, data)
            self._classes = classes(file, len(data))
            self._origin = hdf5.origin(file)
            height, width = data.shape[1:3]
        size, corner = _central_square(self.path, height, width, options.crop)
        energy_min = options.energy_min
        if energy_min is None:
            energy_min = -math.inf if view == "energy_time" else FRAME_ENERGY
        self._selection = Selection(corner, size, *_limits(energy_min, options.time_lo, options.time_hi))
        self._frames = _frames(options.time_edges, options.cumulative and view == "frames")
        self.shape, self.axis0 = self._shape(), AXES[view]
        if math.prod(self.shape) >= 2**31:
            raise InputError(f"{self.path}: images of {self.shape} cells are too large")
        self.events = unset_events(len(self._pieces))
        self._read, self._empty = np.zeros((2, len(self.events)), bool)
        self._bad = np.zeros(len(self.events), np.int64)
        self._last: tuple[int, ActiveCells] | None = None

    @classmethod
    def reads(cls, path: Path, head: bytes) -> bool:
        if not head or not hdf5.is_hdf5(path):
            return False
        try:
            with hdf5.open_file(path) as file, decoding_errors(str(path)):
                link = file.get("X", getlink=True)
                return link is not None and (
                    not isinstance(link, h5py.HardLink) or isinstance(file["X"], h5py.Dataset)
                )
        except InputError:
            return False  # the reader of other HDF5 files raises the error

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_last": None}

    def close(self) -> None:
        self._last = None

    def as_drawn(self) -> Calorimeter:
        """Return a reader of energy and time of all cells of the crop."""
        if self.options.view == "energy_time":
            return self
        crop, bad_pixels = self.options.crop, self.options.bad_pixels
        return Calorimeter(self.path, view="energy_time", crop=crop, bad_pixels=bad_pixels)

    @property
    def origin(self) -> Origin:
        return self._origin

    @property
    def cuts(self) -> tuple[float, tuple[float, ...]]:
        if self.options.view == "energy_time":
            return super().cuts
        ends = (self.options.time_lo, self.options.time_hi)
        return self._selection.energy_min, tuple(end for end in ends if end is not None)

    @property
    def stored_classes(self) -> NDArray[np.int64] | None:
        return self._classes

    @property
    def frame_edges(self) -> NDArray[np.float64] | None:
        return self._frames.edges if self.options.view == "frames" else None

    @property
    def frame_unit(self) -> str:
        return f"{TIME_UNIT:g} ns"

    def read(self, start: int = 0, stop: int | None = None) -> SparseImages:
        stop = self._until(start, stop)
        cells = self._cells(start, stop)
        if self.options.bad_pixels == "stop":
            self._stop_at(cells.bad, start)
        self._read[start:stop], self._bad[start:stop] = True, cells.bad
        self._empty[start:stop] = np.diff(cells.offsets) == 0
        return self._make_view(cells, self.events[start:stop].copy())

    def _cells(self, start: int, stop: int) -> ActiveCells:
        """Read the selected cells of entries start..stop-1, numbered in the crop.

        Whole pieces of the file are read, several at a time; the last one stays in memory, as the next entries begin
        in it.
        """
        numbers = self._pieces.between(start, stop)
        last = self._last

        def work(number: int) -> ActiveCells:
            return last[1] if last and last[0] == number else self._pieces.read(number, self._selection)

        workers = min(threads(), len(numbers))
        if workers < 2:
            pieces = [work(number) for number in numbers]
        else:
            with ThreadPoolExecutor(workers) as pool:
                pieces = list(pool.map(work, numbers))
        if pieces:
            self._last = numbers[-1], pieces[-1]
        first = int(self._pieces.edges[numbers[0]]) if numbers else start
        return join(pieces, NO_CELLS).take(start - first, stop - first)

    def _shape(self) -> tuple[int, int, int]:
        """Return (C, H, W) of the view."""
        height, width = self._selection.size
        if self.options.view == "frames":
            return self._frames.count, height, width
        side = max(height, width, self._frames.count)
        return (2, height, width) if self.options.view == "energy_time" else (3, side, side)

    def _energy_time(self, cells: ActiveCells, events: NDArray[Any]) -> SparseImages:
        """Convert cells into (2, H, W) images; a time of exactly 0 is not stored."""
        height, width = self._selection.size
        counts = np.diff(cells.offsets)
        at = np.arange(len(cells.cell)) + np.repeat(
            cells.offsets[:-1], counts
        )  # energies of image i, then its times
        index, value = np.empty(2 * len(at), np.int32), np.empty(2 * len(at), np.float32)
        for channel, column in enumerate((cells.energy, cells.time)):
            place = at + np.repeat(channel * counts, counts)
            index[place], value[place] = cells.cell + channel * height * width, column
        offsets = 2 * cells.offsets
        stored = value != 0
        if not stored.all():
            offsets = np.concatenate([[0], np.cumsum(stored)])[offsets]
            index, value = index[stored], value[stored]
        meta = np.repeat(self._meta(len(events))[:, None], 2, axis=1)
        meta["plane"] = np.arange(2)
        return SparseImages(
            offsets.astype(np.int64), index, value, self.shape, events, meta, axis0=self.axis0
        )

    def _meta(self, n: int) -> NDArray[Any]:
        """Return the (n,) META of the crop."""
        (top, left), (height, width) = self._selection.corner, self._selection.size
        meta = np.zeros(n, META)
        meta["unit"] = UNIT_CELL
        meta["y_min"], meta["y_max"] = top, top + height
        meta["x_min"], meta["x_max"] = left, left + width
        return meta

    def _make_view(self, cells: ActiveCells, events: NDArray[Any]) -> SparseImages:
        """Convert cells into images of the view."""
        if self.options.view == "energy_time":
            return self._energy_time(cells, events)
        frames = cells_to_voxels(
            cells.offsets, cells.cell, cells.energy, cells.time, self._frames, self._selection.size,
            events=events, meta=self._meta(len(events)),
        )  # fmt: skip
        return frames if self.options.view == "frames" else projections(frames, self.shape[1])

    def report_lines(self) -> list[str]:
        lines = [f"{self.path}: {int(self._read.sum())} of {len(self)} entries read"]
        empty, bad = int((self._read & self._empty).sum()), int(self._bad.sum())
        if empty:
            lines.append(f"{self.path}: {empty} entries hold no energy within the limits")
        if bad:
            lines.append(f"{self.path}: {bad} pixels were NaN or infinite, set to zero")
        return lines


def _central_square(
    path: Path, height: int, width: int, crop: int | None
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return (rows, columns) of the central square, and (row, column) of its first cell."""
    if crop is None:
        return (height, width), (0, 0)
    if not 1 <= crop <= min(height, width) or (height - crop) % 2 or (width - crop) % 2:
        raise InputError(
            f"{path}: crop = {crop}, expected at most {min(height, width)} and even or odd as the images of "
            f"{height}x{width} cells"
        )
    return (crop, crop), ((height - crop) // 2, (width - crop) // 2)


def _limits(energy_min: float, time_lo: float | None, time_hi: float | None) -> tuple[float, float, float]:
    """Return the lowest energy and both limits of the times; infinite where there is no limit."""
    low, high = -math.inf if time_lo is None else time_lo, math.inf if time_hi is None else time_hi
    if math.isnan(energy_min) or not low < high:
        raise InputError(f"energy_min = {energy_min}, time_lo = {time_lo}, time_hi = {time_hi}: expected numbers, "
                         "time_lo below time_hi")  # fmt: skip
    return energy_min, low, high


def _frames(time_edges: Sequence[float], cumulative: bool) -> Frames:
    """Return as many frames as edges; ``Selection`` has applied the energy threshold already."""
    if len(time_edges) != 3 or not all(map(math.isfinite, time_edges)):
        raise InputError(f"time_edges = {list(time_edges)}, expected (first, end, step)")
    first, end, step = time_edges
    if step <= 0 or not step < end - first <= 2**20 * step:
        raise InputError(
            f"time_edges = {list(time_edges)}, expected (first, end, step) that give 2 or more edges"
        )
    edges = np.arange(first, end, step)
    return Frames(edges, energy_above=-math.inf, cumulative=cumulative, n_frames=len(edges))


def projections(frames: SparseImages, side: int) -> SparseImages:
    """Return (3, side, side) sums of (T, H, W) images along t, y and x, each centred in its square.

    Sums are computed in float64. The rows of the second and third are frames.
    """
    n, (count, height, width) = len(frames), frames.shape
    t, cell = np.divmod(frames.index, height * width)
    y, x = np.divmod(cell, width)
    image = np.repeat(np.arange(n), frames.n_pixels)
    planes = ((y, height, x, width), (t, count, x, width), (t, count, y, height))
    flat = [
        ((image * 3 + plane) * side + row + (side - rows) // 2) * side + column + (side - columns) // 2
        for plane, (row, rows, column, columns) in enumerate(planes)
    ]
    size = 3 * side * side
    summed = np.bincount(np.concatenate(flat), np.tile(frames.value.astype(np.float64), 3), n * size)
    filled = np.flatnonzero(summed)
    meta = np.repeat(frames.meta[:, :1], 3, axis=1)
    meta["plane"], meta["unit"] = np.arange(3), (UNIT_CELL, UNIT_X_FRAME, UNIT_Y_FRAME)
    meta["x_min"][:, 2] = meta["y_min"][:, 0]  # y runs along the columns
    meta["y_min"][:, 1:] = 0
    margins = [((side - rows) // 2, (side - columns) // 2) for _, rows, _, columns in planes]
    for low, high, margin in zip(("y_min", "x_min"), ("y_max", "x_max"), np.transpose(margins), strict=True):
        meta[low] -= margin
        meta[high] = meta[low] + side
    return replace(
        frames,
        offsets=np.searchsorted(filled, np.arange(n + 1) * size).astype(np.int64),
        index=(filled % size).astype(np.int32),
        value=summed[filled].astype(np.float32),
        shape=(3, side, side),
        meta=meta,
        axis0="plane",
    )
