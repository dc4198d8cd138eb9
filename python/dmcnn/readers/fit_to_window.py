"""Images fitted to one window by a centred pad or crop, with threshold and clip: LArCV files and .npy folders."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.columns import join_offsets
from dmcnn._common.errors import InputError
from dmcnn.formats.source import existing_file
from dmcnn.images.sparse import SparseImages
from dmcnn.readers.base import EventFile, Particles
from dmcnn.readers.image_choice import ImageTable, choose, fitted_meta, window
from dmcnn.readers.options import FitOptions, LArCVOptions

Decoded = tuple[
    NDArray[np.int64], NDArray[np.int32], NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]
]
"""offsets (n+1,), index (nnz,), value (nnz,), NaN or infinite pixels (n,), active pixels cropped away (n,)."""


@dataclass(frozen=True)
class Report:
    """Counts of the entries read so far; an entry read twice counts once."""

    path: Path
    entries: int
    read: int
    without_image: int
    resized: dict[tuple[int, int], int]
    """(rows, columns) of images that were padded or cropped -> number of images"""
    window: tuple[int, int]
    """(H, W) that all images are fitted to"""
    lost_pixels: int
    """active pixels cropped away"""
    bad_pixels: int
    """NaN or infinite pixels, set to zero"""

    def lines(self) -> list[str]:
        """Return log lines: coverage, then one per anomaly."""
        lines = [f"{self.path}: {self.read} of {self.entries} entries read"]
        if self.without_image:
            lines.append(f"{self.path}: {self.without_image} entries lack an image that was asked for")
        if self.resized:
            often = sorted(self.resized.items(), key=lambda item: -item[1])
            listed = ", ".join(f"{rows}x{cols} ({n})" for (rows, cols), n in often[:4])
            more = f" and {len(often) - 4} other sizes" if len(often) > 4 else ""
            total, (height, width) = sum(self.resized.values()), self.window
            lines.append(f"{self.path}: {total} images fitted to {height}x{width} (rows x columns) from "
                         f"{listed}{more}")  # fmt: skip
        if self.lost_pixels:
            lines.append(f"{self.path}: {self.lost_pixels} active pixels cropped away")
        if self.bad_pixels:
            lines.append(f"{self.path}: {self.bad_pixels} pixels were NaN or infinite, set to zero")
        return lines


class FittedFile(EventFile):
    """File of images that are centred in one window, cut below a threshold and clipped above another.

    A subclass calls ``_fit`` in its constructor and decodes pixels in ``_pixels``.
    """

    options_class: ClassVar[type[FitOptions]] = FitOptions
    options: FitOptions

    def _fit(self, where: str, table: ImageTable, image: NDArray[np.int64]) -> None:
        """Set ``shape``, sizes and meta of every image; row ``image[n, c]`` of ``table`` is channel c of entry n.

        If every entry has the same images, ``table`` and ``image`` may be those of one entry.
        """
        height, width = window(where, table, image, self.options.ydim, self.options.xdim)
        self.shape = (image.shape[1], height, width)
        present = image >= 0
        columns = [
            np.where(present, column[image], missing)
            for column, missing in ((table.position, -1), (table.rows, 0), (table.cols, 0))
        ]
        columns += [image, fitted_meta(table, image, height, width)]
        size = len(self.events), image.shape[1]
        self._position, self._rows, self._cols, self._image, self.meta = (
            np.broadcast_to(column, size) for column in columns
        )
        self._read = np.zeros(len(self.events), bool)
        self._bad, self._cut = np.zeros((2, len(self.events)), np.int64)

    def read(self, start: int = 0, stop: int | None = None) -> SparseImages:
        stop = self._until(start, stop)
        offsets, index, value, bad, cut = self._pixels(start, stop)
        if self.options.bad_pixels == "stop":
            self._stop_at(bad, start)
        self._read[start:stop], self._bad[start:stop], self._cut[start:stop] = True, bad, cut
        return SparseImages(
            offsets, index, value, self.shape, self.events[start:stop].copy(), self.meta[start:stop].copy(),
            axis0=self.axis0,
        )  # fmt: skip

    @property
    def report(self) -> Report:
        """Counts of the entries read so far."""
        present = (self._position >= 0) & self._read[:, None]
        resized = present & ((self._rows != self.shape[1]) | (self._cols != self.shape[2]))
        sizes, n = np.unique(
            np.stack([self._rows[resized], self._cols[resized]], axis=1), axis=0, return_counts=True
        )
        return Report(
            path=self.path,
            entries=len(self),
            read=int(self._read.sum()),
            without_image=int((self._read & (self._position < 0).any(axis=1)).sum()),
            resized={(int(r), int(c)): int(k) for (r, c), k in zip(sizes, n, strict=True)},
            window=self.shape[1:],
            lost_pixels=int(self._cut.sum()),
            bad_pixels=int(self._bad.sum()),
        )

    def report_lines(self) -> list[str]:
        return self.report.lines()

    @property
    def size_options(self) -> dict[str, int]:
        return {"ydim": self.shape[1], "xdim": self.shape[2]}

    @abstractmethod
    def _pixels(self, start: int, stop: int) -> Decoded:
        """Decode the pixels of the chosen images (``_position``, ``_rows``, ``_cols``) of entries start..stop-1."""


class ImageFile(FittedFile):
    """LArCV file of detector images."""

    options_class: ClassVar[type[LArCVOptions]]
    options: LArCVOptions

    def __init__(self, path: str | Path, options: LArCVOptions | None = None, **given: Any) -> None:
        super().__init__(existing_file(path), options, **given)
        self.producer, self.events, table = self._tables(self.options.producer)
        where = f"{self.path}: producer {self.producer!r}"
        self._fit(where, table, choose(where, table, self.options.plane, self.options.image_index))

    @abstractmethod
    def _tables(self, producer: str | None) -> tuple[str, NDArray[Any], ImageTable]:
        """Return the producer, the (n,) EVENT of all entries, and the table of all their images.

        If every entry has the same images, the table may be that of one entry.
        """

    @abstractmethod
    def pdg(self) -> Particles:
        """Return the primary particles of every entry, from the particle table of the same file."""


def join_decoded(parts: Sequence[Decoded]) -> Decoded:
    """Concatenate decoded entries."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        none = np.zeros(0, np.int64)
        return np.zeros(1, np.int64), none.astype(np.int32), none.astype(np.float32), none, none
    offsets, *rest = zip(*parts, strict=True)
    index, value, bad, cut = map(np.concatenate, rest)
    return join_offsets(offsets), index, value, bad, cut


def check_ids(where: str, events: NDArray[Any], expected: NDArray[Any]) -> None:
    """Raise InputError unless the ids of another table (n,) EVENT are those of the images, entry by entry."""
    if len(events) != len(expected):
        raise InputError(f"{where}: {len(events)} entries, expected {len(expected)} as the images have")
    ids = ["run", "subrun", "event"]
    other = np.flatnonzero(events[ids] != expected[ids])
    if len(other):
        entry = int(other[0])
        raise InputError(
            f"{where}: entry {entry}: (run, subrun, event) = {events[ids][entry]}, "
            f"expected {expected[ids][entry]} as the images have"
        )


def select_primaries(
    counts: NDArray[np.int64],
    codes: NDArray[Any],
    process: NDArray[Any] | None,
    track: NDArray[Any] | None,
    parent: NDArray[Any] | None,
) -> Particles:
    """Select the primary particles.

    A creation process, if stored, must be "primary". Where it is blank, a primary is its own parent (both ids are
    unset in single-particle files). A file without these columns lists primaries only.

    Args:
        counts: (n,) particles of each entry.
        codes: (m,) PDG codes.
        process, track, parent: (m,) creation process, track id and parent's track id; None = not stored.
    """
    primary = np.ones(len(codes), bool) if track is None or parent is None else track == parent
    if process is not None:
        text = process if process.dtype.kind == "S" else np.char.encode(process.astype(str), "utf-8")
        primary = np.where(text == b"", primary, text == b"primary")
    entry = np.repeat(np.arange(len(counts)), counts)
    return np.bincount(entry[primary], minlength=len(counts)), codes[primary].astype(np.int64)
