"""Figures of calorimeter events: energy and time of the cells, time frames, distributions per class."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, sqrt
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.animation import FuncAnimation
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from dmcnn.detectors.calorimeter import ENERGY_UNIT, TIME_UNIT
from dmcnn.figures import image_axes
from dmcnn.figures.style import LARGE_LABELS, decorate, histogram, label, own_legend, stroke
from dmcnn.figures.text import Figure
from dmcnn.images.sparse import UNIT_CELL

ENERGY, TIME = "viridis_r", "PuOr"
"""Colour maps of energy (dark where it is high) and of time (orange before 0, purple after it)."""
EMPTY = {ENERGY: "0.97", TIME: "0.78"}
"""Greys of cells without energy; darker for time, whose colour map is nearly white at 0."""

UNITS = f"{ENERGY_UNIT:g} GeV", f"{TIME_UNIT:g} ns"
"""Units of the stored energies and times of calorimeter files."""

LOWEST_SHARE = 1e-4
"""Lower end of the colour scale of energy, as a share of the highest energy: four decades."""


def energy_time(
    energy: NDArray[np.float32],
    time: NDArray[np.float32],
    meta: Any = None,
    *,
    text: str = "",
    units: tuple[str, str] = UNITS,
    time_span: float | None = None,
) -> Figure:
    """Draw energy and time of one event side by side; cells without energy are grey.

    Args:
        energy, time: (H, W) float32 images; row 0 is at the bottom.
        meta: META record of the image; None gives cell numbers.
        text: line above, such as "Electron, entry 3".
        units: units of energy and time, such as "GeV", "ns".
        time_span: the colour scale goes from -time_span to time_span [unit of time]; None takes the largest |time|.
    """
    figure = Figure(figsize=(12, 5.2), dpi=image_axes.DPI, layout="constrained")
    left, right = figure.subplots(1, 2)
    hit = energy > 0
    span = float(np.abs(time[hit]).max(initial=0)) if time_span is None else time_span
    scales = energy_scale(energy), Normalize(-(span or 1), span or 1)
    for axes, image, name, colours, scale, unit in zip(
        (left, right), (energy, time), ("Energy", "Time"), (ENERGY, TIME), scales, units, strict=True
    ):
        drawn = _image(axes, np.where(hit, image, np.nan), meta, colours, scale)
        _bar(figure, drawn, axes, name, unit)
    if text:
        image_axes.headline(figure, text)
    return figure


def space_time(
    energy: NDArray[np.float32],
    time: NDArray[np.float32],
    meta: Any = None,
    *,
    text: str = "",
    units: tuple[str, str] = UNITS,
    energy_min: float = 0.0,
    time_span: float | None = None,
) -> Figure:
    """Draw the cells of one event in three dimensions: time to the right, x into the page, y upwards.

    The area of a point grows with the logarithm of its energy, and a line joins it to its projection on the floor.

    Args:
        energy, time, meta, text, units: as ``energy_time``.
        energy_min: only cells with more energy are drawn [unit of energy].
        time_span: only cells with |time| up to this are drawn [unit of time]; None draws all.
    """
    figure = Figure(figsize=(8, 7), dpi=image_axes.DPI)
    axes: Any = figure.add_axes((0.0, 0.0, 0.84, 0.98), projection="3d")  # mplot3d has no types
    selected = (energy > max(energy_min, 0)) & (np.abs(time) <= (np.inf if time_span is None else time_span))
    row, column = np.nonzero(selected)
    (x_lo, x_hi), (y_lo, y_hi) = image_axes.edges(meta, *energy.shape)
    x = x_lo + (column + 0.5) * (x_hi - x_lo) / energy.shape[1]
    y = y_lo + (row + 0.5) * (y_hi - y_lo) / energy.shape[0]
    scale = energy_scale(energy[selected])
    size = 12 + 240 * np.clip(scale(energy[selected]), 0, 1)
    # Without a line to the floor the depth of a point cannot be seen.
    for point in zip(time[selected], x, y, strict=True):
        axes.plot(*np.stack([point, (*point[:2], y_lo)], axis=1), color="0.6", linewidth=0.6)
    axes.scatter(
        time[selected],
        x,
        y,
        s=size,
        c=energy[selected],
        cmap=ENERGY,
        norm=scale,
        edgecolors="0.2",
        linewidths=0.4,
    )
    span = float(np.abs(time[selected]).max(initial=0)) * 1.05 if time_span is None else time_span
    axes.set(xlim=(-(span or 1), span or 1), ylim=(x_lo, x_hi), zlim=(y_lo, y_hi))
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_major_locator(MaxNLocator(5))
    x_label, y_label = _labels(meta)
    axes.set_xlabel(label("Time", units[1]), fontsize=13, labelpad=8)
    axes.set_ylabel(x_label, fontsize=13, labelpad=8)
    axes.set_zlabel(y_label, fontsize=13, labelpad=6)
    axes.view_init(elev=22, azim=-62)
    axes.set_box_aspect((1.3, 1, 1), zoom=0.9)
    bar = figure.colorbar(ScalarMappable(scale, ENERGY), cax=figure.add_axes((0.885, 0.2, 0.025, 0.6)))
    bar.set_label(label("Energy", units[0]), fontsize=13)
    if text:
        image_axes.headline(figure, text)
    return figure


def frame_grid(
    frames: NDArray[np.float32],
    edges: ArrayLike | None,
    meta: Any = None,
    *,
    text: str = "",
    units: tuple[str, str] = ("", ""),
    columns: int | None = None,
) -> Figure:
    """Draw all frames of one event, in order, with one colour scale; cells without energy are grey.

    Args:
        frames: (T, H, W) float32 energies.
        edges: (T,) or (T+1,) edges of the frames [unit of time]; frame k ends at edge k+1, and with T edges the last
            frame holds the cells without time. None gives frame numbers.
        meta: META record of the frames; None gives cell numbers.
        text, units: as ``energy_time``.
        columns: frames in a row; None takes at least 7, and no more rows than columns.
    """
    columns = max(7, ceil(sqrt(len(frames)))) if columns is None else columns
    rows = -(-len(frames) // columns)
    height, width = frames.shape[1:]
    high = 1.55 * height / width if image_axes.is_square(height, width) else 1.55
    figure = Figure(
        figsize=(1.75 * columns + 1.2, (high + 0.4) * rows + 0.9), dpi=image_axes.DPI, layout="constrained"
    )
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    scale, words = energy_scale(frames), _times(len(frames), edges, units[1])
    for axes in grid.flat:
        axes.set_visible(False)
    for axes, image, word in zip(grid.flat, frames, words, strict=False):
        axes.set_visible(True)
        drawn = _image(axes, np.where(image > 0, image, np.nan), meta, ENERGY, scale)
        axes.set(xlabel="", ylabel="")
        axes.set_title(word, fontsize=10)
        axes.tick_params(labelsize=9)
    x_label, y_label = _labels(meta)
    figure.supxlabel(x_label, fontsize=13)
    figure.supylabel(y_label, fontsize=13)
    bar = figure.colorbar(drawn, ax=grid, fraction=0.02, pad=0.01)
    bar.set_label(_value_label(meta, units[0]), fontsize=13)
    if text:
        image_axes.headline(figure, text)
    return figure


def animation(
    frames: NDArray[np.float32],
    edges: ArrayLike | None,
    meta: Any = None,
    *,
    text: str = "",
    units: tuple[str, str] = ("", ""),
    interval: int = 200,
) -> FuncAnimation:
    """Animate the frames of one event; ``figures.save.save_animation`` writes the result.

    Args:
        frames, edges, meta, text, units: as ``frame_grid``.
        interval: time from frame to frame [ms].
    """
    figure = Figure(figsize=(6.4, 5.6), dpi=100)
    axes = figure.add_axes((0.12, 0.11, 0.7, 0.78))
    empty = np.full(frames.shape[1:], np.nan)
    drawn = _image(axes, empty, meta, ENERGY, energy_scale(frames))
    bar = figure.colorbar(drawn, cax=figure.add_axes((0.85, 0.11, 0.03, 0.78)))
    bar.set_label(_value_label(meta, units[0]), fontsize=12)
    words = _times(len(frames), edges, units[1])
    title = axes.set_title("", fontsize=13)

    def show(number: int) -> tuple[Any, ...]:
        """Draw one frame."""
        drawn.set_data(np.where(frames[number] > 0, frames[number], np.nan))
        title.set_text("  ".join(filter(None, (text, words[number]))))
        return drawn, title

    return FuncAnimation(figure, show, frames=len(frames), init_func=lambda: show(0), interval=interval)


def distributions(
    classes: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    units: tuple[str, str] = UNITS,
    bins: int = 60,
    window: tuple[float, ...] = (),
    energy_min: float | None = None,
) -> Figure:
    """Draw energy and time of the cells of each class, as shares of its cells, on logarithmic axes.

    Args:
        classes: class -> (energies, times) of its cells, any shape; cells without energy are left out.
        units: units of energy and time.
        bins: number of bins of each histogram.
        window: limits of the times that an analysis selects, marked with lines [unit of time].
        energy_min: smallest energy that an analysis selects, marked with a line [unit of energy].
    """
    cells = {name: _hits(energy, time) for name, (energy, time) in classes.items()}
    energies = np.concatenate([energy for energy, _ in cells.values()] or [np.zeros(0)])
    times = np.concatenate([time for _, time in cells.values()] or [np.zeros(0)])
    low, high = (float(energies.min()), float(energies.max())) if energies.size else (0.1, 1.0)
    span = float(np.abs(times).max(initial=0)) or 1.0
    edges = np.geomspace(low, high if high > low else 2 * low, bins + 1), np.linspace(-span, span, bins + 1)
    figure = Figure(figsize=(12, 5), dpi=image_axes.DPI, layout="constrained")
    panels = figure.subplots(1, 2)
    for nth, (name, columns) in enumerate(cells.items()):
        for axes, column, edge in zip(panels, columns, edges, strict=True):
            histogram(
                axes,
                column,
                edge,
                stroke(nth),
                1 / max(len(column), 1),
                label=f"{name} ({len(column):,} cells)",
            )
    marks: tuple[tuple[float, ...], ...] = (() if energy_min is None else (energy_min,), window)
    for axes, name, unit, lines in zip(panels, ("Energy", "Time"), units, marks, strict=True):
        axes.set_yscale("log" if energies.size else "linear")
        decorate(axes, label(name, unit), "Share of cells per bin", LARGE_LABELS)
        for mark in lines:
            axes.axvline(mark, color="0.4", linestyle=":", linewidth=1.5)
    panels[0].set_xscale("log" if energies.size else "linear")
    own_legend(panels[0])
    return figure


def energy_scale(energy: NDArray[Any]) -> LogNorm:
    """Return a logarithmic colour scale of the energies above zero, over four decades at most."""
    positive = energy[np.isfinite(energy) & (energy > 0)]
    high = float(positive.max(initial=0)) or 1.0
    low = max(float(positive.min(initial=high)), LOWEST_SHARE * high)
    return LogNorm(low if low < high else high / 10, high)


def _hits(energy: ArrayLike, time: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (n,) energies and times of the cells with energy and finite values."""
    energies, times = np.asarray(energy, np.float64).ravel(), np.asarray(time, np.float64).ravel()
    hit = np.isfinite(energies) & np.isfinite(times) & (energies > 0)
    return energies[hit], times[hit]


def _image(axes: Axes, image: NDArray[Any], meta: Any, colours: str, scale: Normalize) -> AxesImage:
    """Draw an (H, W) image, NaN in the grey of the colour map."""
    drawn = image_axes.draw(axes, image, meta, colormaps[colours].with_extremes(bad=EMPTY[colours]), scale)
    x_label, y_label = _labels(meta)
    axes.set_xlabel(x_label, fontsize=13)
    axes.set_ylabel(y_label, fontsize=13)
    axes.tick_params(labelsize=11)
    return drawn


def _bar(figure: Figure, drawn: AxesImage, axes: Axes, name: str, unit: str) -> None:
    """Draw a colour bar beside the axes, labelled with the quantity and its unit."""
    bar = figure.colorbar(drawn, ax=axes, fraction=0.046, pad=0.02)
    bar.set_label(label(name, unit), fontsize=13)


def _labels(meta: Any) -> tuple[str, str]:
    """Return the labels of axis W and axis H; those of cells without a META record."""
    return image_axes.LABELS[UNIT_CELL] if meta is None else image_axes.labels(meta)


def _value_label(meta: Any, unit: str) -> str:
    """Return the label of the voxel values: energy, unless the META record has another quantity."""
    return label("Energy", unit) if meta is None or unit else image_axes.value_label(meta)


def _times(count: int, edges: ArrayLike | None, unit: str) -> list[str]:
    """Return the titles of the frames: the time at which each ends, "no time" without its edge, else its number."""
    if edges is None:
        return [f"Frame {number}" for number in range(count)]
    ends = np.asarray(edges, np.float64)[1:]
    named = [label(f"t ≤ {end:.4g}".replace("-", "−"), unit) for end in ends]
    return [*named[:count], *["no time"] * (count - len(named))]
