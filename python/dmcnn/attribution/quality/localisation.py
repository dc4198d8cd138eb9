"""Localisation: share of a map on the charge, and agreement with other maps.

Maps of any shape are compared by |attribution|: what matters, for or against. Of tied pixels that would only in
part belong to the strongest k, each belongs by that part, so that no order of the pixels decides.
A comparison with a map that is not finite, or without any order or strength, is NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def enrichment(values: NDArray[Any], active: Mask) -> float:
    """Return the share of the |attribution| that lies on active pixels, over the share of the pixels that are active.

    1 is what a uniform map reaches, and 1 / occupancy a map that is zero on all empty pixels.
    """
    strength, on = _strength(values), active.ravel()
    here, beside = strength[on].sum(), strength[~on].sum()
    if not on.any() or not here + beside > 0:
        return float("nan")
    return float(here / (here + beside) / (np.count_nonzero(on) / on.size))


def top_overlap(values: NDArray[Any], active: Mask) -> float:
    """Return the share of the k strongest pixels of the map that are active, k being the number of active pixels.

    A uniform map reaches the occupancy, and a map that is zero on all empty pixels 1.
    """
    k = int(np.count_nonzero(active))
    strength = _strength(values)
    return float(top(strength, k)[active.ravel()].sum() / k) if k and strength.any() else float("nan")


def top(values: Floats, k: int) -> Floats:
    """Return the (n,) float64 share of each value among the k highest, with sum k; NaN if any value is NaN."""
    if np.isnan(values).any():
        return np.full(len(values), np.nan)
    last = np.partition(values, -k)[-k]
    above, tied = values > last, values == last
    return np.asarray(above + tied * ((k - np.count_nonzero(above)) / np.count_nonzero(tied)))


def ranks(values: NDArray[Any]) -> Floats:
    """Return the (n,) float64 ranks 1..n of (n,) values; ties share the mean of their ranks."""
    _, number, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[number.reshape(-1)])


def spearman(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the rank correlation of the strengths of two maps of one shape; NaN where a map has no order."""
    a, b = _strength(one), _strength(other)
    if not a.size or np.isnan(a).any() or np.isnan(b).any():
        return float("nan")
    a, b = ranks(a), ranks(b)
    a, b = a - a.mean(), b - b.mean()
    spread = np.sqrt((a @ a) * (b @ b))
    return float(np.clip(a @ b / spread, -1, 1)) if spread > 0 else float("nan")


def jaccard(one: NDArray[Any], other: NDArray[Any], k: int) -> float:
    """Return the number of pixels among the k strongest of both maps over that of either map."""
    a, b = _strength(one), _strength(other)
    if not (k and a.any() and b.any()):
        return float("nan")
    a, b = top(a, k), top(b, k)
    return float(np.minimum(a, b).sum() / np.maximum(a, b).sum())


@dataclass(frozen=True, eq=False)
class Agreement:
    """Agreement of the maps of one event on its active pixels.

    Attributes:
        names: of the n maps.
        spearman: (n, n) float64 rank correlations of |attribution|.
        jaccard: (n, n) float64 overlaps of the strongest ``share`` of the active pixels, shared over either's.
        share: such as 0.1. Of all active pixels every two maps that vanish on the empty ones would agree.
    """

    names: tuple[str, ...]
    spearman: Floats
    jaccard: Floats
    share: float


def agreement(maps: Mapping[str, NDArray[Any]], active: Mask, share: float = 0.1) -> Agreement:
    """Compare (C, H, W) maps by name on the (C, H, W) active pixels."""
    here = [values[active] for values in maps.values()]
    k = int(np.ceil(share * np.count_nonzero(active)))
    correlation, overlap = np.full((2, len(here), len(here)), np.nan)
    for i, one in enumerate(here):
        for j, other in enumerate(here[: i + 1]):
            correlation[i, j] = correlation[j, i] = spearman(one, other)
            overlap[i, j] = overlap[j, i] = jaccard(one, other, k)
    return Agreement(tuple(maps), correlation, overlap, share)


def _strength(values: NDArray[Any]) -> Floats:
    """Return the (n,) float64 |attribution| over its highest value, so that sums neither overflow nor vanish.

    NaN throughout if the map is not finite; a map of zeros stays one.
    """
    strength = np.abs(values.reshape(-1).astype(np.float64))
    if not np.isfinite(strength).all():
        return np.full(len(strength), np.nan)
    highest = strength.max(initial=0.0)
    return strength / highest if highest > 0 else strength
