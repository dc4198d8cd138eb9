"""Figures of a stack of samples: data and ratio, uncertainties by source, correlation of bins, variations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as AnyFigure
from numpy.typing import NDArray

from dmcnn._common.extras import need
from dmcnn.figures.style import LARGE_LABELS, PALETTE, decorate, line, number, panels, single
from dmcnn.figures.text import Figure
from dmcnn.metrics.histograms import garwood

Floats = NDArray[np.float64]

FILLS = ("#56B4E9", "#E69F00", "#009E73", "#F0E442", "#CC79A7", "#999999", "#0072B2", "#A6761D")
"""Colours of stacked samples: those of PALETTE that are light enough for black points on them, and others."""

SIGNALS = ("#D55E00", "#000000", "#0072B2", "#CC79A7")


HIGHEST = 1.0
"""Fractional uncertainty at which the axis ends: bins of few events would flatten all others."""


@dataclass(frozen=True, eq=False)
class Scene:
    """Contents of the figure of a stack. Arrays hold the b bins, and those below and above the range: (b + 2,).

    Attributes:
        edges: (b + 1,) edges of the bins.
        label: label of the axis.
        samples: name -> values, from the bottom of the stack.
        statistical, total: standard deviations of the sum of the samples.
        data: counts, NaN where they stay hidden; None without data.
        hidden: whether the data of a bin stay hidden.
        signals: name -> values as they are drawn.
        signal_scale: factor of the signals, for the legend.
        note: text on the selection of the events.
        chi2: text on chi2.
    """

    edges: Floats
    label: str
    samples: Mapping[str, Floats]
    statistical: Floats
    total: Floats
    data: Floats | None
    hidden: NDArray[np.bool_]
    signals: Mapping[str, Floats] = field(default_factory=dict)
    signal_scale: float = 1.0
    note: str = ""
    chi2: str = ""

    @property
    def sum(self) -> Floats:
        """(b + 2,) sum of the samples."""
        return np.asarray(np.sum(list(self.samples.values()), axis=0))


@dataclass(frozen=True, eq=False)
class Bins:
    """Bins as they are drawn: those outside of the range have the mean width, and are left out if nothing is in them.

    Attributes:
        edges: edges as they are drawn.
        which: slice of the b + 2 bins.
        low, high: ends of the range.
    """

    edges: Floats
    which: slice
    low: float
    high: float

    @classmethod
    def around(cls, edges: Floats, *values: Floats | None) -> Bins:
        """Return the bins in which any of the (b + 2,) ``values`` is not 0."""
        width = (edges[-1] - edges[0]) / (len(edges) - 1)
        filled = [np.nan_to_num(value[[0, -1]]) != 0 for value in values if value is not None]
        below, above = map(int, np.any(filled, axis=0))
        drawn = [[edges[0] - width]] * below + [edges] + [[edges[-1] + width]] * above
        first, last = 1 - below, len(edges) + above
        return cls(np.concatenate(drawn), slice(first, last), float(edges[0]), float(edges[-1]))

    @property
    def centres(self) -> Floats:
        """Centres of the bins."""
        return np.asarray((self.edges[1:] + self.edges[:-1]) / 2)

    def mark(self, axes: Axes, words: bool = True) -> None:
        """Draw the ends of the range, and name the bins below and above it."""
        axes.set_xlim(self.edges[0], self.edges[-1])
        ends = [(self.edges[0], self.low, "underflow", self.edges[0] < self.low)]
        ends += [(self.edges[-1], self.high, "overflow", self.edges[-1] > self.high)]
        for outer, inner, word, exists in ends:
            if exists:
                axes.axvline(inner, color="0.4", linestyle=":", linewidth=1)
                if words:
                    place = (outer + inner) / 2, 0.03
                    axes.text(*place, word, transform=axes.get_xaxis_transform(), rotation=90, ha="center",
                              va="bottom", fontsize=8, color="0.25")  # fmt: skip
        axes.set_xticks([tick for tick in axes.get_xticks() if self.low <= tick <= self.high + 1e-9])


def stack(scene: Scene, log: bool = False) -> Figure:
    """Draw stacked samples with their uncertainty, data with Poisson intervals, signals, and below the ratio.

    Args:
        scene: contents.
        log: logarithmic vertical axis.
    """
    bins = Bins.around(scene.edges, *scene.samples.values(), scene.data, *scene.signals.values())
    figure = Figure(figsize=(8, 7.2), dpi=150, layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    decorate(top, "", "Events per bin", LARGE_LABELS)
    decorate(bottom, scene.label, "Data / prediction", LARGE_LABELS)
    bottom.set_ylabel(
        "Data / prediction" if scene.data is not None else "Uncertainty", fontsize=LARGE_LABELS - 1
    )
    highest = _upper(top, scene, bins)
    _ratio(bottom, scene, bins)
    for axes in (top, bottom):
        _hatch_hidden(axes, scene, bins, words=axes is top)
        axes.grid(False)
        axes.tick_params(direction="in", top=True, right=True)
    _limits(top, scene, bins, highest, log)
    _legend(top, scene)
    bins.mark(top, words=False)
    bins.mark(bottom)
    figure.align_ylabels([top, bottom])
    return figure


def _upper(axes: Axes, scene: Scene, bins: Bins) -> float:
    """Draw the upper panel; return the highest value in it."""
    plot, which = need("mplhep").histplot, bins.which
    names = list(scene.samples)
    plot(
        [scene.samples[name][which] for name in names],
        bins.edges,
        ax=axes,
        stack=True,
        histtype="fill",
        color=[FILLS[nth % len(FILLS)] for nth in range(len(names))],
        label=[_entry(name, values) for name, values in scene.samples.items()],
        flow="none",
    )
    total, sigma = scene.sum[which], scene.total[which]
    axes.stairs(total, bins.edges, color="0.2", linewidth=1)
    _band(
        axes,
        bins,
        total - sigma,
        total + sigma,
        facecolor="none",
        edgecolor="0.35",
        hatch="////",
        label=_band_word(scene),
    )
    for nth, (name, values) in enumerate(scene.signals.items()):
        text = name if scene.signal_scale == 1 else f"{name} × {scene.signal_scale:g}"
        style = {"color": SIGNALS[nth % len(SIGNALS)], "linestyle": ("-", "--", "-.", ":")[nth // 4 % 4]}
        plot(
            values[which], bins.edges, ax=axes, histtype="step", linewidth=2, label=text, flow="none", **style
        )
    highest = max([(total + sigma).max(), *(values[which].max() for values in scene.signals.values())])
    if scene.data is None:
        return float(highest)
    counts = scene.data[which]
    interval, shown = garwood(np.nan_to_num(counts)), ~np.isnan(counts)
    errors = np.array([interval.value - interval.low, interval.high - interval.value])
    axes.errorbar(
        bins.centres[shown], counts[shown], errors[:, shown], fmt="o", color="black", markersize=4.5, elinewidth=1.2,
        label=f"data ({np.nansum(counts):g})", zorder=5,
    )  # fmt: skip
    return float(max(highest, interval.high[shown].max(initial=0)))


def _entry(name: str, values: Floats) -> str:
    """Return the entry of a stacked sample in the legend, with its events."""
    return f"{name} ({number(float(values.sum()))})"


def _band_word(scene: Scene) -> str:
    """Return the name of the band in the legend."""
    return "stat." if np.array_equal(scene.statistical, scene.total) else "stat. + syst."


def _band(axes: Axes, bins: Bins, low: Floats, high: Floats, **style: Any) -> None:
    """Draw a band over bins; of bins without a value there is none."""
    below, above = (np.append(values, values[-1]) for values in (np.nan_to_num(low), np.nan_to_num(high)))
    axes.fill_between(bins.edges, below, above, step="post", linewidth=0, **style)


def _inverse(values: Floats) -> Floats:
    """Return 1 over values; NaN where they are not above 0."""
    return 1 / np.where(values > 0, values, np.nan)


def _ratio(axes: Axes, scene: Scene, bins: Bins) -> None:
    """Draw data over prediction with the uncertainty of the prediction around 1; arrows where a ratio is outside."""
    share = _inverse(scene.sum[bins.which])
    statistical, sigma = scene.statistical[bins.which] * share, scene.total[bins.which] * share
    for size, colour, name in ((sigma, "0.85", "stat. + syst."), (statistical, "0.65", "stat.")):
        if name == "stat." or _band_word(scene) != "stat.":
            size = np.nan_to_num(size)
            _band(axes, bins, 1 - size, 1 + size, color=colour, label=name)
    axes.axhline(1, color="0.2", linewidth=1)
    half = float(np.nanmax(sigma[np.isfinite(sigma)], initial=0.1))
    if scene.data is not None:
        half = _points(axes, scene, bins, share, half)
    half = min(max(0.25, 1.25 * half), 1.0)
    axes.set_ylim(1 - half, 1 + half)
    if _band_word(scene) != "stat.":
        axes.legend(loc="upper left", ncols=2, fontsize=8, framealpha=0.8, borderpad=0.3)


def _points(axes: Axes, scene: Scene, bins: Bins, share: Floats, half: float) -> float:
    """Draw the ratios of the data; return the half width that the panel needs, at most 1."""
    counts = np.asarray(scene.data)[bins.which]
    shown = ~np.isnan(counts) & np.isfinite(share)
    interval = garwood(counts[shown])
    ratio, scale, x = interval.value * share[shown], share[shown], bins.centres[shown]
    errors = np.array([interval.value - interval.low, interval.high - interval.value]) * scale
    axes.errorbar(x, ratio, errors, fmt="o", color="black", markersize=4.5, elinewidth=1.2, zorder=5)
    half = min(1.0, max([half, *np.abs(ratio[ratio > 0] - 1)]))
    beyond = ratio > 1 + max(0.25, 1.25 * half)
    if beyond.any():
        high = min(2.0, 1 + max(0.25, 1.25 * half))
        axes.plot(
            x[beyond],
            np.full(beyond.sum(), high - 0.06 * (high - 1)),
            "^",
            color="black",
            markersize=7,
            clip_on=False,
        )
    return half


def _hatch_hidden(axes: Axes, scene: Scene, bins: Bins, words: bool) -> None:
    """Draw hatches over the bins whose data stay hidden; they are at the upper end."""
    hidden = scene.hidden[bins.which]
    if scene.data is not None and hidden.any():
        first = bins.edges[int(np.argmax(hidden))]
        axes.axvspan(
            first, bins.edges[-1], facecolor="none", edgecolor="0.7", hatch="xx", linewidth=0, zorder=0.5
        )
        if words:
            place = (first + bins.edges[-1]) / 2, 0.5
            box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85}
            axes.text(*place, "data hidden", transform=axes.get_xaxis_transform(), ha="center", va="center",
                      fontsize=9, bbox=box)  # fmt: skip


def _limits(axes: Axes, scene: Scene, bins: Bins, highest: float, log: bool) -> None:
    """Set the vertical range, with room for the legend above the contents."""
    entries = len(scene.samples) + len(scene.signals) + 1 + (scene.data is not None)
    share = min(0.06 * -(-entries // 2) + 0.08, 0.5)
    highest = highest or 1.0
    if not log:
        axes.set_ylim(0, highest / (1 - share))
        return
    filled = scene.sum[bins.which]
    lowest = min(0.5, float(filled[filled > 0].min(initial=1.0)) / 2)
    axes.set_yscale("log")
    axes.set_ylim(lowest, highest * (highest / lowest) ** (share / (1 - share)))


def _legend(axes: Axes, scene: Scene) -> None:
    """Draw the legend: data first, then the samples from the top of the stack, and the text on chi2."""
    handles, names = axes.get_legend_handles_labels()
    stacked = [_entry(name, values) for name, values in reversed(list(scene.samples.items()))]
    first = [name for name in names if name.startswith("data (")] + stacked
    names_in_order = first + [name for name in names if name not in first]
    title = ",  ".join(filter(None, [scene.note, scene.chi2])) or None
    axes.legend(
        [handles[names.index(name)] for name in names_in_order],
        names_in_order,
        loc="upper right",
        ncols=2,
        fontsize=10,
        title=title,
        title_fontsize=10,
        framealpha=0.9,
    )


def uncertainties(edges: Floats, label: str, total: Floats, sigmas: Mapping[str, Floats]) -> Figure:
    """Draw the fractional uncertainty of the bins by source; "total" is drawn thick.

    Args:
        edges: (b + 1,) edges.
        label: label of the axis.
        total: (b + 2,) prediction.
        sigmas: source -> (b + 2,) standard deviations.
    """
    bins = Bins.around(edges, total)
    figure, axes = single(label, "Uncertainty / prediction")
    share = _inverse(total[bins.which])
    names = sorted(sigmas, key=lambda name: name != "total")
    for nth, name in enumerate(names):
        style = (
            {"color": "black", "linewidth": 2.5}
            if name == "total"
            else line(nth - 1, PALETTE[:-1]) | {"linewidth": 1.8}
        )
        axes.stairs(
            np.nan_to_num(sigmas[name][bins.which] * share), bins.edges, baseline=None, label=name, **style
        )
    top = min(float(np.nanmax(sigmas["total"][bins.which] * share, initial=0.01)), HIGHEST)
    axes.set_ylim(0, top * (1.1 + 0.07 * -(-len(names) // 2)))
    axes.legend(loc="upper center", ncols=2, fontsize=10)
    bins.mark(axes)
    return figure


def correlation(edges: Floats, label: str, matrix: Floats) -> Figure:
    """Draw the (b + 2, b + 2) correlation of the bins; grey where a bin has no variance."""
    exists = np.where(np.isnan(np.diag(matrix)), 0.0, 1.0)
    bins = Bins.around(edges, exists)
    figure, (axes,) = panels(1, size=(7.6, 6.4))
    outer = "  (outermost bins: below and above the range)" if len(bins.edges) > len(edges) else ""
    decorate(axes, label + outer, label, LARGE_LABELS)
    axes.grid(False)
    axes.set_facecolor("0.85")
    mesh = axes.pcolormesh(
        bins.edges,
        bins.edges,
        np.ma.masked_invalid(matrix[bins.which, bins.which]),
        cmap="RdBu_r",
        vmin=-1,
        vmax=1,
    )
    figure.colorbar(mesh, ax=axes, label="Correlation", fraction=0.046, pad=0.03)
    bins.mark(axes, words=False)
    axes.set_ylim(bins.edges[0], bins.edges[-1])
    axes.set_yticks(axes.get_xticks())
    axes.set_aspect("equal")
    return figure


def variations(
    edges: Floats, label: str, total: Floats, statistical: Floats, shifts: Mapping[str, Floats]
) -> AnyFigure:
    """Draw the shift of the bins by every detector variation over the prediction, with their quadratic sum as a band.

    Args:
        edges: (b + 1,) edges.
        label: label of the axis.
        total: (b + 2,) prediction.
        statistical: (b + 2,) its statistical standard deviation, drawn around 0.
        shifts: variation -> (b + 2,) shift.
    """
    bins = Bins.around(edges, total)
    figure, axes = single(label, "Shift / prediction")
    share = _inverse(total[bins.which])
    both = np.sqrt(np.sum(np.square(list(shifts.values())), axis=0))[bins.which] * share
    for size, colour, name in (
        (both, "0.87", "quadratic sum"),
        (statistical[bins.which] * share, "0.7", "statistical"),
    ):
        _band(axes, bins, -size, size, color=colour, label=name)
    for nth, (name, shift) in enumerate(shifts.items()):
        axes.stairs(
            np.nan_to_num(shift[bins.which] * share),
            bins.edges,
            baseline=None,
            linewidth=1.8,
            label=name,
            **line(nth),
        )
    axes.axhline(0, color="0.3", linewidth=0.8)
    top = min(max(float(np.nanmax(both, initial=0.01)), 0.01), HIGHEST)
    axes.set_ylim(-1.15 * top, top * (1.2 + 0.14 * -(-(len(shifts) + 2) // 3)))
    axes.legend(loc="upper center", ncols=3, fontsize=10)
    bins.mark(axes)
    return figure
