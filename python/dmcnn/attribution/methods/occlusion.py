"""Occlusion as an attribution method: dmcnn's own scan of windows, on dense images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from dmcnn.attribution.base import Explained, Method
from dmcnn.engines.dense import forward
from dmcnn.images.sparse import SparseImages, sparse
from dmcnn.occlusion.result import Scan


@dataclass(kw_only=True, eq=False)
class Occlusion(Method):
    """What the explained number loses when the charge around a pixel is blanked (arXiv:1311.2901, section 4.2).

    The map of an active pixel is the number of the untouched image less that under a window of (2k+1) x (2k+1) pixels
    around it, over all channels or as many frames as ``depth`` says; empty ones have none. captum's occlusion slides
    over every pixel, and 99 % of the windows of a sparse image cover nothing.

    Attributes:
        k: [pixels] reach of a window to every side.
        depth: [frames] reach of a window to earlier and later channels, which makes a map per frame; None = through
            all of them, which is right for planes.
        fill, seed: what covered pixels become, see dmcnn.occlusion.fills.
        border: "clip" or "skip" windows that cross the border of the image.
        stride: 1 for a window around every active pixel, s for one per s x s cell with charge.
    """

    name = "occlusion"
    title = "Occlusion"
    signed = True
    costly = True

    k: int = 4
    depth: int | None = None
    fill: str = "zero"
    border: str = "clip"
    stride: int = 1
    seed: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._scan()  # refuses what is no scan

    def _scan(self) -> Scan:
        return Scan(self.k, self.depth, self.border, self.stride, self.fill, self.seed)

    def explain(self, explained: Explained, images: torch.Tensor) -> torch.Tensor:
        """(n, C, H, W) maps; without a depth the same in every channel."""
        events = sparse(images.float().cpu().numpy())
        at_once = self.at_once(images)
        maps = np.stack([self._map(explained, events.take([i]), at_once) for i in range(len(events))])
        made = torch.from_numpy(maps).to(images)
        return made[:, None].expand(images.shape).clone() if self.depth is None else made

    def _map(self, explained: Explained, event: SparseImages, batch_size: int) -> NDArray[np.float64]:
        """(H, W) losses of one event, or (C, H, W) with a depth, by passes of ``batch_size`` windows."""
        found = self._scan().windows(event)
        base = self._numbers(explained, forward(explained.net, _dense(event), explained.precision))[0]
        losses = np.zeros(len(found.rows))
        if len(found):
            engine = self._scan().dense(batch_size, explained.precision)
            parts = np.concatenate(list(engine.scores(explained.net, event, found)))
            losses = base - self._numbers(explained, parts)[found.number]
        return found.score_map(losses, 0.0)

    @staticmethod
    def _numbers(explained: Explained, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) explained numbers of (n, classes) logits."""
        found: NDArray[np.float64] = explained.target(torch.from_numpy(logits)).numpy()
        return found


def _dense(event: SparseImages) -> torch.Tensor:
    return torch.from_numpy(event.dense())
