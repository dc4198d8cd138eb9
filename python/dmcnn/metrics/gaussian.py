"""Estimates with Gaussian uncertainties: covariances, pulls, chi2, likelihood, coverage of the truth.

A network estimates k targets of an event by a mean and a covariance C = L L^T, L the lower triangular Cholesky
factor with a positive diagonal. A residual is estimate minus truth. All arrays are float64. For an event whose
covariance is not positive definite, every quantity that needs L is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from dmcnn._common.errors import InputError, nearest
from dmcnn.metrics.intervals import Interval, weighted_share

Floats = NDArray[np.float64]

COVARIANCES = ("full", "diagonal")
"""Kinds of covariance that a network estimates."""

FLOORS = {"softplus": 1e-4, "relu": 1e-9}
"""Function that makes the diagonal of L positive -> its smallest element [scaled units], as in training."""

SINGULAR = 1e-12
"""Smallest share of a variance not explained by the targets before it; a smaller one is rounding error."""

RADII = (1.0, 2.0)
"""Mahalanobis distances [sigma] of the ellipsoids whose coverage is quoted."""


@dataclass(frozen=True)
class Gaussian:
    """Parametrisation of a Gaussian over k targets by the m outputs of a network.

    An output row is mu_0, d_0, mu_1, d_1, … and, with a full covariance, L below its diagonal row by row (L21, L31,
    L32, L41, …): m = k (k + 3) / 2, or 2 k. The order is that of github.com/smart-pix/smart-pixels-ml.

    Attributes:
        covariance: "full" or "diagonal".
        diagonal: function that maps d to the diagonal of L: "softplus", log(1 + exp(d)), or "relu", max(d, 0); a
            floor is added to both.

    Raises:
        InputError: an unknown word.
    """

    covariance: str = "full"
    diagonal: str = "softplus"

    def __post_init__(self) -> None:
        for word, known in ((self.diagonal, FLOORS), (self.covariance, COVARIANCES)):
            if word not in known:
                raise InputError(f"unknown {word!r}{nearest(word, known)} for the covariance of the outputs")

    def outputs(self, targets: int) -> int:
        """Return the number of outputs m for k targets."""
        return targets * (targets + 3) // 2 if self.covariance == "full" else 2 * targets

    def targets(self, outputs: int) -> int:
        """Return the number of targets k for m outputs.

        Raises:
            InputError: no k fits m.
        """
        targets = (math.isqrt(8 * outputs + 9) - 3) // 2 if self.covariance == "full" else outputs // 2
        if targets < 1 or self.outputs(targets) != outputs:
            raise InputError(f"{outputs} outputs are no means with a {self.covariance} covariance")
        return targets

    def decode(self, outputs: ArrayLike, scales: Sequence[float] | None = None) -> tuple[Floats, Floats]:
        """Return (n, k) means and (n, k, k) factors L of (n, m) outputs, in units of the targets.

        Args:
            outputs: (n, m) outputs of a network.
            scales: (k,) factors by which the targets were divided in training; None leaves scaled units.

        Raises:
            InputError: no k fits m, or there are not k scales.
        """
        values = np.asarray(outputs, np.float64)
        k = self.targets(values.shape[1])
        raw = values[:, 1 : 2 * k : 2]
        with np.errstate(invalid="ignore"):  # an event without image has NaN outputs and stays NaN
            positive = np.logaddexp(0, raw) if self.diagonal == "softplus" else np.maximum(raw, 0)
        factor = np.zeros((len(values), k, k))
        factor[:, range(k), range(k)] = positive + FLOORS[self.diagonal]
        if self.covariance == "full":
            row, column = np.tril_indices(k, -1)
            factor[:, row, column] = values[:, 2 * k :]
        unit = np.ones(k) if scales is None else np.asarray(scales, np.float64)
        if unit.shape != (k,):
            raise InputError(f"{unit.size} scales for {k} targets")
        return values[:, 0 : 2 * k : 2] * unit, factor * unit[:, None]


FULL = Gaussian()
"""Default parametrisation: full covariance, softplus diagonal."""


def covariance(factor: Floats) -> Floats:
    """Return the (n, k, k) covariances L L^T of (n, k, k) factors L."""
    return factor @ factor.transpose(0, 2, 1)


def sigma(factor: Floats) -> Floats:
    """Return the (n, k) standard deviations: the norms of the rows of L."""
    return np.asarray(np.sqrt((factor**2).sum(axis=2)))


def correlation(factor: Floats) -> Floats:
    """Return the (n, k, k) correlations between the targets, 1 on the diagonal."""
    rows = factor / sigma(factor)[:, :, None]
    matrix = rows @ rows.transpose(0, 2, 1)
    k = factor.shape[1]
    matrix[:, range(k), range(k)] = 1.0
    return matrix


def factorise(matrix: Floats) -> Floats:
    """Return the (n, k, k) factors L of covariances; all NaN for one that is not positive definite, see SINGULAR.

    The loop over the k columns treats all events at once: ``numpy.linalg.cholesky`` raises at the first bad matrix.
    """
    factor = np.zeros_like(matrix, np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        for j in range(matrix.shape[1]):
            rest = matrix[:, j, j] - (factor[:, j, :j] ** 2).sum(axis=1)  # (n,) variance not explained yet
            good = rest > SINGULAR * matrix[:, j, j]
            factor[:, j, j] = np.sqrt(np.where(good, rest, np.nan))
            explained = np.einsum("nij,nj->ni", factor[:, j + 1 :, :j], factor[:, j, :j])  # (n, k - j - 1)
            factor[:, j + 1 :, j] = (matrix[:, j + 1 :, j] - explained) / factor[:, j, j, None]
    factor[np.isnan(factor).any(axis=(1, 2))] = np.nan
    return factor


def whiten(residual: Floats, factor: Floats) -> Floats:
    """Return the (n, k) whitened residuals L^-1 r: independent unit Gaussians if mean and covariance are right."""
    z = np.empty_like(residual, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # estimates of a diverged network may overflow
        for j in range(residual.shape[1]):
            explained = (factor[:, j, :j] * z[:, :j]).sum(axis=1)  # (n,), forward substitution
            z[:, j] = (residual[:, j] - explained) / factor[:, j, j]
    return z


def chi2(residual: Floats, factor: Floats) -> Floats:
    """Return the (n,) chi2 r^T C^-1 r, distributed with k degrees of freedom if mean and covariance are right."""
    with np.errstate(over="ignore"):
        return np.asarray((whiten(residual, factor) ** 2).sum(axis=1))


def nll(residual: Floats, factor: Floats) -> Floats:
    """Return the (n,) negative log likelihoods -log p(truth) [nats], p a density per unit of the targets.

    In scaled units the result is lower by the sum of the logarithms of the scales.
    """
    k = residual.shape[1]
    logs = np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
    return np.asarray(chi2(residual, factor) / 2 + logs + k / 2 * math.log(2 * math.pi))


def content(distance2: ArrayLike, k: int) -> Floats:
    """Return the probability that a chi2 of k degrees of freedom is at most ``distance2``; NaN stays NaN."""
    return np.asarray(special.gammainc(k / 2, np.maximum(distance2, 0) / 2))


def density(distance2: ArrayLike, k: int) -> Floats:
    """Return the probability density of a chi2 of k degrees of freedom at ``distance2`` > 0."""
    half = np.asarray(distance2, np.float64) / 2
    return np.asarray(np.exp((k / 2 - 1) * np.log(half) - half - math.lgamma(k / 2)) / 2)


def quantile(share: ArrayLike, k: int) -> Floats:
    """Return the quantile of a chi2 of k degrees of freedom for probabilities ``share`` in [0, 1).

    Raises:
        InputError: a share below 0, or 1 and above.
    """
    shares = np.asarray(share, np.float64)
    if not ((shares >= 0) & (shares < 1)).all():
        raise InputError(f"share {shares} is not at least 0 and below 1")
    return np.asarray(2 * special.gammaincinv(k / 2, shares))


def coverage(
    distance2: ArrayLike, radii: ArrayLike = RADII, level: float = 0.95, weights: Floats | None = None
) -> Interval:
    """Return the (r,) shares of events inside the ellipsoids of ``radii`` [sigma], with Wilson's intervals.

    The expected share is ``content(radius**2, k)``: for k = 1 68.3 and 95.4 %, for k = 2 (1 - exp(-r^2 / 2)) 39.3 and
    86.5 %.

    Args:
        distance2: (n,) chi2; NaN is left out.
        radii: (r,) Mahalanobis distances.
        level: confidence level of the intervals.
        weights: (n,) weights of the events.
    """
    return _share_below(distance2, np.square(np.asarray(radii, np.float64)), level, weights)


def calibration(
    distance2: ArrayLike, k: int, confidence: ArrayLike, level: float = 0.95, weights: Floats | None = None
) -> Interval:
    """Return the (p,) shares of events inside the ellipsoids of the expected contents ``confidence``.

    A calibrated network has equal observed and expected shares: V. Kuleshov, N. Fenner, S. Ermon, arXiv:1807.00263.

    Args:
        distance2: (n,) chi2; NaN is left out.
        k: degrees of freedom.
        confidence: (p,) expected contents, 0 to 1.
        level: confidence level of Wilson's intervals.
        weights: (n,) weights of the events.
    """
    return _share_below(content(distance2, k), confidence, level, weights)


def _share_below(
    values: ArrayLike, limits: ArrayLike, level: float, weights: Floats | None = None
) -> Interval:
    """Return the shares of values up to each limit, with Wilson's intervals; NaN is left out."""
    numbers = np.asarray(values, np.float64).ravel()
    weight = np.ones(len(numbers)) if weights is None else weights
    order = np.argsort(numbers)[: int((~np.isnan(numbers)).sum())]  # NaN is sorted to the end
    place = np.searchsorted(numbers[order], limits, side="right")
    below, squares = (np.append(0.0, np.cumsum(weight[order] ** power)) for power in (1, 2))
    return weighted_share(below[place], squares[place], below[-1], squares[-1], level)
