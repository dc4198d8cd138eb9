"""Separation of classes by scores: ROC curve, AUC, efficiencies, accuracies, all with confidence intervals.

Scores are given as two arrays, ``signal=`` and ``background=``, or as one with the label of every event, ``labels=``
and ``scores=``; by name only, since the order of arguments differs between libraries. Events may have weights of at
least 0: ``weights=`` takes an array beside ``scores``, or the pair (of the signal, of the background). An event
passes a cut when ``score >= cut``. Events without a score must be left out first: NaN raises InputError; infinite
logits are allowed. Intervals are two-sided at confidence ``level``; docs/metrics.md tells how well they cover.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmcnn._common.errors import InputError
from dmcnn.metrics import auc_limits
from dmcnn.metrics.intervals import Interval, weighted_share, wilson
from dmcnn.metrics.samples import Floats, Sample, sample, samples

__all__ = [
    "Interval", "Roc", "accuracy", "auc", "auc_interval", "auc_variance", "class_accuracy", "confusion",
    "confusion_at_cut", "efficiency", "rejection", "roc", "roc_band", "wilson",
]  # fmt: skip

Weights = ArrayLike | tuple[ArrayLike | None, ArrayLike | None]
"""Weights of the events: one array beside ``scores``, or the pair (of the signal, of the background)."""

Matrix = NDArray[Any]
"""(k, k) confusion matrix: int64 events, or float64 sums of weights."""


@dataclass(frozen=True, eq=False)
class Roc:
    """A ROC curve from (0, 0) to (1, 1), one point per distinct score, highest cut first.

    Attributes:
        cut: (n+1,) float64. ``+inf``, then the distinct scores in falling order.
        signal: (n+1,) float64. Fraction of the signal with ``score >= cut`` (true positive rate).
        background: (n+1,) float64. Fraction of the background with ``score >= cut`` (false positive rate).
    """

    cut: Floats
    signal: Floats
    background: Floats


def roc(
    *unnamed: NoReturn,
    signal: ArrayLike | None = None,
    background: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    scores: ArrayLike | None = None,
    weights: Weights | None = None,
) -> Roc:
    """Return the ROC curve; tied scores make one slanted step, so that its area is the AUC with ties counted 1/2.

    Args:
        unnamed: no positional argument is accepted.
        signal, background: scores of the two classes, or
        labels, scores: label (1 or True for signal, 0 or False for background) and score of every event.
        weights: weights of the events; None = 1 each.

    Raises:
        TypeError: positional arguments, or not exactly one of the two pairs.
        InputError: no events of a class, NaN, a label that is neither 0 nor 1, or a negative weight.
    """
    s, b = samples("roc", unnamed, locals())
    cut = _cuts(s, b)
    return Roc(
        cut=np.append(np.inf, cut),
        signal=np.append(0.0, s.passing(cut) / s.total),
        background=np.append(0.0, b.passing(cut) / b.total),
    )


def roc_band(
    *unnamed: NoReturn,
    signal: ArrayLike | None = None,
    background: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    scores: ArrayLike | None = None,
    weights: Weights | None = None,
    level: float = 0.95,
    cuts: ArrayLike | None = None,
) -> tuple[Roc, Roc]:
    """Return the lower and the upper border of a band of the ROC curve, which covers every true point at ``level``.

    It is the union over all cuts of the rectangles of Wilson's intervals of both efficiencies (confidence rectangles:
    M. Pepe, The Statistical Evaluation of Medical Tests, 2003, 5.2.4). Across the curve, the half width of a
    rectangle is at least that of the interval of a point, since the classes are independent.

    Arguments and errors are those of ``roc``, the confidence ``level``, and the falling ``cuts`` of the points; None
    takes those of ``roc``.
    """
    s, b = samples("roc_band", unnamed, locals())
    cut = np.append(np.inf, _cuts(s, b)) if cuts is None else np.asarray(cuts, np.float64)
    y, x = (_share_passing(one, cut, level) for one in (s, b))
    low = Roc(cut, np.maximum.accumulate(y.low), np.maximum.accumulate(x.high))
    high = Roc(cut, np.maximum.accumulate(y.high), np.maximum.accumulate(x.low))
    return low, high


def auc(
    *unnamed: NoReturn,
    signal: ArrayLike | None = None,
    background: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    scores: ArrayLike | None = None,
    weights: Weights | None = None,
) -> float:
    """Return the chance that a signal event outscores a background event, ties counted 1/2 (Mann-Whitney U / mn).

    Arguments and errors are those of ``roc``.
    """
    return float(auc_limits.placements(*samples("auc", unnamed, locals())).area)


def auc_variance(
    *unnamed: NoReturn,
    signal: ArrayLike | None = None,
    background: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    scores: ArrayLike | None = None,
    weights: Weights | None = None,
) -> float:
    """Return DeLong's variance of the AUC; NaN if a class has a single event. Arguments are those of ``roc``.

    E. DeLong, D. DeLong, D. Clarke-Pearson, Biometrics 44 (1988) 837. The placements are computed by sorting in
    O(n log n), not from all pairs: X. Sun, W. Xu, IEEE Signal Process. Lett. 21 (2014) 1389. With weights it is the
    variance of the influence function, sum of w^2 (placement - AUC)^2 / (sum of w)^2, times N / (N - 1) with the
    effective number of events N: DeLong's for equal weights.
    """
    s, b = samples("auc_variance", unnamed, locals())
    return auc_limits.variance(auc_limits.placements(s, b))


def auc_interval(
    *unnamed: NoReturn,
    signal: ArrayLike | None = None,
    background: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    scores: ArrayLike | None = None,
    weights: Weights | None = None,
    level: float = 0.95,
) -> Interval:
    """Return the AUC with an interval that covers also near 0 and 1, and of classes that are separated.

    The method is that of ``metrics.auc_limits``. If a class has a single (effective) event, nothing is known of its
    spread: the interval is [0, 1]. Arguments and errors are those of ``roc``, and the confidence ``level``.
    """
    return auc_limits.interval(auc_limits.placements(*samples("auc_interval", unnamed, locals())), level)


def efficiency(
    scores: ArrayLike, cuts: ArrayLike, level: float = 0.95, weights: ArrayLike | None = None
) -> Interval:
    """Return the fraction of events with ``score >= cut`` at each of the (k,) ``cuts``, with Wilson's intervals.

    With ``weights`` it is the fraction of the weight, and the intervals are those of the effective counts.
    """
    return _share_passing(sample(scores, "scored", weights), np.asarray(cuts, np.float64), level)


def rejection(
    scores: ArrayLike, cuts: ArrayLike, level: float = 0.95, weights: ArrayLike | None = None
) -> Interval:
    """Return the fraction of events with ``score < cut`` at each of the (k,) ``cuts``; else as ``efficiency``."""
    events, at = sample(scores, "scored", weights), np.asarray(cuts, np.float64)
    failed, squares = events.total - events.passing(at), events.squares - events.passing(at, 2)
    return weighted_share(failed, squares, np.asarray(events.total), np.asarray(events.squares), level)


def confusion(
    label: ArrayLike, predicted: ArrayLike, n_classes: int, weights: ArrayLike | None = None
) -> Matrix:
    """Return the (n_classes, n_classes) int64 confusion matrix: events per true class (row) and prediction (column).

    Args:
        label, predicted: (n,) class numbers.
        n_classes: number of classes.
        weights: (n,) weights of the events, whose float64 sums are then returned.

    Raises:
        InputError: a class number lies outside 0..n_classes-1, or the arrays differ in length.
    """
    true, prediction = np.asarray(label), np.asarray(predicted)
    if true.shape != prediction.shape:
        raise InputError(f"{true.size} labels for {prediction.size} predictions")
    for name, classes in (("label", true), ("prediction", prediction)):
        wrong = classes[(classes < 0) | (classes >= n_classes) | (classes != np.trunc(classes))]
        if wrong.size:
            raise InputError(f"{name} {wrong.flat[0]} is not a class number 0..{n_classes - 1}")
    flat = (true.astype(np.int64) * n_classes + prediction.astype(np.int64)).ravel()
    if weights is None:
        return np.bincount(flat, minlength=n_classes**2).reshape(n_classes, n_classes).astype(np.int64)
    return np.bincount(flat, np.asarray(weights, np.float64), n_classes**2).reshape(n_classes, n_classes)


def confusion_at_cut(
    *unnamed: NoReturn,
    signal: ArrayLike | None = None,
    background: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    scores: ArrayLike | None = None,
    cut: float,
) -> NDArray[np.int64]:
    """Return the (2, 2) int64 confusion matrix at ``score >= cut``; class 0 is background, class 1 is signal.

    The other arguments are those of ``roc``.
    """
    weights = None
    s, b = samples("confusion_at_cut", unnamed, locals())
    label = np.repeat([0, 1], [len(b.score), len(s.score)])
    return confusion(label, np.concatenate([b.score, s.score]) >= cut, 2)


def accuracy(matrix: Matrix, level: float = 0.95, squares: Matrix | None = None) -> Interval:
    """Return the fraction of all events on the diagonal of a confusion matrix, with Wilson's interval (shape ()).

    Args:
        matrix: (k, k) events, or sums of their weights.
        level: confidence level.
        squares: (k, k) sums of the squares of the weights.
    """
    other = matrix if squares is None else squares
    return weighted_share(np.trace(matrix), np.trace(other), matrix.sum(), other.sum(), level)


def class_accuracy(matrix: Matrix, level: float = 0.95, squares: Matrix | None = None) -> Interval:
    """Return the (k,) fractions of each true class predicted correctly (recall), NaN for an absent class.

    Arguments are those of ``accuracy``.
    """
    other = matrix if squares is None else squares
    return weighted_share(
        np.diagonal(matrix), np.diagonal(other), matrix.sum(axis=1), other.sum(axis=1), level
    )


def _share_passing(events: Sample, cuts: Floats, level: float) -> Interval:
    total, squares = np.asarray(events.total), np.asarray(events.squares)
    return weighted_share(events.passing(cuts), events.passing(cuts, 2), total, squares, level)


def _cuts(signal: Sample, background: Sample) -> Floats:
    """Return the distinct scores in falling order."""
    both = np.sort(np.concatenate([signal.score, background.score]), kind="stable")  # two runs, merged
    return np.asarray(both[np.append(True, both[1:] > both[:-1])][::-1])
