"""Where a sample lies and how wide it is: moments, robust widths, Gaussian fits to histograms, profiles."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

ONE_SIGMA = NormalDist().cdf(1)
"""Quantile of a Gaussian at one standard deviation: its central 68.27 % lie between 1 - this and this."""

FEW = 20
"""Values below which no width is fitted or profiled."""

BINS_PER_SIGMA = 10
"""Of a fitted histogram: taking a bin's content for the density at its centre widens a Gaussian by 0.04 %."""


@dataclass(frozen=True)
class Estimate:
    """A number and its standard error, NaN where the sample is too small to tell."""

    value: float
    error: float


NOTHING = Estimate(float("nan"), float("nan"))


@dataclass(frozen=True)
class GaussianFit:
    """height exp(-(x - mean)^2 / (2 sigma^2)) fitted to a histogram.

    Attributes:
        height: entries per unit of x at the peak.
        mean, sigma: in the units of x.
        chi2: likelihood ratio against the saturated model, S. Baker, R. Cousins, NIM 221 (1984) 437.
        ndf: bins less three parameters.
        low, high: range of x that was fitted.
    """

    height: float
    mean: Estimate
    sigma: Estimate
    chi2: float
    ndf: int
    low: float
    high: float

    def __call__(self, x: ArrayLike) -> Floats:
        """Entries per unit of x."""
        pull = (np.asarray(x, np.float64) - self.mean.value) / self.sigma.value
        return np.asarray(self.height * np.exp(-(pull**2) / 2))


@dataclass(frozen=True, eq=False)
class Profile:
    """Bias and width of a quantity in bins of another, float64 (bins,) each; NaN in bins of few entries.

    Attributes:
        centre: mean of the other quantity in the bin.
        low, high: edges of the bin.
        count: entries.
        bias, bias_error: mean and its standard error.
        width, width_error: half of the central 68.27 % interval, and its standard error.
    """

    centre: Floats
    low: Floats
    high: Floats
    count: NDArray[np.int64]
    bias: Floats
    bias_error: Floats
    width: Floats
    width_error: Floats


def mean(values: Floats) -> Estimate:
    """Mean of (n,) values."""
    if len(values) < 2:
        return NOTHING
    return Estimate(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))))


def deviation(values: Floats) -> Estimate:
    """Standard deviation of (n,) values about their mean; its error from their fourth moment, without normality."""
    if len(values) < 2:
        return NOTHING
    found, centred = float(values.std(ddof=1)), values - values.mean()
    if not found:
        return Estimate(0.0, 0.0)
    kurtosis = (centred**4).mean() / found**4
    return Estimate(found, float(found * np.sqrt(max(kurtosis - 1, 0.0) / (4 * len(values)))))


def half_width(values: Floats) -> Estimate:
    """Half of the central 68.27 % interval of (n,) values: a width that tails leave alone, sigma of a Gaussian.

    The error is that of the difference of two quantiles (H. A. David, H. N. Nagaraja, Order Statistics, 2003, 10.2),
    with the density at each taken from the sample itself.
    """
    n = len(values)
    if n < FEW:
        return NOTHING
    p = 1 - ONE_SIGMA
    step = min(np.sqrt(p * ONE_SIGMA / n), p / 2)
    at = np.quantile(values, [p - step, p, p + step, ONE_SIGMA - step, ONE_SIGMA, ONE_SIGMA + step])
    slope = np.array([at[2] - at[0], at[5] - at[3]]) / (2 * step)  # 1 / density
    variance = (p * ONE_SIGMA * (slope**2).sum() - 2 * p * p * slope.prod()) / n
    return Estimate(float(at[4] - at[1]) / 2, float(np.sqrt(variance)) / 2)


def fit(counts: ArrayLike, edges: ArrayLike) -> GaussianFit | None:
    """The Gaussian of highest Poisson likelihood at the bin centres; None if there is no peak to fit.

    The logarithm of a Gaussian is a parabola: a generalised linear model in 1, x, x^2 with a logarithmic link, whose
    likelihood has one maximum, found by reweighted least squares (J. Nelder, R. Wedderburn, JRSS A 135 (1972) 370).
    Empty bins count; errors are from the Fisher information.

    Args:
        counts: (b,) entries.
        edges: (b + 1,) rising, equally spaced.
    """
    y, borders = np.asarray(counts, np.float64), np.asarray(edges, np.float64)
    if y.sum() < FEW or (y > 0).sum() < 4:
        return None
    centre, scale = (borders[0] + borders[-1]) / 2, (borders[-1] - borders[0]) / 4
    t = ((borders[1:] + borders[:-1]) / 2 - centre) / scale
    design = np.stack([np.ones_like(t), t, t**2], axis=1)
    solved = _poisson(design, y)
    if solved is None or not solved[0][2] < 0:
        return None
    (b0, b1, b2), spread = solved
    expected = np.exp(design @ solved[0])
    sigma = (-2 * b2) ** -0.5
    to_mean, to_sigma = np.array([0, -1 / (2 * b2), b1 / (2 * b2**2)]), np.array([0, 0, sigma**3])
    error = [float(np.sqrt(to @ spread @ to) * scale) for to in (to_mean, to_sigma)]
    logs = np.log(np.where(y > 0, y, 1) / expected)
    return GaussianFit(
        height=float(np.exp(b0 - b1**2 / (4 * b2)) / (borders[1] - borders[0])),
        mean=Estimate(float(centre - b1 / (2 * b2) * scale), error[0]),
        sigma=Estimate(float(sigma * scale), error[1]),
        chi2=float(2 * (expected - y + np.where(y > 0, y * logs, 0)).sum()),
        ndf=len(y) - 3,
        low=float(borders[0]),
        high=float(borders[-1]),
    )


def _poisson(design: Floats, y: Floats) -> tuple[Floats, Floats] | None:
    """Parameters of highest Poisson likelihood with a logarithmic link, and their covariance; None without one."""
    expected = np.asarray(y + 0.5)
    linear = np.asarray(np.log(expected))
    found: Floats = np.zeros(design.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(100):
            weighted = design * expected[:, None]
            information = design.T @ weighted
            try:
                new = np.linalg.solve(information, weighted.T @ (linear + y / expected - 1))
            except np.linalg.LinAlgError:
                return None
            done = np.allclose(new, found, rtol=1e-10, atol=1e-12)
            found, linear = np.asarray(new), np.asarray(np.clip(design @ new, -700, 700))
            expected = np.asarray(np.exp(linear))
            if done:
                return found, np.asarray(np.linalg.inv(information))
    return None


def fit_core(values: Floats, reach: float = 2.0) -> GaussianFit | None:
    """The Gaussian fitted to the histogram of (n,) values within ``reach`` sigma of the peak; None without one.

    It starts at the median with the 68 % half width, and fits three times, each in the range of the fit before.
    """
    if len(values) < FEW:
        return None
    middle, width = float(np.median(values)), half_width(values).value
    found = None
    for _ in range(3):
        if not width > 1e-9 * abs(middle):  # one value many times
            return None
        edges = np.linspace(-reach, reach, round(2 * reach * BINS_PER_SIGMA) + 1) * width + middle
        found = fit(np.histogram(values, edges)[0], edges)
        if found is None:
            return None
        middle, width = found.mean.value, min(found.sigma.value, 2 * width)
    return found


def quantile_edges(x: Floats, bins: int) -> Floats:
    """Edges of at most ``bins`` bins of about equal content over (n,) finite values; integers lie within bins."""
    at = np.quantile(x, np.linspace(0, 1, bins + 1))
    if (x == np.round(x)).all():
        return np.append(np.unique(np.floor(at[:-1])) - 0.5, at[-1] + 0.5)
    at = np.unique(at)
    return at if len(at) > 1 else np.array([at[0] - 0.5, at[0] + 0.5])


def profile(x: Floats, values: Floats, edges: Floats) -> Profile:
    """Bias and width of (n,) ``values`` in the bins of (n,) ``x``; the last edge belongs to the last bin."""
    bins = len(edges) - 1
    place = np.clip(np.searchsorted(edges, x, side="right") - 1, -1, bins)
    place[x == edges[-1]] = bins - 1
    order = np.argsort(place, kind="stable")
    borders = np.searchsorted(place[order], np.arange(bins + 1))
    rows = []
    for first, last in pairwise(borders):
        here = order[first:last]
        many = len(here) >= FEW
        bias, width = (mean(values[here]), half_width(values[here])) if many else (NOTHING, NOTHING)
        centre = float(x[here].mean()) if len(here) else float("nan")
        rows.append((centre, bias.value, bias.error, width.value, width.error))
    centre_, *rest = np.array(rows).T
    return Profile(centre_, edges[:-1], edges[1:], np.diff(borders).astype(np.int64), *rest)


def rounded(value: float, error: float) -> str:
    """``value ± error`` with two digits of the error; three digits behind the point where it is not known."""
    digits = int(np.clip(1 - np.floor(np.log10(error)), 0, 9)) if 0 < error < np.inf else 3
    return f"{value:.{digits}f} ± {error:.{digits}f}"
