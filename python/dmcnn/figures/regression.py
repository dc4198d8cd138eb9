"""Figures of regression networks: residuals, pulls, profiles, and networks side by side.

``samples`` maps the name of a network to the values of its events; a network has the same colour in all figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from dmcnn.figures.style import (
    MARKERS,
    bins_for,
    decorate,
    headroom,
    histogram,
    label,
    legend,
    line,
    lines,
    mark,
    panels,
)
from dmcnn.metrics import distributions
from dmcnn.metrics.distributions import Floats, GaussianFit, Profile, format_estimate

SPAN = 5.0
"""Half of the range of a residual histogram, in 68 % half widths of the widest network."""

PULL_SPANS = (6.0, 30.0)
"""Limits of half of the range of a pull histogram."""

Weights = Mapping[str, Floats | None] | None

MAX_FIT_TEXTS = 6
"""Largest number of networks whose fits are written into the panels."""

FRONT_STYLE: dict[str, Any] = {"color": "0.6", "linewidth": 1.5}
FIT_TITLE = "Histograms, and Gaussians fitted within ±{:g} σ"


def residuals(
    samples: Mapping[str, Floats],
    targets: Sequence[str],
    units: Sequence[str],
    reach: float = 2.0,
    log: bool = False,
    weights: Weights = None,
) -> Figure:
    """Draw the residuals of every target, with a Gaussian fitted to the core of each network.

    Args:
        samples: name of the network -> (n, k) residuals.
        targets: k names.
        units: k units of the targets; empty for a number without unit.
        reach: half of the range of the fit [sigma].
        log: logarithmic vertical axis, which resolves the tails.
        weights: name of the network -> (n,) weights of its events; None = equal ones.
    """
    figure, grid = panels(len(targets))
    for j, (axes, target, unit) in enumerate(zip(grid, targets, units, strict=True)):
        here = {name: values[:, j] for name, values in samples.items()}
        pooled = np.concatenate([np.zeros(0), *here.values()])
        middle = float(np.median(pooled)) if len(pooled) else 0.0
        widths = [distributions.half_width(v, (weights or {}).get(name)).value for name, v in here.items()]
        span = SPAN * float(np.fmax.reduce(widths, initial=0.0)) or 1.1 * float(
            abs(pooled - middle).max(initial=0)
        )
        _distributions(axes, here, middle, span, reach, unit, weights=weights)
        decorate(axes, label(f"{target}: estimate − truth", unit), f"Density{f' [1/{unit}]' if unit else ''}")
        headroom(axes, log, MAX_FIT_TEXTS)
    legend(figure, lines(samples), FIT_TITLE.format(reach))
    return figure


def pulls(
    samples: Mapping[str, Floats],
    targets: Sequence[str],
    reach: float = 2.0,
    log: bool = False,
    weights: Weights = None,
) -> Figure:
    """Draw the pulls (residual over estimated uncertainty) of every target, with fits, beside the unit Gaussian.

    Args:
        samples: name of the network -> (n, k) pulls.
        targets, reach, log, weights: as ``residuals``.
    """
    figure, grid = panels(len(targets))
    for j, (axes, target) in enumerate(zip(grid, targets, strict=True)):
        here = {name: values[:, j] for name, values in samples.items()}
        ends = [abs(np.median(v)) + 4 * distributions.half_width(v).value for v in here.values() if len(v)]
        span = float(np.clip(np.fmax.reduce(ends, initial=0.0), *PULL_SPANS))
        x = np.linspace(-span, span, 401)
        unit = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
        axes.plot(x, unit, color="black", linestyle="--", linewidth=1.2)
        _distributions(axes, here, 0.0, span, reach, "", means=True, weights=weights)
        decorate(axes, f"{target}: (estimate − truth) / uncertainty", "Density")
        headroom(axes, log, MAX_FIT_TEXTS)
    unit_gaussian = {"unit Gaussian": {"color": "black", "linestyle": "--", "linewidth": 1.2}}
    legend(figure, lines(samples) | unit_gaussian, FIT_TITLE.format(reach))
    return figure


def profiles(
    networks: Mapping[str, Sequence[tuple[Profile, Profile]]],
    variable: str,
    targets: Sequence[str],
    units: Sequence[str],
) -> Figure:
    """Draw bias, resolution and pull width of every target against one variable, a column of panels per target.

    Args:
        networks: name of the network -> for each target, the profiles of its residuals and of its pulls.
        variable: name of the variable, with its unit.
        targets: k names.
        units: k units of the targets.
    """
    figure, grid = panels(3 * len(targets), columns=len(targets), size=(4.2, 2.7), sharex=True)
    for j, (target, unit) in enumerate(zip(targets, units, strict=True)):
        bias, width, pull = grid[j :: len(targets)]
        for nth, pairs in enumerate(networks.values()):
            of_residuals, of_pulls = pairs[j]
            _profile(bias, of_residuals, of_residuals.bias, of_residuals.bias_error, nth)
            _profile(width, of_residuals, of_residuals.width, of_residuals.width_error, nth)
            _profile(pull, of_pulls, of_pulls.width, of_pulls.width_error, nth)
        bias.axhline(0, color="black", linewidth=1, linestyle=":")
        pull.axhline(1, color="black", linewidth=1, linestyle=":")
        width.set_ylim(bottom=0)
        bias.set_title(target, fontsize=13)
        decorate(bias, "", label("Bias", unit))
        decorate(width, "", label("68 % half width", unit))
        decorate(pull, variable, "Pull 68 % half width")
        pull.xaxis.set_major_locator(MaxNLocator(6))
    legend(figure, lines(networks))
    return figure


def comparison(
    labels: Sequence[str],
    values: Mapping[str, Sequence[Sequence[float]]],
    errors: Mapping[str, Sequence[float]],
    columns: int,
    ideal: Mapping[str, float],
) -> Figure:
    """Draw networks side by side: one panel per quantity, every network on its horizontal axis.

    A filled marker is the mean over the seeds of a network, an open marker one of several seeds.

    Args:
        labels: m names of the networks.
        values: quantity -> for each network, its value for each seed.
        errors: quantity -> for each network, half the length of the error bar.
        columns: panels in a row.
        ideal: quantity -> ideal value, drawn as a line.
    """
    wide = float(np.clip(0.9 + 0.45 * len(labels), 3.0, 7.0))
    figure, grid = panels(len(values), columns=columns, size=(wide, 2.6), sharex=True)
    place = np.arange(len(labels))
    for axes, (what, seeds) in zip(grid, values.items(), strict=True):
        if what in ideal:
            axes.axhline(ideal[what], color="black", linewidth=1, linestyle=":")
        for nth, (numbers, error) in enumerate(zip(seeds, errors[what], strict=True)):
            if len(numbers) > 1:
                axes.plot(np.full(len(numbers), place[nth] + 0.22), numbers, markersize=5,
                          markerfacecolor="none", **mark(nth))  # fmt: skip
            axes.errorbar(
                place[nth], np.mean(numbers), error, markersize=6, capsize=4, elinewidth=1.5, **mark(nth)
            )
        decorate(axes, "", what)
        axes.yaxis.label.set_fontsize(11)
        axes.set_xlim(-0.6, len(labels) - 0.4)
        turned = max(map(len, labels), default=0) * len(labels) > 6 * wide
        axes.set_xticks(place, labels, rotation=35 if turned else 0, ha="right" if turned else "center",
                        rotation_mode="anchor", fontsize=10)  # fmt: skip
    return figure


def front(
    zeros: Sequence[float],
    nll: Sequence[float],
    widths: Mapping[str, Sequence[float]],
    names: Sequence[str],
    *,
    units: Mapping[str, str] | None = None,
    likelihood: str = "NLL [nats per event]",
    width: str = "68 % half width",
) -> Figure:
    """Draw likelihood and residual widths of m networks against their share of zero weights.

    Networks of the same name (seeds of one recipe) share a marker. A line joins the Pareto front: the best networks
    with at least that share of zeros.

    Args:
        zeros: (m,) shares of the weights that are zero, 0 to 1.
        nll: (m,) mean negative log likelihoods; lower is better.
        widths: target -> (m,) residual widths.
        names: m names of the networks.
        units: target -> unit of the width.
        likelihood: label of ``nll``.
        width: name of the width, such as "68 % half width".
    """
    share = 100 * np.asarray(zeros, np.float64)
    kinds = list(dict.fromkeys(names))
    quantities = {likelihood: np.asarray(nll, np.float64)} | {
        label(f"{target}: {width}", (units or {}).get(target, "")): np.asarray(values, np.float64)
        for target, values in widths.items()
    }
    figure, grid = panels(len(quantities), columns=min(len(quantities), 3), size=(4.6, 3.6))
    for axes, (what, values) in zip(grid, quantities.items(), strict=True):
        best = pareto_front(share, values)
        axes.plot(share[best], values[best], drawstyle="steps-pre", zorder=1, **FRONT_STYLE)
        for nth, name in enumerate(kinds):
            here = np.array([other == name for other in names])
            axes.plot(share[here], values[here], markersize=8, zorder=2, **mark(nth))
        decorate(axes, "Zero weights [%]", what)
        axes.margins(0.08)
    legend(figure, {name: {"markersize": 8, **mark(nth)} for nth, name in enumerate(kinds)}
            | {"best with so many zeros or more": FRONT_STYLE})  # fmt: skip
    return figure


def pareto_front(gain: Floats, price: Floats) -> NDArray[np.int64]:
    """Return the (p,) int64 indices, in order of rising gain, of the points that no other point dominates.

    A point dominates another with at least its gain and at most its price; of equal points one is returned.

    Args:
        gain, price: (n,) coordinates of the points; a NaN price is never on the front.
    """
    order = np.lexsort((-price, gain))[::-1]
    lowest = np.fmin.accumulate(np.append(np.inf, price[order]))[:-1]
    return np.asarray(order[price[order] < lowest][::-1], np.int64)


def _distributions(
    axes: Axes,
    samples: Mapping[str, Floats],
    middle: float,
    span: float,
    reach: float,
    unit: str,
    means: bool = False,
    weights: Weights = None,
) -> None:
    """Draw histogram and fit of each sample in ``middle`` +- ``span``, with the fit results as names of the curves.

    Args:
        axes: the panel.
        samples: name of the network -> (n,) values.
        middle, span: centre and half width of the range, in ``unit``.
        reach: half of the range of the fit [sigma].
        unit: unit of the values.
        means: write the fitted mean beside the fitted sigma.
        weights: name of the network -> (n,) weights of its events.
    """
    edges = np.linspace(middle - (span or 1.0), middle + (span or 1.0), bins_for(samples.values()) + 1)
    for nth, (name, values) in enumerate(samples.items()):
        weight = (weights or {}).get(name)
        total = max(len(values), 1) if weight is None else weight.sum()
        unit_weight = (1.0 if weight is None else weight) / (total * (edges[1] - edges[0]))
        style = {"linewidth": 1, "alpha": 0.65, "color": line(nth)["color"]}
        density = histogram(axes, values, edges, style, unit_weight)
        fit = distributions.fit_core(values, reach, weight)
        outside = 1 - density.sum() * (edges[1] - edges[0])
        if fit is not None:
            x = np.linspace(fit.low, fit.high, 201)
            axes.plot(
                x,
                fit(x) / distributions.effective(len(values), weight),
                linewidth=2,
                label=_fit_text(fit, unit, means, outside),
                **line(nth),
            )
    axes.set_xlim(edges[0], edges[-1])


def _fit_text(fit: GaussianFit, unit: str, means: bool, outside: float) -> str:
    """Return the results of a fit in the digits that their errors allow, and the share of events out of range."""
    text = f"σ {format_estimate(fit.sigma.value, fit.sigma.error)}{' ' if unit else ''}{unit}"
    if means:
        text = f"µ {format_estimate(fit.mean.value, fit.mean.error)}, {text}".replace("-", "−")
    return text + (f", {100 * outside:.2g} % outside" if outside > 5e-4 else "")


def _profile(axes: Axes, profile: Profile, values: Floats, errors: Floats, nth: int) -> None:
    """Draw (bins,) values with errors at the mean of each bin, joined by a line, in the style of the nth network."""
    finite = np.isfinite(values)
    style = line(nth)
    marker = MARKERS[nth % len(MARKERS)]
    axes.errorbar(profile.centre[finite], values[finite], errors[finite], marker=marker, markersize=4,
                  linewidth=1.2, capsize=2, **style)  # fmt: skip
