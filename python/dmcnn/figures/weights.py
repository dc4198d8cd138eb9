"""Figures of the weights of a network: distributions, and maps of zero weights."""

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

MAX_TENSORS = 24
"""Largest number of tensors that are drawn; of more, those with most weights."""

MAX_LINEAR = 64
"""Largest number of weights of a tensor whose histogram has a linear vertical axis."""

BINS = 61
"""Number of bins of a tensor that nothing rounds; odd, so that zero lies in the middle of a bin."""

MAX_CELLS = 400
"""Largest number of rows or columns of a zero map; in larger ones a cell stands for a block of weights."""


@dataclass(frozen=True, eq=False)
class DeployedTensor:
    """One parameter tensor of a network as deployed.

    Attributes:
        name: name of the parameter.
        values: float32 weights, rounded if the network has a quantiser for them; any shape, outputs along the first
            axis.
        zero: mask of the weights that count as zero, of the same shape.
        step: distance of neighbouring values; None if nothing rounds them.
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


def histograms(tensors: Sequence[DeployedTensor]) -> Figure:
    """Draw a histogram of the weights of every tensor, zeros in another colour.

    Rounded weights have a bar per value. The vertical axis is logarithmic for more than MAX_LINEAR weights.
    """
    largest_tensors = largest(tensors)
    figure, grid = panels(len(largest_tensors), columns=min(len(largest_tensors), 4) or 1, size=(3.6, 2.9))
    for axes, tensor in zip(grid, largest_tensors, strict=True):
        edges = _edges(tensor)
        for nth, (mask, what) in enumerate(((~tensor.zero, "other"), (tensor.zero, "zero"))):
            counts = np.histogram(tensor.values[mask], edges)[0]
            axes.stairs(counts, edges, fill=True, color=PALETTE[nth], alpha=0.9, label=what)
        axes.set_title(tensor.title, fontsize=10)
        decorate(axes, "Weight", "Number")
        axes.set_axisbelow(True)
        if tensor.values.size > MAX_LINEAR:
            axes.set_yscale("log")
            axes.set_ylim(0.5, None)
            axes.yaxis.set_minor_locator(NullLocator())  # minor ticks would double the time to draw
        else:
            axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    _draw_legend(figure, grid, tensors, largest_tensors, {"zero": PALETTE[1], "other": PALETTE[0]})
    return figure


def _edges(tensor: DeployedTensor) -> NDArray[np.float64]:
    """Return (b + 1,) edges of one bin per value, or of wider bins if these are too many; zero is mid-bin."""
    reach = max(float(np.abs(tensor.values).max(initial=0)), tensor.step or 0, 1e-6)
    step = tensor.step or 2 * reach / BINS
    while 2 * reach / step > 2 * BINS:
        step *= 2
    half = int(np.ceil(reach / step - 0.5)) + 0.5
    return np.asarray(np.arange(-half, half + 1) * step)


def zero_maps(tensors: Sequence[DeployedTensor]) -> Figure:
    """Draw a map of the zero weights of every tensor: outputs down, the weights of one output across.

    A tensor of more than MAX_CELLS rows or columns is drawn as the share of zeros in blocks.
    """
    largest_tensors = largest(tensors)
    figure, grid = panels(len(largest_tensors), columns=min(len(largest_tensors), 4) or 1, size=(3.6, 2.9))
    shades = ListedColormap(np.linspace(_rgb(PALETTE[0]), (1, 1, 1), 64))
    for axes, tensor in zip(grid, largest_tensors, strict=True):
        rows = tensor.zero.reshape(len(tensor.zero) if tensor.zero.ndim > 1 else 1, -1)
        axes.imshow(blocks(rows), cmap=shades, vmin=0, vmax=1, aspect="auto", interpolation="nearest",
                    extent=(0, rows.shape[1], rows.shape[0], 0))  # fmt: skip
        axes.set_title(tensor.title, fontsize=10)
        vector = tensor.zero.ndim < 2
        decorate(axes, *(("Output", "") if vector else ("Input", "Output")))
        axes.grid(False)
        _number_cells(axes.xaxis, rows.shape[1])
        _number_cells(axes.yaxis, 0 if vector else rows.shape[0])
    _draw_legend(figure, grid, tensors, largest_tensors, {"zero": "white", "other": PALETTE[0]})
    return figure


def blocks(zero: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the share of zeros in blocks of an (r, c) mask, at most MAX_CELLS blocks along each axis."""
    r, c = zero.shape
    rows, columns = (np.arange(0, n, -(-n // MAX_CELLS)) for n in (r, c))
    sums = np.add.reduceat(np.add.reduceat(zero.astype(np.float64), rows, axis=0), columns, axis=1)
    return np.asarray(sums / np.diff(rows, append=r)[:, None] / np.diff(columns, append=c))


def largest(tensors: Sequence[DeployedTensor]) -> list[DeployedTensor]:
    """Return the MAX_TENSORS tensors with most weights, in their order in the network."""
    order = sorted(range(len(tensors)), key=lambda nth: -tensors[nth].values.size)[:MAX_TENSORS]
    return [tensors[nth] for nth in sorted(order)]


def _number_cells(axis: Axis, count: int) -> None:
    """Set at most five ticks, each in the middle of one of ``count`` cells."""
    numbers = np.unique(np.linspace(0, count - 1, min(count, 5)).astype(int))
    axis.set_ticks(numbers + 0.5, [str(number) for number in numbers])


def _rgb(colour: str) -> tuple[float, ...]:
    """Return red, green and blue in 0 .. 1 of a colour "#RRGGBB"."""
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))


def _draw_legend(
    figure: Figure,
    grid: Sequence[Axes],
    tensors: Sequence[DeployedTensor],
    largest_tensors: Sequence[DeployedTensor],
    colours: Mapping[str, str],
) -> None:
    """Draw a legend above all panels: the colours, the share of zeros, and the number of tensors left out."""
    if not grid:
        return
    count = sum(tensor.values.size for tensor in tensors)
    zeros = sum(int(tensor.zero.sum()) for tensor in tensors)
    title = f"{count} weights, {100 * zeros / max(count, 1):.1f} % zero"
    if len(largest_tensors) < len(tensors):
        title += f"; the {len(largest_tensors)} largest of {len(tensors)} tensors"
    handles = [
        grid[0].bar([np.nan], [1], color=colour, edgecolor="0.4", label=what)
        for what, colour in colours.items()
    ]
    figure.legend(
        handles=handles, loc="outside upper center", ncols=2, title=title, fontsize=11, title_fontsize=12
    )
