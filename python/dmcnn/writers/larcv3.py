"""LArCV3 HDF5 files that the reader of dmcnn and larcv 3.5.1 read alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from dmcnn._common.files import atomic_file
from dmcnn.formats.hdf5 import create
from dmcnn.images.sparse import NO_IMAGE, UNIT_UNKNOWN, UNSET, SparseImages

Product = Literal["sparse2d", "image2d"]

EVENT_ID = np.dtype([("run", "<i8"), ("subrun", "<i8"), ("event", "<i8")])
EXTENTS = np.dtype({"names": ["first", "N"], "formats": ["<u8", "<u4"], "offsets": [0, 8], "itemsize": 16})
IMAGE_EXTENTS = np.dtype([("first", "<u8"), ("N", "<u4"), ("ID", "<u4")])
IMAGE_META = np.dtype(
    {
        "names": ["valid", "projection_id", "image_sizes", "number_of_voxels", "origin"],
        "formats": ["u1", "<u8", ("<f8", (2,)), ("<u8", (2,)), ("<f8", (2,))],
        "offsets": [0, 8, 16, 32, 48],
        "itemsize": 72,
    }
)
VOXELS = np.dtype({"names": ["id", "value"], "formats": ["<u8", "<f4"], "offsets": [0, 8], "itemsize": 16})
TABLE_CHUNK, VOXEL_CHUNK, PIXEL_CHUNK = 1000, 16384, 2**20
BLOCK = 2**24  # pixels of a dense array in memory at a time


def write(
    path: str | Path,
    batches: Iterable[SparseImages],
    *,
    producer: str,
    product: Product = "sparse2d",
    attributes: Mapping[str, str | int | float] | None = None,
) -> int:
    """Write batches one after another to one file and return the number of events.

    Axis 0 is the row (tick), axis 1 the column (wire). A channel whose plane is NO_IMAGE is not written,
    so an event may hold fewer images than channels. LArCV3 does not store the unit of the edges: it is written as
    the attribute ``unit`` of the product's group. ``attributes`` go to the root group.

    Args:
        path: the file, whole or absent.
        batches: events of one shape and one unit; labels are not stored, because the format has no field for them.
        producer: producer name of the product; at most about 100 characters.
        product: "sparse2d" stores active pixels only, "image2d" every pixel.
        attributes: numbers and texts that describe the origin of the images.

    Raises:
        ValueError: a producer name, an id or a batch that the format cannot store.
    """
    group = f"{product}_{producer}_group"
    if not producer or "/" in producer or len(group) >= 128:
        raise ValueError(f"producer {producer!r}: expected a name without '/' of 1 to 100 characters")
    events = 0
    with atomic_file(path) as temporary, create(temporary) as (file, disk):
        file.attrs.update(attributes or {})
        output = _Output(file, f"Data/{group}", product)
        for batch in batches:
            output.add(batch)
            disk.check()
            events += len(batch)
        output.close()
    return events


class _Output:
    """Extendable tables of one product."""

    def __init__(self, file: h5py.File, group: str, product: Product) -> None:
        self._file, self._group, self._product = file, group, product
        self._shape: tuple[int, int, int] | None = None
        self._unit: int | None = None
        file.create_group(group)
        self._create("Events/event_id", EVENT_ID, TABLE_CHUNK)
        self._create(f"{group}/extents", EXTENTS, TABLE_CHUNK)
        self._create(f"{group}/image_meta", IMAGE_META, TABLE_CHUNK)
        self._extents, self._content = (
            ("voxel_extents", "voxels") if product == "sparse2d" else ("image_extents", "images")
        )
        self._create(f"{group}/{self._extents}", IMAGE_EXTENTS, TABLE_CHUNK)
        if product == "sparse2d":
            self._create(f"{group}/{self._content}", VOXELS, VOXEL_CHUNK)

    def _create(self, name: str, dtype: Any, chunk: int) -> None:
        """Create an empty, extendable, compressed table."""
        self._file.create_dataset(
            name, (0,), dtype, maxshape=(None,), chunks=(chunk,), compression="gzip", compression_opts=1
        )

    def _append(self, name: str, rows: NDArray[Any]) -> int:
        """Append rows to a table and return the number of rows before."""
        table = self._file[name]
        before = len(table)
        if len(rows):
            table.resize(before + len(rows), axis=0)
            table[before:] = rows
        return before

    def add(self, batch: SparseImages) -> None:
        """Append the events of a batch."""
        self._check(batch)
        has_image = batch.meta["plane"] != NO_IMAGE  # (n, C) bool
        pixels = channel_pixels(batch)
        if pixels[~has_image].any():
            raise ValueError("pixels in a channel that has no image")
        images = np.zeros(int(has_image.sum()), IMAGE_EXTENTS)
        images["ID"] = batch.meta["plane"][has_image]
        if self._product == "sparse2d":
            images["N"] = pixels[has_image]
            before = self._add_voxels(batch)
        else:
            images["N"] = batch.shape[1] * batch.shape[2]
            before = self._add_pixels(batch, has_image)
        images["first"] = before + np.cumsum(images["N"].astype(np.uint64)) - images["N"]
        self._append(f"{self._group}/image_meta", image_meta(batch, has_image))
        extents = np.zeros(len(batch), EXTENTS)
        extents["N"] = has_image.sum(axis=1)
        first = self._append(f"{self._group}/{self._extents}", images)
        extents["first"] = first + np.cumsum(extents["N"].astype(np.uint64)) - extents["N"]
        self._append(f"{self._group}/extents", extents)
        self._append("Events/event_id", event_ids(batch.events))

    def _check(self, batch: SparseImages) -> None:
        """Raise ValueError unless the batch has the shape and the unit of those before."""
        if self._shape not in (None, batch.shape):
            raise ValueError(f"batches of shapes {self._shape} and {batch.shape} cannot share a file")
        self._shape = batch.shape
        units = set(np.unique(batch.meta["unit"][batch.meta["plane"] != NO_IMAGE]).tolist())
        units |= set() if self._unit is None else {self._unit}
        if len(units) > 1:
            raise ValueError(f"images in different units {sorted(units)} cannot share a file")
        self._unit = next(iter(units), None)

    def _add_voxels(self, batch: SparseImages) -> int:
        """Append the active pixels, numbered within their channel, and return the number of voxels stored before."""
        voxels = np.zeros(len(batch.index), VOXELS)
        voxels["id"], voxels["value"] = batch.index % (batch.shape[1] * batch.shape[2]), batch.value
        return self._append(f"{self._group}/{self._content}", voxels)

    def _add_pixels(self, batch: SparseImages, has_image: NDArray[np.bool_]) -> int:
        """Append every pixel of the channels with an image and return the number of pixels stored before."""
        name = f"{self._group}/{self._content}"
        channels, height, width = batch.shape
        if name not in self._file:
            self._create(name, "<f4", min(PIXEL_CHUNK, channels * height * width))
        before = len(self._file[name])
        step = max(1, BLOCK // (channels * height * width))
        for start in range(0, len(batch), step):
            part = slice(start, start + step)
            self._append(name, batch.take(part).dense()[has_image[part]].ravel())
        return before

    def close(self) -> None:
        """Write the unit, which is known only after the last batch."""
        self._file[self._group].attrs["unit"] = UNIT_UNKNOWN if self._unit is None else self._unit


def channel_pixels(batch: SparseImages) -> NDArray[np.int64]:
    """Return the number of active pixels of every channel, (n, C) int64."""
    n, (channels, height, width) = len(batch), batch.shape
    channel = np.repeat(np.arange(n) * channels, batch.n_pixels) + batch.index // (height * width)
    return np.bincount(channel, minlength=n * channels).reshape(n, channels)


def image_meta(batch: SparseImages, has_image: NDArray[np.bool_]) -> NDArray[Any]:
    """Return (m,) IMAGE_META of the m channels for which ``has_image`` (n, C) holds; axis 0 is the row (tick)."""
    meta = batch.meta[has_image]
    rows = np.zeros(len(meta), IMAGE_META)
    rows["valid"], rows["projection_id"] = 1, meta["plane"]
    rows["origin"] = np.stack([meta["y_min"], meta["x_min"]], axis=1)
    sizes = [meta["y_max"] - meta["y_min"], meta["x_max"] - meta["x_min"]]
    rows["image_sizes"] = np.stack(sizes, axis=1)
    rows["number_of_voxels"] = batch.shape[1:]
    return rows


def event_ids(events: NDArray[Any]) -> NDArray[Any]:
    """Return (n,) EVENT_ID of (n,) EVENT; LArCV3's ids are int64, and 2^63-1 means unset.

    Raises:
        ValueError: an id above 2^63-2, which LArCV3 cannot store.
    """
    rows = np.zeros(len(events), EVENT_ID)
    for field in ("run", "subrun", "event"):
        ids = events[field]
        unset = ids == UNSET
        if np.any(ids[~unset] >= 2**63 - 1):
            raise ValueError(f"{field} = {ids[~unset].max()} is beyond the 2^63-2 that LArCV3 can hold")
        rows[field] = np.where(unset, 2**63 - 1, np.where(unset, 0, ids).astype(np.int64))
    return rows
