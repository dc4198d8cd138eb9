"""Paired comparison of networks by their AUCs on the same events, whose scores are correlated.

The covariance of the AUCs is DeLong's (E. DeLong, D. DeLong, D. Clarke-Pearson, Biometrics 44 (1988) 837), from the
placements of every event by every network. The placement is the share of the other class that the event outscores.
It is computed by sorting in O(n log n): X. Sun, W. Xu, IEEE Signal Process. Lett. 21 (2014) 1389.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from dmcnn._common.errors import InputError
from dmcnn.metrics.intervals import Interval, normal_quantile
from dmcnn.metrics.samples import sample

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AucDifference:
    """Difference of the AUCs of two networks on the same events.

    Attributes:
        difference: AUC of the first network minus that of the second, with its interval in -1..1.
        z: difference over its standard error; 0 if the placements of the networks are the same.
        p_value: two-sided probability of a difference at least as large between networks of equal AUC.
    """

    difference: Interval
    z: float
    p_value: float


def auc_covariance(
    signal: ArrayLike, background: ArrayLike, weights: tuple[ArrayLike | None, ArrayLike | None] | None = None
) -> tuple[Floats, Floats]:
    """Return the (k,) AUCs of k networks on the same events, and their (k, k) covariance.

    With weights w it is that of the influence functions, sum of w^2 (placement - AUC) (placement' - AUC') over
    (sum of w)^2 of each class, times N / (N - 1) with its effective number of events N; NaN if N < 2 in a class.

    Args:
        signal: (k, m) scores of the signal events by each network.
        background: (k, n) scores of the background events, likewise.
        weights: (m,) and (n,) weights of the events, at least 0; None = 1 each.

    Raises:
        InputError: arrays of other shapes, no event of a class, NaN, or weights that ``sample`` refuses.
    """
    scores = [np.atleast_2d(np.asarray(one, np.float64)) for one in (signal, background)]
    if len(scores[0]) != len(scores[1]):
        raise InputError(f"signal scores of {len(scores[0])} networks, background scores of {len(scores[1])}")
    kinds = [
        [sample(of_network, what, weight) for of_network in one]
        for one, what, weight in zip(scores, ("signal", "background"), weights or (None, None), strict=True)
    ]
    of_signal = np.stack([b.shares_below(s) for b, s in zip(kinds[1], scores[0], strict=True)])
    of_background = np.stack([1 - s.shares_below(b) for s, b in zip(kinds[0], scores[1], strict=True)])
    covariance = np.zeros((len(scores[0]),) * 2)
    areas = np.zeros(len(scores[0]))
    for own, placements, given in zip(
        kinds, (of_signal, of_background), weights or (None, None), strict=True
    ):
        weight = np.ones(placements.shape[1]) if given is None else np.asarray(given, np.float64).ravel()
        areas = placements @ weight / own[0].total  # the same from both classes
        scatter = (placements - areas[:, None]) * weight / own[0].total
        size = own[0].effective
        covariance += (scatter @ scatter.T) * (size / (size - 1) if size >= 2 else np.nan)
    return areas, covariance


def compare_aucs(areas: Floats, covariance: Floats, a: int, b: int, level: float = 0.95) -> AucDifference:
    """Return the difference of the AUCs of networks ``a`` and ``b``, from the result of ``auc_covariance``.

    Interval and p-value are those of a Gaussian, DeLong's z test.
    """
    difference = float(areas[a] - areas[b])
    variance = float(covariance[a, a] + covariance[b, b] - 2 * covariance[a, b])
    floor = 1e-14 * float(covariance[a, a] + covariance[b, b])  # rounding error of equal placements
    error = float(np.sqrt(variance)) if not variance <= floor else 0.0
    z = difference / error if error != 0 else 0.0 if abs(difference) < 1e-12 else float("inf")
    half = normal_quantile(level) * error
    ends = np.clip([difference - half, difference + half], -1, 1)
    interval = Interval(np.asarray(difference), *(np.asarray(end) for end in ends))
    return AucDifference(interval, z, float(special.erfc(abs(z) / np.sqrt(2))))
