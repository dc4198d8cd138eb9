"""Calibration of the scores of several classes: of the most likely class, and of every class.

C. Guo et al., On calibration of modern neural networks, ICML 2017; M. Kull et al., Beyond temperature scaling,
NeurIPS 2019, for the error class by class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from dmcnn.metrics.reliability import BINS, Floats, Reliability, logit, reliability

SUM_TOLERANCE = 1e-3
"""Largest distance from 1 of the sum of the scores of an event that a softmax made; tables may round them."""


@dataclass(frozen=True, eq=False)
class ClassReliability:
    """Reliability of (n, k) scores.

    Attributes:
        confidence: that of the score of the most likely class, as the share of events of this class.
        classes: that of the score of each class.
        brier: mean over the events of the squared differences of all scores and 1 or 0, summed over the classes.
        nll: mean negative log likelihood [nats]: for scores of a softmax that of the true class, else the sum of
            those of all scores; inf if a score of exactly 0 or 1 is wrong.
    """

    confidence: Reliability
    classes: list[Reliability]
    brier: float
    nll: float

    @property
    def ece(self) -> float:
        """Expected calibration error of the confidence."""
        return self.confidence.ece

    @property
    def ece_if_calibrated(self) -> float:
        """What it would be on average if the confidence were calibrated."""
        return self.confidence.ece_if_calibrated

    @property
    def classwise_ece(self) -> float:
        """Mean of the expected calibration errors of the classes."""
        return float(np.mean([one.ece for one in self.classes]))

    @property
    def classwise_ece_if_calibrated(self) -> float:
        """What it would be on average if all scores were calibrated."""
        return float(np.mean([one.ece_if_calibrated for one in self.classes]))


def class_reliability(
    scores: ArrayLike,
    labels: ArrayLike,
    weights: ArrayLike | None = None,
    level: float = 0.95,
    bins: int = BINS,
) -> ClassReliability:
    """Return the reliability of (n, k) scores in 0..1 of events with the (n,) true class numbers ``labels``.

    Other arguments and errors are those of ``reliability``.
    """
    s, number = np.asarray(scores, np.float64), np.asarray(labels, np.int64)
    best, true = s.argmax(axis=1), np.arange(s.shape[1]) == number[:, None]
    confidence = reliability(s[np.arange(len(s)), best], best == number, weights, level, bins)
    classes = [reliability(s[:, i], true[:, i], weights, level, bins) for i in range(s.shape[1])]
    w = np.ones(len(s)) if weights is None else np.asarray(weights, np.float64)
    of_true = -float(special.xlogy(w, s[true]).sum() / w.sum())
    return ClassReliability(
        confidence=confidence,
        classes=classes,
        brier=sum(one.brier for one in classes),
        nll=of_true if is_softmax(s) else sum(one.nll for one in classes),
    )


def is_softmax(scores: ArrayLike) -> bool:
    """Return whether the scores of every event sum to 1; else each is the sigmoid of its own logit."""
    return bool((np.abs(np.sum(scores, axis=1) - 1) <= SUM_TOLERANCE).all())


def logits_of(scores: ArrayLike) -> Floats:
    """Return (n, k) logits whose scores these are; a score of exactly 0 is as the smallest other one."""
    s = np.asarray(scores, np.float64)
    return np.log(np.where(s > 0, s, s[s > 0].min())) if is_softmax(s) else logit(s)


def class_scores_at(logits: ArrayLike, value: float, *, softmax: bool) -> Floats:
    """Return the (n, k) scores of (n, k) logits at a temperature."""
    z = np.asarray(logits, np.float64) / value
    return np.asarray(special.softmax(z, axis=1) if softmax else special.expit(z))
