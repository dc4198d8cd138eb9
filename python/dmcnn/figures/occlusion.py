"""Occlusion maps: the score of a network with a window around each pixel replaced."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dmcnn.figures import image_axes, style


def score_map(
    scores: NDArray[np.floating[Any]],
    title: str,
    meta: Any = None,
    *,
    normalized: bool = False,
    base_score: float | None = None,
    zoom_to: NDArray[Any] | None = None,
    cmap: str | Colormap = "viridis",
    vmin: float | None = None,
    vmax: float | None = None,
    transpose: bool = False,
    unit: str | None = None,
) -> Figure:
    """Draw an (H, W) map of scores: wire (axis 1) to the right, tick (axis 0) upwards.

    Args:
        scores: (H, W) float scores.
        title: class of the scores, such as "Signal".
        meta: META record of the image, which gives the unit of the axes; None gives pixel numbers.
        normalized: draw ``(score - lowest) / (highest - lowest)`` instead; a constant map becomes 0.5.
        base_score: score of the untouched image, written in the title and marked on the colour bar.
        zoom_to: (H, W) image; only the region where it is not zero is drawn.
        cmap: colour map.
        vmin, vmax: ends of the colour scale, in units of the drawn map; None takes its lowest or highest value.
        transpose: tick to the right and wire upwards.
        unit: of an estimate ("" = it has none); None = scores.
    """
    quantity = f"{title} score" if unit is None else style.label(title, unit)
    drawn_map, base = scale(scores, base_score) if normalized else (scores, base_score)
    low, high = (0.0, 1.0) if normalized else _span(drawn_map)
    low, high = low if vmin is None else vmin, high if vmax is None else vmax
    box = image_axes.visible(scores, zoom_to)
    untouched = "" if base_score is None else f", untouched image {base_score:.4g}"
    figure, axes = image_axes.blank_figure(
        image_axes.extent(box), transpose, True, [f"{quantity} under occlusion{untouched}"]
    )
    drawn = image_axes.draw(axes, drawn_map, meta, cmap, Normalize(low, high), transpose, box)
    bar = image_axes.colour_bar(drawn, quantity + (", scaled to 0..1" if normalized else ""))
    if base is not None and low <= base <= high:
        bar.axhline(base, color="black", linewidth=4)
        bar.axhline(base, color="white", linewidth=1.5)
    return figure


def strongest_frame(scores: NDArray[np.floating[Any]], base: float) -> NDArray[Any]:
    """Reduce a (T, H, W) map to (H, W): the score of every pixel furthest from ``base``, the untouched one."""
    furthest = np.nan_to_num(np.abs(scores - base), nan=-1).argmax(axis=0)
    frame: NDArray[Any] = np.take_along_axis(scores, furthest[np.newaxis], axis=0)[0]
    return frame


def scale(
    scores: NDArray[np.floating[Any]], base_score: float | None
) -> tuple[NDArray[np.float64], float | None]:
    """Scale the map to 0..1 and the base score with it; a constant map becomes 0.5, its base score None."""
    values = np.asarray(scores, np.float64)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return values, None
    low, span = finite.min(), np.ptp(finite)
    if not span:
        return values - low + 0.5, None
    return (values - low) / span, None if base_score is None else float((base_score - low) / span)


def _span(values: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """Return the lowest and the highest value, or a span of 1 around a single value."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.5, 0.5)
    return (low, high) if low < high else (low - 0.5, low + 0.5)
