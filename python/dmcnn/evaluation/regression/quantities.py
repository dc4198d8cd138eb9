"""Quantities of regression: bias, widths, pulls, coverage, likelihood, and their spread over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dmcnn.evaluation.regression.predictions import Predictions
from dmcnn.metrics import distributions, gaussian
from dmcnn.metrics.classification import Interval
from dmcnn.metrics.distributions import NO_ESTIMATE, Estimate, Floats

CONFIDENCE = np.linspace(0, 1, 101)
"""Confidence levels at which expected and observed confidence are compared."""

ONE_SIGMA_LEVEL = 2 * distributions.ONE_SIGMA - 1
"""Confidence level of one standard deviation, 0.6827."""

MEANING = {
    "bias": "mean of estimate - truth",
    "rms": "standard deviation of estimate - truth about the bias",
    "half_width": "half of the central 68.27 % interval of estimate - truth",
    "fit_mean": "mean of the Gaussian fitted to the core of estimate - truth",
    "fit_sigma": "its sigma",
    "uncertainty": "root mean square of the estimated uncertainty",
    "pull_mean": "mean of the Gaussian fitted to the core of (estimate - truth) / uncertainty",
    "pull_width": "its sigma",
    "pull_rms": "standard deviation of (estimate - truth) / uncertainty, tails included",
    "coverage_1": "share of events with the truth within 1 sigma; for all targets within the 1 sigma ellipsoid",
    "coverage_2": "the same of 2 sigma",
    "chi2_mean": "mean chi2, expected is the number of targets",
    "nll": "mean -log p of the scaled truth, as in training [nats per event]",
    "nll_unscaled": "mean -log p of the truth in the units of the targets [nats per event]",
    "calibration_error": "mean difference of expected and observed confidence",
}
"""Quantity -> definition, as it appears in the JSON."""

WITHOUT_ERROR = ("uncertainty", "calibration_error")
"""Quantities without a statistical error."""


@dataclass(frozen=True)
class Combined:
    """Quantity of a network: mean over its seeds, mean of their errors, and their standard deviation if several."""

    value: float
    error: float
    spread: float


def combine(seeds: Sequence[Mapping[str, Estimate]]) -> dict[str, Combined]:
    """Combine each quantity over the seeds of a network.

    The errors are averaged, because the seeds share the same events: their errors are correlated.
    """
    combined = {}
    for name in seeds[0]:
        values = np.array([seed[name].value for seed in seeds])
        errors = np.array([seed[name].error for seed in seeds])
        spread = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
        combined[name] = Combined(float(values.mean()), float(errors.mean()), spread)
    return combined


def target_quantities(events: Predictions, j: int, reach: float) -> dict[str, Estimate]:
    """Compute the quantities of target ``j``; Gaussian fits extend ``reach`` sigma around the peak."""
    residual, pull, weight = events.residual[:, j], events.pull[:, j], events.weight
    core, pull_core = (distributions.fit_core(values, reach, weight) for values in (residual, pull))
    one, two = _shares(gaussian.coverage(pull**2, level=ONE_SIGMA_LEVEL, weights=weight))
    uncertainty = float(np.sqrt(np.average(events.sigma[:, j] ** 2, weights=weight)))
    return {
        "bias": distributions.mean(residual, weight),
        "rms": distributions.deviation(residual, weight),
        "half_width": distributions.half_width(residual, weight),
        "fit_mean": core.mean if core else NO_ESTIMATE,
        "fit_sigma": core.sigma if core else NO_ESTIMATE,
        "uncertainty": Estimate(uncertainty, float("nan")),
        "pull_mean": pull_core.mean if pull_core else NO_ESTIMATE,
        "pull_width": pull_core.sigma if pull_core else NO_ESTIMATE,
        "pull_rms": distributions.deviation(pull, weight),
        "coverage_1": one,
        "coverage_2": two,
        "chi2_mean": distributions.mean(pull**2, weight),
        "calibration_error": _miscalibration(pull**2, 1, weight),
    }


def joint_quantities(events: Predictions) -> dict[str, Estimate]:
    """Compute the joint quantities of all targets."""
    k, (chi2, weight) = len(events.targets), _finite(events.chi2, events.weight)
    one, two = _shares(gaussian.coverage(chi2, level=ONE_SIGMA_LEVEL, weights=weight))
    unscaled = gaussian.nll(events.residual, events.factor)
    return {
        "coverage_1": one,
        "coverage_2": two,
        "chi2_mean": distributions.mean(chi2, weight),
        "nll": distributions.mean(*_finite(events.nll, events.weight)),
        "nll_unscaled": distributions.mean(*_finite(unscaled, events.weight)),
        "calibration_error": _miscalibration(chi2, k, weight),
    }


def pair_coverage(events: Predictions, a: int, b: int) -> dict[str, Estimate]:
    """Compute the coverage of the 1 and 2 sigma ellipses of two targets."""
    rows = events.factor[:, [a, b]]
    factor = gaussian.factorise(rows @ rows.transpose(0, 2, 1))
    chi2 = gaussian.chi2(events.residual[:, [a, b]], factor)
    one, two = _shares(gaussian.coverage(chi2, level=ONE_SIGMA_LEVEL, weights=events.weight))
    return {"coverage_1": one, "coverage_2": two}


def correlations(events: Predictions) -> dict[str, Floats]:
    """Return (k, k) correlations: mean of the estimates, of residuals r, and of L^-1 r (ideally 0).

    L is the Cholesky factor of the covariance. Events whose covariance is not positive definite are left out.
    """
    whole = np.isfinite(events.factor[:, 0, 0])
    factor, residual = events.factor[whole], events.residual[whole]
    k = len(events.targets)
    weight = None if events.weight is None else events.weight[whole]
    estimated = np.full((k, k), np.nan)
    if len(factor):
        estimated = np.average(gaussian.correlation(factor), axis=0, weights=weight)
    return {
        "estimated": estimated,
        "observed": _observed(residual, weight),
        "whitened": _observed(gaussian.whiten(residual, factor), weight),
    }


def _observed(values: Floats, weight: Floats | None) -> Floats:
    """Return (k, k) correlations of (n, k) values; NaN for fewer than two events."""
    k = values.shape[1]
    if len(values) < 2:
        return np.full((k, k), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        matrix = np.cov(values.T, aweights=weight).reshape(k, k)
        width = np.sqrt(np.diagonal(matrix))
        return np.asarray(np.clip(matrix / width / width[:, None], -1, 1))


def _finite(values: Floats, weight: Floats | None) -> tuple[Floats, Floats | None]:
    """Return the finite values and their weights."""
    good = np.isfinite(values)
    return np.asarray(values[good]), None if weight is None else weight[good]


def finite(values: Floats) -> Floats:
    """Return the finite values."""
    return np.asarray(values[np.isfinite(values)])


def scale_offset(events: Predictions) -> float:
    """Return the log of the product of the target scales, from scaled and unscaled likelihood; NaN if unknown.

    The likelihood of scaled targets compares networks only if their scales are equal.
    """
    offset = finite(gaussian.nll(events.residual, events.factor) - events.nll)
    return float(np.median(offset)) if len(offset) else float("nan")


def _shares(interval: Interval) -> list[Estimate]:
    """Return shares with half their intervals as errors."""
    half = (interval.high - interval.low) / 2
    return [Estimate(float(value), float(error)) for value, error in zip(interval.value, half, strict=True)]


def _miscalibration(distance2: Floats, k: int, weight: Floats | None) -> Estimate:
    """Return the mean difference of expected and observed confidence of (n,) chi2 with k degrees of freedom."""
    observed = gaussian.calibration(distance2, k, CONFIDENCE, weights=weight).value
    return Estimate(float(np.abs(observed - CONFIDENCE).mean()), float("nan"))
