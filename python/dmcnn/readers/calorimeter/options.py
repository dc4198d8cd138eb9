"""Options of calorimeter files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from dmcnn.detectors.calorimeter import TIME_EDGES
from dmcnn.readers.options import Options, option

View = Literal["frames", "energy_time", "projections"]


@dataclass(frozen=True, kw_only=True)
class CalorimeterOptions(Options):
    """Options of calorimeter files.

    Views are "frames": (T, H, W), the energies in time frames; "energy_time": (2, H, W), energy and time;
    "projections": (3, S, S), the frames summed along t, y and x: rows y and columns x, rows t and columns x, rows t
    and columns y; each centred in a square of S = max(H, W, T).

    ``time_edges`` are (first, end, step) of ``np.arange``. There are as many frames as edges: frame k holds
    edge k < t <= edge k+1, the last one nothing. A cumulative frame also holds all earlier cells.
    """

    section: ClassVar[str] = "calorimeter files"

    view: View = option("frames", "content of an image (default: energies in time frames)")
    crop: int | None = option(None, "side of the central square that is kept", "cells", ge=1)
    energy_min: float | None = option(None, "only cells with more energy (frames: 0.005)")
    time_lo: float | None = option(None, "only cells with a later time")
    time_hi: float | None = option(None, "only cells with an earlier time")
    time_edges: Sequence[float] = option(
        TIME_EDGES, "[first, end, step] of the edges of the frames", min_length=3, max_length=3
    )
    cumulative: bool = option(True, "a frame holds all earlier cells too (default True), or those of its bin")
    bad_pixels: Literal["zero", "stop"] = option(
        "zero", "NaN and Inf pixels: count and zero, or stop", cfg=True
    )
