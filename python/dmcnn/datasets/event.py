"""Event of a dataset: its image, who it is, what it truly is, and its picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.upward import notebook
from dmcnn.images.sparse import UNSET, SparseImages

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class Event:
    """One event. ``event.image`` is dense, ``event.plot()`` a figure; in a notebook it shows itself.

    Attributes:
        images: its sparse image, a batch of one.
        file: the file, or folder, that it comes from.
        source: the same, in a folder its own file.
        label: name of its class, or name -> value of its targets in their units; None if it has neither.
        reading: arguments of the reader that it was read with.
        frame_edges, frame_unit: of time frames, see ``Dataset``.
        origin: what the file states of the origin of its events, such as "dmcnn simulation: lariat".
    """

    images: SparseImages
    file: Path
    source: str
    label: str | dict[str, float] | None = None
    reading: Mapping[str, Any] = field(default_factory=dict)
    frame_edges: NDArray[np.float64] | None = None
    frame_unit: str = ""
    origin: str = ""

    @property
    def image(self) -> NDArray[np.float32]:
        """Return the (C, H, W) float32 image with its zeros; C = planes or time frames, H = tick, W = wire."""
        image: NDArray[np.float32] = self.images.dense()[0]
        return image

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return (C, H, W)."""
        return self.images.shape

    @property
    def ids(self) -> dict[str, int | None]:
        """Return run, subrun and event; None where the file has none."""
        event = self.images.events[0]
        return {
            name: None if event[name] == UNSET else int(event[name]) for name in ("run", "subrun", "event")
        }

    @property
    def entry(self) -> int:
        """Return its number in its file."""
        return int(self.images.events["entry"][0])

    @property
    def meta(self) -> NDArray[Any]:
        """Return (C,) META: where every channel lies in the detector."""
        meta: NDArray[Any] = self.images.meta[0]
        return meta

    def plot(self, channel: int = 0, **options: Any) -> Figure:
        """Draw one plane, or all time frames.

        Args:
            channel: of the plane; time frames are drawn side by side.
            options: of dmcnn.figures.event.event_display, such as cmap and gamma, for a plane.
        """
        figure: Figure = notebook("pictures.plot_event")(self, channel, **options)
        return figure

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.image, dtype)

    def _words(self) -> str:
        known = [f"{name} {number}" for name, number in self.ids.items() if number is not None]
        label = [] if self.label is None else [str(self.label)]
        place = f"entry {self.entry} of {Path(self.source).name}"
        return ", ".join(filter(None, [*known, place, *label, self.origin]))

    def __repr__(self) -> str:
        return f"Event({self._words()}, {self.shape}, {int(self.images.n_pixels[0])} active pixels)"

    def _repr_png_(self) -> bytes:
        png: bytes = notebook("pictures.png")(self.plot())
        return png

    def _repr_html_(self) -> str:
        image: str = notebook("pictures.html_image")(self.plot())
        return f"<figure><figcaption>{escape(self._words())}</figcaption>{image}</figure>"
