"""Images and volumes in the trees of LArCV2, and the sets of voxels of its sparse products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn import _core
from dmcnn._common.columns import join
from dmcnn._common.errors import InputError
from dmcnn.formats.source import kernel_errors
from dmcnn.images.sparse import META
from dmcnn.readers.image_choice import LARGEST, ImageTable, sizes
from dmcnn.readers.larcv2.baskets import Baskets
from dmcnn.readers.larcv2.root import RootFile, numbers

MOST_SLICES = 2**14
"""Slices of a volume at most, so that a damaged file cannot make the reader exhaust the memory."""


@dataclass(frozen=True)
class Sets:
    """Sets of voxels of some entries: one for each image, or for each slice of a volume.

    Set s owns the voxels ``offsets[s]:offsets[s+1]``.
    """

    counts: NDArray[np.int64]
    """(n,) number of sets of each entry"""
    offsets: NDArray[np.int64]
    """(sum of counts + 1,)"""
    id: NDArray[np.uint64]
    """(v,) number of the voxel in its image"""
    value: NDArray[np.float32]
    """(v,) as stored"""


NO_SETS = Sets(np.zeros(0, np.int64), np.zeros(1, np.int64), np.zeros(0, np.uint64), np.zeros(0, np.float32))
"""Sets of zero entries."""


def members(
    file: RootFile, tree: Any, vector: str, *names: str
) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64]]:
    """Return name -> member (m,) of every image's meta, and the (n,) numbers of images per entry."""
    columns, counts = file.columns(tree, [f"{vector}._meta.{name}" for name in names])
    return dict(zip(names, columns.values(), strict=True)), counts


def images(file: RootFile, tree: Any, vector: str) -> ImageTable:
    """Return the table of all images of a tree, from the LArCV2 ImageMeta in ``vector`` (such as ``_image_v``)."""
    image, counts = members(
        file, tree, vector, "_row_count", "_col_count", "_id", "_unit", "_p1.x", "_p1.y", "_p2.x", "_p2.y"
    )
    meta = np.zeros(len(image["_id"]), META)
    meta["plane"], meta["unit"] = image["_id"], image["_unit"]
    meta["x_min"], meta["y_min"] = image["_p1.x"], image["_p1.y"]
    meta["x_max"], meta["y_max"] = image["_p2.x"], image["_p2.y"]
    where = f"{file.path}: tree {tree.name}"
    return ImageTable(counts, *sizes(where, image["_row_count"], image["_col_count"], counts), meta)


def volume(file: RootFile, tree: Any) -> ImageTable:
    """Return the table of the slices along z of the volume that all entries of a sparse3d tree share.

    It is that of one entry. Entries whose volume is not set are ignored.

    Raises:
        InputError: no entry has a volume, volumes differ, or a volume is too large.
    """
    names = "_xnum", "_ynum", "_znum", "_p1.x", "_p1.y", "_p1.z", "_p2.x", "_p2.y", "_p2.z", "_unit"
    columns, _ = file.columns(tree, [f"_meta.{name}" for name in names])
    table = np.stack([column.astype(np.float64) for column in columns.values()], axis=1)
    where = f"{file.path}: tree {tree.name}"
    set_entries = np.flatnonzero((table[:, :3] > 0).all(axis=1))
    if not len(set_entries):
        raise InputError(f"{where}: none of the {len(table)} entries has a volume")
    first = int(set_entries[0])
    nx, ny, nz = table[first, :3]
    if nx * ny * nz > LARGEST or nz > MOST_SLICES:
        raise InputError(
            f"{where}: entry {first}: volume of {nx:.0f}x{ny:.0f}x{nz:.0f} (x, y, z) is too large"
        )
    other = set_entries[(table[set_entries] != table[first]).any(axis=1)]
    if len(other):
        raise InputError(f"{where}: entry {other[0]}: volume {tuple(table[other[0]].tolist())} ({', '.join(names)}), "
                         f"expected {tuple(table[first].tolist())} as entry {first} has")  # fmt: skip
    meta = np.zeros(int(nz), META)
    meta["plane"], meta["unit"] = np.arange(int(nz)), columns["_meta._unit"][first]
    for edge, number in (("x_min", 3), ("y_min", 4), ("x_max", 6), ("y_max", 7)):
        meta[edge] = table[first, number]
    rows, cols = np.full(int(nz), ny, np.int64), np.full(int(nz), nx, np.int64)
    return ImageTable(np.array([nz], np.int64), rows, cols, meta, all_by_default=True)


def sets2d(baskets: Baskets, start: int, stop: int, expected: NDArray[np.int64], n_threads: int) -> Sets:
    """Read the sets of voxels of entries start..stop-1 of a sparse2d tree; each entry has ``expected`` (n,)."""

    def decode(data: NDArray[np.uint8], at: NDArray[np.int64], first: int) -> Sets:
        with kernel_errors(baskets.path, first, "voxels"):
            return Sets(*_core.decode_voxels(data, at))

    sets = join(baskets.read(start, stop, decode, n_threads), NO_SETS)
    other = np.flatnonzero(sets.counts != expected)
    if len(other):
        entry = other[0]
        raise InputError(f"{baskets.path}: entry {start + entry}: {sets.counts[entry]} sets of voxels, expected "
                         f"{expected[entry]} as it has images; damaged file")  # fmt: skip
    return sets


def sets3d(
    ids: Baskets, values: Baskets, start: int, stop: int, shape: tuple[int, int, int], n_threads: int
) -> Sets:
    """Read the sets of voxels of entries start..stop-1 of a sparse3d tree, one per slice of ``shape`` (z, y, x)."""
    number, counts = numbers(ids, start, stop, np.dtype(">u8"), n_threads)
    value, n_values = numbers(values, start, stop, np.dtype(">f4"), n_threads)
    entry = np.repeat(np.arange(len(counts)), counts)
    slices, area = shape[0], shape[1] * shape[2]
    for wrong, what in ((counts != n_values, "not as many values as ids"),
                        (np.bincount(entry[number >= slices * area], minlength=len(counts)) > 0,
                         f"a voxel id beyond {slices}x{shape[1]}x{shape[2]} (z, y, x)")):  # fmt: skip
        if wrong.any():
            raise InputError(f"{ids.path}: entry {start + int(np.argmax(wrong))}: {what}, damaged file")
    z, number = np.divmod(number, np.uint64(area))
    owner = entry * slices + z.astype(np.int64)
    if np.any(np.diff(owner) < 0):  # never in files of larcv, which sorts voxels
        order = np.argsort(owner, kind="stable")
        owner, number, value = owner[order], number[order], value[order]
    offsets = np.searchsorted(owner, np.arange(len(counts) * slices + 1)).astype(np.int64)
    return Sets(np.full(len(counts), slices), offsets, number, value)
