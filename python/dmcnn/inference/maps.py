"""Maps of one event: what a network looks at, and how its scores change under occlusion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError, nearest
from dmcnn._common.upward import notebook
from dmcnn.images.sparse import SparseImages

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Shown:
    """What shows itself in a notebook by its picture."""

    def plot(self) -> Figure:
        """Draw it."""
        raise NotImplementedError

    def _repr_png_(self) -> bytes:
        png: bytes = notebook("pictures.png")(self.plot())
        return png

    def _repr_html_(self) -> str:
        image: str = notebook("pictures.html_image")(self.plot())
        return image


@dataclass(frozen=True, eq=False, repr=False)
class AttributionMap(Shown):
    """How much every pixel of an event matters for a number of the network.

    Attributes:
        values: (C, H, W) float32.
        images: the event as the network took it, before scaling, a batch of one.
        method: name of the method; ``title`` is for figures.
        signed: whether the sign means for and against the class.
        target: name of the class.
        output: "logit" or "score" of it.
        scores: class -> score of the untouched event.
        box: (row0, row1, column0, column1) of a method that frames a region, ends excluded; else None.
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
            channel: of a plane; None = the first plane, or the sum over time frames.
            options: of dmcnn.figures.attribution.attribution_map, such as percentile and cmap.
        """
        figure: Figure = notebook("pictures.plot_attribution")(self, channel, **options)
        return figure

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.values, dtype)

    def __repr__(self) -> str:
        return f"AttributionMap({self.method} of the {self.output} of {self.target}, {self.values.shape})"


@dataclass(frozen=True, eq=False, repr=False)
class OcclusionMap(Shown):
    """Scores of an event with a window around every pixel blanked.

    Attributes:
        values: (classes, H, W) float64 scores, with a depth (classes, T, H, W); ``base`` where no window was.
        base: (classes,) scores of the untouched event.
        classes: their names.
        images: the event as the network took it, before scaling, a batch of one.
        signal: the class that ``plot`` draws unless told otherwise.
    """

    values: NDArray[np.float64]
    base: NDArray[np.float64]
    classes: tuple[str, ...]
    images: SparseImages
    signal: str

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """Return the map of a class."""
        if name not in self.classes:
            listed = ", ".join(self.classes)
            raise InputError(f"no class {name!r}{nearest(name, self.classes)}, there is {listed}")
        found: NDArray[np.float64] = self.values[self.classes.index(name)]
        return found

    def plot(self, name: str | None = None, **options: Any) -> Figure:
        """Draw the map of a class, of several frames for every pixel the score that is furthest from the base.

        Args:
            name: of the class; None = the signal, or the likeliest.
            options: of dmcnn.figures.occlusion.score_map, such as normalized and cmap.
        """
        figure: Figure = notebook("pictures.plot_occlusion")(self, name or self.signal, **options)
        return figure

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.values, dtype)

    def __repr__(self) -> str:
        base = ", ".join(f"{name} {score:.3f}" for name, score in zip(self.classes, self.base, strict=True))
        return f"OcclusionMap({self.values.shape}, untouched {base})"
