"""One forward pass for every window that holds charge, and for windows that cover the same charge only one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn import _core
from dmcnn._common.errors import InputError, nearest
from dmcnn._common.threads import threads
from dmcnn.engines.dense import forward
from dmcnn.images.scaling import scale_
from dmcnn.images.sparse import SparseImages

FILLS = ("zero", "mean", "noise")


@dataclass(frozen=True, eq=False)
class Windows:
    """The windows of a scan: n centres, around which lie u different windows.

    Attributes:
        rows, columns: (n,) int64 centres, row by row.
        number: (n,) int64, the window around each centre: scores[number] are the scores at the centres.
        offsets: (u+1,) int64. Window w covers ``covered[offsets[w]:offsets[w+1]]``.
        covered: (m,) int32 places in the event's ``index``.
        frames: (n,) int64 frame of each centre, frame by frame; None where windows reach through all channels.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    number: NDArray[np.int64]
    offsets: NDArray[np.int64]
    covered: NDArray[np.int32]
    frames: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1


def windows(
    event: SparseImages, half: int, *, depth: int | None = None, border: str = "clip", stride: int = 1
) -> Windows:
    """The windows of (2 half + 1)^2 pixels that cover charge of one event.

    Args:
        event: one image.
        half: [pixels] reach of a window to every side.
        depth: [frames] reach of a window to earlier and later channels; None = through all of them.
        border: windows over the border are clipped to the image ("clip") or left out ("skip"), as DM-CNN does.
        stride: 1 puts a window around every active pixel (with a depth: voxel); s > 1 around the middle of every
            s x s cell (of every frame).
    """
    if len(event) != 1:
        raise ValueError(f"{len(event)} events, expected one")
    if half < 0 or stride < 1:
        raise InputError(f"windows of half size {half} at a stride of {stride}, expected >= 0 and >= 1")
    how = stride, border == "skip", threads()
    if depth is None:
        return Windows(*_core.list_windows(event.index, event.shape, half, *how))
    if depth < 0:
        raise InputError(f"windows of half depth {depth}, expected >= 0")
    found = _core.list_boxes(event.index, event.shape, half, depth, *how)
    return Windows(*found[1:], frames=found[0])


def fill_values(event: SparseImages, fill: str = "zero", seed: int = 1) -> NDArray[np.float32]:
    """(nnz,) float32: the charge [ADC] of every active pixel of one event where a window covers it.

    "zero": none. "mean": the mean over the active pixels of its channel (summed in float64, rounded once).
    "noise": that of some active pixel of its channel, drawn with replacement by np.random.default_rng(seed),
    channel by channel. A pixel gets the same value in every window, and empty pixels stay empty, so that windows
    that cover the same pixels stay the same image.
    """
    if fill not in FILLS:
        raise InputError(f"fill = {fill!r}{nearest(fill, FILLS)}, there is {', '.join(FILLS)}")
    values = np.zeros_like(event.value)
    random = np.random.default_rng(seed)
    channels, height, width = event.shape
    edges = np.searchsorted(event.index, height * width * np.arange(channels + 1))
    for start, stop in pairwise(edges if fill != "zero" else ()):
        if start < stop:
            mine = event.value[start:stop]
            values[start:stop] = (
                mine.mean(dtype=np.float64) if fill == "mean" else random.choice(mine, len(mine))
            )
    return values


def occluded(
    event: SparseImages,
    found: Windows,
    which: NDArray[np.int64],
    values: NDArray[np.float32],
    batch_size: int,
    out: NDArray[np.float32] | None = None,
) -> Iterator[torch.Tensor]:
    """(m, C, H, W) float32 batches of one event, each image with the pixels of one window replaced.

    A batch is valid until the next is asked for, and must not be changed: both are the same memory, in which only
    the covered pixels are written, and restored for the next.

    Args:
        event: one image.
        found: its windows.
        which: numbers of the windows, in the order of the images.
        values: (nnz,) what each active pixel becomes, see ``fill_values``.
        batch_size: images per batch.
        out: (at least batch_size, C, H, W) memory for the batches, to be used again for the next event.
    """
    which = np.ascontiguousarray(which, np.int64)
    size = min(batch_size, len(which))
    batch = np.empty((size, *event.shape), np.float32) if out is None else out[:size]
    _core.densify(event.offsets, event.index, event.value, batch, which=np.zeros(size, np.int64))
    images, before = torch.from_numpy(batch), np.full(size, -1)
    for start in range(0, len(which), batch_size):
        now = which[start : start + batch_size]
        if len(now) < size:  # the last batch
            size = len(now)
            batch, images, before = batch[:size], images[:size], before[:size]
        _core.occlude(event.index, values, found.offsets, found.covered, now, batch, before, event.value)
        yield images
        before = now


def scan(
    net: nn.Module,
    event: SparseImages,
    found: Windows,
    which: NDArray[np.int64] | None = None,
    *,
    fill: str = "zero",
    seed: int = 1,
    batch_size: int,
    precision: str = "32",
    scaling: str = "none",
) -> Iterator[NDArray[np.float64]]:
    """(m, classes) logits, batch by batch, of one event with each of the different windows replaced.

    Args:
        net: in evaluation mode, on its device.
        event: one image.
        found: its windows.
        which: numbers of the windows to score; by default all, once each.
        fill, seed: what covered pixels become, see ``fill_values``.
        batch_size: windows per forward pass.
        precision: "32" or "bf16".
        scaling: one of dmcnn.images.scaling.SCALINGS, by the extremes of the untouched image.
    """
    which = np.arange(len(found)) if which is None else which
    whole = None if scaling == "none" else torch.from_numpy(event.dense())
    for images in occluded(event, found, which, fill_values(event, fill, seed), batch_size):
        seen = images if whole is None else scale_(images.clone(), scaling, like=whole)
        yield forward(net, seen, precision)


def score_map(
    shape: tuple[int, ...],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    scores: NDArray[np.float64],
    base: float,
    stride: int = 1,
    frames: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """Map of the (n,) scores at their centres, each over its stride x stride cell.

    Everything else keeps ``base``, the untouched score. The map has ``shape``: (H, W), or with the frames of the
    centres (T, H, W).
    """
    *before, height, width = shape
    cells = np.full((*before, -(-height // stride), -(-width // stride)), base)
    at = rows // stride, columns // stride
    cells[at if frames is None else (frames, *at)] = scores
    return cells.repeat(stride, axis=-2).repeat(stride, axis=-1)[..., :height, :width]
