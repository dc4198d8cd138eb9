"""What a network estimates: numbers that the files give every event, each divided by a scale."""

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
Stored = Callable[[Sequence[str]], Floats | list[Floats]]
"""Gives the numbers of these names of all events (n, k), or a list of such arrays, one per file."""
How = Sequence[float] | Literal["fixed", "percentile", "pitch"]

MIDPLANES = {"x-midplane": 0, "y-midplane": 1}
"""Which pitch belongs to a target."""
PITCHES = 1.5
PERCENTILE = 99.0


@dataclass(frozen=True)
class Targets:
    """Names of the numbers as the files have them, and their scales.

    Raises:
        InputError: no name, one twice, or not as many scales above zero.
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

    def scaled(self, stored: Floats) -> NDArray[np.float32]:
        """(n, k) labels of numbers (n, k) in the units of the files; divided in float64, rounded last."""
        scaled: Floats = stored / np.array(self.scales)
        return scaled.astype(np.float32)


def fit_scales(
    how: How, names: Sequence[str], stored: Stored, pitch: Sequence[float] | None = None
) -> Targets:
    """Targets whose scales are given, or follow from training files or from the detector.

    Args:
        how: numbers; or "fixed", those of TARGETS; or "percentile": the 99th of the absolute values, the largest of
            those of the files; or "pitch": one and a half pixels for mid-planes, and else as "fixed".
        names: of the targets.
        stored: gives the numbers of the training files, of which those that are NaN do not count.
        pitch: of the pixels along x and y [unit of the mid-planes].

    Raises:
        InputError: a target has no such scale.
    """
    if not isinstance(how, str):
        return Targets(tuple(names), tuple(how))
    if how == "percentile":
        found = stored(names)
        files = found if isinstance(found, list) else [found]
        return Targets(tuple(names), tuple(_percentile(files, names)))
    if how not in ("fixed", "pitch"):
        choices = ("fixed", "percentile", "pitch")
        raise InputError(f"target_scales = {how!r}, expected numbers or one of {', '.join(choices)}"
                         f"{nearest(how, choices)}")  # fmt: skip
    if how == "pitch" and (pitch is None or len(pitch) != 2):
        raise InputError("target_scales = 'pitch' needs pitch = [x, y] of the pixels")
    pitches = pitch if how == "pitch" and pitch is not None else None
    return Targets(tuple(names), tuple(_known(name, pitches) for name in names))


def _known(name: str, pitch: Sequence[float] | None) -> float:
    """The scale of a target by its name."""
    if pitch is not None and name in MIDPLANES:
        return PITCHES * pitch[MIDPLANES[name]]
    if name not in TARGETS:
        raise InputError(f"no scale of the target {name!r} is known{nearest(name, TARGETS)}: give target_scales as "
                         f"numbers, or 'percentile'")  # fmt: skip
    return TARGETS[name]


def _percentile(files: Sequence[Floats], names: Sequence[str]) -> list[float]:
    """The largest of the files for every target."""
    scales = []
    for number, name in enumerate(names):
        columns = [np.abs(stored[:, number]) for stored in files]
        known = [column[~np.isnan(column)] for column in columns]
        found = [float(np.percentile(column, PERCENTILE)) for column in known if len(column)]
        if not found or not max(found) > 0:
            raise InputError(f"target {name!r}: no number but 0 in the training files, so it has no scale")
        scales.append(max(found))
    return scales
