"""Attribution maps, drawn over the charge that they explain."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize, PowerNorm
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from dmcnn.figures import image_axes
from dmcnn.figures.image_axes import Box
from dmcnn.figures.text import Figure

SIGNED, UNSIGNED = "RdBu_r", "YlOrRd"
"""Colour maps whose lightness follows the value, and whose ends colour-blind readers tell apart."""

GAMMA = 0.35
"""Exponent of the colour scale of the charge, as in the event display."""

SHADOW = LinearSegmentedColormap.from_list("shadow", [(0, 0, 0, 0), (0, 0, 0, 0.55)])
"""Colour map of the charge over a map: transparent without charge, grey at the highest charge."""

SIDE, ABOVE, BELOW, BESIDE = 2.9, 0.33, 0.45, 0.6
"""Width of a panel of the overview, height of its title, and room for the axis labels below and beside [inch]."""


def limits(
    values: NDArray[Any], *, signed: bool, image: NDArray[Any] | None = None, percentile: float = 99.5
) -> tuple[float, float]:
    """Return the (low, high) ends of the colour scale of a map; low < high for any values.

    Args:
        values: attribution of any shape; NaN and infinity are ignored.
        signed: True gives a scale symmetric about zero that ends at the percentile of |values|; False gives a scale
            from percentile 100 - ``percentile`` to ``percentile`` of the values; if they are equal, it begins or ends
            at 0.
        image: charge of the same shape: only active pixels enter the percentile. All pixels enter it if none is
            active or the percentile is 100.
        percentile: 50 to 100.
    """
    values = np.abs(values, dtype=np.float64) if signed else np.asarray(values, np.float64)
    finite = values[np.isfinite(values)]
    active = finite
    if image is not None and percentile < 100:
        active = values[np.isfinite(values) & (image != 0)]
        active = active if active.size else finite
    if not active.size:
        return (-1.0, 1.0) if signed else (0.0, 1.0)
    low, high = np.percentile(active, [100 - percentile, percentile])
    if signed:
        high = high or active.max() or 1.0
        return -float(high), float(high)
    if low < high:
        return float(low), float(high)
    return (float(low), 0.0) if low < 0 else (0.0, float(low) or 1.0)  # one value, such as that of a box


def attribution_map(
    values: NDArray[np.floating[Any]],
    title: str,
    meta: Any = None,
    *,
    signed: bool,
    image: NDArray[Any] | None = None,
    percentile: float = 99.5,
    box: Box | None = None,
    zoom_to: NDArray[Any] | None = None,
    cmap: str | Colormap | None = None,
    bar_label: str = "Attribution",
    transpose: bool = False,
) -> Figure:
    """Draw an (H, W) map: wire (axis 1) to the right, tick (axis 0) upwards.

    Args:
        values: (H, W) float attribution.
        title: method and target, such as "Integrated gradients, signal".
        meta: META record of the image, which gives the unit of the axes; None gives pixel numbers.
        signed: True takes diverging colours symmetric about zero, False sequential ones.
        image: (H, W) charge, drawn as a grey shadow over the map; its active pixels set the colour scale.
        percentile: end of the colour scale, see ``limits``.
        box: pixels around which a rectangle is drawn.
        zoom_to: (H, W) image; only the region where it is not zero is drawn.
        cmap: colour map; None takes SIGNED or UNSIGNED.
        bar_label: label of the colour bar, with its unit.
        transpose: tick to the right and wire upwards.
    """
    part = image_axes.visible(values, zoom_to)
    figure, axes = image_axes.blank_figure(image_axes.extent(part), transpose, True, [title])
    low, high = limits(values, signed=signed, image=image, percentile=percentile)
    cmap = cmap if cmap is not None else SIGNED if signed else UNSIGNED
    drawn = image_axes.draw(axes, values, meta, cmap, Normalize(low, high), transpose, part)
    _shadow(axes, image, meta, part, transpose)
    # Numbers with a common power of ten are short and leave room for the label.
    bar = image_axes.colour_bar(drawn, bar_label)
    bar.ticklabel_format(axis="y", style="sci", scilimits=(-1, 3), useMathText=True)
    if box is not None:
        _frame(axes, box, meta, (values.shape[0], values.shape[1]), transpose)
    return figure


def overview(
    image: NDArray[np.floating[Any]],
    maps: Sequence[tuple[str, NDArray[np.floating[Any]], bool]],
    meta: Any = None,
    *,
    title: str = "",
    percentile: float = 99.5,
    zoom_to: NDArray[Any] | None = None,
    box: Box | None = None,
    columns: int = 4,
    cmap: str | Colormap = "viridis",
    signed_cmap: str | Colormap = SIGNED,
    unsigned_cmap: str | Colormap = UNSIGNED,
) -> Figure:
    """Draw the charge of one event and all its maps in a grid.

    Every panel has a colour scale of its own, whose ends stand above it on the right.

    Args:
        image: (H, W) float charge.
        maps: (title, (H, W) values, signed) of every map.
        meta, percentile, zoom_to: as in ``attribution_map``.
        title: line above all panels.
        box: pixels of the charge around which a rectangle is drawn.
        columns: largest number of panels in a row.
        cmap: colour map of the charge.
        signed_cmap, unsigned_cmap: colour maps of the maps.
    """
    panels = 1 + len(maps)
    columns = min(columns, panels)
    rows = ceil(panels / columns)
    part = image_axes.visible(image, zoom_to)
    height, width = image_axes.extent(part)
    ratio = height / width if image_axes.is_square(height, width) else 1.0
    size = (columns * SIDE + BESIDE, rows * (SIDE * ratio + ABOVE) + BELOW + (ABOVE if title else 0))
    figure = Figure(figsize=size, dpi=image_axes.DPI, layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    top = float(image[np.isfinite(image)].max(initial=0.0)) or 1.0
    name = "Charge" if box is None else "Charge, Grad-CAM box"
    _panel(grid[0], image, meta, name, f"≤ {top:.4g}", cmap, PowerNorm(GAMMA, 0, top), part)
    if box is not None:
        _frame(grid[0], box, meta, (image.shape[0], image.shape[1]), False)
    for axes, (name, values, signed) in zip(grid[1:], maps, strict=False):
        low, high = limits(values, signed=signed, image=image, percentile=percentile)
        ends = f"±{high:.3g}" if signed else f"{low:.3g} … {high:.3g}"
        if not np.ptp(values):
            ends = f"{values.flat[0]:.3g} everywhere"
        _panel(
            axes,
            values,
            meta,
            name,
            ends,
            signed_cmap if signed else unsigned_cmap,
            Normalize(low, high),
            part,
        )
        _shadow(axes, image, meta, part)
    for axes in grid[panels:]:
        axes.set_axis_off()
    _outer_labels(grid, panels, columns)
    if title:
        image_axes.headline(figure, title)
    return figure


def scatter3d(
    voxels: NDArray[np.floating[Any]],
    meta: Any = None,
    *,
    title: str = "",
    bar_label: str = "Energy",
    values: NDArray[np.floating[Any]] | None = None,
    signed: bool = False,
    cmap: str | Colormap | None = None,
    gamma: float = GAMMA,
    percentile: float = 99.5,
    view: tuple[float, float] = (22.0, -58.0),
) -> Figure:
    """Draw a space-time event in three dimensions: every active voxel is a dot whose area grows with its energy.

    Column (x) and time frame span the floor, row (y) goes upwards; x and y are in the unit of ``meta``.

    Args:
        voxels: (T, H, W) float energy.
        meta: META record of the image; None gives pixel numbers.
        title: line above the figure.
        bar_label: label of the colour bar, with its unit.
        values: (T, H, W) attribution that colours the dots; None colours them by energy.
        signed, percentile: colour scale of the values, see ``limits``.
        cmap: colour map; None takes "viridis_r" for energy, SIGNED or UNSIGNED for values.
        gamma: exponent of the colour scale of the energy.
        view: elevation and azimuth [degrees].
    """
    frames, height, width = voxels.shape
    active = np.nonzero(np.nan_to_num(voxels, posinf=0, neginf=0))
    energy = np.asarray(voxels[active], np.float64)
    (x0, x1), (y0, y1) = image_axes.edges(meta, height, width)
    time, row, column = (axis + 0.5 for axis in active)
    top = float(energy.max(initial=0.0)) or 1.0
    norm: Normalize = PowerNorm(gamma, 0, top)
    if values is not None:
        norm = Normalize(*limits(values, signed=signed, image=voxels, percentile=percentile))
    usual = "viridis_r" if values is None else SIGNED if signed else UNSIGNED
    figure = Figure(figsize=(image_axes.SIZE, 0.85 * image_axes.SIZE), dpi=image_axes.DPI)
    axes: Any = figure.add_axes((0.0, 0.02, 0.84, 0.94), projection="3d")
    axes.scatter(
        x0 + column / width * (x1 - x0),
        time - 0.5,
        y0 + row / height * (y1 - y0),
        c=energy if values is None else values[active],
        s=4 + 90 * np.clip(energy / top, 0, 1),
        cmap=cmap if cmap is not None else usual,
        norm=norm,
        edgecolors="none" if values is None else "0.5",  # dots near zero are nearly white, as the ground is
        linewidths=0.3,
        depthshade=False,
    )
    x_label, y_label = image_axes.labels(meta)
    axes.set(xlim=(x0, x1), ylim=(-0.5, frames - 0.5), zlim=(y0, y1))
    axes.set_xlabel(x_label, fontsize=13)
    axes.set_ylabel("Time frame", fontsize=13)
    axes.set_zlabel(y_label, fontsize=13)
    image_axes.headline(figure, title)
    axes.view_init(*view)
    bar = figure.colorbar(
        ScalarMappable(norm, cmap if cmap is not None else usual),
        cax=figure.add_axes((0.87, 0.2, 0.025, 0.6)),
    )
    bar.set_label(bar_label, fontsize=13)
    return figure


def _panel(
    axes: Axes,
    image: NDArray[Any],
    meta: Any,
    title: str,
    ends: str,
    cmap: str | Colormap,
    norm: Normalize,
    part: Box,
) -> None:
    """Draw one panel of the overview, its title on the left and the ends of its colour scale on the right."""
    image_axes.draw(axes, image, meta, cmap, norm, box=part)
    axes.set_title(title, fontsize=11, loc="left")
    axes.set_title(ends, fontsize=9, loc="right")


def _outer_labels(grid: NDArray[Any], panels: int, columns: int) -> None:
    """Remove axis labels and tick labels of panels with another panel below or to the left."""
    for nth, axes in enumerate(grid[:panels]):
        lowest, leftmost = nth + columns >= panels, nth % columns == 0
        axes.set_xlabel(axes.get_xlabel() if lowest else "", fontsize=11)
        axes.set_ylabel(axes.get_ylabel() if leftmost else "", fontsize=11)
        axes.tick_params(labelbottom=lowest, labelleft=leftmost, labelsize=9)


def _shadow(axes: Axes, image: NDArray[Any] | None, meta: Any, part: Box, transpose: bool = False) -> None:
    """Draw the charge as a grey shadow over the map."""
    if image is None:
        return
    top = float(image[np.isfinite(image)].max(initial=0.0)) or 1.0
    norm = PowerNorm(GAMMA, 0, top, clip=True)
    image_axes.draw(axes, np.nan_to_num(image), meta, SHADOW, norm, transpose, part)


def _frame(axes: Axes, box: Box, meta: Any, shape: tuple[int, int], transpose: bool) -> None:
    """Draw a rectangle around the pixels of a box: a white line on a wider black one, visible on any colour."""
    (x0, x1), (y0, y1) = image_axes.edges(meta, *shape)
    dx, dy = (x1 - x0) / shape[1], (y1 - y0) / shape[0]
    row0, row1, column0, column1 = box
    corner, size = (x0 + column0 * dx, y0 + row0 * dy), ((column1 - column0) * dx, (row1 - row0) * dy)
    if transpose:
        corner, size = corner[::-1], size[::-1]
    for colour, thickness in (("black", 3.5), ("white", 1.5)):
        axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=colour, linewidth=thickness))
