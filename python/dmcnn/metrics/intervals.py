"""Confidence intervals: Wilson's for shares, with weights by effective counts, and the bootstrap-t for means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from dmcnn._common.errors import InputError

Floats = NDArray[np.float64]

ROUNDING = 1e-12
"""Share of the weight below which a difference of sums of weights is rounding error."""

MIN_EVENTS = 5
"""Smallest number of values whose mean has an interval: of fewer, neither width nor shape can be judged."""


@dataclass(frozen=True, eq=False)
class Interval:
    """Value and two-sided confidence interval: float64 arrays of one shape, () for a scalar."""

    value: Floats
    low: Floats
    high: Floats


def normal_quantile(level: float) -> float:
    """Return the half width of the central interval of a unit Gaussian with the content ``level``."""
    return float(special.ndtri((1 + _content(level)) / 2))


def student_quantile(level: float, degrees: ArrayLike) -> Floats:
    """Return the half width of the central interval of Student's t with the content ``level``."""
    return np.asarray(special.stdtrit(degrees, (1 + _content(level)) / 2))


def wilson(passed: ArrayLike, total: ArrayLike, level: float = 0.95) -> Interval:
    """Return a binomial fraction with Wilson's interval, JASA 22 (1927) 209; 0 of 0 is NaN in [0, 1].

    The interval keeps its coverage if none or all pass, where the normal approximation has no width.

    Args:
        passed, total: counts of shapes that broadcast; effective counts need not be whole.
        level: confidence level.
    """
    k, n = np.broadcast_arrays(np.asarray(passed, np.float64), np.asarray(total, np.float64))
    z2 = normal_quantile(level) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        value = k / n
    centre = (k + z2 / 2) / (n + z2)
    variance = np.where(n > 0, k * (n - k) / np.where(n > 0, n, 1), 0)
    half = np.sqrt(z2) / (n + z2) * np.sqrt(np.maximum(variance, 0) + z2 / 4)
    low = np.where(k <= 0, 0.0, centre - half)
    high = np.where(k >= n, 1.0, centre + half)
    return Interval(np.asarray(value), np.maximum(low, 0.0), np.minimum(high, 1.0))


def weighted_share(
    passed: Floats, passed_squares: Floats, total: Floats, squares: Floats, level: float
) -> Interval:
    """Return the share of the weight that passes, with Wilson's interval of the effective counts.

    The effective number of events N is that of a binomial share p with the variance of the weighted one,
    ((1 - p)^2 sum of w^2 of those that pass + p^2 that of the others) / (sum of w)^2 = p (1 - p) / N; where none or
    all pass, N is (sum of w)^2 / (sum of w^2). Without weights, N is the number of events.

    Args:
        passed, passed_squares: sums of the weights of the events that pass, and of their squares.
        total, squares: the same sums of all events.
        level: confidence level.
    """
    failed = total - passed
    with np.errstate(invalid="ignore", divide="ignore"):
        scatter = failed**2 * passed_squares + passed**2 * (squares - passed_squares)
        ratio = np.where(
            (passed > 0) & (failed > ROUNDING * total), passed * failed * total / scatter, total / squares
        )  # effective events per unit of weight
        return wilson(np.nan_to_num(passed * ratio), np.nan_to_num(total * ratio), level)


def bootstrap_t(
    values: ArrayLike, *, level: float = 0.95, n_resamples: int = 2000, seed: int = 1
) -> Interval:
    """Return the mean of (n,) values with its bootstrap-t interval; its limits are NaN below MIN_EVENTS values.

    P. Hall, Ann. Stat. 16 (1988) 927: Student's interval with the quantiles of the resampled means over their own
    standard errors, which follow the skewness of the values. Equal values tell nothing of their spread: NaN too.
    Resamples without spread are left out.
    """
    x = np.asarray(values, np.float64)
    mean, nothing = np.asarray(x.mean() if len(x) else np.nan), np.asarray(np.nan)
    _content(level)
    if len(x) < MIN_EVENTS or not np.ptp(x) > 0:
        return Interval(mean, nothing, nothing)
    pull = _resampled_pulls(x - mean, n_resamples, seed)
    above, below = np.quantile(pull, [(1 + level) / 2, (1 - level) / 2])
    error = x.std(ddof=1) / np.sqrt(len(x))
    return Interval(mean, np.asarray(mean - above * error), np.asarray(mean - below * error))


def _resampled_pulls(x: Floats, n_resamples: int, seed: int) -> Floats:
    """Return means over standard errors of samples drawn from (n,) centred values, in parts that fit the memory."""
    random, n = np.random.default_rng(seed), len(x)
    part, pulls = max(1, 2_000_000 // n), []
    for start in range(0, n_resamples, part):
        drawn = x[random.integers(0, n, (min(part, n_resamples - start), n))]
        error = drawn.std(axis=1, ddof=1) / np.sqrt(n)
        pulls.append(drawn.mean(axis=1)[error > 0] / error[error > 0])
    return np.concatenate(pulls)


def _content(level: float) -> float:
    if not 0 < level < 1:
        raise InputError(f"confidence level {level} is not between 0 and 1 (0.95 is usual)")
    return level
