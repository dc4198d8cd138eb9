"""Reader of pixel frames: charge that a track leaves in a small window of pixels, as published for smart pixels.

A table has a row per track and a column per pixel and time slice, named by its number t * H * W + y * W + x: parquet
or csv files ``recon3D*`` of all slices, ``recon2D*`` of the last one. The true track parameters are in files
``labels*`` of as many rows in the same order, or in more columns of the same table.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.columns import join
from dmcnn._common.errors import InputError
from dmcnn._common.progress import ProgressBar
from dmcnn.detectors.smartpixel import AT_EDGE, UNITS
from dmcnn.formats.origin import Origin
from dmcnn.formats.source import existing_file
from dmcnn.images.sparse import META, NO_IMAGE, UNIT_PIXEL, UNIT_SENSOR, SparseImages, unset_events
from dmcnn.readers.base import EventFile
from dmcnn.readers.smartpixel.charge import Fit, image_values
from dmcnn.readers.smartpixel.columns import CSV, MAGIC
from dmcnn.readers.smartpixel.frames import NO_CHARGES, Charges, add_noise
from dmcnn.readers.smartpixel.options import SmartPixelOptions
from dmcnn.readers.smartpixel.tracks import PixelTable

STRIDE = 2048
"""Frames computed at a time; each stride has its own generator of noise."""


class SmartPixelFile(EventFile):
    """File of pixel frames.

    Images are (slices, rows = y, columns = x). Events have no ids: ``entry`` is the row. An entry has no image if a
    charge in one of the chosen slices is NaN or infinite, or if its cluster is not contained.
    """

    options_class = SmartPixelOptions
    options: SmartPixelOptions
    axis0 = "time"
    keeps = False
    """Whether charges stay in memory, if there is room, until the file is read again."""

    def __init__(self, path: str | Path, options: SmartPixelOptions | None = None, **given: Any) -> None:
        super().__init__(existing_file(path), options, **given)
        options, contained = self.options, self.options.contained
        self._table = PixelTable.open(self.path, options.slices, options.window)
        self.shape = self._table.shape
        self.events = unset_events(self._table.charges.rows)
        self._ends = np.cumsum([0, *self._table.charges.layout.rows])
        self._read, self._bad, self._left_out = np.zeros((3, len(self.events)), bool)
        if contained is not None:
            self._left_out = ~(self.targets([AT_EDGE])[:, 0] < contained)
        self._block: tuple[int, Charges] | None = None
        self._stride: tuple[tuple[int, int], Charges] | None = None

    @classmethod
    def reads(cls, path: Path, head: bytes) -> bool:
        return head.startswith(MAGIC) or (path.suffix.lower() == CSV and not path.is_dir())

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_block": None, "_stride": None}

    def close(self) -> None:
        self._forget()
        self._table.close()

    @classmethod
    def fit(
        cls, files: Sequence[str | Path], *, between: Sequence[int] | None = None, **given: Any
    ) -> dict[str, Any]:
        """Return the options that standardise charges, fitted to training files; none if all are given.

        Every file has the same weight: mean and variance of u are averages over the files. Charges stay in memory,
        as far as there is room, until they are read.

        Args:
            files: the training files.
            between: only entries ``between[0]`` to ``between[1] - 1`` of every file; None = all.
            given: options by name; options of other formats are ignored.

        Raises:
            InputError: an invalid file or option, or a file without charge.
        """
        options = SmartPixelOptions(
            **{name: given[name] for name in given.keys() & cls.options_class.names()}
        )
        if not options.missing:
            return {}
        fit = Fit(options.charge_percentile)
        for path in ProgressBar(files, unit="file", desc="charges"):
            reader = cls(path, options)
            reader.keeps = True
            start, stop = between or (0, len(reader))
            parts = reader.charges(start, min(stop, len(reader)))
            if not fit.add(part.value.astype(np.float64, copy=False) for part in parts):
                raise InputError(f"{reader.path}: no charge in the entries that count")
            reader.close()
        if not files:
            raise InputError("no training file to fit charges to")
        return fit.options()

    def as_drawn(self) -> SmartPixelFile:
        """Return a reader of the charges in electrons."""
        if self.options.charge == "electrons":
            return self
        given = self.options.given().items()
        return SmartPixelFile(
            self.path, **{name: value for name, value in given if not name.startswith("charge")}
        )

    @property
    def origin(self) -> Origin:
        return self._table.charges.layout.origin

    @property
    def content_files(self) -> list[Path]:
        return self._table.files

    @property
    def modified(self) -> int:
        return self._table.modified

    @property
    def frame_edges(self) -> NDArray[np.float64] | None:
        return self._table.edges

    @property
    def frame_unit(self) -> str:
        return "ps"

    def targets(self, names: Sequence[str]) -> NDArray[np.float64]:
        return self._table.targets(names)

    def target_units(self, names: Sequence[str]) -> list[str]:
        return [UNITS.get(name, "") for name in names]

    def read(self, start: int = 0, stop: int | None = None) -> SparseImages:
        stop = self._until(start, stop)
        if self.options.missing:
            raise InputError(
                f"{self.path}: charge = 'standardised' needs {', '.join(self.options.missing)}, see "
                "SmartPixelFile.fit(training files)"
            )
        values = join(
            [self._values(block, n).take(i, j) for block, n, i, j in self._parts(start, stop)], NO_CHARGES
        )
        self._read[start:stop] = True
        return SparseImages(
            offsets=values.offsets,
            index=values.index.astype(np.int32),
            value=values.value.astype(np.float32),
            shape=self.shape,
            events=self.events[start:stop].copy(),
            meta=self._meta((self._bad | self._left_out)[start:stop]),
            axis0=self.axis0,
        )

    def cluster_sizes(self, start: int = 0, stop: int | None = None) -> NDArray[np.int64]:
        stop = self._until(start, stop)
        size = self.shape[1] * self.shape[2]
        active = np.zeros((stop - start, size), bool)
        charges = join(list(self.charges(start, stop)), NO_CHARGES)
        active[np.repeat(np.arange(stop - start), np.diff(charges.offsets)), charges.index % size] = True
        sizes: NDArray[np.int64] = active.sum(axis=1, dtype=np.int64)
        return sizes

    def charges(self, start: int, stop: int) -> Iterator[Charges]:
        """Yield the charges [electrons] of entries start..stop-1, with noise, in several parts."""
        for block, stride, first, last in self._parts(start, stop):
            yield self._electrons(block, stride).take(first, last)

    def report_lines(self) -> list[str]:
        lines = [f"{self.path}: {int(self._read.sum())} of {len(self)} entries read"]
        if self._table.labels is not None:
            lines.append(f"{self.path}: labels from {self._table.labels.path}")
        not_contained = self._left_out & ~self._bad
        for rows, words in (
            (self._bad, "hold a charge that is NaN or infinite"),
            (not_contained, f"are not contained ({AT_EDGE} < {self.options.contained})"),
        ):
            count = int((self._read & rows).sum())
            if count:
                lines.append(f"{self.path}: {count} entries {words}: no image")
        return lines

    def _parts(self, start: int, stop: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield (block, stride, first frame, end frame) of the parts that make up entries start..stop-1."""
        block = int(np.searchsorted(self._ends, start, side="right")) - 1
        while start < stop:
            begin, end = int(self._ends[block]), int(self._ends[block + 1])
            while start < min(stop, end):
                stride = (start - begin) // STRIDE
                first = begin + stride * STRIDE
                last = min(stop, first + STRIDE, end)
                yield block, stride, start - first, last - first
                start = last
            block += 1

    def _whole(self, block: int) -> Charges:
        """Return all charges of a block; the last block stays in memory."""
        if self._block is None or self._block[0] != block:
            self._forget()  # before the next block takes memory
            self._block = block, self._table.read(block)
        return self._block[1]

    def _forget(self) -> None:
        """Drop the last block and stride, or move the block to the cache."""
        if self.keeps and self._block is not None:
            self._table.keep(*self._block)
        self._block = self._stride = None

    def _electrons(self, block: int, stride: int) -> Charges:
        """Return the charges [electrons] of the contained clusters of a stride, with noise."""
        whole = self._whole(block)
        first = stride * STRIDE
        charges = whole.take(first, min(first + STRIDE, len(whole)))
        rows = slice(int(self._ends[block]) + first, int(self._ends[block]) + first + len(charges))
        self._bad[rows] = charges.bad
        if self.options.charge_noise:
            file = zlib.crc32(self.path.name.encode())
            size = int(np.prod(self.shape))
            seed = [self.options.charge_seed, file, block, stride]
            charges = add_noise(charges, self.options.charge_noise, size, seed)
        return charges if self.options.contained is None else charges.select_frames(~self._left_out[rows])

    def _values(self, block: int, stride: int) -> Charges:
        """Return the pixel values of a stride; the last stride stays in memory."""
        if self._stride is None or self._stride[0] != (block, stride):
            charges = self._electrons(block, stride)
            value = image_values(charges.value.astype(np.float64, copy=False), self.options)
            self._stride = (block, stride), replace(charges, value=value).select_pixels(value != 0)
        return self._stride[1]

    def _meta(self, absent: NDArray[np.bool_]) -> NDArray[Any]:
        """Return (n, C) META; the plane is the number of the slice, or NO_IMAGE where ``absent`` (n,) is True."""
        row = np.zeros((1, self.shape[0]), META)
        row["unit"] = UNIT_SENSOR if self.options.charge == "electrons" else UNIT_PIXEL
        row["plane"] = self._table.slices
        row["y_max"], row["x_max"] = self.shape[1:]
        meta = np.repeat(row, len(absent), axis=0)
        meta["plane"][absent] = NO_IMAGE
        return meta
