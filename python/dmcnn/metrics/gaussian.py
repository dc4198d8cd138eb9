"""Estimates with Gaussian uncertainties against the truth: covariances, pulls, chi2, likelihood, coverage.

A network estimates k targets of an event by a mean and a covariance C = L L^T, L the lower triangular Cholesky
factor with a positive diagonal. A residual is estimate minus truth. All arrays are float64; an event whose
covariance is not positive definite has NaN in whatever needs L.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmcnn._common.errors import InputError, nearest
from dmcnn.metrics import classification
from dmcnn.metrics.classification import Interval

Floats = NDArray[np.float64]

COVARIANCES = ("full", "diagonal")

FLOORS = {"softplus": 1e-4, "relu": 1e-9}
"""Smallest diagonal element of L [scaled units] for each way to make it positive, as in training."""

SINGULAR = 1e-12
"""Share of a variance that the targets before it must leave unexplained; less is lost in rounding."""

RADII = (1.0, 2.0)
"""Mahalanobis distances [sigma] of the ellipsoids whose coverage is quoted."""


@dataclass(frozen=True)
class Gaussian:
    """How the outputs of a network describe a Gaussian over k targets.

    An output row is mu_0, d_0, mu_1, d_1, … and, with a full covariance, L below its diagonal row by row (L21, L31,
    L32, L41, …): m = k (k + 3) / 2, or 2 k. That order is smart-pixels', github.com/smart-pix/smart-pixels-ml.

    Attributes:
        covariance: "full" or "diagonal".
        diagonal: how d becomes the diagonal of L: "softplus", log(1 + exp(d)), or "relu", max(d, 0), plus a floor.

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
        """Return how many outputs so many targets take."""
        return targets * (targets + 3) // 2 if self.covariance == "full" else 2 * targets

    def targets(self, outputs: int) -> int:
        """Return how many targets so many outputs are for; InputError if for no number of targets."""
        targets = (math.isqrt(8 * outputs + 9) - 3) // 2 if self.covariance == "full" else outputs // 2
        if targets < 1 or self.outputs(targets) != outputs:
            raise InputError(f"{outputs} outputs are no means with a {self.covariance} covariance")
        return targets

    def decode(self, outputs: ArrayLike, scales: Sequence[float] | None = None) -> tuple[Floats, Floats]:
        """Return (n, k) means and (n, k, k) factors L of (n, m) outputs, in units of the targets.

        Args:
            outputs: of a network.
            scales: (k,) what the targets were divided by in training; None leaves scaled units.

        Raises:
            InputError: m fits no k, or there are not k scales.
        """
        values = np.asarray(outputs, np.float64)
        k = self.targets(values.shape[1])
        raw = values[:, 1 : 2 * k : 2]
        with np.errstate(invalid="ignore"):  # NaN of events without image stays NaN
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
"""What outputs mean where nothing else is said."""


def covariance(factor: Floats) -> Floats:
    """(n, k, k) covariances L L^T."""
    return factor @ factor.transpose(0, 2, 1)


def sigma(factor: Floats) -> Floats:
    """(n, k) standard deviations: the norms of the rows of L."""
    return np.asarray(np.sqrt((factor**2).sum(axis=2)))


def correlation(factor: Floats) -> Floats:
    """(n, k, k) correlations between the targets, 1 on the diagonal."""
    rows = factor / sigma(factor)[:, :, None]
    found = rows @ rows.transpose(0, 2, 1)
    k = factor.shape[1]
    found[:, range(k), range(k)] = 1.0
    return found


def factorise(matrix: Floats) -> Floats:
    """(n, k, k) factors L of covariances; all NaN for one that is not positive definite, see SINGULAR.

    A loop over the k columns for all events at once: ``numpy.linalg.cholesky`` gives up at the first bad matrix.
    """
    found = np.zeros_like(matrix, np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        for j in range(matrix.shape[1]):
            left = matrix[:, j, j] - (found[:, j, :j] ** 2).sum(axis=1)
            good = left > SINGULAR * matrix[:, j, j]
            found[:, j, j] = np.sqrt(np.where(good, left, np.nan))
            known = np.einsum("nij,nj->ni", found[:, j + 1 :, :j], found[:, j, :j])
            found[:, j + 1 :, j] = (matrix[:, j + 1 :, j] - known) / found[:, j, j, None]
    found[np.isnan(found).any(axis=(1, 2))] = np.nan
    return found


def whitened(residual: Floats, factor: Floats) -> Floats:
    """(n, k) L^-1 r: independent standard normals where mean and covariance are right."""
    found = np.empty_like(residual, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # of a hopeless network
        for j in range(residual.shape[1]):
            known = (factor[:, j, :j] * found[:, :j]).sum(axis=1)
            found[:, j] = (residual[:, j] - known) / factor[:, j, j]
    return found


def chi2(residual: Floats, factor: Floats) -> Floats:
    """(n,) r^T C^-1 r, chi2 distributed with k degrees of freedom where mean and covariance are right."""
    with np.errstate(over="ignore"):
        return np.asarray((whitened(residual, factor) ** 2).sum(axis=1))


def nll(residual: Floats, factor: Floats) -> Floats:
    """(n,) -log p(truth) [nats], p a density per unit of the targets.

    That of scaled targets is the sum of the log scales lower.
    """
    k = residual.shape[1]
    logs = np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
    return np.asarray(chi2(residual, factor) / 2 + logs + k / 2 * math.log(2 * math.pi))


def content(distance2: ArrayLike, k: int) -> Floats:
    """Probability that a chi2 of k degrees of freedom is at most ``distance2``; NaN stays NaN.

    P(1/2, x) = erf(sqrt(x)), P(1, x) = 1 - exp(-x) and P(a + 1, x) = P(a, x) - x^a exp(-x) / Gamma(a + 1), with
    x = chi2 / 2: NIST Digital Library of Mathematical Functions, 8.4.1 and 8.8.5.
    """
    half = np.clip(np.asarray(distance2, np.float64) / 2, 0, 1e4)  # 1 long before 1e4, also for infinity
    a = 0.5 if k % 2 else 1.0
    found = np.vectorize(math.erf, otypes=[np.float64])(np.sqrt(half)) if k % 2 else -np.expm1(-half)
    with np.errstate(divide="ignore"):
        logs = np.log(half)
    while a < k / 2:
        found = found - np.exp(a * logs - half - math.lgamma(a + 1))
        a += 1
    return np.asarray(np.clip(found, 0, 1))


def density(distance2: ArrayLike, k: int) -> Floats:
    """Probability density of a chi2 of k degrees of freedom at ``distance2`` > 0."""
    half = np.asarray(distance2, np.float64) / 2
    return np.asarray(np.exp((k / 2 - 1) * np.log(half) - half - math.lgamma(k / 2)) / 2)


def quantile(share: ArrayLike, k: int) -> Floats:
    """The ``distance2`` that a chi2 of k degrees of freedom does not exceed with probability ``share`` < 1."""
    wanted = np.asarray(share, np.float64)
    if not ((wanted >= 0) & (wanted < 1)).all():
        raise InputError(f"share {wanted} is not at least 0 and below 1")
    low, high = np.zeros(wanted.shape), np.full(wanted.shape, 100.0 + 10 * k)  # P(chi2 > high) < 1e-15
    for _ in range(64):
        middle = (low + high) / 2
        below = content(middle, k) < wanted
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray((low + high) / 2)


def coverage(distance2: ArrayLike, radii: ArrayLike = RADII, level: float = 0.95) -> Interval:
    """Share of events inside the ellipsoids of (r,) ``radii`` [sigma], with Wilson's intervals; NaN is left out.

    Expected is ``content(radius**2, k)``: for k = 1 68.3 and 95.4 %, for k = 2 (1 - exp(-r^2 / 2)) 39.3 and 86.5 %.
    """
    return _share_below(distance2, np.square(np.asarray(radii, np.float64)), level)


def calibration(distance2: ArrayLike, k: int, confidence: ArrayLike, level: float = 0.95) -> Interval:
    """Share of events inside the ellipsoids that should hold the (p,) shares ``confidence`` of all.

    The diagonal is perfect: V. Kuleshov, N. Fenner, S. Ermon, arXiv:1807.00263.
    """
    return _share_below(content(distance2, k), confidence, level)


def _share_below(values: ArrayLike, limits: ArrayLike, level: float) -> Interval:
    ordered = np.sort(np.asarray(values, np.float64).ravel())
    ordered = ordered[~np.isnan(ordered)]
    return classification.wilson(np.searchsorted(ordered, limits, side="right"), len(ordered), level)
