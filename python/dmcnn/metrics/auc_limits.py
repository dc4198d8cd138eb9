"""Confidence limits of the AUC from the placements of the events, for one sample or arrays of samples.

The placement of an event is the share of the other class that it outscores. DeLong's variance is that of the mean
placements of both classes (E. DeLong, D. DeLong, D. Clarke-Pearson, Biometrics 44 (1988) 837). Near an AUC of 1 it is
too small, for events in the tails are missing, and it vanishes for separated classes. The limits take it of the
sample with ADDED events more at either end of the scale in both classes: one that may have been missed. They are
symmetric in the arcsine of the square root, on which the variance of a share is constant (F. Anscombe, Biometrika 35
(1948) 246), and use Student's t with Satterthwaite's degrees of freedom (E. Brunner, U. Munzel, Biometrical J. 42
(2000) 17). In large samples they are DeLong's. docs/metrics.md tells how well they cover.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dmcnn.metrics.intervals import Interval, student_quantile
from dmcnn.metrics.samples import Floats, Sample

ADDED = 0.45
"""Effective events that are added at each end of the scale, to either class, for the variance."""

RETREAT = 0.24
"""Share of the way from the AUC to that of the sample with these events at which the limits are centred. Both numbers
are the result of a scan over the cells of docs/metrics.md: smaller ones do not cover, larger ones only widen."""


@dataclass(frozen=True, eq=False)
class Placements:
    """Mean and scatter of the placements of both classes: numbers, or arrays with an element per sample.

    Attributes:
        area: AUC, the mean placement of the signal.
        sizes: (2, …) effective events of signal and background.
        scatter: (2, …) sums over the events of a class of (w (placement - mean))^2, w with the sum ``sizes``.
    """

    area: Any
    sizes: Floats
    scatter: Floats


def placements(signal: Sample, background: Sample) -> Placements:
    """Return the placements of two samples by sorting in O(n log n), ties counted 1/2.

    X. Sun, W. Xu, IEEE Signal Process. Lett. 21 (2014) 1389.
    """
    of_signal, of_background = (
        background.shares_below(signal.score),
        1 - signal.shares_below(background.score),
    )
    area = float((signal.weight * of_signal).sum()) / signal.total
    pairs = ((signal, of_signal), (background, of_background))
    scatter = [
        float(((one.weight * one.effective / one.total) ** 2 * (values - area) ** 2).sum())
        for one, values in pairs
    ]
    return Placements(area, np.array([signal.effective, background.effective]), np.array(scatter))


def variance(sample: Placements) -> float:
    """Return DeLong's variance, with weights that of the influence function; NaN if a class has a single event."""
    if sample.sizes.min() < 2:
        return float("nan")
    return float((sample.scatter / (sample.sizes - 1) / sample.sizes).sum())


def interval(sample: Placements, level: float) -> Interval:
    """Return the AUC with its limits; [0, 1] where a class has fewer than two effective events."""
    area, h = np.asarray(sample.area, np.float64), ADDED
    size, other = sample.sizes, sample.sizes[::-1]
    full, all_ = other + 2 * h, size + 2 * h
    padded = (size[0] * size[1] * area + h * size.sum(axis=0) + 2 * h * h) / (all_[0] * all_[1])
    mean = (
        other * area + h
    ) / full  # placement of the events of a class by the other one with its new events
    ends = ((other + 1.5 * h) / full - padded) ** 2 + (0.5 * h / full - padded) ** 2  # of the new events
    squares = sample.scatter * (other / full) ** 2 + size * (mean - padded) ** 2 + h * ends
    variances = squares / (all_ - 1) / all_
    total = variances.sum(axis=0)
    degrees = total**2 / (variances**2 / (all_ - 1)).sum(axis=0)
    half = student_quantile(level, degrees) * np.sqrt(total / (padded * (1 - padded))) / 2
    middle = np.arcsin(np.sqrt(area + RETREAT * (padded - area)))
    low, high = (np.sin(np.clip(end, 0, np.pi / 2)) ** 2 for end in (middle - half, middle + half))
    alone = size.min(axis=0) < 2
    return Interval(
        area,
        np.where((area == 0) | alone, 0.0, np.minimum(low, area)),
        np.where((area == 1) | alone, 1.0, np.maximum(high, area)),
    )
