"""Tables of pixel frames and of the true parameters of their tracks: files, columns and shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn.detectors.smartpixel import SLICES, STEP, WINDOWS
from dmcnn.readers.smartpixel.columns import Columns, open_columns
from dmcnn.readers.smartpixel.frames import CHARGE_CACHE, Charges, charges_from_table

RECON, LABELS = ("recon3D", "recon2D"), "labels"
"""Words in the names of files and folders of charges, and the word in those of their labels instead."""


@dataclass(frozen=True)
class PixelTable:
    """Charges of one file and the labels of the same rows. Objects can be pickled.

    Attributes:
        charges: the file with a column for every pixel.
        labels: its file of labels; None if there is none.
        slices: numbers of the chosen time slices.
        shape: (C, H, W): chosen slices, rows and columns of the window.
        edges: 0 and the ends of the chosen slices [ps], if the file has all slices and they are in order; else None.
    """

    charges: Columns
    labels: Columns | None
    slices: tuple[int, ...]
    shape: tuple[int, int, int]
    edges: NDArray[np.float64] | None

    @classmethod
    def open(cls, path: Path, slices: Sequence[int] | None, window: Sequence[int] | None) -> PixelTable:
        """Open a parquet or csv file and its labels; for ``slices`` and ``window`` see SmartPixelOptions."""
        charges = open_columns(path)
        count, height, width = _shape(charges, window)
        used = tuple(range(count)) if slices is None else tuple(slices)
        if not used or min(used) < 0 or max(used) >= count or len(set(used)) < len(used):
            raise InputError(f"{path}: slices = {list(used)}, expected different numbers of 0 to {count - 1}")
        ends = [0.0, *(STEP * (number + 1) for number in used)]
        edges = np.array(ends) if count == SLICES and sorted(used) == list(used) else None
        table = cls(charges, _open_labels(charges), used, (len(used), height, width), edges)
        table._check()
        return table

    @property
    def pixels(self) -> NDArray[np.int64]:
        """Numbers of the columns of the chosen slices, slice by slice."""
        size = self.shape[1] * self.shape[2]
        return (np.array(self.slices)[:, None] * size + np.arange(size)).ravel()

    def _check(self) -> None:
        """Raise InputError unless the file has all columns of the chosen slices."""
        missing = self.pixels[~np.isin(self.pixels, self.charges.layout.numbered)]
        if len(missing):
            name = str(missing[0])
            kind = self.charges.layout.others.get(name)
            fault = f"no column {name!r}" if kind is None else f"column {name!r} holds {kind}"
            size = self.shape[1] * self.shape[2]
            raise InputError(
                f"{self.charges.path}: {fault}, expected columns of numbers of {size} pixels a slice"
            )

    def read(self, block: int) -> Charges:
        """Return all charges of a block of rows, from the cache or the file."""
        cached = CHARGE_CACHE.take(self._key(block))
        if cached is not None:
            return cached
        names = [str(number) for number in self.pixels.tolist()]
        return charges_from_table(
            self.charges.pieces(block, names), self.charges.layout.rows[block], len(names)
        )

    def keep(self, block: int, charges: Charges) -> None:
        """Store the charges of a block in the cache, if there is room."""
        CHARGE_CACHE.put(self._key(block), charges)

    def _key(self, block: int) -> tuple[Any, ...]:
        """Return the key of a block in the cache: file, block, slices and shape."""
        about = self.charges.path.stat()
        where = str(self.charges.path.resolve()), about.st_size, about.st_mtime_ns
        return *where, block, self.slices, self.shape

    def targets(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Return (n, k) float64, the labels ``names`` of the file itself or of its file of labels."""
        for table in (self.charges, self.labels):
            if table is not None and not table.fault(names):
                return table.numbers(names)
        holder = self.labels or self.charges
        if not holder.layout.others:
            places = " or ".join(map(str, _label_paths(holder.path)))
            where = f", and there is no {places}" if places else ""
            raise InputError(f"{holder.path}: holds no targets{where}")
        others = ", ".join(holder.layout.others)
        raise InputError(f"{holder.path}: {holder.fault(names)}, there are {others}")

    @property
    def modified(self) -> int:
        """Time of the last change of charges or labels [ns]."""
        return max(
            table.path.stat().st_mtime_ns for table in (self.charges, self.labels) if table is not None
        )

    def close(self) -> None:
        """Close the files."""
        for table in (self.charges, self.labels):
            if table is not None:
                table.close()


def _shape(charges: Columns, window: Sequence[int] | None) -> tuple[int, int, int]:
    """Return number of slices, rows and columns, from the highest number of a column and the window."""
    layout, path = charges.layout, charges.path
    if not len(layout.numbered):
        others = ", ".join(list(layout.others)[:4]) or "none"
        raise InputError(
            f"{path}: no columns of pixels, which are named by their numbers; there are {others}"
        )
    total = int(layout.numbered[-1]) + 1
    fitting = [known for known in WINDOWS if total % (known[0] * known[1]) == 0]
    if window is None and not fitting:
        known = " or ".join(f"{height}x{width}" for height, width in WINDOWS)
        raise InputError(
            f"{path}: {total} columns are no slices of {known} pixels: give window = [rows, columns]"
        )
    size = fitting[0] if window is None else tuple(window)
    if len(size) != 2 or min(size) < 1 or total % (size[0] * size[1]):
        hint = f" (did you mean {list(fitting[0])}?)" if fitting else ""
        raise InputError(
            f"{path}: window = {list(size)}: {total} columns are no slices of [rows, columns]{hint}"
        )
    return total // (size[0] * size[1]), size[0], size[1]


def _label_paths(path: Path) -> list[Path]:
    """Return the possible paths of the labels of a file: beside it, and in the folder that goes with its own.

    labels goes with recon3D and labels_cut with recon3D_cut, which holds other rows; ../labels with any other folder.
    """
    names = [path.name.replace(word, LABELS, 1) for word in RECON if word in path.name]
    own = path.absolute().parent.name
    folder = next((own.replace(word, LABELS, 1) for word in RECON if word in own), LABELS)
    return [place for name in names for place in (path.parent / name, path.parent.parent / folder / name)]


def _open_labels(charges: Columns) -> Columns | None:
    """Open the file of labels of a file, None if there is none.

    Raises:
        InputError: another number of rows, or other numbers in a column that both files have: rows go together by
            their order alone.
    """
    path = next((path for path in _label_paths(charges.path) if path.is_file()), None)
    if path is None:
        return None
    labels = open_columns(path)
    if labels.rows != charges.rows:
        raise InputError(f"{path}: {labels.rows} rows, expected {charges.rows} as in {charges.path}")
    both = [name for name in charges.layout.others if name in labels.layout.others]
    names = [name for name in both if not charges.fault([name]) and not labels.fault([name])]
    names += [name for name in charges.layout.index if name in labels.layout.index]
    if names:
        ours, theirs = charges.numbers(names), labels.numbers(names)
        for row, column in np.argwhere(~np.isclose(ours, theirs, rtol=1e-6, atol=0, equal_nan=True))[:1]:
            raise InputError(
                f"{path}: row {row} has {names[column]} = {theirs[row, column]:g}, {charges.path} has "
                f"{ours[row, column]:g}: the rows of both files must be those of the same tracks, in the same order"
            )
    return labels
