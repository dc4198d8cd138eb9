"""Working point: the cut for a background efficiency, signal efficiency, purity or significance, with intervals.

The cut comes from the events that also give the numbers at the cut; other events would have given another cut. The
interval of the cut holds all neighbouring cuts that the events do not exclude (inversion of a test): those whose own
interval of the requested number contains it, or whose significance is not below the largest by more than the error of
the difference. The intervals of what passes contain this error:

- the number that the cut is chosen by has its interval at the chosen cut;
- the efficiency of the kind that had no part in the choice has Wilson's errors and the change over the interval of
  the cut added in quadrature (G. Zou, A. Donner, Stat. Med. 27 (2008) 1693), for they are independent;
- all others are the hull of their intervals at all cuts of the interval of the cut.

They so hold for the working point that infinitely many events would give, and for what other events give at this very
cut. docs/evaluation.md tells how well they cover.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmcnn._common.errors import InputError, nearest
from dmcnn.metrics.intervals import Interval, normal_quantile, weighted_share
from dmcnn.metrics.samples import Sample, sample

Floats = NDArray[np.float64]
Kind = Literal["background_efficiency", "signal_efficiency", "purity", "significance"]
Weights = tuple[ArrayLike | None, ArrayLike | None] | None
NUMBERS = ("signal_efficiency", "background_efficiency", "purity", "significance")

MIN_BACKGROUND = 10.0
"""Effective background events that a cut of best significance must leave: a significance over none is infinite."""

NARROWING = 0.79
"""See ``_near_largest``."""

ROUNDING = 1e-12
"""Relative rounding error of sums of weights."""


@dataclass(frozen=True)
class CutRule:
    """Rule that chooses a cut, such as "background_efficiency 0.01", "purity 0.9" or "significance"."""

    kind: Kind
    value: float

    @classmethod
    def parse(cls, text: str) -> CutRule:
        """Parse the text of a rule; raise InputError for an unknown word or a number outside its range."""
        word, _, number = text.strip().partition(" ")
        known = get_args(Kind)
        if word not in known:
            raise InputError(
                f"working_point = {text!r}{nearest(word, known)}: expected one of {', '.join(known)}, and its "
                "number"
            )
        try:
            value = float(number or (0 if word == "significance" else "nan"))
        except ValueError:
            value = float("nan")
        if not (0 <= value < 10 if word == "significance" else 0 < value < 1):
            what = "relative uncertainty of the background" if word == "significance" else "share in 0..1"
            raise InputError(f"working_point = {text!r}: expected {word} and its number, a {what}")
        return cls(cast(Kind, word), value)


@dataclass(frozen=True, eq=False)
class WorkingPoint:
    """Cut and what passes it, each with its interval.

    Attributes:
        cut: lowest score that passes; its high end is inf where even the highest score may be too low.
        signal_efficiency, background_efficiency: shares of the weight that pass.
        purity: share of the signal in the weight that passes.
        significance: median significance of the signal over the background that passes, see ``significance``.
        at_limit: the best significance is where only MIN_BACKGROUND events are left, so that more background events
            would move it.
    """

    cut: Interval
    signal_efficiency: Interval
    background_efficiency: Interval
    purity: Interval
    significance: Interval
    at_limit: bool = False


def significance(signal: ArrayLike, background: ArrayLike, uncertainty: float = 0.0) -> Floats:
    """Return the median significance of ``signal`` over ``background`` expected events [standard deviations].

    G. Cowan, Discovery sensitivity for a counting experiment with background uncertainty (2012), eq. 20; without
    uncertainty G. Cowan et al., Eur. Phys. J. C 71 (2011) 1554, eq. 97. 0 without signal, inf without background.

    Args:
        signal, background: expected events, of shapes that broadcast.
        uncertainty: relative standard deviation of the background.
    """
    s, b = np.broadcast_arrays(np.asarray(signal, np.float64), np.asarray(background, np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        if uncertainty > 0:
            v = (uncertainty * b) ** 2
            first = (s + b) * np.log((s + b) * (b + v) / (b**2 + (s + b) * v))
            square = 2 * (first - b**2 / v * np.log1p(v * s / (b * (b + v))))
        else:
            square = 2 * ((s + b) * np.log1p(s / b) - s)
    result = np.sqrt(np.maximum(square, 0))
    return np.asarray(np.where(s <= 0, 0.0, np.where(b <= 0, np.inf, result)))


def working_point(
    kind: Kind,
    value: float,
    *,
    signal: ArrayLike,
    background: ArrayLike,
    weights: Weights = None,
    level: float = 0.95,
) -> WorkingPoint:
    """Choose the cut and return it with what passes.

    Args:
        kind: what ``value`` is: the largest background efficiency, the smallest signal efficiency or the smallest
            purity, for which the cut is the lowest, the highest or the lowest that obeys; for "significance", which
            is made as large as possible, the relative uncertainty of the background.
        value: number that belongs to ``kind``.
        signal, background: scores.
        weights: weights of the events, at least 0; purity and significance need those of the expected events.
        level: confidence level of the intervals.

    Raises:
        InputError: no cut obeys, or scores or weights that ``sample`` refuses.
    """
    kinds = _samples(signal, background, weights)
    # Beyond the highest score nothing passes: the cut of infinitely many events may lie there.
    cuts = np.append(np.unique(np.concatenate([events.score for events in kinds])), np.inf)
    passing, uncertainty = (
        [Passing(events, cuts) for events in kinds],
        value if kind == "significance" else 0.0,
    )
    numbers = _numbers(passing, uncertainty, level)
    at = _choose(kind, value, numbers, passing, cuts)
    if kind == "significance":
        low, high = _near_largest(passing, numbers[kind].value, at, uncertainty, level)
    else:
        low, high = _component((numbers[kind].low <= value) & (value <= numbers[kind].high), at)
    independent = {"background_efficiency": NUMBERS[0], "signal_efficiency": NUMBERS[1]}.get(kind)
    results = {
        name: _at(one, at)
        if name == kind
        else _in_quadrature(one, at, low, high)
        if name == independent
        else _hull(one, at, low, high)
        for name, one in numbers.items()
    }
    limit = kind == "significance" and not passing[1].enough[at + 1]
    return WorkingPoint(Interval(*(np.asarray(cuts[i]) for i in (at, low, high))), **results, at_limit=limit)


def numbers_at_cuts(
    cuts: ArrayLike,
    *,
    signal: ArrayLike,
    background: ArrayLike,
    weights: Weights = None,
    uncertainty: float = 0.0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Return NUMBERS at (k,) rising cuts that stay, each with its intervals; arguments as in ``working_point``."""
    at = np.asarray(cuts, np.float64)
    return _numbers(
        [Passing(events, at) for events in _samples(signal, background, weights)], uncertainty, level
    )


def _samples(signal: ArrayLike, background: ArrayLike, weights: Weights) -> list[Sample]:
    given = zip((signal, background), ("signal", "background"), weights or (None, None), strict=True)
    return [sample(scores, what, weight) for scores, what, weight in given]


class Passing:
    """Weight of one kind of events that passes each of (k,) rising cuts.

    Attributes:
        total, squares: sums of all weights and of their squares.
        weight, weight_squares: (k,) the same sums of the events that pass.
    """

    def __init__(self, events: Sample, cuts: Floats) -> None:
        self.total, self.squares = events.total, events.squares
        self.weight, self.weight_squares = events.passing(cuts), events.passing(cuts, 2)

    def share(self, level: float) -> Interval:
        """Return the (k,) shares of the weight that pass, with Wilson's intervals."""
        total, squares = np.asarray(self.total), np.asarray(self.squares)
        return weighted_share(self.weight, self.weight_squares, total, squares, level)

    @property
    def enough(self) -> NDArray[np.bool_]:
        """(k,) whether at least MIN_BACKGROUND effective events pass."""
        return np.asarray(self.weight**2 >= MIN_BACKGROUND * self.weight_squares) & (self.weight > 0)

    def covariance(self, at: int) -> Floats:
        """Return the (k,) covariances of the weight that passes each cut with that at the cut ``at``."""
        common = np.minimum(self.weight_squares, self.weight_squares[at])
        first, second = self.weight / self.total, self.weight[at] / self.total
        return np.asarray(
            common
            - first * self.weight_squares[at]
            - second * self.weight_squares
            + first * second * self.squares
        )

    @property
    def variance(self) -> Floats:
        """(k,) variances of the weight that passes, for a fixed sum of all weights."""
        share = self.weight / self.total
        return np.asarray((1 - 2 * share) * self.weight_squares + share**2 * self.squares)


def _numbers(passing: Sequence[Passing], uncertainty: float, level: float) -> dict[str, Interval]:
    """Return NUMBERS at every cut that stays."""
    shares = [one.share(level) for one in passing]
    more = _purity(passing, shares), _significance(passing, shares, uncertainty)
    return dict(zip(NUMBERS, (*shares, *more), strict=True))


def _choose(
    kind: Kind, value: float, numbers: dict[str, Interval], passing: Sequence[Passing], cuts: Floats
) -> int:
    """Return the number of the cut among all but the last; raise InputError if none obeys."""
    with np.errstate(invalid="ignore"):
        found = numbers[kind].value[:-1]
        if kind == "significance":
            obeys = passing[1].enough[:-1]
        elif kind == "background_efficiency":
            obeys = found <= value * (1 + ROUNDING)
        else:
            obeys = found >= value * (1 - ROUNDING)
    if not obeys.any():
        raise InputError(_refusal(kind, value, found, cuts))
    if kind == "significance":
        return int(np.where(obeys, found, -1.0).argmax())
    return int(np.flatnonzero(obeys)[-1 if kind == "signal_efficiency" else 0])


def _refusal(kind: Kind, value: float, found: Floats, cuts: Floats) -> str:
    """Return why no cut obeys."""
    if kind == "significance":
        return (
            f"working_point: no cut leaves {MIN_BACKGROUND:g} effective background events, which the best "
            "significance needs"
        )
    at = int(found.argmin() if kind == "background_efficiency" else found.argmax())
    what = "lowest" if kind == "background_efficiency" else "highest"
    return (
        f"working_point: no cut has a {kind.replace('_', ' ')} of {value:g}; the {what} is {found[at]:.4g} at "
        f"{cuts[at]:.6g}"
    )


def _purity(passing: Sequence[Passing], shares: Sequence[Interval]) -> Interval:
    """Return the (k,) purities at each cut that stays.

    The interval is that of the ratio of the two efficiencies from their Wilson intervals: A. Donner, G. Zou, Stat.
    Methods Med. Res. 21 (2012) 347.
    """
    s, b = shares
    ratio = passing[1].total / passing[0].total
    with np.errstate(divide="ignore", invalid="ignore"):
        product = s.value * b.value
        top, bottom = s.high * (2 * s.value - s.high), s.low * (2 * s.value - s.low)
        low = (product - np.sqrt(product**2 - b.low * (2 * b.value - b.low) * top)) / top
        high = (product + np.sqrt(product**2 - b.high * (2 * b.value - b.high) * bottom)) / bottom
        value = passing[0].weight / (passing[0].weight + passing[1].weight)
        ends = 1 / (1 + ratio * high), 1 / (1 + ratio * low)
    # Without signal nothing is known of the ratio.
    return Interval(
        value,
        np.where(np.isfinite(ends[0]), np.fmin(ends[0], value), 0.0),
        np.where(np.isfinite(ends[1]), np.fmax(ends[1], value), 1.0),
    )


def _significance(passing: Sequence[Passing], shares: Sequence[Interval], uncertainty: float) -> Interval:
    """Return the (k,) significances at each cut that stays, with the errors of both efficiencies in quadrature."""
    totals = passing[0].total, passing[1].total

    def at(s: Floats, b: Floats) -> Floats:
        return significance(totals[0] * s, totals[1] * b, uncertainty)

    s, b = shares
    value = at(s.value, b.value)
    with np.errstate(invalid="ignore"):
        below = np.hypot(value - at(s.low, b.value), value - at(s.value, b.high))
        above = np.hypot(at(s.high, b.value) - value, at(s.value, b.low) - value)
        return Interval(value, np.fmax(value - below, 0.0), value + above)


def _near_largest(
    passing: Sequence[Passing], value: Floats, at: int, uncertainty: float, level: float
) -> tuple[int, int]:
    """Return the first and the last cut whose significance is not below the largest, at ``at``, beyond its error.

    Near its largest value the significance is a Brownian motion on a parabola, W(t) - t^2, whose largest value is
    not at 0 and stands above it. In a simulation the range of all t with a difference to it of less than q times the
    error of the difference holds 0 at the level 0.68, 0.90, 0.95 and 0.99 for q = 0.77, 1.30, 1.54 and 2.08, which
    is NARROWING times the quantile of a Gaussian.
    """
    step, variance = 1e-4, np.zeros(len(value))
    sums = [one.weight for one in passing]
    for nth, one in enumerate(passing):
        (s, b), (t, c) = (
            [weight * (1 + sign * step * (nth == i)) for i, weight in enumerate(sums)] for sign in (1, -1)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            change = significance(s, b, uncertainty) - significance(t, c, uncertainty)
            slope = change / (2 * step * one.weight)
        own, common = one.covariance(at), slope * slope[at]
        variance += slope**2 * one.variance + slope[at] ** 2 * own[at] - 2 * common * own
    with np.errstate(invalid="ignore"):
        near = value[at] - value <= NARROWING * normal_quantile(level) * np.sqrt(np.maximum(variance, 0))
    allowed = np.flatnonzero(near & passing[1].enough)
    return int(min(allowed[0], at)), int(max(allowed[-1], at))


def _component(allowed: NDArray[np.bool_], at: int) -> tuple[int, int]:
    """Return the first and the last number of the allowed ones around ``at``, which counts as allowed."""
    below, above = np.flatnonzero(~allowed[:at]), np.flatnonzero(~allowed[at + 1 :])
    return (
        int(below[-1]) + 1 if len(below) else 0,
        at + int(above[0]) if len(above) else len(allowed) - 1,
    )


def _at(one: Interval, at: int) -> Interval:
    return Interval(*(np.asarray(end[at]) for end in (one.value, one.low, one.high)))


def _in_quadrature(share: Interval, at: int, low: int, high: int) -> Interval:
    """Return an efficiency whose interval has the change over the cuts ``low`` to ``high`` added in quadrature."""
    value = share.value[at]
    below = np.hypot(value - share.low[at], value - share.value[high])
    above = np.hypot(share.high[at] - value, share.value[low] - value)
    return Interval(*(np.asarray(x) for x in (value, max(value - below, 0.0), min(value + above, 1.0))))


def _hull(one: Interval, at: int, low: int, high: int) -> Interval:
    """Return a number with the hull of its intervals at the cuts ``low`` to ``high``."""
    inside = slice(low, high + 1)
    ends = np.nanmin(one.low[inside]), np.nanmax(one.high[inside])
    return Interval(*(np.asarray(x) for x in (one.value[at], *ends)))
