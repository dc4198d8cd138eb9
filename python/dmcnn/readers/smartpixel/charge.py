"""Pixel values from charges: electrons, a standardised logarithm, or a level."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dmcnn.readers.smartpixel.options import SmartPixelOptions

Floats = NDArray[np.float64]
TINY = 1e-10
"""Added to the variance of the charges of a file, so that it is never 0."""


def signed_log2(charge: Floats) -> Floats:
    """Return sign(x) log2(1 + |x|) of charges [electrons], with the rounding of the original generator of frames."""
    logarithm: Floats = np.copysign(np.log1p(np.abs(charge)), charge) / math.log(2)
    return logarithm


def image_values(charge: Floats, options: SmartPixelOptions) -> NDArray[np.float32]:
    """Convert charges [electrons] into pixel values; computed in float64 and rounded to float32 last."""
    if options.charge == "digitised":
        levels = np.array(options.charge_thresholds, float)
        return np.searchsorted(levels, charge, side="right").astype(np.float32)
    if options.charge == "electrons":
        return charge.astype(np.float32)
    assert options.charge_mean is not None
    assert options.charge_std is not None
    value = (signed_log2(charge) - options.charge_mean) / options.charge_std
    value = np.where(value > 0, value / options.charge_high, value / options.charge_low)
    if options.charge_clip is not None:
        value = np.clip(value, options.charge_clip[0], options.charge_clip[1])
    return _round_to_grid(value.astype(np.float32), options.charge_bits)


def _round_to_grid(value: NDArray[np.float32], bits: int | None) -> NDArray[np.float32]:
    """Round, half to even, to a grid of 2^bits numbers from -1 to 1 - 2^(1 - bits)."""
    if bits is None:
        return value
    steps = np.float32(2 ** (bits - 1))
    rounded: NDArray[np.float32] = np.clip(np.rint(value * steps), -steps, steps - 1) / steps
    return rounded


@dataclass
class Fit:
    """Mean, spread and range of the charges of several files, each file with the same weight.

    Attributes:
        percentile: percentile of the centred charges above and below zero that becomes 1; None = do not fit divisors.
    """

    percentile: float | None
    _means: list[float] = field(default_factory=list)
    _variances: list[float] = field(default_factory=list)
    _tails: list[tuple[float, float, float, float]] = field(default_factory=list)

    def add(self, parts: Iterable[Floats]) -> bool:
        """Add all charges [electrons] of a file, in several parts; return whether there are any."""
        logarithm = np.concatenate([np.zeros(0), *map(signed_log2, parts)])
        if not len(logarithm):
            return False
        mean, variance = float(np.mean(logarithm)), float(np.var(logarithm)) + TINY
        self._means.append(mean)
        self._variances.append(variance)
        if self.percentile is not None:
            centred = (logarithm - mean) / math.sqrt(variance)
            above, below = centred[centred > 0], -centred[centred < 0]
            high, low = (
                float(np.percentile(side, self.percentile)) if len(side) else 1.0 for side in (above, below)
            )
            self._tails.append((high, low, min(float(centred.min()), 0.0), max(float(centred.max()), 0.0)))
        return True

    def options(self) -> dict[str, float | list[float]]:
        """Return the options of SmartPixelFile that standardise charges."""
        mean = sum(self._means) / len(self._means)
        std = math.sqrt(sum(self._variances) / len(self._variances))
        options: dict[str, float | list[float]] = {"charge_mean": mean, "charge_std": std}
        if self._tails:
            high, low, least, most = zip(*self._tails, strict=True)
            options |= {
                "charge_high": max(high),
                "charge_low": max(low),
                "charge_clip": [min(least), max(most)],
            }
        return options
