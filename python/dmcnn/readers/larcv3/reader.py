"""Reader of LArCV3 HDF5 files: image2d (dense) and sparse2d (voxels) groups, without LArCV."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from dmcnn import _core
from dmcnn._common.errors import InputError
from dmcnn.formats import hdf5
from dmcnn.formats.origin import Origin
from dmcnn.formats.source import choose_producer, decoding_errors, split_name
from dmcnn.images.sparse import EVENT, META, UNIT_CM, UNIT_UNKNOWN, UNIT_WIRE_TICK, UNSET
from dmcnn.readers.fit_to_window import Decoded, ImageFile
from dmcnn.readers.image_choice import ImageTable, sizes
from dmcnn.readers.larcv3.options import LArCV3Options, Product
from dmcnn.readers.particles import select_primaries
from dmcnn.readers.voxels import place

UNSET_INT64 = 2**63 - 1
EXTENTS = {"image2d": "image_extents", "sparse2d": "voxel_extents"}
IMAGE_META = ("valid", "projection_id", "number_of_voxels", "origin", "image_sizes")
ORIGIN = ("process", "trackid", "parent_trackid")
CONTENT: dict[Product, str] = {"image2d": "images", "sparse2d": "voxels"}


class LArCV3(ImageFile):
    """LArCV3 file.

    The file does not say which of its axes is wire. dmcnn and the larcv2_to_larcv3 converter store axis
    0 = row (tick); a file made with axis 0 = column (wire) needs ``axis0="col"``. The unit of the edges is an
    attribute ``unit`` of the group where dmcnn wrote the file, else unknown.
    """

    options_class = LArCV3Options
    options: LArCV3Options

    @classmethod
    def reads(cls, path: Path, head: bytes) -> bool:
        return bool(head) and hdf5.is_hdf5(path)

    def _tables(self, producer: str | None) -> tuple[str, NDArray[Any], ImageTable]:
        self._rows_first = self.options.axis0 == "row"
        with hdf5.open_file(self.path) as file:
            self._product = product = self.options.product or self._only_product(file)
            groups = hdf5.groups(file, product)
            producer = choose_producer(f"{self.path}: {product}", groups, producer, "producer")
            self._group = groups[producer]
            self._content = f"{self._group}/{CONTENT[product]}"
            events = self._events(file)
            extents = hdf5.table(file, f"{self._group}/extents", "first", "N")
            images = hdf5.table(file, f"{self._group}/{EXTENTS[product]}", "first", "N")
            meta = hdf5.table(file, f"{self._group}/image_meta", *IMAGE_META)
            length = len(hdf5.content(file, self._content))
            self._origin = hdf5.origin(file)
            with decoding_errors(f"{self.path}: {self._group}"):
                stored = hdf5.member(file, self._group).attrs.get("unit")
                unit = next((unit for unit in (UNIT_CM, UNIT_WIRE_TICK) if stored == unit), UNIT_UNKNOWN)
        where = f"{self.path}: {self._group}"
        if len(extents) != len(events):
            raise InputError(f"{where}: {len(extents)} entries, expected {len(events)} as /Events has")
        if len(meta) != len(images):
            raise InputError(f"{where}: {len(images)} images but {len(meta)} rows of image_meta")
        hdf5.check_extents(f"{where}/extents", extents, len(images))
        hdf5.check_extents(f"{where}/{EXTENTS[product]}", images, length)
        order = hdf5.row_numbers(extents)
        images, meta = images[order], meta[order]
        counts = extents["N"].astype(np.int64)
        table = self._image_table(where, counts, meta, unit)
        self._first, self._n = images["first"].astype(np.int64), images["N"].astype(np.int64)
        wrong = np.flatnonzero(table.has_pixels & (self._n != table.rows * table.cols))
        if product == "image2d" and len(wrong):
            first = wrong[0]
            raise InputError(
                f"{where}: entry {table.entry[first]}: image of {table.rows[first]}x{table.cols[first]} "
                f"has {self._n[first]} pixels"
            )
        return producer, events, table

    @property
    def origin(self) -> Origin:
        return self._origin

    def _only_product(self, file: h5py.File) -> Product:
        """Return the only product of the file, image2d if it has none; InputError if it has both."""
        with decoding_errors(str(self.path)):
            names = [split_name(name, "group") for name in hdf5.member(file, "Data") or ()]
        products = sorted({parts[0] for parts in names if parts and parts[0] in CONTENT})
        if len(products) > 1:
            raise InputError(f"{self.path}: holds both {' and '.join(products)}, choose one with product")
        return "sparse2d" if products == ["sparse2d"] else "image2d"

    def _events(self, file: h5py.File) -> NDArray[Any]:
        """Return the (n,) EVENT of all entries."""
        ids = hdf5.table(file, "Events/event_id", "run", "subrun", "event")
        if not len(ids):
            raise InputError(f"{self.path}: no entries")
        events = np.zeros(len(ids), EVENT)
        for field in ("run", "subrun", "event"):
            unset = (ids[field] == UNSET_INT64) | (ids[field] < 0)
            events[field] = np.where(unset, UNSET, ids[field].astype(np.uint64))
        events["entry"] = np.arange(len(ids))
        return events

    def _image_table(
        self, where: str, counts: NDArray[np.int64], stored: NDArray[Any], unit: int
    ) -> ImageTable:
        """Return the table of all images from the rows of image_meta (m,), whose axes are in stored order."""
        if stored["number_of_voxels"].shape[1:] != (2,) or stored["origin"].shape[1:] != (2,):
            raise InputError(f"{where}/image_meta: expected images of two axes")
        row, col = (0, 1) if self._rows_first else (1, 0)
        valid = stored["valid"] != 0  # an image whose meta is not set has no pixels
        number = np.where(valid[:, None], stored["number_of_voxels"], 0)
        rows, cols = sizes(where, number[:, row], number[:, col], counts)
        meta = np.zeros(len(stored), META)
        meta["plane"] = np.minimum(stored["projection_id"], UNSET_INT64)
        meta["unit"] = unit
        for low, high, axis in (("x_min", "x_max", col), ("y_min", "y_max", row)):
            meta[low] = stored["origin"][:, axis]
            meta[high] = meta[low] + stored["image_sizes"][:, axis]
        return ImageTable(counts, rows, cols, meta)

    def _pixels(self, start: int, stop: int) -> Decoded:
        image = self._image[start:stop]
        present = image >= 0
        first, n = self._first[image[present]], self._n[image[present]]
        with hdf5.open_file(self.path) as file:
            content = hdf5.content(file, self._content)
            with decoding_errors(f"{self.path}: {self._group}: entries {start}..{stop - 1}"):
                pixels, first = content.slices(first, n)
        starts = np.full(image.shape, -1, np.int64)
        starts[present] = first
        rows, cols = self._rows[start:stop], self._cols[start:stop]
        limits = self.options.limits
        if self._product == "sparse2d":
            counts = np.zeros(image.shape, np.int64)
            counts[present] = n
            where = f"{self.path}: {self._group}"
            return place(
                where,
                start,
                pixels["id"],
                pixels["value"],
                starts,
                counts,
                rows,
                cols,
                self._whole,
                limits,
                self._rows_first,
            )
        pixels = np.ascontiguousarray(pixels, np.float32)
        decoded: Decoded = _core.sparsify(
            pixels, starts, rows, cols, self._whole[1:], *limits, self._rows_first
        )
        return decoded

    def _primaries(self, *names: str) -> tuple[NDArray[np.int64], list[NDArray[Any]]]:
        with hdf5.open_file(self.path) as file:
            groups = hdf5.groups(file, "particle")
            group = groups[
                choose_producer(f"{self.path}: particle", groups, self.options.particles, "particles")
            ]
            extents = hdf5.table(file, f"{group}/extents", "first", "N")
            column = "pdg" if "pdg" in names else "vtx"
            table = hdf5.table(file, f"{group}/particles", column, optional=ORIGIN)
        where = f"{self.path}: {group}"
        if len(extents) != len(self):
            raise InputError(f"{where}: {len(extents)} entries, expected {len(self)} as the images have")
        hdf5.check_extents(f"{where}/extents", extents, len(table))
        table = table[hdf5.row_numbers(extents)]
        stored = table.dtype.names or ()
        origin = (table[name] if name in stored else None for name in ORIGIN)
        values = [table["pdg"] if name == "pdg" else _axis(where, table["vtx"], name) for name in names]
        return select_primaries(extents["N"].astype(np.int64), values, *origin)


def _axis(where: str, position: NDArray[Any], axis: str) -> NDArray[Any]:
    """Return one coordinate of positions; InputError if they have none of this name."""
    if axis not in (position.dtype.names or ()):
        raise InputError(f"{where}/particles: vtx is {position.dtype}, expected x, y and z")
    coordinate: NDArray[Any] = position[axis]
    return coordinate
