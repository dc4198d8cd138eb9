"""Windows of an occlusion scan: one for every set of pixels with charge that some window covers."""

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
"""Windows over the border are clipped to the image, or left out as DM-CNN does."""


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of one event that reach through all channels: n centres, around which lie u different windows.

    Attributes:
        rows, columns: (n,) int64 centres, row by row.
        number: (n,) int64, the window around each centre: ``scores[number]`` are the scores at the centres.
        offsets: (u+1,) int64. Window w covers ``covered[offsets[w]:offsets[w+1]]``.
        covered: (m,) int32 places in the event's ``index``.
        shape: (C, H, W) of the event.
        stride: [pixels] side of the cell that every centre stands for.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    number: NDArray[np.int64]
    offsets: NDArray[np.int64]
    covered: NDArray[np.int32]
    shape: tuple[int, int, int]
    stride: int = 1

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def centres(self) -> dict[str, Any]:
        """Arrays that name the centres, as the npz of a scan holds them."""
        return {"rows": self.rows, "cols": self.columns}

    def score_map(self, scores: NDArray[np.float64], base: float) -> NDArray[np.float64]:
        """Return the (H, W) map of the (n,) scores at the centres, each over its stride x stride cell.

        Everything else keeps ``base``, the score of the untouched image.
        """
        return self._cells((), (), scores, base)

    def _cells(
        self,
        before: tuple[int, ...],
        at: tuple[NDArray[np.int64], ...],
        scores: NDArray[np.float64],
        base: float,
    ) -> NDArray[np.float64]:
        """Fill cells behind the axes ``before``, in which the centres lie at ``at``."""
        height, width = self.shape[1:]
        cells = np.full((*before, -(-height // self.stride), -(-width // self.stride)), base)
        cells[(*at, self.rows // self.stride, self.columns // self.stride)] = scores
        return cells.repeat(self.stride, axis=-2).repeat(self.stride, axis=-1)[..., :height, :width]


@dataclass(frozen=True, eq=False, kw_only=True)
class Boxes(Windows):
    """Windows that reach through some frames only, so that every frame has centres of its own.

    Attributes:
        frames: (n,) int64 frame of each centre, frame by frame.
        depth: [frames] reach of a window to earlier and later frames.
    """

    frames: NDArray[np.int64]
    depth: int

    @property
    def centres(self) -> dict[str, Any]:
        return {**super().centres, "frames": self.frames, "depth": self.depth}

    def score_map(self, scores: NDArray[np.float64], base: float) -> NDArray[np.float64]:
        """Return the (T, H, W) map of the (n,) scores at the centres."""
        return self._cells(self.shape[:1], (self.frames,), scores, base)


def windows(
    event: SparseImages, half: int, *, depth: int | None = None, border: str = "clip", stride: int = 1
) -> Windows:
    """Return the windows of (2 half + 1)^2 pixels that cover charge of one event.

    Args:
        event: one image.
        half: [pixels] reach of a window to every side.
        depth: [frames] reach of a window to earlier and later channels; None = through all of them.
        border: one of BORDERS.
        stride: 1 puts a window around every active pixel (with a depth: voxel); s > 1 around the middle of every
            s x s cell (of every frame).

    Raises:
        ValueError: not one event.
        InputError: windows of negative size, or a stride below 1.
    """
    if len(event) != 1:
        raise ValueError(f"{len(event)} events, expected one")
    if half < 0 or stride < 1:
        raise InputError(f"windows of half size {half} at a stride of {stride}, expected >= 0 and >= 1")
    how = stride, border == "skip", threads()
    if depth is None:
        return Windows(*_core.list_windows(event.index, event.shape, half, *how), event.shape, stride)
    if depth < 0:
        raise InputError(f"windows of half depth {depth}, expected >= 0")
    frames, rows, columns, number, offsets, covered = _core.list_boxes(
        event.index, event.shape, half, depth, *how
    )
    return Boxes(rows, columns, number, offsets, covered, event.shape, stride, frames=frames, depth=depth)
