"""Engines of a scan: how the scores of many windows of one event are worked out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn import _core
from dmcnn.engines.dense import forward
from dmcnn.images.scaling import scale_
from dmcnn.images.sparse import SparseImages
from dmcnn.occlusion.fills import fill_values
from dmcnn.occlusion.windows import Windows


class Engine(Protocol):
    """What scores the windows of an event."""

    def scores(
        self, net: nn.Module, event: SparseImages, found: Windows, which: NDArray[np.int64] | None = None
    ) -> Iterator[NDArray[np.float64]]:
        """Yield (m, outputs) float64 outputs of the network, some windows after the other."""


@dataclass(frozen=True)
class Dense:
    """One forward pass of the whole image for every different window.

    Attributes:
        batch_size: windows per forward pass.
        fill, seed: what covered pixels become, see dmcnn.occlusion.fills.
        precision: "32" or "bf16".
        scaling: one of dmcnn.images.scaling.SCALINGS, by the extremes of the untouched image.
    """

    batch_size: int
    fill: str = "zero"
    seed: int = 1
    precision: str = "32"
    scaling: str = "none"

    def scores(
        self, net: nn.Module, event: SparseImages, found: Windows, which: NDArray[np.int64] | None = None
    ) -> Iterator[NDArray[np.float64]]:
        """Yield (m, outputs) float64 outputs, batch by batch, of one event with each window replaced.

        Args:
            net: in evaluation mode, on its device.
            event: one image.
            found: its windows.
            which: numbers of the windows to score; by default all, once each.
        """
        which = np.arange(len(found)) if which is None else which
        whole = None if self.scaling == "none" else torch.from_numpy(event.dense())
        values = fill_values(event, self.fill, self.seed)
        for images in occluded(event, found, which, values, self.batch_size):
            seen = images if whole is None else scale_(images.clone(), self.scaling, like=whole)
            yield forward(net, seen, self.precision)


ENGINES: dict[str, type[Engine]] = {"dense": Dense}
"""Name -> engine."""


def occluded(
    event: SparseImages,
    found: Windows,
    which: NDArray[np.int64],
    values: NDArray[np.float32],
    batch_size: int,
    out: NDArray[np.float32] | None = None,
) -> Iterator[torch.Tensor]:
    """Yield (m, C, H, W) float32 batches of one event, each image with the pixels of one window replaced.

    A batch is valid until the next is asked for, and must not be changed: both are the same memory, in which only
    the covered pixels are written, and restored for the next.

    Args:
        event: one image.
        found: its windows.
        which: numbers of the windows, in the order of the images.
        values: (nnz,) what each active pixel becomes, see dmcnn.occlusion.fills.
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
