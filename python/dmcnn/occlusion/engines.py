"""Engines of a scan: ways to compute the scores of all windows of one event."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn import _core
from dmcnn.engines.dense import forward, inference
from dmcnn.engines.sparse import sparse
from dmcnn.engines.variants import PixelChanges
from dmcnn.images.scaling import scale_
from dmcnn.images.sparse import SparseImages
from dmcnn.occlusion.fills import fill_values
from dmcnn.occlusion.windows import Windows


@dataclass(frozen=True)
class Engine(ABC):
    """Engine of a scan.

    Attributes:
        batch_size: windows per forward pass.
        fill, seed: charge of covered pixels, see dmcnn.occlusion.fills.
        precision: "32" or "bf16".
        scaling: one of dmcnn.images.scaling.SCALINGS, with the extremes of the untouched image.
        tolerance: of a scan of whose windows this engine scores those that are exact, see ``Scan``; 0 = all are.
        approximations: names of what may score the others, from the most exact to the cheapest.
    """

    approximations: ClassVar[tuple[str, ...]] = ()

    batch_size: int
    fill: str = "zero"
    seed: int = 1
    precision: str = "32"
    scaling: str = "none"
    tolerance: float = 0.0

    @abstractmethod
    def scores(
        self, net: nn.Module, event: SparseImages, windows: Windows, which: NDArray[np.int64] | None = None
    ) -> Iterator[NDArray[np.float64]]:
        """Yield (m, outputs) float64 outputs, batch by batch, of one event with each window filled.

        Args:
            net: network in evaluation mode, on its device; a sparse one is traced once for all events.
            event: one image.
            windows: windows of the event.
            which: numbers of the windows to score, in this order; None = all, once each.
        """

    def inputs(
        self, net: nn.Module, event: SparseImages, windows: Windows
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the (1, C, H, W) image, the (nnz,) values of covered pixels, and (1, C, H, W) whether active."""
        device = next(net.parameters()).device
        whole = torch.from_numpy(event.dense())
        values = torch.from_numpy(fill_values(event, self.fill, self.seed, windows.half)).view(1, 1, 1, -1)
        image, values = (scale_(x.clone(), self.scaling, like=whole).to(device) for x in (whole, values))
        return image, values.flatten(), (whole != 0).to(device)

    @property
    def at_once(self) -> int:
        """Windows per pass."""
        return self.batch_size

    def row_width(self, outputs: int) -> int:
        """Return how many numbers a journal holds of a window: outputs, with a tolerance its own number before."""
        return outputs + (self.tolerance > 0)


class Dense(Engine):
    """Engine with one forward pass of the whole image per window."""

    def scores(
        self, net: nn.Module, event: SparseImages, windows: Windows, which: NDArray[np.int64] | None = None
    ) -> Iterator[NDArray[np.float64]]:
        """Yield (m, outputs) float64 outputs, batch by batch, see ``Engine.scores``."""
        which = np.arange(len(windows)) if which is None else which
        whole = None if self.scaling == "none" else torch.from_numpy(event.dense())
        values = fill_values(event, self.fill, self.seed, windows.half)
        for images in occluded_batches(event, windows, which, values, self.batch_size):
            inputs = images if whole is None else scale_(images.clone(), self.scaling, like=whole)
            yield forward(net, inputs, self.precision)


class Sparse(Engine):
    """Exact engine on the rows of the event, whose plan all windows share, for occluding never adds charge.

    Every window evaluates all rows of the event, or with ``changes_only`` those that the window reaches, up to the
    first layer that looks at all places, such as a normalisation by the statistics of the image.
    """

    changes_only = False

    def scores(
        self, net: nn.Module, event: SparseImages, windows: Windows, which: NDArray[np.int64] | None = None
    ) -> Iterator[NDArray[np.float64]]:
        """Yield (m, outputs) float64 outputs, batch by batch; see ``Engine.scores``."""
        which = np.arange(len(windows)) if which is None else which
        rows = sparse(net)
        image, values, where = self.inputs(net, event, windows)
        if rows.has_hooks or rows.obstacle(image, where):  # batch by batch, as the network evaluates images
            yield from Dense(**vars(self)).scores(rows, event, windows, which)
            return
        images = rows.images(image, where)
        with inference(image.device, self.precision):
            for start in range(0, len(which), self.at_once):
                changes = pixel_changes(event, windows, which[start : start + self.at_once], values)
                yield rows.vary(images, changes, whole=not self.changes_only).double().cpu().numpy()


class Incremental(Sparse):
    """The same engine, with none but the rows that a window reaches."""

    changes_only = True

    @property
    def at_once(self) -> int:
        """Windows per pass, in each of which the untouched event is evaluated as well."""
        return max(CHANGES_AT_ONCE, self.batch_size)


class DeltaScan(Sparse):
    """The same engine beside differences to the untouched event."""

    approximations = ("delta",)


class FirstOrderScan(Sparse):
    """The same engine beside the first order."""

    approximations = ("first_order",)


class CascadeScan(Sparse):
    """The same engine beside differences to the untouched event, and the first order if that will do."""

    approximations = ("delta", "first_order")


CHANGES_AT_ONCE = 256
"""Windows of which only changed rows are evaluated in one pass."""

ENGINES: dict[str, type[Engine]] = {
    "dense": Dense,
    "sparse": Sparse,
    "incremental": Incremental,
    "delta": DeltaScan,
    "first_order": FirstOrderScan,
    "cascade": CascadeScan,
}
"""Name -> engine of the windows that are exact."""


def pixel_changes(
    event: SparseImages, windows: Windows, which: NDArray[np.int64], values: torch.Tensor
) -> PixelChanges:
    """Return what differs in the images of some windows; ``values`` (nnz,) are those of covered pixels."""
    first, size = windows.offsets[which], np.diff(windows.offsets)[which]
    start = np.concatenate([[0], np.cumsum(size)])
    covered = windows.covered[np.repeat(first - start[:-1], size) + np.arange(start[-1])]
    return PixelChanges(start, event.index[covered].astype(np.int64), values[torch.from_numpy(covered)])


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
