"""Engines of a scan: ways to compute the scores of all windows of one event."""

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
    """Engine of a scan."""

    def scores(
        self, net: nn.Module, event: SparseImages, windows: Windows, which: NDArray[np.int64] | None = None
    ) -> Iterator[NDArray[np.float64]]:
        """Yield (m, outputs) float64 outputs of the network, some windows at a time, in the order of ``which``."""


@dataclass(frozen=True)
class Dense:
    """Engine with one forward pass of the whole image per window.

    Attributes:
        batch_size: windows per forward pass.
        fill, seed: charge of covered pixels, see dmcnn.occlusion.fills.
        precision: "32" or "bf16".
        scaling: one of dmcnn.images.scaling.SCALINGS, with the extremes of the untouched image.
    """

    batch_size: int
    fill: str = "zero"
    seed: int = 1
    precision: str = "32"
    scaling: str = "none"

    def scores(
        self, net: nn.Module, event: SparseImages, windows: Windows, which: NDArray[np.int64] | None = None
    ) -> Iterator[NDArray[np.float64]]:
        """Yield (m, outputs) float64 outputs, batch by batch, of one event with each window filled.

        Args:
            net: network in evaluation mode, on its device.
            event: one image.
            windows: windows of the event.
            which: numbers of the windows to score; None = all, once each.
        """
        which = np.arange(len(windows)) if which is None else which
        whole = None if self.scaling == "none" else torch.from_numpy(event.dense())
        values = fill_values(event, self.fill, self.seed, windows.half)
        for images in occluded_batches(event, windows, which, values, self.batch_size):
            inputs = images if whole is None else scale_(images.clone(), self.scaling, like=whole)
            yield forward(net, inputs, self.precision)


ENGINES: dict[str, type[Engine]] = {"dense": Dense}
"""Name -> engine."""


def occluded_batches(
    event: SparseImages,
    windows: Windows,
    which: NDArray[np.int64],
    values: NDArray[np.float32],
    batch_size: int,
    out: NDArray[np.float32] | None = None,
) -> Iterator[torch.Tensor]:
    """Yield (m, C, H, W) float32 batches of one event, each image with the pixels of one window filled.

    All batches share one memory, in which only covered pixels are written and restored: a batch is valid until the
    next iteration, and must not be changed.

    Args:
        event: one image.
        windows: windows of the event.
        which: numbers of the windows, in the order of the images.
        values: (nnz,) float32 charge [ADC] of each active pixel under a window, see dmcnn.occlusion.fills.
        batch_size: images per batch.
        out: (at least batch_size, C, H, W) float32 memory of the batches; None = new memory.
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
        _core.occlude(event.index, values, windows.offsets, windows.covered, now, batch, before, event.value)
        yield images
        before = now
