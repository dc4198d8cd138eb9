"""Charges of pixel frames as sparse columns in memory."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn.readers.smartpixel.columns import Piece

LARGEST = float(np.finfo(np.float32).max)
"""Charge [electrons]: larger ones do not fit into float32 and count as infinite."""


@dataclass(frozen=True)
class Charges:
    """Non-zero charges of n frames.

    Attributes:
        offsets: (n+1,) int64. Frame i owns ``index[offsets[i]:offsets[i+1]]`` and the same slice of value.
        index: (nnz,) number of the pixel, increasing in a frame; uint16 if that holds all, else int32.
        value: (nnz,) charge as float64 [electrons], or pixel value as float32.
        bad: (n,) bool, True for frames with a NaN or infinite charge; they have no pixels here.
    """

    offsets: NDArray[np.int64]
    index: NDArray[np.uint16] | NDArray[np.int32]
    value: NDArray[np.float64] | NDArray[np.float32]
    bad: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.bad)

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.offsets.nbytes + self.index.nbytes + self.value.nbytes + self.bad.nbytes

    def take(self, start: int, stop: int) -> Charges:
        """Return frames start..stop-1."""
        first, last = self.offsets[start], self.offsets[stop]
        offsets = self.offsets[start : stop + 1] - first
        return Charges(offsets, self.index[first:last], self.value[first:last], self.bad[start:stop])

    def select_pixels(self, mask: NDArray[np.bool_]) -> Charges:
        """Return the pixels for which ``mask`` (nnz,) is True."""
        if mask.all():
            return self
        offsets = np.concatenate([[0], np.cumsum(mask)])[self.offsets]
        return Charges(offsets, self.index[mask], self.value[mask], self.bad)

    def select_frames(self, mask: NDArray[np.bool_]) -> Charges:
        """Return all n frames, without pixels where ``mask`` (n,) is False."""
        if mask.all():
            return self
        return self.select_pixels(np.repeat(mask, np.diff(self.offsets)))


NO_CHARGES = Charges(
    np.zeros(1, np.int64), np.zeros(0, np.uint16), np.zeros(0, np.float32), np.zeros(0, bool)
)
"""Charges of zero frames."""


def charges_from_table(pieces: Iterable[Piece], rows: int, columns: int) -> Charges:
    """Return the charges of frames stored as rows of a table whose columns are pixels.

    Args:
        pieces: pieces of the table with all numbers that are not zero; within a row, columns are in order.
        rows, columns: size of the table.
    """
    narrow = np.uint16 if columns <= 2**16 else np.int32
    short = (
        np.uint16 if rows <= 2**16 else np.int64
    )  # NumPy sorts 16-bit integers by radix: ten times as fast
    frames, indices, values = [np.zeros(0, short)], [np.zeros(0, narrow)], [np.zeros(0)]
    bad = np.zeros(rows, bool)
    for piece in pieces:
        hits = [(array != 0).nonzero()[0] for array in piece.arrays]
        frame: NDArray[Any] = np.concatenate(
            hits, dtype=short, casting="unsafe"
        )  # every number fits: it is below rows
        frame += np.int64(piece.row).astype(short)
        value = np.concatenate(
            [array.take(rows_hit) for array, rows_hit in zip(piece.arrays, hits, strict=True)]
        )
        bad[frame[~(np.abs(value) <= LARGEST)]] = True
        frames.append(frame)
        indices.append(np.repeat(np.array(piece.columns, narrow), [len(rows_hit) for rows_hit in hits]))
        values.append(value)
    frame = np.concatenate(frames)
    order = np.argsort(frame, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(frame, minlength=rows))])
    index, value = (np.concatenate(parts).take(order) for parts in (indices, values))
    return Charges(offsets, index, value, bad).select_frames(~bad)


def add_noise(charges: Charges, rms: float, size: int, seed: Sequence[int]) -> Charges:
    """Add Gaussian noise of ``rms`` [electrons] to each of ``size`` pixels of every frame that is not bad."""
    noise = np.random.default_rng(seed).standard_normal((len(charges), size), np.float32)
    dense = noise.astype(np.float64) * rms
    frame = np.repeat(np.arange(len(charges)), np.diff(charges.offsets))
    dense[frame, charges.index] += charges.value
    dense[charges.bad] = 0
    frame, index = np.nonzero(dense)
    counts = np.bincount(frame, minlength=len(charges))
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return Charges(offsets, index.astype(np.int32), dense[frame, index], charges.bad)


class ChargeCache:
    """Cache of charges that are read twice, within a budget of memory [bytes].

    When it is full, new charges are not stored: files are read in the same order again, so the first are used first.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._stored: dict[Hashable, Charges] = {}

    def put(self, key: Hashable, charges: Charges) -> None:
        """Store charges, if there is room."""
        if sum(other.nbytes for other in self._stored.values()) + charges.nbytes <= self.budget:
            self._stored[key] = charges

    def take(self, key: Hashable) -> Charges | None:
        """Remove and return the charges of a key; None if they are not stored."""
        return self._stored.pop(key, None)

    def clear(self) -> None:
        """Remove all charges."""
        self._stored.clear()


CHARGE_CACHE = ChargeCache(2**28)
"""Charges that standardisation was fitted to, until they are read for training."""
