"""Calibration of scores: observed shares against scores, expected calibration error, and temperature scaling.

A score is calibrated where of the events with score s the share s is of the class. That depends on the composition of
the sample, and so on the weights of its events. C. Guo et al., On calibration of modern neural networks, ICML 2017.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from dmcnn._common.errors import InputError
from dmcnn.metrics.intervals import Interval, normal_quantile, weighted_share

Floats = NDArray[np.float64]

BINS = 15
"""Bins of equal width in 0..1, as in Guo et al."""

RANGE = 1e-3, 1e3
"""Smallest and largest temperature that is looked for."""

SATURATED = 40.0
"""Logit of a score of exactly 1, and minus that of 0: beyond what float64 tells from them."""


@dataclass(frozen=True, eq=False)
class Reliability:
    """Observed shares in bins of the score, and numbers of the whole sample.

    Attributes:
        edges: (b+1,) edges of the bins.
        weight: (b,) sums of the weights.
        score: (b,) mean scores; NaN in empty bins.
        share: (b,) shares of the class, with Wilson's intervals.
        ece: expected calibration error, the mean distance of share and score over the bins, by weight.
        ece_if_calibrated: what it would be on average if these scores were calibrated, for the number of events is
            finite (Gaussian approximation).
        brier: mean squared difference of the score and 1 or 0.
        nll: mean negative log likelihood [nats]; inf if a score of exactly 0 or 1 is wrong.
    """

    edges: Floats
    weight: Floats
    score: Floats
    share: Interval
    ece: float
    ece_if_calibrated: float
    brier: float
    nll: float


def reliability(
    scores: ArrayLike,
    labels: ArrayLike,
    weights: ArrayLike | None = None,
    level: float = 0.95,
    bins: int = BINS,
) -> Reliability:
    """Return the reliability of (n,) scores in 0..1 of events that are of the class (``labels`` 1) or not (0).

    Args:
        scores, labels: (n,).
        weights: (n,) weights of the events, at least 0; None = 1 each.
        level: confidence level of the intervals.
        bins: number of bins.

    Raises:
        InputError: no event with a weight, or a score outside 0..1.
    """
    s, y = np.asarray(scores, np.float64), np.asarray(labels, np.float64)
    w = np.ones(len(s)) if weights is None else np.asarray(weights, np.float64)
    if not w.sum() > 0 or (w < 0).any():
        raise InputError("calibration needs events with weights of at least 0")
    if not ((s >= 0) & (s <= 1)).all():
        raise InputError(f"calibration needs scores in 0..1, found {s.min():g} to {s.max():g}")
    place = np.minimum((s * bins).astype(int), bins - 1)

    def sums(values: Floats) -> Floats:
        return np.asarray(np.bincount(place, values, bins), np.float64)

    total, hit = sums(w), sums(w * y)
    share = weighted_share(hit, sums(w**2 * y), total, sums(w**2), level)
    with np.errstate(invalid="ignore", divide="ignore"):
        score = sums(w * s) / total
        error = np.sqrt(sums(w**2 * s * (1 - s))) / total
        nll = -float((w * (special.xlogy(y, s) + special.xlog1py(1 - y, -s))).sum() / w.sum())
    filled = total > 0
    part = total[filled] / total.sum()
    return Reliability(
        edges=np.linspace(0, 1, bins + 1),
        weight=total,
        score=score,
        share=share,
        ece=float(part @ np.abs(share.value - score)[filled]),
        ece_if_calibrated=float(part @ error[filled] * np.sqrt(2 / np.pi)),
        brier=float(w @ (s - y) ** 2 / w.sum()),
        nll=nll,
    )


def logit(scores: ArrayLike) -> Floats:
    """Return ln(s / (1 - s)) of scores in 0..1, limited to -SATURATED..SATURATED."""
    return np.asarray(np.clip(special.logit(np.asarray(scores, np.float64)), -SATURATED, SATURATED))


def temperature(
    logits: ArrayLike,
    labels: ArrayLike,
    weights: ArrayLike | None = None,
    level: float = 0.95,
    *,
    softmax: bool = True,
) -> Interval:
    """Return the temperature T for which the scores of logits / T have the largest likelihood, with its interval.

    The likelihood is convex in 1 / T. The interval is that of ln T, from the sandwich estimate of its variance, which
    holds for weighted events too (H. White, Econometrica 50 (1982) 1).

    Args:
        logits: (n, k) logits; of one sigmoid with the logit z, the columns 0 and z.
        labels: (n,) number of the true class.
        weights: (n,) weights of the events, at least 0; None = 1 each.
        level: confidence level of the interval.
        softmax: scores are softmax(logits / T); else each is the sigmoid of its own logit, independent of the others.

    Raises:
        InputError: scores that separate the classes, or that are no better than chance: T would be beyond RANGE.
    """
    z, number = np.asarray(logits, np.float64), np.asarray(labels, np.int64)
    w = np.ones(len(z)) if weights is None else np.asarray(weights, np.float64)
    true = z[np.arange(len(z)), number]

    def scores(inverse: float) -> Floats:
        return np.asarray(special.softmax(inverse * z, axis=1) if softmax else special.expit(inverse * z))

    def slopes(inverse: float) -> Floats:
        """Return the (n,) derivatives of the negative log likelihood by 1 / T."""
        return np.asarray((scores(inverse) * z).sum(axis=1) - true)

    def slope(inverse: float) -> float:
        return float(w @ slopes(inverse))

    ends = 1 / RANGE[1], 1 / RANGE[0]
    if slope(ends[0]) >= 0:
        raise InputError("temperature: the scores are no better than chance on these events")
    if slope(ends[1]) <= 0:
        raise InputError(
            "temperature: the scores separate the classes of these events, which need more events"
        )
    inverse = float(optimize.brentq(slope, *ends, xtol=1e-12))
    p = scores(inverse)
    less = (p * z).sum(axis=1) ** 2 if softmax else (p**2 * z**2).sum(axis=1)
    curvature = float(w @ ((p * z**2).sum(axis=1) - less))
    error = float(np.sqrt(((w * slopes(inverse)) ** 2).sum())) / curvature / inverse  # of ln T
    factor = np.exp(normal_quantile(level) * error)
    return Interval(*(np.asarray(value / inverse) for value in (1.0, 1 / factor, factor)))


def apply_temperature(scores: ArrayLike, value: float) -> Floats:
    """Return scores of sigmoids at a temperature: sigmoid(logit / T)."""
    return np.asarray(special.expit(logit(scores) / value))
