"""Frames of the charge that a track leaves in a small window of pixels, as published for smart pixel sensors.

A table has a row per track and a column per pixel and time slice, named by its number t * H * W + y * W + x: parquet
or csv files ``recon3D*`` of all slices, ``recon2D*`` of the last one. What is known of the tracks is in files
``labels*`` of as many rows, or in more columns of the same table. Rows belong together by their position.
"""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from dmcnn._common.errors import InputError
from dmcnn.formats.source import existing_file
from dmcnn.images.sparse import EVENT, META, NO_IMAGE, UNIT_PIXEL, UNSET, SparseImages
from dmcnn.readers.base import EventFile
from dmcnn.readers.smartpixel.charge import Fit, Kind, Scale
from dmcnn.readers.smartpixel.columns import CSV, MAGIC
from dmcnn.readers.smartpixel.frames import Charges, joined, noisy
from dmcnn.readers.smartpixel.tracks import PixelTable

AT_EDGE = "chargeOriginal_atEdge"
"""The column of the charge that a cluster has at the border of its window [electrons]."""

UNITS = {
    **dict.fromkeys(("x-entry", "y-entry", "z-entry", "x-midplane", "y-midplane"), "µm"),
    **dict.fromkeys(("y-local", "z-global"), "mm"),
    **dict.fromkeys(("hit_time", "adjusted_hit_time"), "ns"),
    **dict.fromkeys((AT_EDGE, "number_eh_pairs"), "electrons"),
    "pt": "GeV",
}
"""Of the labels that have one."""

STRIDE = 2048
"""Frames made from charges at a time; the noise of so many comes from a generator of their own."""


class SmartPixel(EventFile):
    """One file of pixel frames. Objects can be pickled for worker processes.

    Images are (slices, rows = y, columns = x). Events have no ids: ``entry`` is the row. A row with a charge that is
    NaN or infinite in a slice that is used, or that is not contained, is an entry without image.

    Args:
        path: a parquet or csv file.
        slices: numbers of the time slices, in the order of the channels; None = all there are.
        window: [rows, columns]; None = 13 x 21 or 16 x 16, whichever the number of columns is a multiple of.
        charge: "electrons" as stored; "standardised": u = sign(x) log2(1 + |x|) becomes (u - charge_mean) /
            charge_std, divided by ``charge_high`` above zero and by ``charge_low`` below, and no charge stays 0;
            "digitised": how many of ``charge_thresholds`` it reaches.
        charge_mean, charge_std: of u in training files, see ``fit_charge``.
        charge_high, charge_low: divisors.
        charge_percentile: these are such percentiles of the training files, and ``charge_clip`` is fitted too.
        charge_clip: [min, max] of standardised charges; None = no limits.
        charge_bits: standardised charges are rounded, half to even, to 2^bits steps from -1 to just below 1.
        charge_noise: rms of Gaussian noise on every pixel and slice [electrons]; fixed by row and ``charge_seed``.
        charge_thresholds: of the levels [electrons].
        contained: only clusters with less charge at the border of their window [electrons].

    Raises:
        InputError: one line naming the file, what was found and what was expected.
    """

    keeps = False
    """Whether charges that have been read stay in memory, if there is room, until the file is read again."""

    def __init__(
        self,
        path: str | Path,
        *,
        slices: Sequence[int] | None = None,
        window: Sequence[int] | None = None,
        charge: Kind = "electrons",
        charge_mean: float | None = None,
        charge_std: float | None = None,
        charge_high: float = 1.7,
        charge_low: float = 2.5,
        charge_percentile: float | None = None,
        charge_clip: Sequence[float] | None = None,
        charge_bits: int | None = None,
        charge_noise: float = 0.0,
        charge_seed: int = 0,
        charge_thresholds: Sequence[float] = (400.0, 1000.0, 2000.0),
        contained: float | None = None,
    ) -> None:
        self.path = existing_file(path)
        self.scale = Scale(
            charge, charge_mean, charge_std, charge_high, charge_low, charge_percentile, charge_clip, charge_bits,
            charge_thresholds,
        )  # fmt: skip
        if not 0 <= charge_noise < np.inf or charge_seed < 0:
            raise InputError(
                f"charge_noise = {charge_noise}, charge_seed = {charge_seed}: expected 0 or more"
            )
        self._noise, self._seed, self._contained = charge_noise, charge_seed, contained
        self._table = PixelTable.of(self.path, slices, window)
        self.shape = self._table.shape
        self.events = np.zeros(self._table.charges.rows, EVENT)
        for field in ("run", "subrun", "event"):
            self.events[field] = UNSET
        self.events["entry"] = np.arange(len(self.events))
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
        if self.scale.missing:
            raise InputError(
                f"{self.path}: charge = 'standardised' needs {', '.join(self.scale.missing)}: give what training "
                "files have, as dmcnn.readers.smartpixel.reader.fit_charge finds it"
            )
        made = joined([self._made(block, n).take(i, j) for block, n, i, j in self._parts(start, stop)])
        self._read[start:stop] = True
        return SparseImages(
            offsets=made.offsets,
            index=made.index.astype(np.int32),
            value=made.value.astype(np.float32),
            shape=self.shape,
            events=self.events[start:stop].copy(),
            meta=self._meta((self._bad | self._left_out)[start:stop]),
        )

    def cluster_sizes(self, start: int = 0, stop: int | None = None) -> NDArray[np.int64]:
        stop = self._until(start, stop)
        size = self.shape[1] * self.shape[2]
        found = np.zeros((stop - start, size), bool)
        charges = joined(list(self.charges(start, stop)))
        found[np.repeat(np.arange(stop - start), np.diff(charges.offsets)), charges.index % size] = True
        sizes: NDArray[np.int64] = found.sum(axis=1, dtype=np.int64)
        return sizes

    def charges(self, start: int, stop: int) -> Iterator[Charges]:
        """Charges [electrons] of entries start..stop-1, noise included, in several parts."""
        for block, stride, first, last in self._parts(start, stop):
            yield self._electrons(block, stride).take(first, last)

    def report_lines(self) -> list[str]:
        lines = [f"{self.path}: {int(self._read.sum())} of {len(self)} entries read"]
        not_contained = self._left_out & ~self._bad
        for rows, words in (
            (self._bad, "hold a charge that is NaN or infinite"),
            (not_contained, f"are not contained ({AT_EDGE} < {self._contained})"),
        ):
            count = int((self._read & rows).sum())
            if count:
                lines.append(f"{self.path}: {count} entries {words}: no image")
        return lines

    def _until(self, start: int, stop: int | None) -> int:
        """The end of a range of entries, once they are there."""
        stop = len(self) if stop is None else stop
        if not 0 <= start <= stop <= len(self):
            raise ValueError(f"{self.path}: entries {start}..{stop} asked for, it has {len(self)}")
        return stop

    def _parts(self, start: int, stop: int) -> Iterator[tuple[int, int, int, int]]:
        """Block, stride in it, and first and last frame in that, which together are entries start..stop-1."""
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
        """All charges of a block; those of the last one stay in memory."""
        if self._block is None or self._block[0] != block:
            self._forget()  # before the next one is read
            self._block = block, self._table.read(block)
        return self._block[1]

    def _forget(self) -> None:
        if self.keeps and self._block is not None:
            self._table.keep(*self._block)
        self._block = self._stride = None

    def _electrons(self, block: int, stride: int) -> Charges:
        """The charges of a stride that count, with noise if there is any."""
        whole = self._whole(block)
        first = stride * STRIDE
        found = whole.take(first, min(first + STRIDE, len(whole)))
        rows = slice(int(self._ends[block]) + first, int(self._ends[block]) + first + len(found))
        self._bad[rows] = found.bad
        if self._noise:
            file = zlib.crc32(self.path.name.encode())
            size = int(np.prod(self.shape))
            found = noisy(found, self._noise, size, [self._seed, file, block, stride])
        return found if self._contained is None else found.of_frames(~self._left_out[rows])

    def _made(self, block: int, stride: int) -> Charges:
        """What becomes of the charges of a stride; that of the last one stays in memory."""
        if self._stride is None or self._stride[0] != (block, stride):
            found = self._electrons(block, stride)
            value = self.scale.values(found.value.astype(np.float64, copy=False))
            self._stride = (block, stride), replace(found, value=value).where(value != 0)
        return self._stride[1]

    def _meta(self, absent: NDArray[np.bool_]) -> NDArray[Any]:
        """(n, C) META; the plane is the number of the slice."""
        one = np.zeros((1, self.shape[0]), META)
        one["unit"], one["plane"] = UNIT_PIXEL, self._table.slices
        one["y_max"], one["x_max"] = self.shape[1:]
        meta = np.repeat(one, len(absent), axis=0)
        meta["plane"][absent] = NO_IMAGE
        return meta


_ARGUMENTS = set(inspect.signature(SmartPixel).parameters) - {"path"}


def fit_charge(
    paths: Sequence[str | Path], *, between: Sequence[int] | None = None, **arguments: Any
) -> dict[str, float | list[float]]:
    """The arguments of SmartPixel that are still missing to standardise charges, from training files.

    Every file counts the same: mean and variance of u are those of each file, averaged. Charges stay in memory, as
    far as there is room, until they are read.

    Args:
        paths: the training files.
        between: only entries ``between[0]`` to ``between[1] - 1`` of every file; None = all.
        arguments: those of SmartPixel; with "electrons" or "digitised" nothing is missing. What is meant for other
            formats is left aside.

    Raises:
        InputError: as SmartPixel; or a file has no charge.
    """
    taken = {name: value for name, value in arguments.items() if name in _ARGUMENTS}
    fit: Fit | None = None
    readers = (SmartPixel(path, **{"charge": "standardised"} | taken) for path in paths)
    for reader in tqdm(readers, total=len(paths), unit="file", desc="charges", disable=None):
        if not reader.scale.missing:
            return {}
        fit, reader.keeps = fit or Fit(reader.scale.percentile), True
        start, stop = between or (0, len(reader))
        parts = reader.charges(start, min(stop, len(reader)))
        if not fit.add(part.value.astype(np.float64, copy=False) for part in parts):
            raise InputError(f"{reader.path}: no charge in the entries that count")
        reader.close()
    if fit is None:
        raise InputError("no training file to fit charges to")
    return fit.arguments()
