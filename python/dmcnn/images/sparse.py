"""Sparse detector images with their identity: the batch type that all of dmcnn works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.columns import join_offsets

if TYPE_CHECKING:
    import torch

EVENT = np.dtype(
    [("run", np.uint64), ("subrun", np.uint64), ("event", np.uint64), ("entry", np.int64), ("file", np.int32)]
)
"""Identity of an event: its three ids, its entry number in its file, and the number of that file in the
dataset. ``UNSET`` is the id of an event whose producer never set one."""

UNSET = np.uint64(2**64 - 1)

META = np.dtype(
    [
        ("plane", np.int64),
        ("unit", np.int32),
        ("x_min", np.float64),
        ("y_min", np.float64),
        ("x_max", np.float64),
        ("y_max", np.float64),
    ]
)
"""Position of one channel in the detector: x along axis W (wire), y along axis H (drift tick), edges in ``unit``.
``plane`` is the projection id, or ``NO_IMAGE`` where the event holds no such image."""

NO_IMAGE = -1


def id_columns(event: Any, file: str) -> dict[str, Any]:
    """Return the columns of tables that identify an event; an id that its producer never set is None.

    Args:
        event: EVENT record.
        file: name of its file.
    """
    numbers = {
        f"{name}_number": None if event[name] == UNSET else int(event[name])
        for name in ("run", "subrun", "event")
    }
    return {"file": file, "entry_number": int(event["entry"]), **numbers}


Axis = Literal["plane", "channel", "time", "z"]
"""Meaning of the channels of an image: views of one event, quantities of each pixel such as energy and time, or
layers of one volume, along time or z."""
FEW = 3
"""Layers of a volume that are drawn one by one at most, as planes are; more are drawn as a volume."""

UNIT_UNKNOWN, UNIT_CM, UNIT_WIRE_TICK = 0, 1, 2
UNIT_PIXEL = -1  # pixel numbers, for files without units; LArCV has no such unit
UNIT_CELL = -2  # calorimeter cells; LArCV has no such unit
UNIT_X_FRAME, UNIT_Y_FRAME = -3, -4  # cells along W and time frames along H
UNIT_SENSOR = -5  # pixel numbers of a sensor whose pixels hold electrons


@dataclass(frozen=True, eq=False, repr=False)
class SparseImages:
    """Batch of n images as columns, without zeros; an image holds all channels of an event.

    Attributes:
        offsets: (n+1,) int64. Image i owns ``index[offsets[i]:offsets[i+1]]`` and the same slice of value.
        index: (nnz,) int32. Flat pixel number, row-major in ``shape``, strictly increasing in an image.
        value: (nnz,) float32. Charge after the reader's threshold and clip [ADC], or energy [GeV].
        shape: (C, H, W). C runs along ``axis0``; H = row = drift tick; W = column = wire.
        events: (n,) EVENT.
        meta: (n, C) META, position of every channel in the detector.
        label: (n,) int64 class numbers, (n, k) float32 targets, or None.
        axis0: meaning of the channels.
        weight: (n,) float32 weights of the events in a loss; None = 1 each.
    """

    offsets: NDArray[np.int64]
    index: NDArray[np.int32]
    value: NDArray[np.float32]
    shape: tuple[int, int, int]
    events: NDArray[Any]
    meta: NDArray[Any]
    label: NDArray[Any] | None = None
    axis0: Axis = "plane"
    weight: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        n = len(self.offsets) - 1
        if len(self.index) != len(self.value) or n < 0 or self.offsets[-1] != len(self.index):
            raise ValueError("offsets, index and value do not fit together")
        if len(self.events) != n or self.meta.shape != (n, self.shape[0]):
            raise ValueError(f"{n} images, {len(self.events)} events, meta of shape {self.meta.shape}")
        if self.label is not None and len(self.label) != n:
            raise ValueError(f"{n} images but {len(self.label)} labels")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def n_pixels(self) -> NDArray[np.int64]:
        """(n,) int64, number of active pixels of each image in all channels."""
        return np.diff(self.offsets)

    @property
    def has_image(self) -> NDArray[np.bool_]:
        """(n,) bool, False where the event has none of the chosen images."""
        present: NDArray[np.bool_] = (self.meta["plane"] != NO_IMAGE).any(axis=1)
        return present

    @property
    def cluster_sizes(self) -> NDArray[np.int64]:
        """(n,) int64, number of pixels of each image that are active in any channel."""
        size = self.shape[1] * self.shape[2]
        image = np.repeat(np.arange(len(self)), self.n_pixels)
        active = np.unique(image * size + self.index % size)
        return np.bincount(active // size, minlength=len(self)).astype(np.int64)

    def limited(self, low: float | None = None, high: float | None = None) -> SparseImages:
        """Return the images without pixels below ``low`` and with pixels above ``high`` set to it, as readers do."""
        mask = np.ones(len(self.value), bool) if low is None else self.value >= np.float32(low)
        value = self.value[mask]
        offsets = np.concatenate([[0], np.cumsum(mask)]).astype(np.int64)[self.offsets]
        value = value if high is None else np.minimum(value, np.float32(high))
        return replace(self, offsets=offsets, index=self.index[mask], value=value)

    @property
    def is_volume(self) -> bool:
        """Whether the channels are drawn as layers of one volume."""
        return is_volume(self.axis0, self.shape)

    def take(self, which: slice | Sequence[int] | NDArray[Any]) -> SparseImages:
        """Return the images ``which`` (a slice, numbers or a mask), in that order, as a new batch."""
        if isinstance(which, slice) and which.step in (None, 1):
            start, stop, _ = which.indices(len(self))
            stop = max(start, stop)
            rows: slice | NDArray[np.int64] = slice(start, stop)
            offsets = self.offsets[start : stop + 1]
            pixels: slice | NDArray[np.int64] = slice(int(offsets[0]), int(offsets[-1]))
            offsets = offsets - offsets[0]
        else:
            rows = np.arange(len(self), dtype=np.int64)[which]
            counts = self.n_pixels[rows]
            offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
            pixels = np.repeat(self.offsets[rows] - offsets[:-1], counts) + np.arange(offsets[-1])
        return replace(
            self,
            offsets=offsets,
            index=self.index[pixels],
            value=self.value[pixels],
            events=self.events[rows],
            meta=self.meta[rows],
            label=None if self.label is None else self.label[rows],
            weight=None if self.weight is None else self.weight[rows],
        )

    def dense(self) -> NDArray[np.float32]:
        """Return the images with their zeros, (n, C, H, W) float32."""
        from dmcnn import _core

        out = np.empty((len(self), *self.shape), np.float32)
        _core.densify(self.offsets, self.index, self.value, out)
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return ``dense()``; ValueError above 1 GiB, as the conversion may be a mistake."""
        if len(self) * prod(self.shape) > DENSE_LIMIT:
            size = len(self) * prod(self.shape) * 4 / 2**30
            raise ValueError(
                f"{self!r} takes {size:.1f} GiB as a dense array: ask for it with dense(), or for fewer with take()"
            )
        return np.asarray(self.dense(), dtype)

    def to_awkward(self) -> Any:
        """Return an awkward.Array of n lists of {"index", "value"}, without a copy."""
        import awkward

        contents = [awkward.contents.NumpyArray(column) for column in (self.index, self.value)]
        records = awkward.contents.RecordArray(contents, ["index", "value"])
        return awkward.Array(awkward.contents.ListOffsetArray(awkward.index.Index64(self.offsets), records))

    def to_scipy(self, image: int | None = None, channel: int | None = None) -> Any:
        """Return a scipy.sparse array: (H, W) of one image, or of all (n, C * H * W).

        Args:
            image: number of the image; None = all, without a copy.
            channel: channel of that image; None if it has only one.
        """
        from scipy import sparse as sparse_arrays

        channels, height, width = self.shape
        if image is None:
            parts = self.value, self.index, self.offsets
            return sparse_arrays.csr_array(parts, shape=(len(self), prod(self.shape)))
        if channel is None and channels > 1:
            raise ValueError(f"images have {channels} channels: which one?")
        if not 0 <= (channel or 0) < channels:
            raise IndexError(f"channel {channel}, there are {channels}")
        single = self.take([image])
        first = (channel or 0) * height * width
        inside = (single.index >= first) & (single.index < first + height * width)
        rows, columns = np.divmod(single.index[inside] - first, width)
        return sparse_arrays.csr_array((single.value[inside], (rows, columns)), shape=(height, width))

    def to_torch(self) -> torch.Tensor:
        """Return a sparse COO tensor (n, C, H, W) of float32."""
        import torch

        image = np.repeat(np.arange(len(self)), self.n_pixels)
        places = np.stack([image, *np.unravel_index(self.index, self.shape)])
        return torch.sparse_coo_tensor(
            torch.from_numpy(places),
            torch.from_numpy(self.value),
            (len(self), *self.shape),
            is_coalesced=True,
            check_invariants=False,
        )

    def __repr__(self) -> str:
        share = len(self.index) / max(1, len(self) * prod(self.shape))
        label = "" if self.label is None else f", labels {self.label.dtype} {self.label.shape}"
        return f"SparseImages({len(self)} images of {self.shape}, {100 * share:.3g} % of the pixels active{label})"


DENSE_LIMIT = 2**28
"""Pixels of a dense array from ``np.asarray`` at most: 1 GiB of float32."""


def is_volume(axis0: Axis, shape: tuple[int, int, int]) -> bool:
    """Return whether images of (C, H, W) with such channels are drawn as layers of one volume."""
    return axis0 in ("time", "z") and shape[0] > FEW


def join(batches: Sequence[SparseImages]) -> SparseImages:
    """Concatenate batches of one shape; the result has labels only if all batches have them.

    ``axis0`` is that of the first batch. The result has no weights.

    Raises:
        ValueError: no batch, or batches of different shapes.
    """
    if not batches:
        raise ValueError("nothing to join")
    shapes = sorted({b.shape for b in batches})
    if len(shapes) > 1:
        raise ValueError(f"images of different shapes {shapes} cannot share a batch")
    labels = [b.label for b in batches if b.label is not None]
    return replace(
        batches[0],
        offsets=join_offsets([b.offsets for b in batches]),
        index=np.concatenate([b.index for b in batches]),
        value=np.concatenate([b.value for b in batches]),
        events=np.concatenate([b.events for b in batches]),
        meta=np.concatenate([b.meta for b in batches]),
        label=np.concatenate(labels) if len(labels) == len(batches) else None,
        weight=None,
    )


def unset_events(n: int, first: int = 0) -> NDArray[Any]:
    """Return (n,) EVENT with unset ids and entries numbered from ``first``."""
    events = np.full(n, np.array((UNSET, UNSET, UNSET, 0, 0), EVENT))
    events["entry"] += first + np.arange(n)
    return events


def sparse(
    dense: NDArray[np.float32],
    events: NDArray[Any] | None = None,
    meta: NDArray[Any] | None = None,
    label: NDArray[Any] | None = None,
    *,
    unit: int = UNIT_UNKNOWN,
    axis0: Axis = "plane",
) -> SparseImages:
    """Convert (n, C, H, W) float32 images into SparseImages with all pixels that are not zero.

    Without ``events`` the entries are numbered 0..n-1 in file 0 with unset ids; without ``meta`` the edges are
    pixel numbers, in ``unit``, and the plane is the channel number.
    """
    n, channels, height, width = dense.shape
    flat = np.ascontiguousarray(dense, np.float32).reshape(n, -1)
    image, index = np.nonzero(flat)
    if events is None:
        events = unset_events(n)
    if meta is None:
        meta = np.zeros((n, channels), META)
        meta["plane"], meta["unit"] = np.arange(channels), unit
        meta["x_max"], meta["y_max"] = width, height
    return SparseImages(
        offsets=np.concatenate([[0], np.cumsum(np.bincount(image, minlength=n))]).astype(np.int64),
        index=index.astype(np.int32),
        value=flat[image, index],
        shape=(channels, height, width),
        events=events,
        meta=meta,
        label=label,
        axis0=axis0,
    )
