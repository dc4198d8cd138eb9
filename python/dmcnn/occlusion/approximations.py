"""Approximations of the outputs of an event under its windows: differences in bfloat16, and first order."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn._common.errors import InputError
from dmcnn.engines.delta import Delta
from dmcnn.engines.dense import inference
from dmcnn.engines.first_order import FirstOrder
from dmcnn.engines.maps import Images
from dmcnn.engines.sparse import SparseNet, sparse
from dmcnn.images.sparse import SparseImages
from dmcnn.occlusion.engines import CHANGES_AT_ONCE, Engine, pixel_changes
from dmcnn.occlusion.windows import Windows


class Approximation(ABC):
    """Outputs of an event under its windows that are not exact.

    Args:
        net: network in evaluation mode.
        event: one image.
        windows: windows of the event.
        engine: engine of the windows that are exact, with the fill and scaling of all.

    Raises:
        InputError: a network that rows cannot follow, or that the approximation is not for.
    """

    name = ""
    typical_change = math.inf
    """Relative change of the scales of normalisations under the median window; infinite where it is not known."""

    def __init__(self, net: nn.Module, event: SparseImages, windows: Windows, engine: Engine) -> None:
        rows = sparse(net)
        image, self._values, where = engine.inputs(net, event, windows)
        if reason := rows.obstacle(image, where) or rows.has_hooks * "it carries hooks":
            raise InputError(f"engine = {self.name}: the network is dense, for {reason}")
        self._event, self._windows, self._at_once = event, windows, engine.at_once
        self._start(rows, rows.images(image, where), image.device)

    @abstractmethod
    def _start(self, rows: SparseNet, image: Images, device: torch.device) -> None:
        """Evaluate what all windows share."""

    @property
    def rank(self) -> NDArray[np.int64]:
        """(windows,) place of each window in the order in which windows are made exact, the worst first."""
        return np.arange(len(self._windows))

    @abstractmethod
    def scores(self, which: NDArray[np.int64]) -> Iterator[NDArray[np.float64]]:
        """Yield (m, outputs) float64 outputs, batch by batch, of windows in this order."""


class DeltaWindows(Approximation):
    """Outputs by way of differences to the untouched event, with products in bfloat16."""

    name = "delta"

    def _start(self, rows: SparseNet, image: Images, device: torch.device) -> None:
        self._device = device
        with inference(device, "32"):
            self._delta = Delta(rows, image)

    def scores(self, which: NDArray[np.int64]) -> Iterator[NDArray[np.float64]]:
        """Yield (m, outputs) float64 outputs, batch by batch, see ``Approximation.scores``."""
        with inference(self._device, "32"):
            for start in range(0, len(which), self._at_once):
                some = which[start : start + self._at_once]
                changes = pixel_changes(self._event, self._windows, some, self._values)
                yield self._delta.outputs(changes).cpu().numpy()


class FirstOrderWindows(Approximation):
    """Outputs to first order of all windows, which are made exact where they change the statistics most."""

    name = "first_order"

    def _start(self, rows: SparseNet, image: Images, device: torch.device) -> None:
        first = FirstOrder(rows, image)
        numbers = np.arange(len(self._windows))
        with inference(device, "32"):
            parts = [
                first.outputs(pixel_changes(self._event, self._windows, which, self._values))
                for which in np.split(numbers, range(CHANGES_AT_ONCE, len(numbers), CHANGES_AT_ONCE))
            ]
        self._rows = np.concatenate([outputs.cpu().numpy() for outputs, _ in parts])
        changes = np.concatenate([change.cpu().numpy() for _, change in parts])
        self.typical_change = float(np.median(changes))
        self._rank = np.empty(len(numbers), np.int64)
        self._rank[np.argsort(-changes, kind="stable")] = numbers

    @property
    def rank(self) -> NDArray[np.int64]:
        """(windows,) place of each window, from the largest change of the statistics to the smallest."""
        return self._rank

    def scores(self, which: NDArray[np.int64]) -> Iterator[NDArray[np.float64]]:
        """Yield (m, outputs) float64 outputs, all at once, see ``Approximation.scores``."""
        yield self._rows[which]


APPROXIMATIONS: dict[str, type[Approximation]] = {one.name: one for one in (DeltaWindows, FirstOrderWindows)}
"""Name -> approximation, from the most exact to the cheapest."""
