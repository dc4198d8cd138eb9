"""Location and width of samples: moments, robust widths, Gaussian fits to histograms, profiles."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

ONE_SIGMA = NormalDist().cdf(1)
"""Content of a Gaussian below one standard deviation: the quantiles 1 - ONE_SIGMA and ONE_SIGMA enclose 68.27 %."""

MIN_ENTRIES = 20
"""Smallest number of values for which a width is fitted or profiled."""

BINS_PER_SIGMA = 10
"""Bins per sigma of a histogram to fit; a fit at the bin centres then overestimates sigma by 0.04 %."""


@dataclass(frozen=True)
class Estimate:
    """Number with its standard error; NaN if the sample is too small."""

    value: float
    error: float


NO_ESTIMATE = Estimate(float("nan"), float("nan"))


@dataclass(frozen=True)
class GaussianFit:
    """Gaussian height exp(-(x - mean)^2 / (2 sigma^2)) fitted to a histogram.

    Attributes:
        height: entries per unit of x at the peak.
        mean, sigma: estimates in the unit of x.
        chi2: likelihood ratio to the saturated model, S. Baker, R. Cousins, NIM 221 (1984) 437.
        ndf: degrees of freedom: number of bins minus three parameters.
        low, high: range of the fit in x.
    """

    height: float
    mean: Estimate
    sigma: Estimate
    chi2: float
    ndf: int
    low: float
    high: float

    def __call__(self, x: ArrayLike) -> Floats:
        """Return the entries per unit of x at x of any shape."""
        pull = (np.asarray(x, np.float64) - self.mean.value) / self.sigma.value
        return np.asarray(self.height * np.exp(-(pull**2) / 2))


@dataclass(frozen=True, eq=False)
class Profile:
    """Bias and width of a quantity in bins of another, (bins,) float64 each; NaN in bins of few entries.

    Attributes:
        centre: mean of the other quantity in the bin.
        low, high: edges of the bin.
        count: int64 number of entries.
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
    """Return the mean of (n,) values."""
    if len(values) < 2:
        return NO_ESTIMATE
    with np.errstate(over="ignore"):  # squares of the chi2 of a diverged network
        return Estimate(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))))


def deviation(values: Floats) -> Estimate:
    """Return the standard deviation of (n,) values; its error from the fourth moment, for any distribution."""
    if len(values) < 2:
        return NO_ESTIMATE
    width, centred = float(values.std(ddof=1)), values - values.mean()
    if not width:
        return Estimate(0.0, 0.0)
    kurtosis = float(((centred / width) ** 4).mean())  # the fourth power of a width may overflow
    return Estimate(width, float(width * np.sqrt(max(kurtosis - 1, 0.0) / (4 * len(values)))))


def half_width(values: Floats) -> Estimate:
    """Return half of the central 68.27 % interval of (n,) values: insensitive to tails, equal to sigma of a Gaussian.

    The error is that of the difference of two quantiles (H. A. David, H. N. Nagaraja, Order Statistics, 2003, 10.2),
    with the density at each estimated from the sample.
    """
    n = len(values)
    if n < MIN_ENTRIES:
        return NO_ESTIMATE
    p = 1 - ONE_SIGMA
    step = min(np.sqrt(p * ONE_SIGMA / n), p / 2)
    x = np.quantile(values, [p - step, p, p + step, ONE_SIGMA - step, ONE_SIGMA, ONE_SIGMA + step])
    slope = np.array([x[2] - x[0], x[5] - x[3]]) / (2 * step)  # 1 / density
    variance = (p * ONE_SIGMA * (slope**2).sum() - 2 * p * p * slope.prod()) / n
    return Estimate(float(x[4] - x[1]) / 2, float(np.sqrt(variance)) / 2)


def fit(counts: ArrayLike, edges: ArrayLike) -> GaussianFit | None:
    """Fit a Gaussian to a histogram by maximum Poisson likelihood at the bin centres; return None without a peak.

    The logarithm of a Gaussian is a parabola: a generalised linear model in 1, x, x^2 with a logarithmic link. Its
    likelihood has one maximum, which iteratively reweighted least squares finds (J. Nelder, R. Wedderburn, JRSS A 135
    (1972) 370). Empty bins enter; errors are from the Fisher information.

    Args:
        counts: (b,) entries per bin.
        edges: (b + 1,) edges, rising and equally spaced.
    """
    y, borders = np.asarray(counts, np.float64), np.asarray(edges, np.float64)
    if y.sum() < MIN_ENTRIES or (y > 0).sum() < 4:
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
    """Maximise the Poisson likelihood of a generalised linear model with a logarithmic link.

    Args:
        design: (b, p) design matrix.
        y: (b,) counts.

    Returns:
        (p,) parameters and (p, p) covariance; None without convergence.
    """
    expected = np.asarray(y + 0.5)  # the usual start; + 0.5 keeps the logarithm of empty bins finite
    linear = np.asarray(np.log(expected))
    parameters: Floats = np.zeros(design.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(100):
            weighted = design * expected[:, None]
            information = design.T @ weighted
            try:
                new = np.linalg.solve(information, weighted.T @ (linear + y / expected - 1))
            except np.linalg.LinAlgError:
                return None
            done = np.allclose(new, parameters, rtol=1e-10, atol=1e-12)
            # exp of more than 709 overflows float64
            parameters, linear = np.asarray(new), np.asarray(np.clip(design @ new, -700, 700))
            expected = np.asarray(np.exp(linear))
            if done:
                return parameters, np.asarray(np.linalg.inv(information))
    return None


def fit_core(values: Floats, reach: float = 2.0) -> GaussianFit | None:
    """Fit a Gaussian to the histogram of (n,) values within ``reach`` sigma of the peak; return None without a peak.

    The first range is given by the median and the 68 % half width; of three fits, each takes its range from the last.
    """
    if len(values) < MIN_ENTRIES:
        return None
    middle, width = float(np.median(values)), half_width(values).value
    gaussian = None
    for _ in range(3):
        if not width > 1e-9 * abs(middle):  # (nearly) all values are equal
            return None
        edges = np.linspace(-reach, reach, round(2 * reach * BINS_PER_SIGMA) + 1) * width + middle
        gaussian = fit(np.histogram(values, edges)[0], edges)
        if gaussian is None:
            return None
        middle, width = gaussian.mean.value, min(gaussian.sigma.value, 2 * width)
    return gaussian


def quantile_edges(x: Floats, bins: int) -> Floats:
    """Return (b + 1,) edges of b <= ``bins`` bins of about equal content over (n,) finite values.

    Edges of integer values are half integers, so that no value lies on an edge.
    """
    edges = np.quantile(x, np.linspace(0, 1, bins + 1))
    if (x == np.round(x)).all():
        return np.append(np.unique(np.floor(edges[:-1])) - 0.5, edges[-1] + 0.5)
    edges = np.unique(edges)
    return edges if len(edges) > 1 else np.array([edges[0] - 0.5, edges[0] + 0.5])


def profile(x: Floats, values: Floats, edges: Floats) -> Profile:
    """Return bias and width of (n,) ``values`` in bins of (n,) ``x``; the last edge belongs to the last bin."""
    bins = len(edges) - 1
    place = np.clip(np.searchsorted(edges, x, side="right") - 1, -1, bins)
    place[x == edges[-1]] = bins - 1
    order = np.argsort(place, kind="stable")
    borders = np.searchsorted(place[order], np.arange(bins + 1))
    rows = []
    for first, last in pairwise(borders):
        here = order[first:last]
        enough = len(here) >= MIN_ENTRIES
        bias, width = (mean(values[here]), half_width(values[here])) if enough else (NO_ESTIMATE, NO_ESTIMATE)
        centre = float(x[here].mean()) if len(here) else float("nan")
        rows.append((centre, bias.value, bias.error, width.value, width.error))
    centres, *columns = np.array(rows).T
    return Profile(centres, edges[:-1], edges[1:], np.diff(borders).astype(np.int64), *columns)


def format_estimate(value: float, error: float) -> str:
    """Return ``value ± error`` with two digits of the error; three decimals if the error is zero or not finite.

    Numbers of more than ten digits have an exponent.
    """
    if max(abs(value), abs(error)) >= 1e10:
        return f"{value:.3g} ± {error:.2g}"
    digits = int(np.clip(1 - np.floor(np.log10(error)), 0, 9)) if 0 < error < np.inf else 3
    return f"{value:.{digits}f} ± {error:.{digits}f}"
