"""NumPy twins of ``_core.decode_voxels`` and ``_core.decode_clusters``."""

import itertools

import numpy as np


def decode_voxels(data, entries):
    """Same arguments and results as the kernel; valid input only."""
    counts, sets = [], []
    for start, stop in itertools.pairwise(entries):
        before = len(sets)
        read_sets(data, start, stop, sets)
        counts.append(len(sets) - before)
    return np.array(counts, np.int64), *columns(sets)


def decode_clusters(data, entries):
    """Same arguments and results as the kernel; valid input only."""
    counts, sizes, ids, sets = [], [], [np.zeros(0, np.uint64)], []
    for at, stop in itertools.pairwise(entries):
        dtype = {0x6779A85C: ">u2", 0x123C507A: ">u8"}[int(data[at + 8 : at + 12].view(">u4")[0])]
        at, before = at + 12, len(sizes)
        while at < stop:
            sizes.append(int(data[at : at + 4].view(">i4")[0]))
            ids.append(data[at + 4 :][: sizes[-1] * np.dtype(dtype).itemsize].view(dtype).astype(np.uint64))
            at += 4 + sizes[-1] * np.dtype(dtype).itemsize
            if sizes[-1]:
                at = read_sets(data, at, at + 4 + int(data[at : at + 4].view(">u4")[0] & 0x3FFFFFFF), sets)
        counts.append(len(sizes) - before)
    offsets = np.cumsum([0, *sizes], dtype=np.int64)
    return np.array(counts, np.int64), offsets, np.concatenate(ids), *columns(sets)


def read_sets(data, start, stop, sets):
    """Appends (ids, values) of all sets of one member-wise streamed vector; returns where it ends."""
    at = start + 12
    while at < stop:
        n = int(data[at : at + 4].view(">i4")[0])
        ids, values = data[at + 4 : at + 4 + 8 * n], data[at + 4 + 8 * n : at + 4 + 12 * n]
        sets.append((ids.view(">u8").astype(np.uint64), values.view(">f4").astype(np.float32)))
        at += 4 + 12 * n
    return at


def columns(sets):
    offsets = np.cumsum([0, *(len(ids) for ids, _ in sets)], dtype=np.int64)
    ids = np.concatenate([np.zeros(0, np.uint64), *(ids for ids, _ in sets)])
    return offsets, ids, np.concatenate([np.zeros(0, np.float32), *(values for _, values in sets)])
