"""LArCV2 and LArCV1 ROOT files: image2d trees, read without ROOT or LArCV."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dmcnn import _core
from dmcnn.errors import InputError
from dmcnn.images import META, UNIT_WIRE_TICK
from dmcnn.readers import root
from dmcnn.readers.base import Decoded, ImageFile, Particles, bounds, joined, primary, same_ids
from dmcnn.readers.source import choose_producer, existing
from dmcnn.readers.table import ImageTable, sizes

TickOrder = Literal["auto", "descending", "ascending"]
PIXELS = "_image_v._img"
log = logging.getLogger("dmcnn")


class LArCV2(ImageFile):
    """One LArCV2 (or LArCV1) file; the arguments are those of ImageFile and ``tick_order``.

    LArCV2 stores row 0 = lowest tick, whatever ``tick_order`` says. LArCV1 stored row 0 = highest tick with the
    origin at the top left; such images are turned over. Its later "tick-forward" branch stored ascending
    ticks in the same layout, which no file tells apart: "auto" takes "descending" and warns. LArCV1 knows
    wires and ticks only, so its unit is UNIT_WIRE_TICK and its plane is the projection.
    """

    magic = root.MAGIC

    def __init__(self, path: str | Path, *, tick_order: TickOrder = "auto", **choice: Any) -> None:
        if tick_order not in ("auto", "descending", "ascending"):
            raise InputError(f"tick_order = {tick_order!r}, expected 'auto', 'descending' or 'ascending'")
        self._tick_order = tick_order
        self._flip_rows = False
        self._root = root.RootFile(existing(path))
        super().__init__(path, **choice)

    def close(self) -> None:
        self._root.close()

    def _tables(self, producer: str | None) -> tuple[str, NDArray[Any], ImageTable]:
        trees = self._root.trees("image2d")
        producer = choose_producer(f"{self.path}: image2d", trees, producer, "producer")
        self._name = trees[producer]
        tree = self._root.tree(self._name)
        branches = self._root.branches(tree)
        if PIXELS not in branches:
            raise InputError(
                f"{self.path}: tree {self._name}: unsplit branch (no {PIXELS}), which cannot be read; "
                "write the file anew through larcv2's IOManager"
            )
        larcv1 = "_image_v._meta._origin.x" in branches
        return producer, self._root.events(tree), self._larcv1(tree) if larcv1 else self._larcv2(tree)

    def _larcv2(self, tree: Any) -> ImageTable:
        image, counts = self._meta(
            tree, "_row_count", "_col_count", "_id", "_unit", "_p1.x", "_p1.y", "_p2.x", "_p2.y"
        )
        meta = np.zeros(len(image["_id"]), META)
        meta["plane"], meta["unit"] = image["_id"], image["_unit"]
        meta["x_min"], meta["y_min"] = image["_p1.x"], image["_p1.y"]
        meta["x_max"], meta["y_max"] = image["_p2.x"], image["_p2.y"]
        return self._table(image, counts, meta)

    def _larcv1(self, tree: Any) -> ImageTable:
        image, counts = self._meta(
            tree, "_row_count", "_col_count", "_plane", "_origin.x", "_origin.y", "_width", "_height"
        )
        self._flip_rows = self._tick_order != "ascending"
        if self._tick_order == "auto":
            log.warning("%s: LArCV1 file, ticks taken as descending (tick_order = 'auto')", self.path)
        x, y, height = image["_origin.x"], image["_origin.y"], image["_height"]
        meta = np.zeros(len(x), META)
        meta["plane"], meta["unit"] = image["_plane"], UNIT_WIRE_TICK
        meta["x_min"], meta["x_max"] = x, x + image["_width"]
        meta["y_min"], meta["y_max"] = (y - height, y) if self._flip_rows else (y, y + height)
        return self._table(image, counts, meta)

    def _meta(self, tree: Any, *names: str) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64]]:
        """Members of every image's meta by name (m,), and how many images each entry has (n,)."""
        columns, counts = self._root.columns(tree, [f"_image_v._meta.{name}" for name in names])
        return dict(zip(names, columns.values(), strict=True)), counts

    def _table(
        self, image: dict[str, NDArray[Any]], counts: NDArray[np.int64], meta: NDArray[Any]
    ) -> ImageTable:
        where = f"{self.path}: tree {self._name}"
        rows, cols = sizes(where, image["_row_count"], image["_col_count"], counts)
        return ImageTable(counts, rows, cols, meta)

    def _pixels(self, start: int, stop: int) -> Decoded:
        branch, edges = self._root.baskets(self._root.tree(self._name), PIXELS)
        parts = []
        for number in np.flatnonzero((edges[:-1] < stop) & (edges[1:] > start)).tolist():
            begin, end = int(edges[number]), int(edges[number + 1])
            data, at = self._root.basket(branch, number, begin, end)
            first, last = max(start, begin), min(stop, end)
            parts.append(self._decode(data, at[first - begin : last - begin + 1], first))
        return joined(parts)

    def _decode(self, data: NDArray[np.uint8], at: NDArray[np.int64], first: int) -> Decoded:
        """Entries ``first`` and following, whose bytes begin and end at ``at`` in ``data``."""
        rows = slice(first, first + len(at) - 1)
        choice = self._position[rows], self._rows[rows], self._cols[rows]
        try:
            decoded: Decoded = _core.decode_image2d(
                data, at, *choice, self.shape[1:], *bounds(self.adc_lo, self.adc_hi), self._flip_rows
            )
        except ValueError as error:
            if len(at) > 2:  # one by one, so that the entry can be named
                return joined([self._decode(data, at[i : i + 2], first + i) for i in range(len(at) - 1)])
            said = str(error).removeprefix("entry 0: ")
            raise InputError(f"{self.path}: entry {first}: damaged pixels: {said}") from error
        return decoded

    def pdg(self) -> Particles:
        trees = self._root.trees("particle")
        name = trees[choose_producer(f"{self.path}: particle", trees, self.particles, "particles")]
        tree = self._root.tree(name)
        same_ids(f"{self.path}: tree {name}", self._root.events(tree), self.events)
        names = ["_process", "_trackid", "_parent_trackid"]
        there = self._root.branches(tree)
        columns, counts = self._root.columns(
            tree, ["_part_v._pdg", *(f"_part_v.{n}" for n in names if f"_part_v.{n}" in there)]
        )
        return primary(counts, columns["_part_v._pdg"], *(columns.get(f"_part_v.{n}") for n in names))
