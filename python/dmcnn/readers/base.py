"""Interface of all readers: entries of a file or folder as SparseImages, labels, targets and their units."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn.formats.origin import Origin
from dmcnn.images.sparse import Axis, SparseImages
from dmcnn.readers.options import Options

Particles = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Primary particles: how many each event has (n,), and the PDG codes of all, one after another (m,)."""


class EventFile(ABC):
    """File or folder of events of one image shape, read in slices of entries as SparseImages.

    The constructor reads and checks ids and sizes of all entries, so that most faults show before any work is done;
    only ``read`` reads pixels. Objects can be pickled for worker processes.

    Args:
        path: the file or folder.
        options: options of the reader.
        given: options by name; they override those of ``options``.

    Raises:
        InputError: damaged or unexpected content; the message names the file, what it holds and what is expected.
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
    tile_score: Callable[[SparseImages], NDArray[np.float64]] | None = None
    """Score of tiles, of which the best stands for its entry where images are read in tiles; None = their charge."""

    def __init__(self, path: str | Path, options: Options | None = None, **given: Any) -> None:
        self.path = Path(path)
        self.options = self.options_class(**{**(options.given() if options else {}), **given})

    @classmethod
    def fit(
        cls, files: Sequence[str | Path], *, between: Sequence[int] | None = None, **given: Any
    ) -> dict[str, Any]:
        """Return options that are fitted to the training files; none for most formats.

        Args:
            files: the training files.
            between: only entries ``between[0]`` to ``between[1] - 1`` of every file; None = all.
            given: options by name; options of other formats are ignored.
        """
        return {}

    def as_drawn(self) -> EventFile:
        """Return a reader of the same entries with the values that figures show; itself if it reads those."""
        return self

    @classmethod
    @abstractmethod
    def reads(cls, path: Path, head: bytes) -> bool:
        """Return whether this reader opens a file that begins with ``head`` (empty for a folder)."""

    @abstractmethod
    def read(self, start: int = 0, stop: int | None = None) -> SparseImages:
        """Return entries start..stop-1 in file order; an entry without an image has no pixels."""

    @abstractmethod
    def report_lines(self) -> list[str]:
        """Return log lines: entries read so far, then one line per anomaly."""

    def __len__(self) -> int:
        return len(self.events)

    def close(self) -> None:  # noqa: B027 - most readers keep no file open
        """Close the file; the next ``read`` opens it again."""

    def _until(self, start: int, stop: int | None) -> int:
        """Return the end of a range of entries; None means all.

        Raises:
            ValueError: the file has fewer entries.
        """
        stop = len(self) if stop is None else stop
        if not 0 <= start <= stop <= len(self):
            raise ValueError(f"{self.path}: entries {start}..{stop} asked for, it has {len(self)}")
        return stop

    def _stop_at(self, bad: NDArray[np.int64], start: int) -> None:
        """Raise InputError for the first entry, from ``start`` on, with bad pixels; ``bad`` (n,) is their number."""
        for first in np.flatnonzero(bad)[:1].tolist():
            name = "" if self.names is None else f" ({self.names[start + first]})"
            raise InputError(
                f"{self.path}: entry {start + first}{name}: {bad[first]} pixels are NaN or infinite "
                "(bad_pixels='zero' sets them to zero)"
            )

    def pdg(self) -> Particles:
        """Return the primary particles of every entry, for labels by PDG code."""
        raise InputError(f"{self.path}: holds no particles, so no label by PDG code")

    def targets(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Return the (n, k) float64 targets ``names`` of every entry in the units of the file; NaN where absent.

        Raises:
            InputError: the file holds no targets, or none of one of these names.
        """
        raise InputError(f"{self.path}: holds no targets, such as {', '.join(names)}")

    def target_units(self, names: Sequence[str]) -> list[str]:
        """Return the unit of each of the targets; "" where it has none or it is not known."""
        return [""] * len(names)

    def cluster_sizes(self, start: int = 0, stop: int | None = None) -> NDArray[np.int64]:
        """Return the (n,) int64 numbers of pixels of entries start..stop-1 that are active in any channel."""
        return self.read(start, stop).cluster_sizes

    def windows(self, start: int, stop: int) -> NDArray[np.float64] | None:
        """Return the (n, C, 2) lower edges, in x and y, of the regions of interest of entries start..stop-1.

        NaN where there is no image; None where images are read whole, or from a window about their centre.
        """
        return None

    @property
    def size_options(self) -> dict[str, int]:
        """Options that give images of other files the size of these; empty if the format has none."""
        return {}

    @property
    def cuts(self) -> tuple[float, tuple[float, ...]]:
        """Lower limit of the energy of cells, and limits of their times; no times if there are none."""
        return 0.0, ()

    @property
    def origin(self) -> Origin:
        """Where the events come from, as the file states it."""
        return {}

    @property
    def kind(self) -> dict[str, str]:
        """Kind of the file, to which a rule of another file may or may not apply.

        It is the sample, for events that dmcnn simulated, else format, producer and detector as far as known.
        """
        if "sample" in self.origin:
            return {"origin": "dmcnn simulation", "sample": self.origin["sample"]}
        about = {"format": type(self).__name__, "producer": self.producer, **self.origin}
        return {name: text for name, text in about.items() if text}

    @property
    def names(self) -> list[str] | None:
        """(n,) file name of each entry of a folder; None if all entries are in one file."""
        return None

    @property
    def stored_classes(self) -> NDArray[np.int64] | None:
        """(n,) class numbers that the file stores; None if it stores none."""
        return None

    @property
    def frame_edges(self) -> NDArray[np.float64] | None:
        """(b,) edges of the time frames: frame k ends at edge k+1; None if the channels are no time frames."""
        return None

    @property
    def frame_unit(self) -> str:
        """Unit of the edges of the time frames; "" where it is not known."""
        return ""

    @property
    def content_files(self) -> list[Path]:
        """All files whose bytes make the events, with companions such as files of labels."""
        return sorted(filter(Path.is_file, self.path.rglob("*"))) if self.path.is_dir() else [self.path]

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self.path.stat().st_size

    @property
    def modified(self) -> int:
        """Time of the last change [ns]."""
        return self.path.stat().st_mtime_ns
