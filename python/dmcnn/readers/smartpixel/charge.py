"""What a network is given of the charge of a pixel: electrons, a standardised logarithm, or a level."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError, nearest

Floats = NDArray[np.float64]
Kind = Literal["electrons", "standardised", "digitised"]
KINDS = ("electrons", "standardised", "digitised")

TINY = 1e-10
"""Added to the variance of the charges of a file."""


def compressed(charge: Floats) -> Floats:
    """sign(x) log2(1 + |x|) of charges [electrons], rounded as in the original generator of frames."""
    found: Floats = np.copysign(np.log1p(np.abs(charge)), charge) / math.log(2)
    return found


@dataclass(frozen=True)
class Scale:
    """What becomes of a charge; each field is the argument of SmartPixel of that name with ``charge_`` before it.

    Raises:
        InputError: one line for every value that is not valid.
    """

    kind: Kind = "electrons"
    mean: float | None = None
    std: float | None = None
    high: float = 1.7
    low: float = 2.5
    percentile: float | None = None
    clip: Sequence[float] | None = None
    bits: int | None = None
    thresholds: Sequence[float] = (400.0, 1000.0, 2000.0)

    def __post_init__(self) -> None:
        faults = [
            f"charge_{name} = {value!r}, expected {words}"
            for name, value, words, fine in self._rules()
            if not fine
        ]
        if self.kind not in KINDS:
            faults.append(
                f"charge = {self.kind!r}, expected one of {', '.join(KINDS)}{nearest(str(self.kind), KINDS)}"
            )
        if self.bits is not None and self.kind != "standardised":
            faults.append(f"charge_bits = {self.bits} goes with charge = 'standardised', not {self.kind!r}")
        if faults:
            raise InputError(*faults)

    def _rules(self) -> list[tuple[str, object, str, bool]]:
        clip, levels = self.clip, list(self.thresholds)
        rising = all(a < b < math.inf for a, b in zip([0.0, *levels], levels, strict=False))
        return [
            ("mean", self.mean, "a number", self.mean is None or math.isfinite(self.mean)),
            ("std", self.std, "a number above 0", self.std is None or 0 < self.std < math.inf),
            ("high", self.high, "a number above 0", 0 < self.high < math.inf),
            ("low", self.low, "a number above 0", 0 < self.low < math.inf),
            (
                "percentile",
                self.percentile,
                "above 0 up to 100",
                self.percentile is None or 0 < self.percentile <= 100,
            ),
            ("clip", clip, "[min, max]", clip is None or (len(clip) == 2 and clip[0] < clip[1])),
            ("bits", self.bits, "2 to 16", self.bits is None or 2 <= self.bits <= 16),
            ("thresholds", levels, "increasing numbers above 0", bool(levels) and rising),
        ]

    @property
    def missing(self) -> list[str]:
        """Arguments that have to be fitted to training files before charges can be standardised."""
        if self.kind != "standardised":
            return []
        unknown = {"charge_mean": self.mean is None, "charge_std": self.std is None}
        unknown["charge_clip"] = self.percentile is not None and self.clip is None
        return [name for name in unknown if unknown[name]]

    def values(self, charge: Floats) -> NDArray[np.float32]:
        """What becomes of charges [electrons]; computed in float64 and rounded to float32 last."""
        if self.kind == "digitised":
            return np.searchsorted(np.array(self.thresholds, float), charge, side="right").astype(np.float32)
        if self.kind == "electrons":
            return charge.astype(np.float32)
        assert self.mean is not None
        assert self.std is not None
        found = (compressed(charge) - self.mean) / self.std
        found = np.where(found > 0, found / self.high, found / self.low)
        if self.clip is not None:
            found = np.clip(found, self.clip[0], self.clip[1])
        return self._gridded(found.astype(np.float32))

    def _gridded(self, value: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rounded, half to even, to a grid of 2^bits numbers from -1 to just below 1."""
        if self.bits is None:
            return value
        steps = np.float32(2 ** (self.bits - 1))
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

    def arguments(self) -> dict[str, float | list[float]]:
        """Those of SmartPixel."""
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
