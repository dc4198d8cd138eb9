"""Tables of pixel frames, and of what is known of their tracks: which columns hold what, in which files."""

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
from dmcnn.readers.smartpixel.frames import KEPT, Charges, sparsified

RECON, LABELS = ("recon3D", "recon2D"), "labels"
"""Words in the names of files of charges, and the one that stands there in the name of their labels."""


@dataclass(frozen=True)
class PixelTable:
    """The charges of one file and the labels of the same rows. Objects can be pickled.

    Attributes:
        charges: the file that has a column for every pixel.
        labels: the file of labels that belongs to it, if there is one.
        slices: numbers of the time slices that are used.
        shape: (C, H, W): used slices, rows and columns of the window.
        edges: ends of the used slices [ps] after that of none, if the file has all slices and they come in order.
    """

    charges: Columns
    labels: Columns | None
    slices: tuple[int, ...]
    shape: tuple[int, int, int]
    edges: NDArray[np.float64] | None

    @classmethod
    def of(cls, path: Path, slices: Sequence[int] | None, window: Sequence[int] | None) -> PixelTable:
        """Of a parquet or csv file; the meaning of the arguments is that of SmartPixel's."""
        charges = open_columns(path)
        count, height, width = _shape(charges, window)
        used = tuple(range(count)) if slices is None else tuple(slices)
        if not used or min(used) < 0 or max(used) >= count or len(set(used)) < len(used):
            raise InputError(f"{path}: slices = {list(used)}, expected different numbers of 0 to {count - 1}")
        ends = [0.0, *(STEP * (number + 1) for number in used)]
        edges = np.array(ends) if count == SLICES and sorted(used) == list(used) else None
        table = cls(charges, _labels_of(charges), used, (len(used), height, width), edges)
        table._check()
        return table

    @property
    def pixels(self) -> NDArray[np.int64]:
        """Numbers of the columns that are used, slice by slice."""
        size = self.shape[1] * self.shape[2]
        return (np.array(self.slices)[:, None] * size + np.arange(size)).ravel()

    def _check(self) -> None:
        """InputError unless every column that is used is there."""
        missing = self.pixels[~np.isin(self.pixels, self.charges.layout.numbered)]
        if len(missing):
            name = str(missing[0])
            kind = self.charges.layout.others.get(name)
            found = f"no column {name!r}" if kind is None else f"column {name!r} holds {kind}"
            size = self.shape[1] * self.shape[2]
            raise InputError(
                f"{self.charges.path}: {found}, expected floating-point columns of {size} pixels a slice"
            )

    def read(self, block: int) -> Charges:
        """All charges of a block of rows."""
        found = KEPT.take(self._key(block))
        if found is not None:
            return found
        names = [str(number) for number in self.pixels.tolist()]
        return sparsified(self.charges.pieces(block, names), self.charges.layout.rows[block], len(names))

    def keep(self, block: int, charges: Charges) -> None:
        """Keep the charges of a block in memory until they are read, if there is room."""
        KEPT.put(self._key(block), charges)

    def _key(self, block: int) -> tuple[Any, ...]:
        about = self.charges.path.stat()
        where = str(self.charges.path.resolve()), about.st_size, about.st_mtime_ns
        return *where, block, self.slices, self.shape

    def targets(self, names: Sequence[str]) -> NDArray[np.float64]:
        """(n, k) the labels ``names``, of the file itself or of that beside it."""
        for table in (self.charges, self.labels):
            if table is not None and not table.missing(names):
                return table.numbers(names)
        holder = self.labels or self.charges
        if not holder.layout.others:
            places = " or ".join(map(str, _beside(holder.path)))
            where = f", and there is no {places}" if places else ""
            raise InputError(f"{holder.path}: holds no targets{where}")
        there = ", ".join(holder.layout.others)
        raise InputError(f"{holder.path}: {holder.missing(names)}, there are {there}")

    @property
    def modified(self) -> int:
        """Time of the last change of charges or labels [ns]."""
        return max(
            table.path.stat().st_mtime_ns for table in (self.charges, self.labels) if table is not None
        )

    def close(self) -> None:
        """Let go of open files."""
        for table in (self.charges, self.labels):
            if table is not None:
                table.close()


def _shape(charges: Columns, window: Sequence[int] | None) -> tuple[int, int, int]:
    """Slices of a file, and rows and columns of its window: those up to the highest number of a column."""
    layout, path = charges.layout, charges.path
    if not len(layout.numbered):
        there = ", ".join(list(layout.others)[:4]) or "none"
        raise InputError(f"{path}: no columns of pixels, which are named by their numbers; there are {there}")
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


def _beside(path: Path) -> list[Path]:
    """Where the labels of a file may be."""
    names = [path.name.replace(word, LABELS, 1) for word in RECON if word in path.name]
    return [place for name in names for place in (path.parent / name, path.parent.parent / LABELS / name)]


def _labels_of(charges: Columns) -> Columns | None:
    """The file of labels that belongs to a file, if there is one; InputError if it has other rows."""
    found = next((path for path in _beside(charges.path) if path.is_file()), None)
    labels = None if found is None else open_columns(found)
    if labels is not None and labels.rows != charges.rows:
        raise InputError(f"{found}: {labels.rows} rows, expected {charges.rows} as in {charges.path}")
    return labels
