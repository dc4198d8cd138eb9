"""Reader of LArCV2 and LArCV1 ROOT files: image2d, sparse2d and sparse3d trees, without ROOT or LArCV."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn import _core
from dmcnn._common.errors import InputError
from dmcnn._common.threads import threads
from dmcnn.formats.source import choose_producer, existing_file, kernel_errors
from dmcnn.images.sparse import META, UNIT_WIRE_TICK
from dmcnn.readers.fit_to_window import Decoded, ImageFile, join_decoded
from dmcnn.readers.image_choice import ImageTable, sizes
from dmcnn.readers.larcv2 import root
from dmcnn.readers.larcv2.options import LArCV2Options, Product
from dmcnn.readers.larcv2.tensors import Sets, images, members, sets2d, sets3d, volume
from dmcnn.readers.particles import check_ids, select_primaries
from dmcnn.readers.voxels import place

CONTENT: dict[Product, str] = {
    "image2d": "_image_v._img",
    "sparse2d": "_tensor_v._voxel_v",
    "sparse3d": "_voxel_v._id",
}
"""Product -> branch of its pixels, or of the ids of its voxels."""
PARTICLE = {"pdg": "_pdg", "x": "_vtx._x", "y": "_vtx._y", "z": "_vtx._z"}
"""Quantity of a particle -> member of larcv::Particle."""
log = logging.getLogger("dmcnn")


class LArCV2(ImageFile):
    """LArCV2 (or LArCV1) file.

    LArCV2 stores row 0 = lowest tick, whatever ``tick_order`` is. LArCV1 stored row 0 = highest tick with the
    origin at the top left; such images are flipped. Its later "tick-forward" branch stored ascending ticks in the
    same layout, and no file states which: "auto" assumes "descending" and warns. LArCV1 has only wires and ticks,
    so its unit is UNIT_WIRE_TICK and its plane is the projection.

    A sparse3d volume of nx x ny x nz voxels becomes an image of shape (C, H, W) = (nz, ny, nx), so that index is
    larcv's own voxel id x + nx * (y + ny * z). ``plane`` and ``image_index`` are slice numbers along z (default: all
    slices), and meta has the edges along x and y.
    """

    options_class = LArCV2Options
    options: LArCV2Options

    @classmethod
    def reads(cls, path: Path, head: bytes) -> bool:
        return head.startswith(root.MAGIC)

    def __init__(self, path: str | Path, options: LArCV2Options | None = None, **given: Any) -> None:
        self._flip_rows = False
        self._root = root.RootFile(existing_file(path))
        super().__init__(path, options, **given)

    def close(self) -> None:
        self._root.close()
        for baskets in (self._content, self._values):
            if baskets is not None:
                baskets.close()

    def _tables(self, producer: str | None) -> tuple[str, NDArray[Any], ImageTable]:
        self._product = product = self.options.product or self._likely_product()
        trees = self._root.trees(product)
        producer = choose_producer(f"{self.path}: {product}", trees, producer, "producer")
        self._name = trees[producer]
        self._where = f"{self.path}: tree {self._name}"
        tree = self._root.tree(self._name)
        branches = self._root.branches(tree)
        if CONTENT[product] not in branches:
            raise InputError(
                f"{self._where}: unsplit branch (no {CONTENT[product]}), which cannot be read; "
                "write the file anew through larcv2's IOManager"
            )
        self._content = self._root.baskets(tree, CONTENT[product])
        self._values = self._root.baskets(tree, "_voxel_v._value") if product == "sparse3d" else None
        if product == "sparse3d":
            table, self.axis0 = volume(self._root, tree), "z"
            self._slice = int(table.rows[0]), int(table.cols[0])
        elif "_image_v._meta._origin.x" in branches:
            table = self._larcv1(tree)
        else:
            table = images(self._root, tree, CONTENT[product].partition(".")[0])
        self._counts = table.counts
        return producer, self._root.events(tree), table

    def _likely_product(self) -> Product:
        """Return image2d if the file has it, else the only other product; InputError if there are several."""
        products = [product for product in CONTENT if product in self._root.products()]
        if len(products) > 1 and "image2d" not in products:
            raise InputError(f"{self.path}: holds {' and '.join(products)}, choose one with product")
        return products[0] if products else "image2d"

    def _larcv1(self, tree: Any) -> ImageTable:
        """Return the table of all images of a LArCV1 tree."""
        names = "_row_count", "_col_count", "_plane", "_origin.x", "_origin.y", "_width", "_height"
        image, counts = members(self._root, tree, "_image_v", *names)
        self._flip_rows = self.options.tick_order != "ascending"
        if self.options.tick_order == "auto":
            log.warning("%s: LArCV1 file, ticks taken as descending (tick_order = 'auto')", self.path)
        x, y, height = image["_origin.x"], image["_origin.y"], image["_height"]
        meta = np.zeros(len(x), META)
        meta["plane"], meta["unit"] = image["_plane"], UNIT_WIRE_TICK
        meta["x_min"], meta["x_max"] = x, x + image["_width"]
        meta["y_min"], meta["y_max"] = (y - height, y) if self._flip_rows else (y, y + height)
        return ImageTable(counts, *sizes(self._where, image["_row_count"], image["_col_count"], counts), meta)

    def _pixels(self, start: int, stop: int) -> Decoded:
        n_threads = threads(self.options.n_threads)
        if self._product == "image2d":
            return join_decoded(self._content.read(start, stop, self._decode, n_threads))
        if self._values is None:
            sets = sets2d(self._content, start, stop, self._counts[start:stop], n_threads)
        else:
            whole = int(self._counts[0]), *self._slice
            sets = sets3d(self._content, self._values, start, stop, whole, n_threads)
        return self._place_sets(start, stop, sets)

    def _place_sets(self, start: int, stop: int, sets: Sets) -> Decoded:
        """Convert the wanted sets of voxels of entries start..stop-1 into pixels."""
        position = self._position[start:stop]
        present = position >= 0
        which = (np.cumsum(sets.counts) - sets.counts)[:, None] + np.where(present, position, 0)
        begin = np.where(present, sets.offsets[np.where(present, which, 0)], -1)
        counts = np.where(present, np.diff(sets.offsets, append=0)[np.where(present, which, 0)], 0)
        return place(
            self._where, start, sets.id, sets.value, begin, counts, self._rows[start:stop], self._cols[start:stop],
            self._whole, self.options.limits, self._product == "sparse3d",
        )  # fmt: skip

    def _decode(self, data: NDArray[np.uint8], at: NDArray[np.int64], first: int) -> Decoded:
        """Decode the images of entries ``first`` and following, whose bytes begin and end at ``at`` in ``data``."""
        rows = slice(first, first + len(at) - 1)
        choice = self._position[rows], self._rows[rows], self._cols[rows]
        limits = self.options.limits
        with kernel_errors(self.path, first, "pixels"):
            decoded: Decoded = _core.decode_image2d(
                data, at, *choice, self._whole[1:], *limits, self._flip_rows
            )
        return decoded

    def _primaries(self, *names: str) -> tuple[NDArray[np.int64], list[NDArray[Any]]]:
        trees = self._root.trees("particle")
        name = trees[choose_producer(f"{self.path}: particle", trees, self.options.particles, "particles")]
        tree = self._root.tree(name)
        check_ids(f"{self.path}: tree {name}", self._root.events(tree), self.events)
        wanted = [f"_part_v.{PARTICLE[name]}" for name in names]
        origin = [f"_part_v.{name}" for name in ("_process", "_trackid", "_parent_trackid")]
        stored = self._root.branches(tree)
        columns, counts = self._root.columns(tree, [*wanted, *(name for name in origin if name in stored)])
        about = (columns.get(name) for name in origin)
        return select_primaries(counts, [columns[name] for name in wanted], *about)
