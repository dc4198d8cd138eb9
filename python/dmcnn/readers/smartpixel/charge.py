"""What a network is given of the charge of a pixel: electrons, a standardised logarithm, or a level."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dmcnn.readers.smartpixel.options import SmartPixelOptions

Floats = NDArray[np.float64]
TINY = 1e-10
"""Added to the variance of the charges of a file."""


def compressed(charge: Floats) -> Floats:
    """sign(x) log2(1 + |x|) of charges [electrons], rounded as in the original generator of frames."""
    found: Floats = np.copysign(np.log1p(np.abs(charge)), charge) / math.log(2)
    return found


def image_values(charge: Floats, options: SmartPixelOptions) -> NDArray[np.float32]:
    """Return what becomes of charges [electrons]; computed in float64 and rounded to float32 last."""
    if options.charge == "digitised":
        levels = np.array(options.charge_thresholds, float)
        return np.searchsorted(levels, charge, side="right").astype(np.float32)
    if options.charge == "electrons":
        return charge.astype(np.float32)
    assert options.charge_mean is not None
    assert options.charge_std is not None
    found = (compressed(charge) - options.charge_mean) / options.charge_std
    found = np.where(found > 0, found / options.charge_high, found / options.charge_low)
    if options.charge_clip is not None:
        found = np.clip(found, options.charge_clip[0], options.charge_clip[1])
    return _gridded(found.astype(np.float32), options.charge_bits)


def _gridded(value: NDArray[np.float32], bits: int | None) -> NDArray[np.float32]:
    """Round, half to even, to a grid of 2^bits numbers from -1 to just below 1."""
    if bits is None:
        return value
    steps = np.float32(2 ** (bits - 1))
    found: NDArray[np.float32] = np.clip(np.rint(value * steps), -steps, steps - 1) / steps
    return found


@dataclass
class Fit:
    """Numbers of the charges of several files, each file counting the same.

    Attributes:
        percentile: of the centred charges above and below zero, which become 1; None = the usual divisors.
    """

    percentile: float | None
    _means: list[float] = field(default_factory=list)
    _variances: list[float] = field(default_factory=list)
    _tails: list[tuple[float, float, float, float]] = field(default_factory=list)

    def add(self, parts: Iterable[Floats]) -> bool:
        """All charges [electrons] of a file, frame by frame, in several parts; whether there are any."""
        found = np.concatenate([np.zeros(0), *map(compressed, parts)])
        if not len(found):
            return False
        mean, variance = float(np.mean(found)), float(np.var(found)) + TINY
        self._means.append(mean)
        self._variances.append(variance)
        if self.percentile is not None:
            centred = (found - mean) / math.sqrt(variance)
            above, below = centred[centred > 0], -centred[centred < 0]
            high, low = (
                float(np.percentile(side, self.percentile)) if len(side) else 1.0 for side in (above, below)
            )
            self._tails.append((high, low, min(float(centred.min()), 0.0), max(float(centred.max()), 0.0)))
        return True

    def options(self) -> dict[str, float | list[float]]:
        """Return the options of SmartPixel that standardise charges."""
        mean = sum(self._means) / len(self._means)
        std = math.sqrt(sum(self._variances) / len(self._variances))
        found: dict[str, float | list[float]] = {"charge_mean": mean, "charge_std": std}
        if self._tails:
            high, low, least, most = zip(*self._tails, strict=True)
            found |= {
                "charge_high": max(high),
                "charge_low": max(low),
                "charge_clip": [min(least), max(most)],
            }
        return found
