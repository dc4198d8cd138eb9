"""Windows of an occlusion scan: one for every different set of active pixels under a window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn import _core
from dmcnn._common.errors import InputError
from dmcnn._common.threads import threads
from dmcnn.images.sparse import SparseImages

BORDERS = ("clip", "skip")
"""Windows across the border of the image are clipped, or skipped as in DM-CNN."""


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of one event through all channels: n centres with u different windows around them.

    Attributes:
        rows, columns: (n,) int64 centres, row by row.
        number: (n,) int64 window of each centre: ``scores[number]`` are the scores at the centres.
        offsets: (u+1,) int64; window w covers the active pixels ``covered[offsets[w]:offsets[w+1]]``.
        covered: (m,) int32 numbers of active pixels, as in the event's ``index``.
        shape: (C, H, W) of the event.
        stride: [pixels] side of the cell around every centre.
        half: [pixels] half width of a window, without its centre; None = not known.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    number: NDArray[np.int64]
    offsets: NDArray[np.int64]
    covered: NDArray[np.int32]
    shape: tuple[int, int, int]
    stride: int = 1
    half: int | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def centres(self) -> dict[str, Any]:
        """Arrays of the centres by their names in the npz of a scan."""
        return {"rows": self.rows, "cols": self.columns}

    def score_map(self, scores: NDArray[np.float64], base: float) -> NDArray[np.float64]:
        """Return the (H, W) float64 map of the (n,) scores at the centres, each over its stride x stride cell.

        All other pixels have the score ``base`` of the untouched image.
        """
        return self._cells((), (), scores, base)

    def _cells(
        self,
        leading_shape: tuple[int, ...],
        leading: tuple[NDArray[np.int64], ...],
        scores: NDArray[np.float64],
        base: float,
    ) -> NDArray[np.float64]:
        """Return the (*leading_shape, H, W) map of the scores at (*leading, rows, columns)."""
        height, width = self.shape[1:]
        cells = np.full((*leading_shape, -(-height // self.stride), -(-width // self.stride)), base)
        cells[(*leading, self.rows // self.stride, self.columns // self.stride)] = scores
        return cells.repeat(self.stride, axis=-2).repeat(self.stride, axis=-1)[..., :height, :width]


@dataclass(frozen=True, eq=False, kw_only=True)
class Boxes(Windows):
    """Windows through some frames, with centres in every frame.

    Attributes:
        frames: (n,) int64 frame of each centre, frame by frame.
        depth: [frames] half width of a window along time.
    """

    frames: NDArray[np.int64]
    depth: int

    @property
    def centres(self) -> dict[str, Any]:
        """Arrays of the centres by their names in the npz of a scan."""
        return {**super().centres, "frames": self.frames, "depth": self.depth}

    def score_map(self, scores: NDArray[np.float64], base: float) -> NDArray[np.float64]:
        """Return the (T, H, W) float64 map of the (n,) scores at the centres; other voxels have ``base``."""
        return self._cells(self.shape[:1], (self.frames,), scores, base)


def list_windows(
    event: SparseImages, half: int, *, depth: int | None = None, border: str = "clip", stride: int = 1
) -> Windows:
    """Return the windows of (2 half + 1)^2 pixels that cover active pixels of one event.

    Args:
        event: one image.
        half: [pixels] half width of a window, without its centre.
        depth: [frames] half width of a window along time, without its centre; None = through all channels.
        border: one of BORDERS.
        stride: 1 = a window around every active pixel (with a depth: voxel); s > 1 = around the centre of every s x s
            cell (of every frame).

    Raises:
        ValueError: more or fewer than one event.
        InputError: windows of negative size, or a stride below 1.
    """
    if len(event) != 1:
        raise ValueError(f"{len(event)} events, expected one")
    if half < 0 or stride < 1:
        raise InputError(f"windows of half size {half} at a stride of {stride}, expected >= 0 and >= 1")
    options = stride, border == "skip", threads()
    if depth is None:
        return Windows(
            *_core.list_windows(event.index, event.shape, half, *options), event.shape, stride, half
        )
    if depth < 0:
        raise InputError(f"windows of half depth {depth}, expected >= 0")
    frames, rows, columns, number, offsets, covered = _core.list_boxes(
        event.index, event.shape, half, depth, *options
    )
    about = event.shape, stride, half
    return Boxes(rows, columns, number, offsets, covered, *about, frames=frames, depth=depth)
