"""Pictures of space-time events: their cells and frames, and what the cells of classes look like."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.animation import FuncAnimation
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tqdm import tqdm

from dmcnn.datasets.dataset import Dataset
from dmcnn.figures import attribution, image_axes, space_time
from dmcnn.images.sparse import SparseImages


@dataclass(frozen=True)
class Cells:
    """Energy and time of every cell of the events of a dataset, whatever the dataset makes of them.

    Attributes:
        dataset: the same events as (2, H, W) images.
        energy_min: cells of the events have more energy than this [unit of the file].
        window: ends of their times, as far as there are any [unit of the file].
    """

    dataset: Dataset
    energy_min: float = 0.0
    window: tuple[float, ...] = ()

    @classmethod
    def of(cls, dataset: Dataset) -> Cells | None:
        """Return the cells of a dataset; None if its files have none."""
        drawn = dataset.as_drawn()
        return cls(drawn, *dataset.first.cuts) if drawn.axis0 == "channel" else None

    def read(self, number: int) -> SparseImages:
        """One event."""
        return self.dataset.read(number, number + 1)

    def distributions(self, classes: Sequence[str]) -> Figure:
        """Energies and times of the cells of each class in all events; the limits of the dataset are marked.

        Args:
            classes: (n,) of every event.
        """
        found: dict[str, list[NDArray[np.float32]]] = defaultdict(list)
        names, start = np.array(classes), 0
        with tqdm(total=len(self.dataset), unit="event", desc="distributions") as bar:
            for chunk in self.dataset.chunks():
                images, mine = chunk.dense(), names[start : start + len(chunk)]
                for name in np.unique(mine):
                    energy, time = np.moveaxis(images[mine == name], 1, 0)
                    found[str(name)].append(np.stack([energy[energy > 0], time[energy > 0]]))
                start += len(chunk)
                bar.update(len(chunk))
        columns = {name: tuple(np.concatenate(parts, axis=1)) for name, parts in sorted(found.items())}
        pairs = {name: (energy, time) for name, (energy, time) in columns.items()}
        return space_time.distributions(pairs, window=self.window, energy_min=self.energy_min or None)

    def figures(self, number: int, text: str) -> Iterator[tuple[str, Figure]]:
        """Name and figure of one event: energy beside time, and the cells in space and time."""
        event = self.read(number)
        (energy, time), meta = event.dense()[0], event.meta[0, 0]
        yield "energy_time", space_time.energy_time(energy, time, meta, text=text)
        yield (
            "space_time",
            space_time.space_time(energy, time, meta, text=text, energy_min=self.energy_min),
        )


def voxels(event: SparseImages, text: str, cmap: str | Colormap, gamma: float) -> Figure:
    """The voxels of one event of (T, H, W) in space and time, for events whose cells have no times of their own."""
    meta = event.meta[0, 0]
    return attribution.scatter3d(
        event.dense()[0], meta, title=text, bar_label=image_axes.value_label(meta), cmap=cmap, gamma=gamma
    )


def frames(event: SparseImages, edges: NDArray[np.float64] | None, text: str, unit: str = "") -> Figure:
    """The (T, H, W) frames of one event side by side; ``edges`` [unit] as in ``Dataset.frame_edges``."""
    return space_time.frame_grid(event.dense()[0], edges, event.meta[0, 0], text=text, units=("", unit))


def film(event: SparseImages, edges: NDArray[np.float64] | None, text: str, unit: str = "") -> FuncAnimation:
    """The same frames one after another."""
    return space_time.animation(event.dense()[0], edges, event.meta[0, 0], text=text, units=("", unit))
