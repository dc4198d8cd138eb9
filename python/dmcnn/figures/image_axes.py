"""What all image figures share: axes in detector units, the colour bar, the zoom."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

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
"""What a pixel holds, and its unit, where it is not charge in ADC."""

FLATTEST, TALLEST = 1 / 4, 2.0
"""Height over width of the images whose pixels are drawn square; others fill a square figure."""

SHARP = 800
"""Longest side [pixels] that is surely drawn with a dot or more per pixel."""


LEFT, RIGHT, BAR, BELOW, ABOVE, TITLE = 1.0, 0.2, 1.2, 0.7, 0.15, 0.4
"""Room around the image [inch]: tick labels and axis label, the colour bar with its own, the title."""


def blank(shape: tuple[int, int], transpose: bool, bar: bool, title: bool = False) -> tuple[Figure, Axes]:
    """A figure of at most SIZE x SIZE that fits an (H, W) image, and its axes; of no graphical backend."""
    height, width = reversed(shape) if transpose else shape
    ratio = height / width if square(height, width) else 1.0
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
    """Draw an (H, W) image, row 0 at the bottom, on axes that read wire and tick (or cm).

    An image longer than SHARP is drawn by the ``strongest`` pixels of its blocks.

    Args:
        meta: one META record; None, or edges that span nothing, gives pixel numbers.
        transpose: put axis H (tick) on the horizontal axis instead of axis W (wire).
    """
    x, y = edges(meta, *image.shape)
    x_label, y_label = labels(meta)
    if transpose:
        image, x, y, x_label, y_label = image.T, y, x, y_label, x_label
    height, width = image.shape
    dx, dy = (x[1] - x[0]) / width, (y[1] - y[0]) / height
    fy, fx = (-(-n // SHARP) for n in (height, width))
    if square(height, width):
        fy = fx = max(fy, fx)
    image = strongest(image, fy, fx)
    drawn = axes.imshow(
        image,
        cmap=cmap,
        norm=norm,
        origin="lower",
        extent=(x[0], x[0] + image.shape[1] * fx * dx, y[0], y[0] + image.shape[0] * fy * dy),
        aspect=dx / dy if square(height, width) else "auto",
        interpolation="nearest",
    )
    axes.set(xlim=x, ylim=y)
    axes.set_xlabel(x_label, fontsize=14)
    axes.set_ylabel(y_label, fontsize=14)
    axes.tick_params(labelsize=12)
    axes.ticklabel_format(useOffset=False, style="plain")
    return drawn


def quantity(meta: Any) -> tuple[str, str]:
    """What the pixels of a META record hold, and its unit."""
    return VALUES.get(int(meta["unit"]), ("Charge", "ADC"))


def value_label(meta: Any) -> str:
    """What the pixels of a META record hold, with its unit, such as "Charge [ADC]"."""
    what, unit = quantity(meta)
    return f"{what} [{unit}]" if unit else what


def strongest(image: NDArray[Any], fy: int, fx: int) -> NDArray[Any]:
    """The image with one pixel per block of fy rows and fx columns: the one furthest from its median.

    So no lone hit vanishes, as it would in a mean. Blocks over the upper edges are filled with the median.
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


def square(height: int, width: int) -> bool:
    """Whether the pixels of such an image are drawn square."""
    return FLATTEST <= height / width <= TALLEST


def edges(meta: Any, height: int, width: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """((x_min, x_max), (y_min, y_max)) of a META record, or pixel numbers where it has none to give."""
    if not _placed(meta):
        return (0.0, float(width)), (0.0, float(height))
    x, y = ((float(meta[f"{axis}_min"]), float(meta[f"{axis}_max"])) for axis in "xy")
    return x, y


def labels(meta: Any) -> tuple[str, str]:
    """Labels of axis W and axis H for a META record; those of an unknown unit where it gives no place."""
    unit = int(meta["unit"]) if _placed(meta) else UNIT_UNKNOWN
    return LABELS.get(unit, LABELS[UNIT_UNKNOWN])


def _placed(meta: Any) -> bool:
    """Whether a META record (or None) belongs to an image and its edges span something."""
    if meta is None or int(meta["plane"]) == NO_IMAGE:
        return False
    return all(0 < float(meta[f"{axis}_max"]) - float(meta[f"{axis}_min"]) < np.inf for axis in "xy")


def colour_bar(drawn: AxesImage, label: str) -> Axes:
    """A colour bar as high as the image, to its right; returns its axes."""
    axes, figure = drawn.axes, drawn.axes.figure
    beside = axes.inset_axes((1.02, 0, 0.045, 1))
    high = axes.bbox.height / figure.dpi  # inch
    # A scale with a power crowds its ticks at one end: about one per inch keeps them apart.
    bar = figure.colorbar(drawn, cax=beside, ticks=MaxNLocator(max(2, round(1.2 * high))))
    bar.set_label(label, fontsize=14)
    beside.tick_params(labelsize=12)
    return beside


def zoom(axes: Axes, charge: NDArray[Any], meta: Any, transpose: bool = False, share: float = 0.95) -> None:
    """Show only the square around the charge of an (H, W) image; everything if it holds none.

    Args:
        share: the square spans the middle ``share`` of the summed charge along each axis, so that lone hits
            far away do not count, and a tenth of its side more on all sides.
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
    """[first, last) bins that hold the middle ``share`` of a profile."""
    summed = profile.cumsum() / profile.sum()
    first, last = np.searchsorted(summed, ((1 - share) / 2, (1 + share) / 2))
    return int(first), int(last) + 1
