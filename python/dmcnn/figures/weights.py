"""Figures of the weights of a network: how they are distributed, and which are zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import NDArray

from dmcnn.figures.style import PALETTE, decorate, panels

MOST = 24
"""Tensors that are drawn; of more, those with most weights."""

FEW = 64
BINS = 61
SHARP = 400
"""Rows or columns above which a cell of a zero map stands for a block of weights."""


@dataclass(frozen=True, eq=False)
class Weights:
    """One tensor of a network as deployed.

    Attributes:
        name: of the parameter.
        values: its weights, rounded where a quantiser does so; any shape, the outputs along the first axis.
        zero: which of them count as zero, of the same shape.
        step: distance of neighbouring values; None where nothing rounds them.
    """

    name: str
    values: NDArray[np.float32]
    zero: NDArray[np.bool_]
    step: float | None = None

    @property
    def title(self) -> str:
        """Name, shape and share of zeros."""
        shape = "×".join(map(str, self.values.shape))
        return f"{self.name} ({shape})\n{100 * self.zero.mean():.1f} % zero"


def histograms(tensors: Sequence[Weights]) -> Figure:
    """Weights of every tensor, a bar per value where they are rounded, zeros in another colour.

    Numbers are on a logarithmic axis in tensors of more than FEW weights.
    """
    shown = largest(tensors)
    figure, grid = panels(len(shown), columns=min(len(shown), 4) or 1, size=(3.6, 2.9))
    for axes, tensor in zip(grid, shown, strict=True):
        edges = _edges(tensor)
        for nth, (mask, what) in enumerate(((~tensor.zero, "other"), (tensor.zero, "zero"))):
            counts = np.histogram(tensor.values[mask], edges)[0]
            axes.stairs(counts, edges, fill=True, color=PALETTE[nth], alpha=0.9, label=what)
        axes.set_title(tensor.title, fontsize=10)
        decorate(axes, "Weight", "Number")
        axes.set_axisbelow(True)
        if tensor.values.size > FEW:
            axes.set_yscale("log")
            axes.set_ylim(0.5, None)
            axes.yaxis.set_minor_locator(NullLocator())  # half of the time that the figure takes
        else:
            axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    _tell(figure, grid, tensors, shown, {"zero": PALETTE[1], "other": PALETTE[0]})
    return figure


def _edges(tensor: Weights) -> NDArray[np.float64]:
    """One bin per value, or less fine ones if these would be too many; zero in the middle of a bin."""
    reach = max(float(np.abs(tensor.values).max(initial=0)), tensor.step or 0, 1e-6)
    step = tensor.step or 2 * reach / BINS
    while 2 * reach / step > 2 * BINS:
        step *= 2
    half = int(np.ceil(reach / step - 0.5)) + 0.5
    return np.asarray(np.arange(-half, half + 1) * step)


def zero_maps(tensors: Sequence[Weights]) -> Figure:
    """Which weights of every tensor are zero: outputs down, all that leads to one of them across.

    Tensors of more than SHARP rows or columns are drawn by the share of zeros in blocks.
    """
    shown = largest(tensors)
    figure, grid = panels(len(shown), columns=min(len(shown), 4) or 1, size=(3.6, 2.9))
    shades = ListedColormap(np.linspace(_rgb(PALETTE[0]), (1, 1, 1), 64))
    for axes, tensor in zip(grid, shown, strict=True):
        rows = tensor.zero.reshape(len(tensor.zero) if tensor.zero.ndim > 1 else 1, -1)
        axes.imshow(blocks(rows), cmap=shades, vmin=0, vmax=1, aspect="auto", interpolation="nearest",
                    extent=(0, rows.shape[1], rows.shape[0], 0))  # fmt: skip
        axes.set_title(tensor.title, fontsize=10)
        vector = tensor.zero.ndim < 2
        decorate(axes, *(("Output", "") if vector else ("Input", "Output")))
        axes.grid(False)
        _whole(axes.xaxis, rows.shape[1])
        _whole(axes.yaxis, 0 if vector else rows.shape[0])
    _tell(figure, grid, tensors, shown, {"zero": "white", "other": PALETTE[0]})
    return figure


def blocks(zero: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of zeros in blocks of an (r, c) map, at most SHARP of them along each axis."""
    r, c = zero.shape
    rows, columns = (np.arange(0, n, -(-n // SHARP)) for n in (r, c))
    sums = np.add.reduceat(np.add.reduceat(zero.astype(np.float64), rows, axis=0), columns, axis=1)
    return np.asarray(sums / np.diff(rows, append=r)[:, None] / np.diff(columns, append=c))


def largest(tensors: Sequence[Weights]) -> list[Weights]:
    """The MOST tensors with most weights, in order."""
    order = sorted(range(len(tensors)), key=lambda nth: -tensors[nth].values.size)[:MOST]
    return [tensors[nth] for nth in sorted(order)]


def _whole(axis: Axis, count: int) -> None:
    """A few of ``count`` ticks in the middle of cells."""
    at = np.unique(np.linspace(0, count - 1, min(count, 5)).astype(int))
    axis.set_ticks(at + 0.5, [str(i) for i in at])


def _rgb(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))


def _tell(
    figure: Figure,
    grid: Sequence[Axes],
    tensors: Sequence[Weights],
    shown: Sequence[Weights],
    colours: Mapping[str, str],
) -> None:
    """A legend above all panels: the colours, all zeros, and what is not shown."""
    if not grid:
        return
    count = sum(tensor.values.size for tensor in tensors)
    zeros = sum(int(tensor.zero.sum()) for tensor in tensors)
    title = f"{count} weights, {100 * zeros / max(count, 1):.1f} % zero"
    if len(shown) < len(tensors):
        title += f"; the {len(shown)} largest of {len(tensors)} tensors"
    handles = [
        grid[0].bar([np.nan], [1], color=colour, edgecolor="0.4", label=what)
        for what, colour in colours.items()
    ]
    figure.legend(
        handles=handles, loc="outside upper center", ncols=2, title=title, fontsize=11, title_fontsize=12
    )
