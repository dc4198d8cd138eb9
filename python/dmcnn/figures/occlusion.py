"""The occlusion map: the net's score when a window around each pixel is blanked."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dmcnn.figures import image_axes


def score_map(
    scores: NDArray[np.floating[Any]],
    title: str,
    meta: Any = None,
    *,
    normalized: bool = False,
    base_score: float | None = None,
    zoom_to: NDArray[Any] | None = None,
    cmap: str | Colormap = "gnuplot_r",
    vmin: float | None = None,
    vmax: float | None = None,
    transpose: bool = False,
) -> Figure:
    """Draw an (H, W) map of scores: wire (axis 1) runs to the right, tick (axis 0) upwards.

    Args:
        title: the class whose score it is, such as "Signal".
        meta: the image's META record: axes in its unit; None gives pixel numbers.
        normalized: draw ``(score - lowest) / (highest - lowest)`` instead; a constant map becomes 0.5.
        base_score: the score of the untouched image, told in the title and marked on the colour bar.
        zoom_to: (H, W) image; only the region where it is non-zero is shown.
        vmin, vmax: scores at the ends of the colour scale, in what is drawn; None is the map's own extreme.
        transpose: tick to the right and wire upwards.
    """
    drawn_map, base = scale(scores, base_score) if normalized else (scores, base_score)
    low, high = (0.0, 1.0) if normalized else _span(drawn_map)
    low, high = low if vmin is None else vmin, high if vmax is None else vmax
    figure, axes = image_axes.blank((scores.shape[0], scores.shape[1]), transpose, bar=True, title=True)
    drawn = image_axes.draw(axes, drawn_map, meta, cmap, Normalize(low, high), transpose)
    untouched = "" if base_score is None else f", untouched image {base_score:.4g}"
    axes.set_title(f"{title} score under occlusion{untouched}", fontsize=14)
    bar = image_axes.colour_bar(drawn, f"{title} score" + (", scaled to 0..1" if normalized else ""))
    if base is not None and low <= base <= high:
        bar.axhline(base, color="black", linewidth=4)
        bar.axhline(base, color="white", linewidth=1.5)
    if zoom_to is not None:
        image_axes.zoom(axes, zoom_to, meta, transpose)
    return figure


def strongest_frame(scores: NDArray[np.floating[Any]], base: float) -> NDArray[Any]:
    """(H, W) of a (T, H, W) map: for every pixel the score that is furthest from the untouched one."""
    furthest = np.nan_to_num(np.abs(scores - base), nan=-1).argmax(axis=0)
    found: NDArray[Any] = np.take_along_axis(scores, furthest[np.newaxis], axis=0)[0]
    return found


def scale(
    scores: NDArray[np.floating[Any]], base_score: float | None
) -> tuple[NDArray[np.float64], float | None]:
    """The map and the base score, moved and scaled so that the map spans 0..1; a constant map becomes 0.5."""
    values = np.asarray(scores, np.float64)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return values, None
    low, span = finite.min(), np.ptp(finite)
    if not span:
        return values - low + 0.5, None
    return (values - low) / span, None if base_score is None else float((base_score - low) / span)


def _span(values: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """Lowest and highest value, or a span of 1 around the only one."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.5, 0.5)
    return (low, high) if low < high else (low - 0.5, low + 0.5)
