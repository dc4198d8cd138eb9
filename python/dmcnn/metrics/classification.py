"""How well scores separate: ROC curve, AUC, efficiencies, accuracies, all with intervals.

Scores come as two arrays, ``signal=`` and ``background=``, or as one with the truth of every event, ``labels=`` and
``scores=``; by name only, for other libraries have other orders. An event passes a cut when ``score >= cut``.
Unscored events must be left out first: NaN is refused, infinite logits are welcome.
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
    """An estimate and its two-sided confidence interval: float64 arrays of one shape (scalars: shape ())."""

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
        signal, background: scores of either kind.
        labels, scores: or of all events: 1 or True for signal, 0 or False for background, and the score.

    Raises:
        TypeError: arguments without names, or neither pair.
        InputError: no events of a kind, NaN, or a label that is neither 0 nor 1.
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
    return int(_beaten_twice(s, b).sum()) / (2 * len(s) * len(b))


def auc_interval(
    *unnamed: NoReturn,
    signal: ArrayLike | None = None,
    background: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    scores: ArrayLike | None = None,
    level: float = 0.95,
) -> Interval:
    """Return the AUC with DeLong's interval, symmetric about the AUC and clipped to [0, 1].

    The plain normal interval, not the logit-transformed one: for thousands of events the two agree, and this
    one is what is usually quoted. Where every pair is in order (AUC 0 or 1) its width is 0; where a class has
    one event only there is no variance, and the interval is [0, 1].

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
    """Return DeLong's variance of the AUC; NaN where a class has one event only. Arguments are those of ``roc``.

    E. DeLong, D. DeLong, D. Clarke-Pearson, Biometrics 44 (1988) 837; the O(n log n) way to its placements by
    sorting instead of all pairs is X. Sun, W. Xu, IEEE Signal Process. Lett. 21 (2014) 1389.
    """
    s, b = _samples("auc_variance", unnamed, signal, background, labels, scores)
    if min(len(s), len(b)) < 2:
        return float("nan")
    won = _beaten_twice(s, b) / (2 * len(b))
    lost = _beaten_twice(b, s) / (2 * len(s))
    return float(won.var(ddof=1) / len(s) + lost.var(ddof=1) / len(b))


def wilson(passed: ArrayLike, total: ArrayLike, level: float = 0.95) -> Interval:
    """A binomial fraction with Wilson's interval, JASA 22 (1927) 209; 0 of 0 is NaN in [0, 1].

    It keeps its coverage at 0 and at all passed, where the normal approximation has no width.
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
    """Fraction of events with ``score >= cut`` at each of the (k,) ``cuts``, with Wilson's intervals."""
    ordered = _sorted(scores, "scored")
    return wilson(_passing(ordered, np.asarray(cuts, np.float64)), len(ordered), level)


def rejection(scores: ArrayLike, cuts: ArrayLike, level: float = 0.95) -> Interval:
    """Fraction of events with ``score < cut`` at each of the (k,) ``cuts``, with Wilson's intervals."""
    ordered = _sorted(scores, "scored")
    return wilson(len(ordered) - _passing(ordered, np.asarray(cuts, np.float64)), len(ordered), level)


def confusion(label: ArrayLike, predicted: ArrayLike, n_classes: int) -> NDArray[np.int64]:
    """(n_classes, n_classes) int64: events of true class (row) given the predicted class (column).

    Raises:
        InputError: a class number lies outside 0..n_classes-1, or the two arrays differ in length.
    """
    true, guess = np.asarray(label), np.asarray(predicted)
    if true.shape != guess.shape:
        raise InputError(f"{true.size} labels for {guess.size} predictions")
    for name, classes in (("label", true), ("prediction", guess)):
        wrong = classes[(classes < 0) | (classes >= n_classes) | (classes != np.trunc(classes))]
        if wrong.size:
            raise InputError(f"{name} {wrong.flat[0]} is not a class number 0..{n_classes - 1}")
    flat = true.astype(np.int64) * n_classes + guess.astype(np.int64)
    return np.bincount(flat.ravel(), minlength=n_classes**2).reshape(n_classes, n_classes).astype(np.int64)


def confusion_at_cut(
    *unnamed: NoReturn,
    signal: ArrayLike | None = None,
    background: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    scores: ArrayLike | None = None,
    cut: float,
) -> NDArray[np.int64]:
    """Return (2, 2) int64 at ``score >= cut``: row true, column predicted; background is 0, signal is 1.

    The other arguments are those of ``roc``.
    """
    s, b = _samples("confusion_at_cut", unnamed, signal, background, labels, scores)
    passed = [int(_passing(x, np.asarray(cut, np.float64))) for x in (b, s)]
    return np.array([[len(b) - passed[0], passed[0]], [len(s) - passed[1], passed[1]]], np.int64)


def accuracy(matrix: NDArray[np.int64], level: float = 0.95) -> Interval:
    """Fraction of all events on the diagonal of a confusion matrix, with Wilson's interval (shape ())."""
    return wilson(np.trace(matrix), matrix.sum(), level)


def class_accuracy(matrix: NDArray[np.int64], level: float = 0.95) -> Interval:
    """(n_classes,): fraction of each true class that is predicted right (recall); NaN for an absent class."""
    return wilson(np.diagonal(matrix), matrix.sum(axis=1), level)


def _samples(
    name: str,
    unnamed: tuple[object, ...],
    signal: ArrayLike | None,
    background: ArrayLike | None,
    labels: ArrayLike | None,
    scores: ArrayLike | None,
) -> tuple[Floats, Floats]:
    """Return the rising scores of signal and background events, however they were given to the function ``name``."""
    kinds, events = (signal, background), (labels, scores)
    pairs = [pair for pair in (kinds, events) if all(part is not None for part in pair)]
    if unnamed or len(pairs) != 1 or sum(part is not None for part in kinds + events) != 2:
        raise TypeError(
            f"{name}() takes scores by name, for their order differs between libraries: "
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
    """(n,) float64 in rising order, or InputError for none at all or NaN."""
    values = np.sort(np.asarray(scores, np.float64).ravel())
    if not values.size:
        raise InputError(f"no {what} events: nothing to evaluate")
    if np.isnan(values[-1]):
        raise InputError(
            f"{np.isnan(values).sum()} of {values.size} {what} scores are NaN: leave them out first"
        )
    return values


def _passing(ordered: Floats, cuts: Floats) -> NDArray[np.int64]:
    """How many of the rising scores are >= each cut."""
    return np.asarray(len(ordered) - np.searchsorted(ordered, cuts, side="left"), np.int64)


def _beaten_twice(winners: Floats, losers: Floats) -> NDArray[np.int64]:
    """For each of the (m,) rising winners, twice the number of losers below it, a tie counting 1/2."""
    return np.asarray(
        np.searchsorted(losers, winners, side="left") + np.searchsorted(losers, winners, side="right"),
        np.int64,
    )


def _z(level: float) -> float:
    """Half-width of the central interval of a unit Gaussian that holds the fraction ``level``."""
    if not 0 < level < 1:
        raise InputError(f"confidence level {level} is not between 0 and 1 (0.95 is usual)")
    return NormalDist().inv_cdf((1 + level) / 2)
