"""Clusters of voxels in the cluster2d trees of LArCV2 files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn import _core
from dmcnn._common.columns import join_offsets
from dmcnn._common.errors import InputError
from dmcnn._common.threads import threads
from dmcnn.formats.source import choose_producer, existing_file, kernel_errors
from dmcnn.readers.larcv2.root import RootFile
from dmcnn.readers.larcv2.tensors import images

VOXELS = "_cluster_v._voxel_vv"


@dataclass(frozen=True, eq=False)
class Clusters:
    """Clusters of n entries: p projections (planes), k clusters and v voxels in all.

    Attributes:
        events: (n,) EVENT.
        counts: (n,) int64, number of projections of each entry; projections are in the order of the entries.
        rows, cols: (p,) int64, size of each projection's image along H (tick) and W (wire).
        meta: (p,) META, plane and edges of each projection.
        offsets: (p+1,) int64. Projection i owns the clusters ``offsets[i]:offsets[i+1]``.
        id: (k,) uint64, id of each cluster; unset: 65535, from larcv2 v2_2_0 on 2**64 - 1.
        voxel_offsets: (k+1,) int64. Cluster c owns the voxels ``voxel_offsets[c]:voxel_offsets[c+1]``.
        voxel_id: (v,) uint64, col * rows + row in the projection's image.
        value: (v,) float32, as stored.
    """

    events: NDArray[Any]
    counts: NDArray[np.int64]
    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    meta: NDArray[Any]
    offsets: NDArray[np.int64]
    id: NDArray[np.uint64]
    voxel_offsets: NDArray[np.int64]
    voxel_id: NDArray[np.uint64]
    value: NDArray[np.float32]


def read_clusters(path: str | Path, producer: str | None = None, n_threads: int | None = None) -> Clusters:
    """Read all clusters of a cluster2d tree.

    Args:
        path: the LArCV2 file.
        producer: producer of the clusters; None = the only one.
        n_threads: baskets read at a time, see dmcnn._common.threads; the result does not depend on it.

    Raises:
        InputError: no such tree, or a damaged file; the message names the entry.
    """
    file = RootFile(existing_file(path))
    try:
        trees = file.trees("cluster2d")
        tree = file.tree(trees[choose_producer(f"{file.path}: cluster2d", trees, producer, "producer")])
        where = f"{file.path}: tree {tree.name}"
        if VOXELS not in file.branches(tree):
            raise InputError(f"{where}: unsplit branch (no {VOXELS}), which cannot be read")
        table, events, baskets = (
            images(file, tree, "_cluster_v"),
            file.events(tree),
            file.baskets(tree, VOXELS),
        )
    finally:
        file.close()

    def decode(data: NDArray[np.uint8], at: NDArray[np.int64], first: int) -> tuple[NDArray[Any], ...]:
        with kernel_errors(file.path, first, "clusters"):
            columns: tuple[NDArray[Any], ...] = _core.decode_clusters(data, at)
        return columns

    parts = baskets.read(0, len(events), decode, threads(n_threads))
    counts, offsets, ids, voxel_offsets, voxel_id, value = zip(*parts, strict=True)
    _check_projections(where, np.concatenate(counts), table.counts)
    clusters = Clusters(
        events, table.counts, table.rows, table.cols, table.meta, join_offsets(offsets), np.concatenate(ids),
        join_offsets(voxel_offsets), np.concatenate(voxel_id), np.concatenate(value),
    )  # fmt: skip
    _check_voxels(where, clusters)
    return clusters


def _check_projections(where: str, counts: NDArray[np.int64], expected: NDArray[np.int64]) -> None:
    """Raise InputError unless every entry has clusters of as many projections as it has images (n,)."""
    other = np.flatnonzero(counts != expected)
    if len(other):
        entry = other[0]
        raise InputError(f"{where}: entry {entry}: clusters of {counts[entry]} projections, expected "
                         f"{expected[entry]} as it has images; damaged file")  # fmt: skip


def _check_voxels(where: str, clusters: Clusters) -> None:
    """Raise InputError unless every voxel lies in its projection's image."""
    projection = np.repeat(np.arange(len(clusters.rows)), np.diff(clusters.voxel_offsets[clusters.offsets]))
    pixels = (clusters.rows * clusters.cols).astype(np.uint64)[projection]
    outside = np.flatnonzero(clusters.voxel_id >= pixels)
    if len(outside):
        first = outside[0]
        entry = int(np.searchsorted(np.cumsum(clusters.counts), projection[first], side="right"))
        raise InputError(f"{where}: entry {entry}: voxel id {clusters.voxel_id[first]} in an image of "
                         f"{pixels[first]} pixels, damaged file")  # fmt: skip
