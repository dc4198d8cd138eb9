"""Axes of image figures: detector coordinates, colour bar, zoom."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from dmcnn.figures.text import Figure
from dmcnn.images.sparse import (  # fmt: skip
    NO_IMAGE,
    UNIT_CELL,
    UNIT_CM,
    UNIT_PIXEL,
    UNIT_UNKNOWN,
    UNIT_WIRE_TICK,
    UNIT_X_FRAME,
    UNIT_Y_FRAME,
)

SIZE, DPI = 8.0, 150
"""Side of an image figure [inch] and dots per inch: 1200 pixels."""

LABELS = {
    UNIT_UNKNOWN: ("Wire Number", "Drift Time"),
    UNIT_CM: ("x [cm]", "y [cm]"),
    UNIT_WIRE_TICK: ("Wire Number", "Drift Time [ticks]"),
    UNIT_PIXEL: ("Column", "Row"),
    UNIT_CELL: ("x [cells]", "y [cells]"),
    UNIT_X_FRAME: ("x [cells]", "Time [frames]"),
    UNIT_Y_FRAME: ("y [cells]", "Time [frames]"),
}
"""Labels of axis W and axis H for each unit of META."""

VALUES = {
    UNIT_PIXEL: ("Pixel value", ""),
    **dict.fromkeys((UNIT_CELL, UNIT_X_FRAME, UNIT_Y_FRAME), ("Energy", "")),
}
"""Quantity of a pixel and its unit, for images of other things than charge in ADC."""

MIN_RATIO, MAX_RATIO = 1 / 4, 2.0
"""Height over width between which pixels are drawn square; other images fill a square figure."""

MAX_SIDE = 800
"""Longest side [pixels] of an image drawn pixel by pixel: the figure has at least one dot for each."""

LEFT, RIGHT, BAR, BELOW, ABOVE, TITLE = 1.0, 0.2, 1.2, 0.7, 0.15, 0.4
"""Margins around the image [inch], for tick labels, axis labels, the colour bar with its labels, and the title."""


def blank_figure(
    shape: tuple[int, int], transpose: bool, bar: bool, title: bool = False
) -> tuple[Figure, Axes]:
    """Make a figure of at most SIZE x SIZE that fits an (H, W) image, and its axes.

    The figure is made without pyplot, so that no graphical backend is chosen.

    Args:
        shape: (H, W) of the image.
        transpose: H to the right instead of W.
        bar: leave room for a colour bar.
        title: leave room for a title.
    """
    height, width = reversed(shape) if transpose else shape
    ratio = height / width if is_square(height, width) else 1.0
    beside = LEFT + (BAR if bar else RIGHT)
    over = BELOW + (TITLE if title else ABOVE)
    wide = min(SIZE - beside, (SIZE - over) / ratio)
    high = wide * ratio
    figure = Figure(figsize=(wide + beside, high + over), dpi=DPI)
    whole_wide, whole_high = figure.get_size_inches()
    return figure, figure.add_axes(
        (LEFT / whole_wide, BELOW / whole_high, wide / whole_wide, high / whole_high)
    )


def draw(
    axes: Axes,
    image: NDArray[Any],
    meta: Any,
    cmap: str | Colormap,
    norm: Normalize,
    transpose: bool = False,
) -> AxesImage:
    """Draw an (H, W) image, row 0 at the bottom, on axes in detector coordinates.

    An image longer than MAX_SIDE is reduced to the ``strongest_pixels`` of its blocks.

    Args:
        axes: axes to draw on.
        image: (H, W) values.
        meta: one META record; None, or edges without extent, gives pixel numbers.
        cmap: colour map.
        norm: colour scale.
        transpose: axis H (tick) to the right instead of axis W (wire).
    """
    x, y = edges(meta, *image.shape)
    x_label, y_label = labels(meta)
    if transpose:
        image, x, y, x_label, y_label = image.T, y, x, y_label, x_label
    height, width = image.shape
    dx, dy = (x[1] - x[0]) / width, (y[1] - y[0]) / height
    fy, fx = (-(-n // MAX_SIDE) for n in (height, width))
    if is_square(height, width):
        fy = fx = max(fy, fx)
    image = strongest_pixels(image, fy, fx)
    drawn = axes.imshow(
        image,
        cmap=cmap,
        norm=norm,
        origin="lower",
        extent=(x[0], x[0] + image.shape[1] * fx * dx, y[0], y[0] + image.shape[0] * fy * dy),
        aspect=dx / dy if is_square(height, width) else "auto",
        interpolation="nearest",
    )
    axes.set(xlim=x, ylim=y)
    axes.set_xlabel(x_label, fontsize=14)
    axes.set_ylabel(y_label, fontsize=14)
    axes.tick_params(labelsize=12)
    axes.ticklabel_format(useOffset=False, style="plain")
    return drawn


def quantity(meta: Any) -> tuple[str, str]:
    """Return the quantity of the pixels of a META record, and its unit."""
    return VALUES.get(int(meta["unit"]), ("Charge", "ADC"))


def value_label(meta: Any) -> str:
    """Return the quantity of the pixels of a META record with its unit, such as "Charge [ADC]"."""
    what, unit = quantity(meta)
    return f"{what} [{unit}]" if unit else what


def strongest_pixels(image: NDArray[Any], fy: int, fx: int) -> NDArray[Any]:
    """Return the image with one pixel per block of fy rows and fx columns: the one furthest from the image's median.

    A mean would hide single hits. Blocks that exceed the upper edges are filled with the median.

    Args:
        image: (H, W) values.

    Returns:
        (H / fy, W / fx) values, rounded up.
    """
    if fy == fx == 1:
        return image
    finite = image[np.isfinite(image)]
    ground = np.median(finite) if finite.size else 0
    padded = np.pad(image, [(0, -image.shape[0] % fy), (0, -image.shape[1] % fx)], constant_values=ground)
    rows, columns = padded.shape[0] // fy, padded.shape[1] // fx
    blocks = padded.reshape(rows, fy, columns, fx).transpose(0, 2, 1, 3).reshape(rows, columns, -1)
    furthest = np.nan_to_num(np.abs(blocks - ground), nan=-1).argmax(axis=2)
    return np.take_along_axis(blocks, furthest[..., None], axis=2)[..., 0]


def is_square(height: int, width: int) -> bool:
    """Return whether the pixels of an image of (height, width) pixels are drawn square."""
    return MIN_RATIO <= height / width <= MAX_RATIO


def edges(meta: Any, height: int, width: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return ((x_min, x_max), (y_min, y_max)) of a META record, or pixel numbers if it has no edges."""
    if not _has_edges(meta):
        return (0.0, float(width)), (0.0, float(height))
    x, y = ((float(meta[f"{axis}_min"]), float(meta[f"{axis}_max"])) for axis in "xy")
    return x, y


def labels(meta: Any) -> tuple[str, str]:
    """Return the labels of axis W and axis H for a META record; those of an unknown unit if it has no edges."""
    unit = int(meta["unit"]) if _has_edges(meta) else UNIT_UNKNOWN
    return LABELS.get(unit, LABELS[UNIT_UNKNOWN])


def _has_edges(meta: Any) -> bool:
    """Return whether a META record (or None) belongs to an image and its edges have an extent."""
    if meta is None or int(meta["plane"]) == NO_IMAGE:
        return False
    return all(0 < float(meta[f"{axis}_max"]) - float(meta[f"{axis}_min"]) < np.inf for axis in "xy")


def colour_bar(drawn: AxesImage, label: str) -> Axes:
    """Draw a colour bar as high as the image, to its right; return its axes."""
    axes, figure = drawn.axes, drawn.axes.figure
    beside = axes.inset_axes((1.02, 0, 0.045, 1))
    high = axes.bbox.height / figure.dpi  # inch
    # A power scale crowds its ticks at one end: about one per inch keeps them apart.
    bar = figure.colorbar(drawn, cax=beside, ticks=MaxNLocator(max(2, round(1.2 * high))))
    bar.set_label(label, fontsize=14)
    beside.tick_params(labelsize=12)
    return beside


def zoom(axes: Axes, charge: NDArray[Any], meta: Any, transpose: bool = False, share: float = 0.95) -> None:
    """Limit the axes to a square around the charge of an image; an image without charge is left whole.

    Args:
        axes: axes on which the image is drawn.
        charge: (H, W) values.
        meta: META record of the image.
        transpose: as in ``draw``.
        share: the square spans the central ``share`` of the summed charge along each axis, so that single hits far
            away do not count, plus a tenth of its side on all sides.
    """
    weight = np.nan_to_num(np.abs(charge, dtype=np.float64), posinf=0)
    if not weight.any():
        return
    spans = [_span(weight.sum(axis=axis), share) for axis in (0, 1)]
    side = 1.2 * max(last - first for first, last in spans) + 2
    limits = []
    for (first, last), n, (low, high) in zip(
        spans, reversed(charge.shape), edges(meta, *charge.shape), strict=True
    ):
        start = np.clip((first + last - side) / 2, 0, max(n - side, 0))
        stop = min(start + side, n)
        limits.append((low + start / n * (high - low), low + stop / n * (high - low)))
    x, y = reversed(limits) if transpose else limits
    axes.set(xlim=x, ylim=y)


def _span(profile: NDArray[np.float64], share: float) -> tuple[int, int]:
    """Return the (first, last) bins, half-open, of the central ``share`` of an (n,) profile."""
    summed = profile.cumsum() / profile.sum()
    first, last = np.searchsorted(summed, ((1 - share) / 2, (1 + share) / 2))
    return int(first), int(last) + 1
