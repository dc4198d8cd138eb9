"""Options of files of pixel frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from dmcnn._common.errors import InputError
from dmcnn.readers.options import Options, option

Kind = Literal["electrons", "standardised", "digitised"]


@dataclass(frozen=True, kw_only=True)
class SmartPixelOptions(Options):
    """Options of files of pixel frames.

    Charges are "electrons" as stored; "standardised": u = sign(x) log2(1 + |x|) becomes (u - charge_mean) /
    charge_std, divided by ``charge_high`` above zero and by ``charge_low`` below; a pixel without charge stays 0; or
    "digitised": the number of ``charge_thresholds`` that a charge reaches. With ``charge_bits``, standardised charges
    are rounded, half to even, to 2^bits steps from -1 to 1 - 2^(1 - bits). Noise depends on the name of the file, the
    row and ``charge_seed`` alone.

    Raises:
        InputError: invalid values, one line each.
    """

    section: ClassVar[str] = "pixel frames"

    slices: Sequence[int] | None = option(None, "numbers of the time slices (default: all)", min_length=1)
    window: Sequence[int] | None = option(
        None, "[rows, columns] (default: 13 x 21 or 16 x 16, whichever fits)", min_length=2, max_length=2
    )
    charge: Kind = option(
        "electrons",
        "content of a pixel (default electrons); standardised: log2(1 + |x|) with the sign of x, centred and divided "
        "by its spread; digitised: a level",
    )
    charge_mean: float | None = option(None, "mean of these logarithms (default: that of the training files)")
    charge_std: float | None = option(
        None, "standard deviation of these logarithms (default: that of the training files)", gt=0
    )
    charge_high: float = option(1.7, "divisor of standardised charges above zero (default 1.7)", gt=0)
    charge_low: float = option(2.5, "divisor of standardised charges below zero (default 2.5)", gt=0)
    charge_percentile: float | None = option(
        None,
        "the divisors are this percentile of the training files, such as 99.7, and charges are limited to their "
        "range",
        gt=0,
        le=100,
    )
    charge_clip: Sequence[float] | None = option(
        None, "[min, max] of standardised charges", min_length=2, max_length=2
    )
    charge_bits: int | None = option(
        None, "bits of a standardised charge (default: not rounded)", ge=2, le=16
    )
    charge_noise: float = option(0.0, "rms of the noise added to every pixel", "electrons", ge=0)
    charge_seed: int = option(0, "seed of this noise (default 0)", ge=0)
    charge_thresholds: Sequence[float] = option(
        (400.0, 1000.0, 2000.0),
        "thresholds of the levels (default 400, 1000, 2000)",
        "electrons",
        min_length=1,
    )
    contained: float | None = option(
        None, "only clusters with less charge at the border of their window", "electrons"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        clip, levels = self.charge_clip, list(self.charge_thresholds)
        bits, percentile = self.charge_bits, self.charge_percentile
        rising = all(a < b < math.inf for a, b in zip([0.0, *levels], levels, strict=False))
        mean, std, high, low = self.charge_mean, self.charge_std, self.charge_high, self.charge_low
        rules = [
            ("mean", mean, "a number", mean is None or math.isfinite(mean)),
            ("std", std, "a number above 0", std is None or 0 < std < math.inf),
            ("high", high, "a number above 0", 0 < high < math.inf),
            ("low", low, "a number above 0", 0 < low < math.inf),
            ("percentile", percentile, "above 0 up to 100", percentile is None or 0 < percentile <= 100),
            ("clip", clip, "[min, max]", clip is None or (len(clip) == 2 and clip[0] < clip[1])),
            ("bits", bits, "2 to 16", bits is None or 2 <= bits <= 16),
            ("thresholds", levels, "increasing numbers above 0", bool(levels) and rising),
        ]
        faults = [
            f"charge_{name} = {value!r}, expected {words}" for name, value, words, fine in rules if not fine
        ]
        if bits is not None and self.charge != "standardised":
            faults.append(f"charge_bits = {bits} goes with charge = 'standardised', not {self.charge!r}")
        if faults:
            raise InputError(*faults)
        if not 0 <= self.charge_noise < math.inf or self.charge_seed < 0:
            noise, seed = self.charge_noise, self.charge_seed
            raise InputError(f"charge_noise = {noise}, charge_seed = {seed}: expected 0 or more")

    @property
    def missing(self) -> list[str]:
        """Names of the options that must still be fitted to training files before charges can be standardised."""
        if self.charge != "standardised":
            return []
        unknown = {"charge_mean": self.charge_mean is None, "charge_std": self.charge_std is None}
        unknown["charge_clip"] = self.charge_percentile is not None and self.charge_clip is None
        return [name for name in unknown if unknown[name]]
