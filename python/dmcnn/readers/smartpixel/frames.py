"""Charges of pixel frames in memory: only those that are not zero."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn.readers.smartpixel.columns import Piece

LARGEST = float(np.finfo(np.float32).max)
"""Charge [electrons]: what float32 cannot hold is as good as infinite."""


@dataclass(frozen=True)
class Charges:
    """Charges of n frames, zeros left out.

    Attributes:
        offsets: (n+1,) int64. Frame i owns ``index[offsets[i]:offsets[i+1]]`` and the same slice of value.
        index: (nnz,) number of the pixel, increasing in a frame; uint16 if that holds all, else int32.
        value: (nnz,) charge: float64 [electrons], or float32, what has become of it.
        bad: (n,) bool, frames with a charge that is NaN or infinite; they have no pixels here.
    """

    offsets: NDArray[np.int64]
    index: NDArray[np.uint16] | NDArray[np.int32]
    value: NDArray[np.float64] | NDArray[np.float32]
    bad: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.bad)

    @property
    def nbytes(self) -> int:
        """In memory."""
        return self.offsets.nbytes + self.index.nbytes + self.value.nbytes + self.bad.nbytes

    def take(self, start: int, stop: int) -> Charges:
        """Frames start..stop-1."""
        first, last = self.offsets[start], self.offsets[stop]
        offsets = self.offsets[start : stop + 1] - first
        return Charges(offsets, self.index[first:last], self.value[first:last], self.bad[start:stop])

    def where(self, kept: NDArray[np.bool_]) -> Charges:
        """Without the pixels that are not ``kept`` (nnz,)."""
        if kept.all():
            return self
        offsets = np.concatenate([[0], np.cumsum(kept)])[self.offsets]
        return Charges(offsets, self.index[kept], self.value[kept], self.bad)

    def of_frames(self, kept: NDArray[np.bool_]) -> Charges:
        """Without the pixels of the frames that are not ``kept`` (n,)."""
        if kept.all():
            return self
        return self.where(np.repeat(kept, np.diff(self.offsets)))


NO_CHARGES = Charges(
    np.zeros(1, np.int64), np.zeros(0, np.uint16), np.zeros(0, np.float32), np.zeros(0, bool)
)
"""Of no frames."""


def sparsified(pieces: Iterable[Piece], rows: int, columns: int) -> Charges:
    """The charges of frames that are the rows of a table, and whose pixels are its columns.

    Args:
        pieces: of the table, each of its numbers that is not zero once; the columns of a row in order.
        rows, columns: of the table.
    """
    narrow = np.uint16 if columns <= 2**16 else np.int32
    short = (
        np.uint16 if rows <= 2**16 else np.int64
    )  # numbers of 16 bits are sorted digit by digit: ten times as fast
    frames, indices, values = [np.zeros(0, short)], [np.zeros(0, narrow)], [np.zeros(0)]
    bad = np.zeros(rows, bool)
    for piece in pieces:
        hits = [(array != 0).nonzero()[0] for array in piece.arrays]
        frame: NDArray[Any] = np.concatenate(hits, dtype=short, casting="unsafe")  # none is beyond the rows
        frame += np.int64(piece.row).astype(short)
        value = np.concatenate([array.take(found) for array, found in zip(piece.arrays, hits, strict=True)])
        bad[frame[~(np.abs(value) <= LARGEST)]] = True
        frames.append(frame)
        indices.append(np.repeat(np.array(piece.columns, narrow), [len(found) for found in hits]))
        values.append(value)
    frame = np.concatenate(frames)
    order = np.argsort(frame, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(frame, minlength=rows))])
    index, value = (np.concatenate(parts).take(order) for parts in (indices, values))
    return Charges(offsets, index, value, bad).of_frames(~bad)


def noisy(charges: Charges, rms: float, size: int, seed: Sequence[int]) -> Charges:
    """Charges with Gaussian noise [electrons] on each of ``size`` pixels of every frame that is not bad."""
    noise = np.random.default_rng(seed).standard_normal((len(charges), size), np.float32)
    dense = noise.astype(np.float64) * rms
    frame = np.repeat(np.arange(len(charges)), np.diff(charges.offsets))
    dense[frame, charges.index] += charges.value
    dense[charges.bad] = 0
    frame, index = np.nonzero(dense)
    counts = np.bincount(frame, minlength=len(charges))
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return Charges(offsets, index.astype(np.int32), dense[frame, index], charges.bad)


class Kept:
    """Charges that have been read once and will be read once more: those that fit into a budget of memory.

    What does not fit is left out rather than what is there already: files are read in the same order again.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._found: dict[Hashable, Charges] = {}

    def put(self, key: Hashable, charges: Charges) -> None:
        """Keep them, if there is room."""
        if sum(one.nbytes for one in self._found.values()) + charges.nbytes <= self.budget:
            self._found[key] = charges

    def take(self, key: Hashable) -> Charges | None:
        """Those of a key, which are then no longer kept."""
        return self._found.pop(key, None)

    def clear(self) -> None:
        """Let go of all."""
        self._found.clear()


KEPT = Kept(2**28)
"""Charges from which standardisation has been fitted, until they are read."""
