"""Occlusion as an attribution method, by the scan of windows of dmcnn.occlusion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn.attribution.base import Explained, Method
from dmcnn.engines.dense import forward
from dmcnn.engines.sparse import SparseNet
from dmcnn.images.sparse import SparseImages, sparse
from dmcnn.occlusion.result import Scan


@dataclass(kw_only=True, eq=False)
class Occlusion(Method):
    """Occlusion: decrease of the explained number under a window (arXiv:1311.2901, section 4.2).

    The value of an active pixel is the number of the untouched image minus that with a window of (2k+1) x (2k+1)
    pixels around it filled; empty pixels have the value 0. captum's occlusion moves over all pixels, and 99 % of the
    windows of a sparse image are empty.

    Attributes:
        k: [pixels] half width of a window, without its centre.
        depth: [frames] half width of a window along time, without its centre, for a map per frame; None = through all
            channels, for planes.
        fill, seed: charge of covered pixels, see dmcnn.occlusion.fills.
        border: "clip" or "skip" windows that cross the border of the image.
        stride: 1 = a window around every active pixel; s = one for every s x s cell with charge.

    Raises:
        InputError: options that dmcnn.occlusion.result.Scan refuses.
    """

    name = "occlusion"
    title = "Occlusion"
    signed = True
    costly = True
    sparse = True

    k: int = 4
    depth: int | None = None
    fill: str = "zero"
    border: str = "clip"
    stride: int = 1
    seed: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._scan()  # checks the options

    def _scan(self) -> Scan:
        """Return the options of the scan."""
        return Scan(self.k, self.depth, self.border, self.stride, self.fill, self.seed)

    def explain(self, explained: Explained, images: torch.Tensor) -> torch.Tensor:
        """Return the (n, C, H, W) maps, without a depth equal in all channels."""
        events = sparse(images.float().cpu().numpy())
        at_once = self.at_once(images)
        maps = np.stack([self._map(explained, events.take([i]), at_once) for i in range(len(events))])
        values = torch.from_numpy(maps).to(images)
        return values[:, None].expand(images.shape).clone() if self.depth is None else values

    def _map(self, explained: Explained, event: SparseImages, batch_size: int) -> NDArray[np.float64]:
        """Return the (H, W) map of one event, with a depth (C, H, W), by passes of ``batch_size`` windows."""
        windows = self._scan().windows(event)
        base = self._numbers(explained, forward(explained.net, _dense(event), explained.precision))[0]
        decrease = np.zeros(len(windows.rows))
        if len(windows):
            engine = self._scan().engine(self._engine(explained.net, event), batch_size, explained.precision)
            parts = np.concatenate(list(engine.scores(explained.net, event, windows)))
            decrease = base - self._numbers(explained, parts)[windows.number]
        return windows.score_map(decrease, 0.0)

    @staticmethod
    def _engine(net: nn.Module, event: SparseImages) -> str:
        """Return the word of the engine that evaluates the windows as the network evaluates its images."""
        if not isinstance(net, SparseNet):
            return "dense"
        image = _dense(event)
        if net.has_hooks or net.obstacle(image) or net.global_layer(net.images(image)):
            return "sparse"
        return "incremental"

    @staticmethod
    def _numbers(explained: Explained, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the (n,) explained numbers of (n, classes) logits."""
        numbers: NDArray[np.float64] = explained.target(torch.from_numpy(logits)).numpy()
        return numbers


def _dense(event: SparseImages) -> torch.Tensor:
    """Return the dense (1, C, H, W) image of an event."""
    return torch.from_numpy(event.dense())
