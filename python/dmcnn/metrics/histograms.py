"""Comparison of histograms: Poisson intervals of counts, covariance and correlation of bins, chi2 of data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from dmcnn.metrics.distributions import ONE_SIGMA
from dmcnn.metrics.intervals import Interval

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Chi2:
    """Chi2 of data and prediction, the number of bins that entered it, and the probability of a larger one."""

    value: float
    ndf: int
    p_value: float


def garwood(counts: ArrayLike, level: float = 2 * ONE_SIGMA - 1) -> Interval:
    """Return Poisson counts with the central interval of Garwood, Biometrika 28 (1936) 437, for their expectation.

    Args:
        counts: observed counts, any shape.
        level: confidence level.
    """
    n, tail = np.asarray(counts, np.float64), (1 - level) / 2
    low = np.where(n > 0, special.gammaincinv(np.maximum(n, 1), tail), 0.0)
    return Interval(n, low, special.gammaincinv(n + 1, 1 - tail))


def fractional(covariance: Floats, values: Floats) -> Floats:
    """Return the (b, b) covariance over the products of the (b,) values; NaN where a value is 0."""
    scale = np.where(values == 0, np.nan, values)
    return np.asarray(covariance / np.outer(scale, scale))


def correlation(covariance: Floats) -> Floats:
    """Return the (b, b) correlation; NaN for bins without variance."""
    sigma = np.sqrt(np.diag(covariance))
    return fractional(covariance, np.where(sigma > 0, sigma, 0.0))


def chi2(data: Floats, prediction: Floats, covariance: Floats) -> Chi2:
    """Return the chi2 of counted data and a prediction, with all correlations between bins.

    The variance of the data is the prediction (Pearson), which no empty bin makes vanish. Bins with no prediction and
    no variance say nothing, and are left out.

    Args:
        data: (b,) counts.
        prediction: (b,) expected counts.
        covariance: (b, b) covariance of the prediction.
    """
    total = covariance + np.diag(np.maximum(prediction, 0.0))
    used = np.diag(total) > 0
    difference, ndf = (data - prediction)[used], int(used.sum())
    if not ndf:
        return Chi2(float("nan"), 0, float("nan"))
    value = float(difference @ np.linalg.pinv(total[np.ix_(used, used)], hermitian=True) @ difference)
    return Chi2(value, ndf, float(special.chdtrc(ndf, max(value, 0.0))))
