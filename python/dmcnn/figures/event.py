"""Event display: the charge of one image in detector coordinates."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Colormap, PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dmcnn.figures import image_axes
from dmcnn.images.sparse import UNSET


def event_display(
    image: NDArray[np.float32],
    meta: Any = None,
    event: Any = None,
    *,
    label: str = "",
    plane: str = "",
    score: str = "",
    cmap: str | Colormap = "viridis",
    gamma: float = 0.35,
    vmin: float = 0.0,
    vmax: float | None = None,
    bar_label: str | None = None,
    logo: NDArray[Any] | None = None,
    transpose: bool = False,
    zoom: bool = False,
) -> Figure:
    """Draw an (H, W) image: wire (axis 1) to the right, tick (axis 0) upwards; all text stands above it.

    Args:
        image: (H, W) float32 charge.
        meta: META record of the image, which gives the unit of the axes; None gives pixel numbers.
        event: EVENT record of the image, whose ids are written above it; None leaves them out.
        label: line above the ids, such as "MicroBooNE Simulation".
        plane: name of the image among those of the event, such as "Plane 2".
        score: lines below the ids, such as "Signal score: 0.123".
        cmap: colour map.
        gamma: exponent of the colour scale; below 1 it brightens small charges.
        vmin, vmax: charge at the ends of the colour scale [unit of the image]; None takes the largest charge.
        bar_label: label of the colour bar, such as "Charge [ADC]"; None draws no colour bar.
        logo: (h, w, 3 or 4) image for the upper right corner of the figure.
        transpose: tick to the right and wire upwards.
        zoom: draw only the part that holds the charge; how much of it is written above.
    """
    cmap = colormaps[cmap] if isinstance(cmap, str) else cmap
    top = float(image[np.isfinite(image)].max(initial=vmin)) if vmax is None else vmax
    box = image_axes.visible(image, image if zoom else None)
    what = [plane, "" if event is None else ids(event)]
    if zoom and (inside := image_axes.share_inside(image, box)) < 1:
        what.append(f"{100 * inside:.1f} % of the charge")
    lines = [label, ", ".join(filter(None, what)), *score.splitlines()]
    figure, axes = image_axes.blank_figure(
        image_axes.extent(box), transpose, bar_label is not None, lines, logo is not None
    )
    # An image without charge has no scale of its own: with any span it has the lowest colour.
    norm = PowerNorm(gamma, vmin=vmin, vmax=top if top > vmin else vmin + 1)
    drawn = image_axes.draw(axes, image, meta, cmap.with_extremes(bad=cmap(0.0)), norm, transpose, box)
    if bar_label is not None:
        image_axes.colour_bar(drawn, bar_label)
    if logo is not None:
        image_axes.draw_logo(axes, logo)
    return figure


def ids(event: Any) -> str:
    """Return ``Run: 1, Subrun: 2, Event: 3`` for an EVENT record; ``unset`` for an id that has no value."""
    words = {
        name: "unset" if event[name] == UNSET else int(event[name]) for name in ("run", "subrun", "event")
    }
    return ", ".join(f"{name.capitalize()}: {word}" for name, word in words.items())
