"""Space-time frames: conversion of energy and time images, cells or hits into voxels (t, y, x)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmcnn import _core
from dmcnn._common.errors import InputError
from dmcnn._common.threads import threads
from dmcnn.detectors.calorimeter import FRAME_ENERGY, TIME_EDGES
from dmcnn.images.sparse import META, UNIT_UNKNOWN, SparseImages, unset_events

Closed = Literal["left", "right"]


def _edges(edges: ArrayLike, name: str) -> NDArray[np.float64]:
    """Return edges as float64; InputError unless they are at least two increasing numbers."""
    values = np.array(edges, np.float64)
    if values.ndim != 1 or len(values) < 2 or not (np.diff(values) > 0).all():
        raise InputError(f"{name} edges {values}, expected at least two increasing numbers")
    return values


def _is_right(closed: str) -> bool:
    """Return whether bins are closed on the right; InputError for an unknown word."""
    if closed not in ("left", "right"):
        raise InputError(f"closed = {closed!r}, expected 'left' or 'right'")
    return closed == "right"


@dataclass(frozen=True, eq=False)
class Frames:
    """Time frames of (energy, time) images: bins of time and limits of energy and time.

    Attributes:
        edges: (b+1,) float64, increasing, in the unit of the times. Bin k is frame k. float32 times and energies
            are compared as float64.
        energy_above: only pixels with more energy.
        after, until: limits of the time, closed as the bins are.
        cumulative: a pixel is in the frame of its bin and in all later ones (in all frames, if it is before the first
            edge); else only in the frame of its bin.
        closed: "right" means bins lo < t <= hi, "left" means lo <= t < hi.
        n_frames: number of frames; those beyond the last bin stay empty. None = one per bin.
    """

    edges: NDArray[np.float64]
    energy_above: float = 0.0
    after: float = -math.inf
    until: float = math.inf
    cumulative: bool = False
    closed: Closed = "right"
    n_frames: int | None = None

    def __post_init__(self) -> None:
        edges = _edges(self.edges, "time")
        object.__setattr__(self, "edges", edges)
        if self.n_frames is not None and self.n_frames < len(edges) - 1:
            raise InputError(
                f"{self.n_frames} frames, expected at least the {len(edges) - 1} of the time bins"
            )
        if math.isnan(self.energy_above) or not self.after < self.until:
            raise InputError(
                f"energies above {self.energy_above}, times {self.after} to {self.until}: expected numbers"
            )
        _is_right(self.closed)

    @property
    def count(self) -> int:
        """Number of frames per image."""
        return len(self.edges) - 1 if self.n_frames is None else self.n_frames

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of the kernels."""
        return {
            "energy_above": self.energy_above,
            "after": self.after,
            "until": self.until,
            "cumulative": self.cumulative,
            "right_closed": _is_right(self.closed),
        }


ECAL = Frames(np.arange(*TIME_EDGES), energy_above=FRAME_ENERGY, cumulative=True, n_frames=21)
"""Frames of the ECAL e/gamma images by convention: as many as edges, so that the last one is empty."""


def to_voxels(
    images: SparseImages, frames: Frames, *, energy: int = 0, time: int = 1, n_threads: int | None = None
) -> SparseImages:
    """Convert images into sparse images of (frames, H, W); each voxel holds the energy of its pixel.

    Args:
        energy, time: channels of the images. A pixel without stored time has time 0.
        n_threads: None for $DMCNN_NUM_THREADS, or every core; the result does not depend on it.

    Raises:
        InputError: the images have no such channel.
    """
    _check_channels(images, energy, time)
    offsets, index, value, _, _ = _core.voxelise(
        images.offsets, images.index, images.value, images.shape, energy, time, frames.edges, frames.count,
        n_threads=threads(n_threads), **frames.arguments,
    )  # fmt: skip
    return SparseImages(
        offsets=offsets,
        index=index,
        value=value,
        shape=(frames.count, *images.shape[1:]),
        events=images.events,
        meta=np.broadcast_to(images.meta[:, energy : energy + 1], (len(images), frames.count)),
        label=images.label,
        axis0="time",
    )


def cells_to_voxels(
    offsets: NDArray[np.int64],
    cell: NDArray[np.int32],
    energy: NDArray[np.float32],
    time: NDArray[np.float32],
    frames: Frames,
    size: tuple[int, int],
    *,
    events: NDArray[Any],
    meta: NDArray[Any],
    n_threads: int | None = None,
) -> SparseImages:
    """Convert lists of cells into sparse images of (frames, H, W), equal to ``to_voxels`` of their images.

    Args:
        offsets: (n+1,) int64. Image i owns the cells ``offsets[i]:offsets[i+1]``.
        cell: (m,) int32 number of the cell, row-major in ``size``, strictly increasing in an image.
        energy, time: (m,) float32, finite; a cell without energy is in no frame.
        size: (H, W).
        events: (n,) EVENT.
        meta: (n,) META, the same for every frame.
        n_threads: as ``to_voxels``.
    """
    voxel_offsets, index, value, _, _ = _core.voxelise_cells(
        offsets, cell, energy, time, size, frames.edges, frames.count,
        n_threads=threads(n_threads), **frames.arguments,
    )  # fmt: skip
    return SparseImages(
        offsets=voxel_offsets,
        index=index,
        value=value,
        shape=(frames.count, *size),
        events=events,
        meta=np.broadcast_to(meta[:, None], (len(events), frames.count)),
        axis0="time",
    )


def to_frames(
    images: SparseImages,
    frames: Frames,
    *,
    energy: int = 0,
    time: int = 1,
    out: NDArray[np.float32] | None = None,
    n_threads: int | None = None,
) -> NDArray[np.float32]:
    """Convert images into a dense (n, frames, H, W) float32 array, written into ``out`` if given.

    Raises:
        InputError: ``out`` has another shape, type or order, or the images have no such channel.
    """
    _check_channels(images, energy, time)
    shape = (len(images), frames.count, *images.shape[1:])
    if out is None:
        out = np.empty(shape, np.float32)
    if out.shape != shape or out.dtype != np.float32 or not (out.flags.c_contiguous and out.flags.writeable):
        raise InputError(
            f"out is {out.dtype} of shape {out.shape}, expected writeable C-ordered float32 of {shape}"
        )
    _core.voxelise_dense(
        images.offsets, images.index, images.value, images.shape, energy, time, frames.edges, out,
        n_threads=threads(n_threads), **frames.arguments,
    )  # fmt: skip
    return out


@dataclass(frozen=True, eq=False)
class Hits:
    """Hits of n events; event i owns the hits ``offsets[i]:offsets[i+1]``.

    Attributes:
        offsets: (n+1,) int64.
        x, y, t: (m,) position and time, in any unit; used as float32 if all four columns are, else as float64.
        charge: (m,) charge [ADC] or energy [GeV].
        events: (n,) EVENT; None numbers the entries 0..n-1 in file 0, with unset ids.
    """

    offsets: NDArray[np.int64]
    x: NDArray[Any]
    y: NDArray[Any]
    t: NDArray[Any]
    charge: NDArray[Any]
    events: NDArray[Any] | None = None

    @property
    def columns(self) -> list[NDArray[Any]]:
        """x, y, t and charge, contiguous and of one dtype."""
        columns = [np.asarray(column) for column in (self.x, self.y, self.t, self.charge)]
        dtype = np.float32 if all(column.dtype == np.float32 for column in columns) else np.float64
        return [np.ascontiguousarray(column, dtype) for column in columns]


def hits_to_voxels(
    hits: Hits,
    t_edges: ArrayLike,
    y_edges: ArrayLike,
    x_edges: ArrayLike,
    *,
    closed: Closed = "left",
    unit: int = UNIT_UNKNOWN,
    n_threads: int | None = None,
) -> tuple[SparseImages, NDArray[np.int64], NDArray[np.int64]]:
    """Convert hits into sparse images of (bins of t, bins of y, bins of x); a voxel is the sum of its charges.

    Charges are added in the order of the hits, in float64, and rounded once to float32; zero voxels are not stored.

    Returns:
        The images; (n,) number of hits outside the edges; (n,) number of hits with NaN or infinite numbers.

    Raises:
        InputError: edges do not increase, or columns differ in length.
    """
    across, down, times = _edges(x_edges, "x"), _edges(y_edges, "y"), _edges(t_edges, "t")
    x, y, t, charge = hits.columns
    offsets, index, value, bad, cut = _core.voxelise_hits(
        np.ascontiguousarray(hits.offsets), x, y, t, charge, across, down, times,
        right_closed=_is_right(closed), n_threads=threads(n_threads),
    )  # fmt: skip
    n, frames = len(offsets) - 1, len(times) - 1
    images = SparseImages(
        offsets=offsets,
        index=index,
        value=value,
        shape=(frames, len(down) - 1, len(across) - 1),
        events=unset_events(n) if hits.events is None else hits.events,
        meta=_meta(n, across, down, frames, unit),
        axis0="time",
    )
    return images, cut, bad


def _check_channels(images: SparseImages, energy: int, time: int) -> None:
    """Raise InputError unless the images have both channels."""
    for name, channel in (("energy", energy), ("time", time)):
        if not 0 <= channel < images.shape[0]:
            raise InputError(f"{name} channel {channel}, expected 0 to {images.shape[0] - 1}")


def _meta(
    n: int, x_edges: NDArray[np.float64], y_edges: NDArray[np.float64], frames: int, unit: int
) -> NDArray[Any]:
    """Return the (n, frames) META of images that span the edges."""
    meta = np.zeros((n, frames), META)
    meta["plane"], meta["unit"] = np.arange(frames), unit
    meta["x_min"], meta["x_max"] = x_edges[0], x_edges[-1]
    meta["y_min"], meta["y_max"] = y_edges[0], y_edges[-1]
    return meta
