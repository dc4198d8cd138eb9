"""Separation of classes by scores: ROC curve, AUC, efficiencies, accuracies, all with confidence intervals.

Scores are given as two arrays, ``signal=`` and ``background=``, or as one with the label of every event, ``labels=``
and ``scores=``; by name only, since the order of arguments differs between libraries. An event passes a cut when
``score >= cut``. Events without a score must be left out first: NaN raises InputError, infinite logits are allowed.
Intervals are two-sided at confidence ``level``.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmcnn._common.errors import InputError

Floats = NDArray[np.float64]


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


@dataclass(frozen=True, eq=False)
class Interval:
    """Value and two-sided confidence interval: float64 arrays of one shape, () for a scalar."""

    value: Floats
    low: Floats
    high: Floats


def roc(
    *unnamed: NoReturn,
    signal: ArrayLike | None = None,
    background: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    scores: ArrayLike | None = None,
) -> Roc:
    """Return the ROC curve; tied scores make one slanted step, so that its area is the AUC with ties counted 1/2.

    Args:
        unnamed: no positional argument is accepted.
        signal, background: scores of the two classes, or
        labels, scores: label (1 or True for signal, 0 or False for background) and score of every event.

    Raises:
        TypeError: positional arguments, or not exactly one of the two pairs.
        InputError: no events of a class, NaN, or a label that is neither 0 nor 1.
    """
    s, b = _samples("roc", unnamed, signal, background, labels, scores)
    cut = np.union1d(s, b)[::-1]
    return Roc(
        cut=np.append(np.inf, cut),
        signal=np.append(0.0, _passing(s, cut) / len(s)),
        background=np.append(0.0, _passing(b, cut) / len(b)),
    )


def auc(
    *unnamed: NoReturn,
    signal: ArrayLike | None = None,
    background: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    scores: ArrayLike | None = None,
) -> float:
    """Return the chance that a signal event outscores a background event, ties counted 1/2 (Mann-Whitney U / mn).

    Arguments and errors are those of ``roc``.
    """
    s, b = _samples("auc", unnamed, signal, background, labels, scores)
    return int(_doubled_wins(s, b).sum()) / (2 * len(s) * len(b))


def auc_interval(
    *unnamed: NoReturn,
    signal: ArrayLike | None = None,
    background: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    scores: ArrayLike | None = None,
    level: float = 0.95,
) -> Interval:
    """Return the AUC with DeLong's interval, symmetric about the AUC and clipped to [0, 1].

    The interval is normal in the AUC, not in its logit: this is the one usually quoted, and for thousands of events
    the two agree. If all pairs have the same order (AUC 0 or 1) its width is 0; if a class has a single event there
    is no variance, and the interval is [0, 1].

    Arguments and errors are those of ``roc``, and the confidence ``level``.
    """
    s, b = _samples("auc_interval", unnamed, signal, background, labels, scores)
    area = auc(signal=s, background=b)
    half = _z(level) * np.sqrt(auc_variance(signal=s, background=b))
    low, high = (0.0, 1.0) if np.isnan(half) else (max(area - half, 0.0), min(area + half, 1.0))
    return Interval(np.asarray(area), np.asarray(low), np.asarray(high))


def auc_variance(
    *unnamed: NoReturn,
    signal: ArrayLike | None = None,
    background: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    scores: ArrayLike | None = None,
) -> float:
    """Return DeLong's variance of the AUC; NaN if a class has a single event. Arguments are those of ``roc``.

    E. DeLong, D. DeLong, D. Clarke-Pearson, Biometrics 44 (1988) 837. The placements are computed by sorting in
    O(n log n), not from all pairs: X. Sun, W. Xu, IEEE Signal Process. Lett. 21 (2014) 1389.
    """
    s, b = _samples("auc_variance", unnamed, signal, background, labels, scores)
    if min(len(s), len(b)) < 2:
        return float("nan")
    won = _doubled_wins(s, b) / (2 * len(b))
    lost = _doubled_wins(b, s) / (2 * len(s))
    return float(won.var(ddof=1) / len(s) + lost.var(ddof=1) / len(b))


def wilson(passed: ArrayLike, total: ArrayLike, level: float = 0.95) -> Interval:
    """Return a binomial fraction with Wilson's interval, JASA 22 (1927) 209; 0 of 0 is NaN in [0, 1].

    The interval keeps its coverage if none or all pass, where the normal approximation has no width.

    Args:
        passed, total: counts of shapes that broadcast.
        level: confidence level.
    """
    k, n = np.broadcast_arrays(np.asarray(passed, np.float64), np.asarray(total, np.float64))
    z2 = _z(level) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        value = k / n
    centre = (k + z2 / 2) / (n + z2)
    half = np.sqrt(z2) / (n + z2) * np.sqrt(np.where(n > 0, k * (n - k) / np.maximum(n, 1), 0) + z2 / 4)
    low = np.where(k == 0, 0.0, centre - half)
    high = np.where(k == n, 1.0, centre + half)
    return Interval(np.asarray(value), np.maximum(low, 0.0), np.minimum(high, 1.0))


def efficiency(scores: ArrayLike, cuts: ArrayLike, level: float = 0.95) -> Interval:
    """Return the fraction of events with ``score >= cut`` at each of the (k,) ``cuts``, with Wilson's intervals."""
    ordered = _sorted(scores, "scored")
    return wilson(_passing(ordered, np.asarray(cuts, np.float64)), len(ordered), level)


def rejection(scores: ArrayLike, cuts: ArrayLike, level: float = 0.95) -> Interval:
    """Return the fraction of events with ``score < cut`` at each of the (k,) ``cuts``, with Wilson's intervals."""
    ordered = _sorted(scores, "scored")
    return wilson(len(ordered) - _passing(ordered, np.asarray(cuts, np.float64)), len(ordered), level)


def confusion(label: ArrayLike, predicted: ArrayLike, n_classes: int) -> NDArray[np.int64]:
    """Return the (n_classes, n_classes) int64 confusion matrix: events per true class (row) and prediction (column).

    Args:
        label, predicted: (n,) class numbers.
        n_classes: number of classes.

    Raises:
        InputError: a class number lies outside 0..n_classes-1, or the two arrays differ in length.
    """
    true, prediction = np.asarray(label), np.asarray(predicted)
    if true.shape != prediction.shape:
        raise InputError(f"{true.size} labels for {prediction.size} predictions")
    for name, classes in (("label", true), ("prediction", prediction)):
        wrong = classes[(classes < 0) | (classes >= n_classes) | (classes != np.trunc(classes))]
        if wrong.size:
            raise InputError(f"{name} {wrong.flat[0]} is not a class number 0..{n_classes - 1}")
    flat = true.astype(np.int64) * n_classes + prediction.astype(np.int64)
    return np.bincount(flat.ravel(), minlength=n_classes**2).reshape(n_classes, n_classes).astype(np.int64)


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
    s, b = _samples("confusion_at_cut", unnamed, signal, background, labels, scores)
    passed = [int(_passing(x, np.asarray(cut, np.float64))) for x in (b, s)]
    return np.array([[len(b) - passed[0], passed[0]], [len(s) - passed[1], passed[1]]], np.int64)


def accuracy(matrix: NDArray[np.int64], level: float = 0.95) -> Interval:
    """Return the fraction of all events on the diagonal of a confusion matrix, with Wilson's interval (shape ())."""
    return wilson(np.trace(matrix), matrix.sum(), level)


def class_accuracy(matrix: NDArray[np.int64], level: float = 0.95) -> Interval:
    """Return the (n_classes,) fractions of each true class predicted correctly (recall); NaN for an absent class."""
    return wilson(np.diagonal(matrix), matrix.sum(axis=1), level)


def _samples(
    name: str,
    unnamed: tuple[object, ...],
    signal: ArrayLike | None,
    background: ArrayLike | None,
    labels: ArrayLike | None,
    scores: ArrayLike | None,
) -> tuple[Floats, Floats]:
    """Return the rising (m,) signal and (n,) background scores from either pair of arguments of function ``name``."""
    kinds, events = (signal, background), (labels, scores)
    pairs = [pair for pair in (kinds, events) if all(part is not None for part in pair)]
    if unnamed or len(pairs) != 1 or sum(part is not None for part in kinds + events) != 2:
        raise TypeError(
            f"{name}() takes scores by name, since their order differs between libraries: "
            f"{name}(signal=…, background=…), or {name}(labels=…, scores=…) with 1 for signal and 0 for background"
        )
    if labels is None or scores is None:
        assert signal is not None
        assert background is not None
        return _sorted(signal, "signal"), _sorted(background, "background")
    truth, values = np.asarray(labels), np.asarray(scores, np.float64)
    if truth.shape != values.shape:
        raise InputError(f"{truth.size} labels for {values.size} scores")
    wrong = truth[(truth != 0) & (truth != 1)]
    if wrong.size:
        raise InputError(f"label {wrong.flat[0]}, expected 1 or True for signal, 0 or False for background")
    return _sorted(values[truth == 1], "signal"), _sorted(values[truth == 0], "background")


def _sorted(scores: ArrayLike, what: str) -> Floats:
    """Return the scores as (n,) float64 in rising order.

    Raises:
        InputError: no scores, or NaN among them.
    """
    values = np.sort(np.asarray(scores, np.float64).ravel())
    if not values.size:
        raise InputError(f"no {what} events: nothing to evaluate")
    if np.isnan(values[-1]):
        raise InputError(
            f"{np.isnan(values).sum()} of {values.size} {what} scores are NaN: leave them out first"
        )
    return values


def _passing(ordered: Floats, cuts: Floats) -> NDArray[np.int64]:
    """Count the rising scores that are >= each cut."""
    return np.asarray(len(ordered) - np.searchsorted(ordered, cuts, side="left"), np.int64)


def _doubled_wins(winners: Floats, losers: Floats) -> NDArray[np.int64]:
    """Return twice the number of losers below each of the (m,) rising winners, a tie counting 1/2."""
    return np.asarray(
        np.searchsorted(losers, winners, side="left") + np.searchsorted(losers, winners, side="right"),
        np.int64,
    )


def _z(level: float) -> float:
    """Return the half width of the central interval of a unit Gaussian with the content ``level``."""
    if not 0 < level < 1:
        raise InputError(f"confidence level {level} is not between 0 and 1 (0.95 is usual)")
    return NormalDist().inv_cdf((1 + level) / 2)
