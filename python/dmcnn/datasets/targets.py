"""Targets of regression: numbers of each event in the files, divided by scales."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError, nearest
from dmcnn.detectors.smartpixel import TARGETS

Floats = NDArray[np.float64]
StoredNumbers = Callable[[Sequence[str]], Floats | list[Floats]]
"""Function of k names that returns the numbers (n, k) of all events, or a list of such arrays, one per file."""
ScaleChoice = Sequence[float] | Literal["fixed", "percentile", "pitch"]

MIDPLANES = {"x-midplane": 0, "y-midplane": 1}
"""Target -> axis of the pitch that scales it: 0 = x, 1 = y."""
PITCHES = 1.5
"""Scale of a mid-plane in pitches."""
PERCENTILE = 99.0
"""[%] Percentile of the absolute values that is the scale."""


@dataclass(frozen=True)
class Targets:
    """Names of the targets in the files, and their scales in the units of the files.

    Raises:
        InputError: no name, a name twice, or not one scale above 0 for each name.
    """

    names: tuple[str, ...]
    scales: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.names or len(set(self.names)) < len(self.names):
            raise InputError(f"targets = {list(self.names)}, expected different names")
        if len(self.scales) != len(self.names) or not all(0 < scale < inf for scale in self.scales):
            raise InputError(
                f"target_scales = {list(self.scales)}, expected a number above 0 for each of {', '.join(self.names)}"
            )

    def scale(self, stored: Floats) -> NDArray[np.float32]:
        """Return (n, k) float32 labels from (n, k) numbers in the units of the files.

        The division is in float64 and rounded once.
        """
        labels: Floats = stored / np.array(self.scales)
        return labels.astype(np.float32)


def fit_scales(
    scales: ScaleChoice, names: Sequence[str], stored: StoredNumbers, pitch: Sequence[float] | None = None
) -> Targets:
    """Return targets with scales that are given, or determined from training files or from the detector.

    Args:
        scales: numbers; "fixed", those of TARGETS; "percentile", the 99th percentile of the absolute values in each
            file, of which the largest; or "pitch", 1.5 pixels for mid-planes, else as "fixed".
        names: names of the k targets.
        stored: function that returns the numbers of the training files; NaN is left out.
        pitch: pixel pitch along x and y [unit of the mid-planes].

    Raises:
        InputError: a target has no such scale.
    """
    if not isinstance(scales, str):
        return Targets(tuple(names), tuple(scales))
    if scales == "percentile":
        numbers = stored(names)
        files = numbers if isinstance(numbers, list) else [numbers]
        return Targets(tuple(names), tuple(_percentile(files, names)))
    if scales not in ("fixed", "pitch"):
        choices = ("fixed", "percentile", "pitch")
        raise InputError(f"target_scales = {scales!r}, expected numbers or one of {', '.join(choices)}"
                         f"{nearest(scales, choices)}")  # fmt: skip
    if scales == "pitch" and (pitch is None or len(pitch) != 2):
        raise InputError("target_scales = 'pitch' needs pitch = [x, y] of the pixels")
    pitches = pitch if scales == "pitch" and pitch is not None else None
    return Targets(tuple(names), tuple(_detector_scale(name, pitches) for name in names))


def _detector_scale(name: str, pitch: Sequence[float] | None) -> float:
    """Return the scale of a target from the pitch, or from TARGETS."""
    if pitch is not None and name in MIDPLANES:
        return PITCHES * pitch[MIDPLANES[name]]
    if name not in TARGETS:
        raise InputError(f"target {name!r} has no fixed scale{nearest(name, TARGETS)}: give target_scales as "
                         f"numbers, or 'percentile'")  # fmt: skip
    return TARGETS[name]


def _percentile(files: Sequence[Floats], names: Sequence[str]) -> list[float]:
    """Return the percentile of the absolute values of every target, the largest of the files."""
    scales = []
    for number, name in enumerate(names):
        columns = [np.abs(stored[:, number]) for stored in files]
        known = [column[~np.isnan(column)] for column in columns]
        percentiles = [float(np.percentile(column, PERCENTILE)) for column in known if len(column)]
        if not percentiles or not max(percentiles) > 0:
            raise InputError(f"target {name!r}: no number but 0 in the training files, so it has no scale")
        scales.append(max(percentiles))
    return scales
