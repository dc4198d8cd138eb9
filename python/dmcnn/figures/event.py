"""Event display: the charge of one image in detector coordinates."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps, patheffects
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, PowerNorm, to_rgb
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
    score: str = "",
    cmap: str | Colormap = "jet",
    gamma: float = 0.35,
    vmin: float = 0.0,
    vmax: float | None = None,
    bar_label: str | None = None,
    logo: NDArray[Any] | None = None,
    transpose: bool = False,
) -> Figure:
    """Draw an (H, W) image: wire (axis 1) to the right, tick (axis 0) upwards.

    Args:
        image: (H, W) float32 charge.
        meta: META record of the image, which gives the unit of the axes; None gives pixel numbers.
        event: EVENT record of the image, whose ids are written at the lower left; None leaves them out.
        label: line above the ids, such as "MicroBooNE Simulation".
        score: line below the ids, such as "Signal score: 0.123".
        cmap: colour map.
        gamma: exponent of the colour scale; below 1 it brightens small charges.
        vmin, vmax: charge at the ends of the colour scale [unit of the image]; None takes the largest charge.
        bar_label: label of the colour bar, such as "Charge [ADC]"; None draws no colour bar.
        logo: (h, w, 3 or 4) image for the upper right corner.
        transpose: tick to the right and wire upwards.
    """
    cmap = colormaps[cmap] if isinstance(cmap, str) else cmap
    top = float(image[np.isfinite(image)].max(initial=vmin)) if vmax is None else vmax
    figure, axes = image_axes.blank_figure((image.shape[0], image.shape[1]), transpose, bar_label is not None)
    # An image without charge has no scale of its own: with any span it has the lowest colour.
    norm = PowerNorm(gamma, vmin=vmin, vmax=top if top > vmin else vmin + 1)
    drawn = image_axes.draw(axes, image, meta, cmap.with_extremes(bad=cmap(0.0)), norm, transpose)
    lines = [label, "" if event is None else ids(event), score]
    _write(axes, "\n".join(filter(None, lines)), to_rgb(cmap(0.0)))
    if bar_label is not None:
        image_axes.colour_bar(drawn, bar_label)
    if logo is not None:
        corner = axes.inset_axes((0.74, 0.8, 0.24, 0.18), anchor="NE")
        corner.imshow(logo)
        corner.set_axis_off()
    return figure


def ids(event: Any) -> str:
    """Return ``Run: 1, Subrun: 2, Event: 3`` for an EVENT record; ``unset`` for an id that has no value."""
    words = {
        name: "unset" if event[name] == UNSET else int(event[name]) for name in ("run", "subrun", "event")
    }
    return ", ".join(f"{name.capitalize()}: {word}" for name, word in words.items())


def _write(axes: Axes, text: str, ground: tuple[float, float, float]) -> None:
    """Write text at the lower left: white on a dark ground, black on a light one, with an outline of the ground."""
    dark = np.dot(ground, (0.299, 0.587, 0.114)) < 0.5
    axes.text(
        0.02,
        0.02,
        text,
        transform=axes.transAxes,
        color="white" if dark else "black",
        fontsize=14,
        linespacing=1.4,
        path_effects=[patheffects.withStroke(linewidth=2.5, foreground=ground)],
    )
