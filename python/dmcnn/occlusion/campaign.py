"""Campaign of scans: the windows of many events and their cost, and the numbers of each map for one table."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from dmcnn._common.progress import ProgressBar
from dmcnn.datasets.dataset import Dataset
from dmcnn.datasets.selection import SelectedEvent
from dmcnn.images.sparse import SparseImages
from dmcnn.occlusion.engines import Engine
from dmcnn.occlusion.result import OcclusionResult, Scan
from dmcnn.occlusion.windows import Boxes, Windows
from dmcnn.tasks import Task

Floats = NDArray[np.float64]

MEASURED = 3
"""Number of events whose windows are timed to predict the time of all."""
BATCHES = 2
"""Number of batches that are timed, after one that is not."""


@dataclass(frozen=True)
class PlannedEvent:
    """Event of a campaign before its scan.

    Attributes:
        number: of the event in the dataset.
        reason: of its selection.
        pixels: number of active pixels.
        windows, centres: numbers of different windows and of their centres, for each size.
    """

    number: int
    reason: str
    pixels: int
    windows: tuple[int, ...]
    centres: tuple[int, ...]

    @property
    def cost(self) -> float:
        """Cost relative to that of other events: windows times active pixels."""
        return float(sum(self.windows) * self.pixels)


def plan(dataset: Dataset, selected: Sequence[SelectedEvent], scans: Sequence[Scan]) -> list[PlannedEvent]:
    """Count the windows of every selected event that holds an image, for every scan."""
    events = []
    for choice in ProgressBar(selected, desc="counting windows", unit="event", disable=len(selected) == 1):
        event = dataset.read(choice.number, choice.number + 1)
        if event.has_image[0]:
            windows = [scan.windows(event) for scan in scans]
            counts = tuple(map(len, windows)), tuple(len(one.number) for one in windows)
            events.append(PlannedEvent(choice.number, choice.reason, len(event.index), *counts))
    return events


def spread(events: Sequence[PlannedEvent], count: int = MEASURED) -> list[PlannedEvent]:
    """Return a few events, from the fewest active pixels to the most."""
    ordered = sorted((event for event in events if sum(event.windows)), key=lambda event: event.pixels)
    places = np.unique(np.linspace(0, len(ordered) - 1, min(count, len(ordered))).round().astype(int))
    return [ordered[place] for place in places]


def window_seconds(
    net: nn.Module, event: SparseImages, windows: Windows, engine: Engine, batch: int
) -> tuple[float, float]:
    """Return the wall time and the CPU time [s] of one window, measured on a few batches after a first one."""
    first = np.arange(min(batch, len(windows)))
    which = np.arange(len(first), min((1 + BATCHES) * batch, len(windows)))
    for _ in engine.scores(net, event, windows, first):
        pass
    which = which if len(which) else first
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in engine.scores(net, event, windows, which):
        pass
    return (time.perf_counter() - wall) / len(which), (time.process_time() - cpu) / len(which)


def predicted_seconds(events: Sequence[PlannedEvent], measured: Mapping[int, Sequence[float]]) -> float:
    """Return the time [s] of all windows, from that of a window of each size at some numbers of active pixels."""
    pixels = sorted(measured)
    at = [event.pixels for event in events]
    times = [
        np.interp(at, pixels, size) for size in zip(*(measured[number] for number in pixels), strict=True)
    ]
    return float(np.sum(np.array([event.windows for event in events]) * np.transpose(times)))


def predicted_bytes(
    events: Sequence[PlannedEvent], outputs: int, names: int, shape: tuple[int, int, int], stride: int = 1
) -> int:
    """Return the size of the npz of all events [bytes], within about a quarter.

    Of a different window, ``outputs`` logits and ``names`` scores (float64) and pixels of maps (float32) hardly
    compress; of a centre its place, and a byte for every further row of its cell; all else to a thousandth.
    """
    window, centre = 8 * outputs + 12 * names, 2 + (stride - 1) * names
    map_bytes = 4 * shape[1] * shape[2] * names // 1000
    return sum(
        3_000 + map_bytes + window * windows + centre * centres
        for event in events
        for windows, centres in zip(event.windows, event.centres, strict=True)
    )


@dataclass(frozen=True, eq=False)
class Drops:
    """Drops of the scores of one event under its windows: score of the untouched event minus that at each centre.

    Of the estimates of a regression they are the changes without their sign.

    Attributes:
        windows: windows of the event.
        base: (k,) float64 scores or estimates of the untouched event.
        drops: (n, k) float64 at the n centres.
        what: "drop" or "change".
        charge: (n,) float64 charge of the pixel of each centre, with a stride of its cell, at least 0.
        distance: (n,) float64 distance of each centre from the charge-weighted centre of the event [pixels].
    """

    windows: Windows
    base: Floats
    drops: Floats
    what: str
    charge: Floats
    distance: Floats

    @classmethod
    def of_result(cls, result: OcclusionResult, event: SparseImages, task: Task) -> Drops:
        """Make the drops of a scan of a network with a task."""
        windows, base = result.windows, task.values(result.base[None])[0]
        drops = base - task.values(result.logits).reshape(len(result.logits), len(base))
        what = "change" if task.card.targets else "drop"
        drops = np.abs(drops) if what == "change" else drops
        frames, rows, columns = np.unravel_index(event.index, event.shape)
        weight = np.maximum(event.value.astype(np.float64), 0)
        total = weight.sum() or 1.0
        middle = (rows * weight).sum() / total, (columns * weight).sum() / total
        distance = np.hypot(windows.rows - middle[0], windows.columns - middle[1])
        charge = _charges(windows, (frames, rows, columns), weight)
        return cls(windows, base, drops, what, charge, distance)

    def overlap(self, output: int) -> float:
        """Return the overlap of the drops of a value with the charge.

        Both are taken as distributions over the centres, drops below 0 as 0: 1 = the same distribution, 0 = nowhere
        together; NaN where nothing drops.
        """
        drops = np.maximum(self.drops[:, output], 0)
        if not drops.sum() or not self.charge.sum():
            return np.nan
        return float(np.minimum(drops / drops.sum(), self.charge / self.charge.sum()).sum())

    def profile(self, output: int, edges: Floats) -> Floats:
        """Return the (b,) mean drops of a value in bins of the distance; NaN in bins without a centre."""
        count = np.histogram(self.distance, edges)[0]
        total = np.histogram(self.distance, edges, weights=self.drops[:, output])[0]
        means: Floats = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
        return means

    def columns(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the columns of the table: for each of the k ``names`` its value, its drops and their place."""
        columns: dict[str, Any] = {}
        for output, name in enumerate(names):
            drops = self.drops[:, output]
            place = int(drops.argmax()) if len(drops) else None
            columns |= {
                f"base_{name}": float(self.base[output]),
                f"max_{self.what}_{name}": float(drops.max()) if len(drops) else None,
                f"mean_{self.what}_{name}": float(drops.mean()) if len(drops) else None,
                f"min_{self.what}_{name}": float(drops.min()) if len(drops) else None,
                **self._place(place, name),
                f"overlap_{name}": self.overlap(output),
            }
        return columns

    def _place(self, centre: int | None, name: str) -> dict[str, int | None]:
        """Return row and column of a centre, of boxes its frame too, as columns for ``name``."""
        axes = {"row": self.windows.rows, "column": self.windows.columns}
        if isinstance(self.windows, Boxes):
            axes = {"frame": self.windows.frames, **axes}
        return {
            f"{axis}_{name}": None if centre is None else int(values[centre]) for axis, values in axes.items()
        }


def _charges(windows: Windows, places: tuple[Any, Any, Any], weight: Floats) -> Floats:
    """Return the (n,) charges of the cells of the centres; of windows through all channels the sum over these."""
    frames, rows, columns = places
    boxes = isinstance(windows, Boxes)
    cells = tuple(-(-size // windows.stride) for size in windows.shape[1:])
    shape = (windows.shape[0] if boxes else 1, *cells)
    cell = np.ravel_multi_index(
        (frames if boxes else 0 * frames, rows // windows.stride, columns // windows.stride), shape
    )
    charges = np.bincount(cell, weight, int(np.prod(shape)))
    at = windows.frames if isinstance(windows, Boxes) else 0 * windows.rows
    centre = np.ravel_multi_index(
        (at, windows.rows // windows.stride, windows.columns // windows.stride), shape
    )
    return np.asarray(charges[centre], np.float64)


def distance_edges(shape: tuple[int, int, int]) -> Floats:
    """Return the edges [pixels] of the bins of the distance in images of a shape: about 40, of whole pixels."""
    diagonal = float(np.hypot(*shape[1:]))
    width = max(1, round(diagonal / 40))
    return np.arange(0, diagonal + width, width).astype(np.float64)
