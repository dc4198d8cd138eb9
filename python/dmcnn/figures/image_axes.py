"""Axes of image figures: detector coordinates, colour bar, zoom."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from math import ceil, floor
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from dmcnn.detectors.calorimeter import ENERGY_UNIT
from dmcnn.figures.text import Figure
from dmcnn.images.sparse import (  # fmt: skip
    NO_IMAGE,
    UNIT_CELL,
    UNIT_CM,
    UNIT_PIXEL,
    UNIT_SENSOR,
    UNIT_UNKNOWN,
    UNIT_WIRE_TICK,
    UNIT_X_FRAME,
    UNIT_Y_FRAME,
    Axis,
)

SIZE, DPI = 8.0, 150
"""Side of an image figure without its heading [inch], and dots per inch: 1200 pixels."""

WIDEST, LOWEST = 14.0, 3.0
"""Width up to which the figure of a wide image grows, so that the image is LOWEST high [inch]."""

LABELS = {
    UNIT_UNKNOWN: ("Wire Number", "Drift Time"),
    UNIT_CM: ("x [cm]", "y [cm]"),
    UNIT_WIRE_TICK: ("Wire Number", "Drift Time [ticks]"),
    UNIT_PIXEL: ("Column", "Row"),
    UNIT_CELL: ("x [cells]", "y [cells]"),
    UNIT_X_FRAME: ("x [cells]", "Time [frames]"),
    UNIT_Y_FRAME: ("y [cells]", "Time [frames]"),
    UNIT_SENSOR: ("Column", "Row"),
}
"""Labels of axis W and axis H for each unit of META."""

VALUES = {
    UNIT_PIXEL: ("Pixel value", ""),
    UNIT_SENSOR: ("Charge", "electrons"),
    **dict.fromkeys((UNIT_CELL, UNIT_X_FRAME, UNIT_Y_FRAME), ("Energy", f"{ENERGY_UNIT:g} GeV")),
}
"""Quantity of a pixel and its unit, for images of other things than charge in ADC."""

MIN_RATIO, MAX_RATIO = 1 / 4, 2.0
"""Height over width between which pixels are drawn square; other images fill a figure of the next of these shapes."""

LEFT, RIGHT, BAR, BELOW, ABOVE = 1.0, 0.2, 1.2, 0.7, 0.15
"""Margins around the image [inch], for tick labels, axis labels, and the colour bar with its labels."""

HEADING, LINE, LETTER = 13, 0.26, 0.115
"""Size of the heading [points], and height of its lines and width of its letters [inch], about."""

LOGO, LOGO_FREE = 0.9, 0.68
"""Height of a logo [inch], and share of the width of the image that it leaves to the heading."""

Box = tuple[int, int, int, int]
"""(row0, row1, column0, column1) of a rectangle of pixels, half-open."""


def blank_figure(
    shape: tuple[int, int], transpose: bool, bar: bool, heading: Sequence[str] = (), logo: bool = False
) -> tuple[Figure, Axes]:
    """Make a figure that fits an (H, W) image, and its axes, with a heading above the image that no charge is under.

    The figure is made without pyplot, so that no graphical backend is chosen.

    Args:
        shape: (H, W) of the part of the image that is drawn.
        transpose: H to the right instead of W.
        bar: leave room for a colour bar.
        heading: lines above the image; long ones are broken.
        logo: leave room for a logo at the right of the heading.
    """
    height, width = reversed(shape) if transpose else shape
    ratio = float(np.clip(height / width, MIN_RATIO, 1.0 if height / width > MAX_RATIO else MAX_RATIO))
    beside = LEFT + (BAR if bar else RIGHT)
    wide = min(SIZE - beside, (SIZE - BELOW - ABOVE) / ratio)
    wide = max(wide, min(LOWEST / ratio, WIDEST - beside))
    high = wide * ratio
    room = LOGO_FREE * wide if logo else wide + beside - LEFT
    lines = [line for text in heading for line in wrap(text, room)]
    over = max(ABOVE + LINE * len(lines), LOGO + ABOVE if logo else 0)
    whole_wide, whole_high = wide + beside, high + BELOW + over
    figure = Figure(figsize=(whole_wide, whole_high), dpi=DPI)
    axes = figure.add_axes((LEFT / whole_wide, BELOW / whole_high, wide / whole_wide, high / whole_high))
    axes.set_title("\n".join(lines), loc="left", y=1.0, fontsize=HEADING)
    return figure, axes


def wrap(text: str, width: float, letter: float = LETTER) -> list[str]:
    """Return the lines of a text, at most ``width`` wide, with letters of width ``letter`` [inch]."""
    return textwrap.wrap(text, max(10, int(width / letter))) if text else []


def headline(figure: Figure, text: str) -> None:
    """Write a text above all panels of a figure, broken into lines that fit."""
    lines = [line for part in text.splitlines() for line in wrap(part, figure.get_figwidth() - RIGHT)]
    figure.suptitle("\n".join(lines), fontsize=HEADING)


def draw(
    axes: Axes,
    image: NDArray[Any],
    meta: Any,
    cmap: str | Colormap,
    norm: Normalize,
    transpose: bool = False,
    box: Box | None = None,
) -> AxesImage:
    """Draw an (H, W) image, row 0 at the bottom, on axes in detector coordinates.

    Where there are more pixels than dots, those of the ``strongest_pixels`` of blocks are drawn.

    Args:
        axes: axes to draw on.
        image: (H, W) values.
        meta: one META record; None, or edges without extent, gives pixel numbers.
        cmap: colour map.
        norm: colour scale.
        transpose: axis H (tick) to the right instead of axis W (wire).
        box: the part of the image that is drawn; None draws all of it.
    """
    row0, row1, column0, column1 = box or (0, image.shape[0], 0, image.shape[1])
    (x0, x1), (y0, y1) = edges(meta, *image.shape)
    dx, dy = (x1 - x0) / image.shape[1], (y1 - y0) / image.shape[0]
    x, y = (x0 + column0 * dx, x0 + column1 * dx), (y0 + row0 * dy, y0 + row1 * dy)
    image = image[row0:row1, column0:column1]
    x_label, y_label = labels(meta)
    if transpose:
        image, x, y, dx, dy, x_label, y_label = image.T, y, x, dy, dx, y_label, x_label
    height, width = image.shape
    square = is_square(height, width)
    fy, fx = (max(1, ceil(n / dots)) for n, dots in ((height, axes.bbox.height), (width, axes.bbox.width)))
    if square:
        fy = fx = max(fy, fx)
    image = strongest_pixels(image, fy, fx)
    drawn = axes.imshow(
        image,
        cmap=cmap,
        norm=norm,
        origin="lower",
        extent=(x[0], x[0] + image.shape[1] * fx * dx, y[0], y[0] + image.shape[0] * fy * dy),
        aspect=dx / dy if square else "auto",
        interpolation="nearest",
    )
    axes.set(xlim=x, ylim=y)
    axes.set_xlabel(x_label, fontsize=14)
    axes.set_ylabel(y_label, fontsize=14)
    axes.tick_params(labelsize=12)
    axes.xaxis.set_major_locator(MaxNLocator(max(3, round(axes.bbox.width / DPI)), steps=[1, 2, 5, 10]))
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


def channel_name(meta: Any, axis0: Axis, number: int) -> str:
    """Return what a channel of an image is, by its META record: "Plane 2", "Time slice 3"; empty if nobody says."""
    if axis0 == "channel":
        return ("Energy", "Time")[number]
    if int(meta["plane"]) == NO_IMAGE:
        return "No image"
    if axis0 == "plane":
        return f"Plane {int(meta['plane'])}" if int(meta["unit"]) in PLANE_UNITS else ""
    return f"{'Time slice' if axis0 == 'time' else 'Layer'} {int(meta['plane'])}"


PLANE_UNITS = (UNIT_UNKNOWN, UNIT_CM, UNIT_WIRE_TICK)
"""Units of META in files that number the planes of a detector."""


def draw_logo(axes: Axes, logo: NDArray[Any]) -> None:
    """Draw an (h, w, 3 or 4) picture above the right end of the image."""
    high = axes.bbox.height / DPI
    place = (LOGO_FREE, 1 + ABOVE / 2 / high, 1 - LOGO_FREE, LOGO / high)
    corner = axes.inset_axes(place, anchor="SE")
    corner.imshow(logo)
    corner.set_axis_off()


def colour_bar(drawn: AxesImage, label: str) -> Axes:
    """Draw a colour bar as high as the image, to its right, in a figure that is made wide enough; return its axes."""
    axes, figure = drawn.axes, drawn.axes.figure
    high = axes.bbox.height / figure.dpi  # inch
    width = 0.27 / (axes.bbox.width / figure.dpi)
    beside = axes.inset_axes((1 + width / 2, 0, width, 1))
    # A power scale crowds its ticks at one end: about one per inch keeps them apart.
    bar = figure.colorbar(drawn, cax=beside, ticks=MaxNLocator(max(2, round(1.2 * high))))
    bar.set_label("\n".join(wrap(label, high)), fontsize=14)
    beside.tick_params(labelsize=12)
    widen(figure, beside)
    return beside


def widen(figure: Any, beside: Axes) -> None:
    """Add width to a figure until the labels of a colour bar at its right end fit."""
    wide, high = figure.get_size_inches()
    labels_box = beside.get_tightbbox()
    right = 0.0 if labels_box is None else labels_box.x1 / figure.dpi + RIGHT / 2
    if right <= wide:
        return
    figure.set_size_inches(right, high)
    for axes in figure.axes:
        left, bottom, width, height = axes.get_position().bounds
        axes.set_position((left * wide / right, bottom, width * wide / right, height))


def charge_box(charge: NDArray[Any], share: float = 0.95) -> Box | None:
    """Return a square around the charge of an (H, W) image, or as much of it as the image holds; None without charge.

    Args:
        charge: (H, W) values.
        share: the square spans the central ``share`` of the summed charge along each axis, so that single hits far
            away do not count, plus a tenth of its side on all sides.
    """
    weight = np.nan_to_num(np.abs(charge, dtype=np.float64), posinf=0)
    if not weight.any():
        return None
    spans = [_span(weight.sum(axis=axis), share) for axis in (1, 0)]
    side = 1.2 * max(last - first for first, last in spans) + 2
    ends = []
    for (first, last), n in zip(spans, charge.shape, strict=True):
        start = float(np.clip((first + last - side) / 2, 0, max(n - side, 0)))
        ends += [floor(start), min(ceil(start + side), n)]
    return ends[0], ends[1], ends[2], ends[3]


def visible(image: NDArray[Any], zoom_to: NDArray[Any] | None) -> Box:
    """Return the box around the charge of ``zoom_to``, or the whole of an (H, W) image without it."""
    whole = (0, image.shape[0], 0, image.shape[1])
    return whole if zoom_to is None else charge_box(zoom_to) or whole


def extent(box: Box) -> tuple[int, int]:
    """Return the numbers of rows and columns of a box."""
    return box[1] - box[0], box[3] - box[2]


def share_inside(charge: NDArray[Any], box: Box) -> float:
    """Return the share of the summed charge of an (H, W) image that lies in a box."""
    weight = np.nan_to_num(np.abs(charge, dtype=np.float64), posinf=0)
    return float(weight[box[0] : box[1], box[2] : box[3]].sum() / (weight.sum() or 1.0))


def _span(profile: NDArray[np.float64], share: float) -> tuple[int, int]:
    """Return the (first, last) bins, half-open, of the central ``share`` of an (n,) profile."""
    summed = profile.cumsum() / profile.sum()
    first, last = np.searchsorted(summed, ((1 - share) / 2, (1 + share) / 2))
    return int(first), int(last) + 1
