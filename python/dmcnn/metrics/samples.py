"""Samples of signal and background: rising scores with event weights, from either form of arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmcnn._common.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sample:
    """Scored events of one kind.

    Attributes:
        score: (n,) float64 scores in rising order.
        weight: (n,) float64 weights of the events, at least 0; 1 without weights.
    """

    score: Floats
    weight: Floats

    @property
    def total(self) -> float:
        """Sum of the weights."""
        return float(np.cumsum(self.weight[::-1])[-1])  # as in passing, so that all events are a share of 1

    @property
    def squares(self) -> float:
        """Sum of the squares of the weights."""
        return float((self.weight**2).sum())

    @property
    def effective(self) -> float:
        """Number of events of equal weight with the same relative variance of their sum; n without weights."""
        return self.total * (self.total / self.squares)

    def passing(self, cuts: ArrayLike, power: int = 1) -> Floats:
        """Return the sum of the weights, raised to ``power``, of the events with ``score >= cut`` for each cut."""
        above = np.append(np.cumsum(self.weight[::-1] ** power)[::-1], 0.0)
        return np.asarray(above[np.searchsorted(self.score, cuts, side="left")])

    def shares_below(self, scores: Floats) -> Floats:
        """Return the share of the weight below each of the (m,) ``scores``, an equal score counting 1/2."""
        below = np.append(0.0, np.cumsum(self.weight))
        sides = [below[np.searchsorted(self.score, scores, side=side)] for side in ("left", "right")]
        return np.asarray((sides[0] + sides[1]) / (2 * below[-1]))


def sample(scores: ArrayLike, what: str, weights: ArrayLike | None = None) -> Sample:
    """Return events of the kind ``what`` in rising order of their scores; without weights each counts 1.

    Raises:
        InputError: no events, a NaN score, or weights that are negative, not finite, all zero or not one per score.
    """
    values = np.asarray(scores, np.float64).ravel()
    if not values.size:
        raise InputError(f"no {what} events: nothing to evaluate")
    if np.isnan(values).any():
        raise InputError(
            f"{np.isnan(values).sum()} of {values.size} {what} scores are NaN: leave them out first"
        )
    weight = np.ones(values.size) if weights is None else np.asarray(weights, np.float64).ravel()
    if weight.size != values.size:
        raise InputError(f"{weight.size} weights for {values.size} {what} scores")
    bad = weight[~((weight >= 0) & (weight < np.inf))]
    if bad.size:
        raise InputError(
            f"{bad.size} of {weight.size} weights of {what} events are no weights for this (first {bad[0]:g}): "
            "a ROC curve and the shares on it need numbers of at least 0; histograms take negative ones"
        )
    if not weight.any():
        raise InputError(f"all weights of {what} events are 0: nothing to evaluate")
    values, weight = values[weight > 0], weight[weight > 0]
    order = np.argsort(values, kind="stable")
    return Sample(values[order], weight[order])


def samples(name: str, unnamed: Sequence[object], given: dict[str, Any]) -> tuple[Sample, Sample]:
    """Return the signal and the background from the arguments of the function ``name``.

    Args:
        name: name of the function, for messages.
        unnamed: positional arguments, of which there must be none.
        given: the arguments signal, background, labels, scores and weights; None = not given.
    """
    kinds, events = (given["signal"], given["background"]), (given["labels"], given["scores"])
    pairs = [pair for pair in (kinds, events) if all(part is not None for part in pair)]
    if unnamed or len(pairs) != 1 or sum(part is not None for part in kinds + events) != 2:
        raise TypeError(
            f"{name}() takes scores by name, since their order differs between libraries: "
            f"{name}(signal=…, background=…), or {name}(labels=…, scores=…) with 1 for signal and 0 for background"
        )
    weights = given["weights"]
    if given["labels"] is None:
        of_signal, of_background = (None, None) if weights is None else weights
        return sample(kinds[0], "signal", of_signal), sample(kinds[1], "background", of_background)
    truth, values = np.asarray(given["labels"]), np.asarray(given["scores"], np.float64)
    if truth.shape != values.shape:
        raise InputError(f"{truth.size} labels for {values.size} scores")
    wrong = truth[(truth != 0) & (truth != 1)]
    if wrong.size:
        raise InputError(f"label {wrong.flat[0]}, expected 1 or True for signal, 0 or False for background")
    weight = None if weights is None else np.broadcast_to(np.asarray(weights, np.float64), values.shape)
    of_kind = [None if weight is None else weight[truth == kind] for kind in (1, 0)]
    return sample(values[truth == 1], "signal", of_kind[0]), sample(
        values[truth == 0], "background", of_kind[1]
    )
