"""Figures of space-time events: cells, voxels, frames, and distributions of the cells by class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.animation import FuncAnimation
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dmcnn._common.progress import ProgressBar
from dmcnn.datasets.dataset import Dataset
from dmcnn.figures import attribution, image_axes, space_time
from dmcnn.images.sparse import SparseImages


@dataclass(frozen=True)
class DatasetCells:
    """Energy and time of every cell of the events of a dataset, whatever images the dataset makes of them.

    Attributes:
        dataset: the same events as (2, H, W) images of energy and time.
        energy_min: [unit of the file] lower limit of the energy of the dataset's cells.
        window: [unit of the file] limits of the time of the dataset's cells, if there are any.
    """

    dataset: Dataset
    energy_min: float = 0.0
    window: tuple[float, ...] = ()

    @classmethod
    def from_dataset(cls, dataset: Dataset) -> DatasetCells | None:
        """Return the cells of a dataset, or None for files without cells."""
        drawn = dataset.as_drawn()
        return cls(drawn, *dataset.first.cuts) if drawn.axis0 == "channel" else None

    def read(self, number: int) -> SparseImages:
        """Read the (2, H, W) image of one event."""
        return self.dataset.read(number, number + 1)

    def distributions(self, classes: Sequence[str]) -> Figure:
        """Return the figure of the energies and times of all cells by class, with the limits of the dataset.

        Args:
            classes: (n,) class of every event.
        """
        cells: dict[str, list[NDArray[np.float32]]] = defaultdict(list)
        names, start = np.array(classes), 0
        with ProgressBar(total=len(self.dataset), unit="event", desc="distributions") as bar:
            for chunk in self.dataset.chunks():
                images, chunk_names = chunk.dense(), names[start : start + len(chunk)]
                for name in np.unique(chunk_names):
                    energy, time = np.moveaxis(images[chunk_names == name], 1, 0)  # (n, H, W) each
                    cells[str(name)].append(np.stack([energy[energy > 0], time[energy > 0]]))
                start += len(chunk)
                bar.update(len(chunk))
        columns = {name: tuple(np.concatenate(parts, axis=1)) for name, parts in sorted(cells.items())}
        pairs = {name: (energy, time) for name, (energy, time) in columns.items()}
        return space_time.distributions(pairs, window=self.window, energy_min=self.energy_min or None)

    def figures(self, number: int, text: str) -> Iterator[tuple[str, Figure]]:
        """Yield (name, figure) of one event: energy and time side by side, and the cells in space and time."""
        event = self.read(number)
        (energy, time), meta = event.dense()[0], event.meta[0, 0]
        yield "energy_time", space_time.energy_time(energy, time, meta, text=text)
        yield (
            "space_time",
            space_time.space_time(energy, time, meta, text=text, energy_min=self.energy_min),
        )


def voxels(event: SparseImages, text: str, cmap: str | Colormap, gamma: float) -> Figure:
    """Return a figure of the voxels of one (T, H, W) event in space and time, for files without times of cells."""
    meta = event.meta[0, 0]
    return attribution.scatter3d(
        event.dense()[0], meta, title=text, bar_label=image_axes.value_label(meta), cmap=cmap, gamma=gamma
    )


def frames(event: SparseImages, edges: NDArray[np.float64] | None, text: str, unit: str = "") -> Figure:
    """Return a figure of the (T, H, W) frames of one event; ``edges`` [unit] as ``Dataset.frame_edges``."""
    return space_time.frame_grid(event.dense()[0], edges, event.meta[0, 0], text=text, units=("", unit))


def film(event: SparseImages, edges: NDArray[np.float64] | None, text: str, unit: str = "") -> FuncAnimation:
    """Return an animation of the (T, H, W) frames of one event; ``edges`` [unit] as ``Dataset.frame_edges``."""
    return space_time.animation(event.dense()[0], edges, event.meta[0, 0], text=text, units=("", unit))
