"""Maps of one event for notebooks: attributions, and scores under occlusion."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError, nearest
from dmcnn._common.upward import notebook
from dmcnn.images.sparse import SparseImages

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class NotebookFigure(ABC):
    """Object that a notebook shows as its figure."""

    @abstractmethod
    def plot(self) -> Figure:
        """Draw the figure."""

    def _repr_png_(self) -> bytes:
        """Return the figure as PNG."""
        png: bytes = notebook("pictures.png")(self.plot())
        return png

    def _repr_html_(self) -> str:
        """Return the figure as an HTML element."""
        image: str = notebook("pictures.html_image")(self.plot())
        return image


@dataclass(frozen=True, eq=False, repr=False)
class AttributionMap(NotebookFigure):
    """Attribution map: how much every pixel of an event matters for a number of the network.

    Attributes:
        values: (C, H, W) float32 map.
        images: the event, a batch of one, prepared for the network but for its scaling.
        method: name of the method.
        title: name of the method in figures.
        signed: whether the sign tells pixels for the class from those against it.
        target: name of the explained class.
        output: "logit" or "score" of the class.
        scores: class -> score of the event.
        box: (row0, row1, column0, column1), ends excluded, of a method with a box; else None.
    """

    values: NDArray[np.float32]
    images: SparseImages
    method: str
    title: str
    signed: bool
    target: str
    output: str
    scores: dict[str, float]
    box: tuple[int, int, int, int] | None = None

    def plot(self, channel: int | None = None, **options: Any) -> Figure:
        """Draw the map over a shadow of the charge.

        Args:
            channel: number of the plane or frame; None = the first plane, or the sum over time frames.
            options: options of dmcnn.figures.attribution.attribution_map, such as percentile and cmap.
        """
        figure: Figure = notebook("pictures.plot_attribution")(self, channel, **options)
        return figure

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.values, dtype)

    def __repr__(self) -> str:
        return f"AttributionMap({self.method} of the {self.output} of {self.target}, {self.values.shape})"


@dataclass(frozen=True, eq=False, repr=False)
class OcclusionMap(NotebookFigure):
    """Occlusion map: scores or estimates of an event with a window around every active pixel filled.

    Attributes:
        values: (classes, H, W) float64 scores, with a depth (classes, T, H, W); ``base`` at pixels without window.
        base: (classes,) float64 scores of the untouched event.
        classes: names of the classes, or of the targets of a regression network, whose estimates are the values.
        images: the event, a batch of one, prepared for the network but for its scaling.
        signal: class or target that ``plot`` draws by default.
        units: unit of each target, "" where it has none; None of a score.
    """

    values: NDArray[np.float64]
    base: NDArray[np.float64]
    classes: tuple[str, ...]
    images: SparseImages
    signal: str
    units: tuple[str | None, ...] = ()

    def unit(self, name: str) -> str | None:
        """Return the unit of a target, "" where it has none; None for the score of a class."""
        return self.units[self.classes.index(name)] if self.units else None

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """Return the (H, W) or (T, H, W) map of a class; raise InputError for an unknown class."""
        if name not in self.classes:
            listed = ", ".join(self.classes)
            raise InputError(f"no class {name!r}{nearest(name, self.classes)}, expected one of {listed}")
        values: NDArray[np.float64] = self.values[self.classes.index(name)]
        return values

    def plot(self, name: str | None = None, **options: Any) -> Figure:
        """Draw the map of a class; of several frames, for every pixel the score that differs most from the base.

        Args:
            name: name of the class; None = the signal class, or the most likely one.
            options: options of dmcnn.figures.occlusion.score_map, such as normalized and cmap.
        """
        figure: Figure = notebook("pictures.plot_occlusion")(self, name or self.signal, **options)
        return figure

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.values, dtype)

    def __repr__(self) -> str:
        base = ", ".join(f"{name} {score:.3f}" for name, score in zip(self.classes, self.base, strict=True))
        return f"OcclusionMap({self.values.shape}, untouched {base})"
