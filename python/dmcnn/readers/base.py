"""What every reader offers, whatever its format: the one documented interface."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn.images.sparse import Axis, SparseImages
from dmcnn.readers.options import Options

Particles = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Primary particles: how many each event has (n,), and the PDG codes of all, one after another (m,)."""


class EventFile(ABC):
    """One file, or folder, of events of one image shape, read in slices of entries as SparseImages.

    Ids and sizes of all entries are read and checked at once, so that most faults show before any work is done;
    pixels are read by ``read`` only. Objects can be pickled for worker processes.

    Args:
        path: the file or folder.
        options: how it is read.
        given: options by name, which go before those.

    Raises:
        InputError: one line naming the file, what was found and what was expected.
    """

    options_class: ClassVar[type[Options]]
    """The options that this reader has."""

    path: Path
    options: Options
    producer: str = ""
    events: NDArray[Any]
    """(n,) EVENT: identity of every entry, ``file`` is 0."""
    shape: tuple[int, int, int]
    """(C, H, W) of every image."""
    axis0: Axis = "plane"
    """What the channels of an image are."""

    def __init__(self, path: str | Path, options: Options | None = None, **given: Any) -> None:
        self.path = Path(path)
        self.options = self.options_class(**{**(options.given() if options else {}), **given})

    @classmethod
    def fit(
        cls, files: Sequence[str | Path], *, between: Sequence[int] | None = None, **given: Any
    ) -> dict[str, Any]:
        """Return the options that training files teach their reader: none, for most.

        Args:
            files: the training files.
            between: only entries ``between[0]`` to ``between[1] - 1`` of every file; None = all.
            given: options; what is meant for other formats is left aside.
        """
        return {}

    def as_drawn(self) -> EventFile:
        """Return a reader of the same entries as pictures show them; itself where that is how they are read."""
        return self

    @classmethod
    @abstractmethod
    def reads(cls, path: Path, head: bytes) -> bool:
        """Whether this is the reader of a file that begins with ``head`` (empty for a folder)."""

    @abstractmethod
    def read(self, start: int = 0, stop: int | None = None) -> SparseImages:
        """Entries start..stop-1, all of them, in file order; those without an image have no pixels."""

    @abstractmethod
    def report_lines(self) -> list[str]:
        """For people: what became of the entries read so far."""

    def __len__(self) -> int:
        return len(self.events)

    def close(self) -> None:  # noqa: B027 - a reader that keeps nothing open has nothing to close
        """Let go of the open file; the next ``read`` opens it again."""

    def _until(self, start: int, stop: int | None) -> int:
        """Return the end of a range of entries; ValueError unless they are there."""
        stop = len(self) if stop is None else stop
        if not 0 <= start <= stop <= len(self):
            raise ValueError(f"{self.path}: entries {start}..{stop} asked for, it has {len(self)}")
        return stop

    def _stop_at(self, bad: NDArray[np.int64], start: int) -> None:
        """Raise InputError if any entry, counted from ``start``, has ``bad`` (n,) pixels, for the first."""
        for first in np.flatnonzero(bad)[:1].tolist():
            name = "" if self.names is None else f" ({self.names[start + first]})"
            raise InputError(
                f"{self.path}: entry {start + first}{name}: {bad[first]} pixels are NaN or infinite "
                "(bad_pixels='zero' sets them to zero)"
            )

    def pdg(self) -> Particles:
        """Primary particles of every entry, for labels by PDG code."""
        raise InputError(f"{self.path}: holds no particles, so no label by PDG code")

    def targets(self, names: Sequence[str]) -> NDArray[np.float64]:
        """(n, k) the numbers called ``names`` that the file gives every entry, in its units; NaN where it gives none.

        Raises:
            InputError: the file holds none, or none of one of these names, with the nearest that there is.
        """
        raise InputError(f"{self.path}: holds no targets, such as {', '.join(names)}")

    def target_units(self, names: Sequence[str]) -> list[str]:
        """The unit of each of these numbers; "" where it has none, or it is not known."""
        return [""] * len(names)

    def cluster_sizes(self, start: int = 0, stop: int | None = None) -> NDArray[np.int64]:
        """(n,) pixels of entries start..stop-1 that hold something in any channel."""
        return self.read(start, stop).cluster_sizes

    @property
    def size_options(self) -> dict[str, int]:
        """The options that give images of other files the size of these, if there are such."""
        return {}

    @property
    def cuts(self) -> tuple[float, tuple[float, ...]]:
        """Energy that cells of the images are above, and ends of their times, as far as there are any."""
        return 0.0, ()

    @property
    def names(self) -> list[str] | None:
        """(n,) name of the file that each entry of a folder is; None where the entries are of one file."""
        return None

    @property
    def stored_classes(self) -> NDArray[np.int64] | None:
        """(n,) class number that the file itself gives every entry, if it does."""
        return None

    @property
    def frame_edges(self) -> NDArray[np.float64] | None:
        """(b,) edges of the time frames, if the channels are such: frame k ends at edge k+1; else None."""
        return None

    @property
    def frame_unit(self) -> str:
        """The unit of these edges; "" where it is not known."""
        return ""

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self.path.stat().st_size

    @property
    def modified(self) -> int:
        """Time of the last change [ns]."""
        return self.path.stat().st_mtime_ns
