"""NumPy twins of ``_core.voxelise``, ``_core.voxelise_dense`` and ``_core.voxelise_hits``."""

from itertools import pairwise

import numpy as np


def voxelise(images, energy, time, edges, n_frames, energy_above, after, until, cumulative, right_closed):
    """(n, n_frames, H, W) float32 from dense (n, C, H, W) images, and how many pixels are in no frame."""
    e, t = images[:, energy], images[:, time].astype(np.float64)
    later, sooner = (np.less, np.less_equal) if right_closed else (np.less_equal, np.less)
    alive = (e != 0) & (e.astype(np.float64) > energy_above)
    timely = later(after, t) & sooner(t, until)
    out = np.zeros((len(images), n_frames, *e.shape[1:]), np.float32)
    for k, (low, high) in enumerate(pairwise(edges)):
        out[:, k] = np.where(alive & timely & sooner(t, high) & (cumulative | later(low, t)), e, 0)
    return out, np.count_nonzero(alive & ~(out != 0).any(1), axis=(1, 2))


def voxelise_hits(offsets, x, y, t, charge, x_edges, y_edges, t_edges, right_closed):
    """(n, t, y, x) float32, and per event the hits that are not finite and those outside the edges."""
    side = "left" if right_closed else "right"
    axes = [(t, t_edges), (y, y_edges), (x, x_edges)]
    out = np.zeros((len(offsets) - 1, *(len(edges) - 1 for _, edges in axes)))
    event = np.repeat(np.arange(len(out)), np.diff(offsets))
    finite = np.isfinite([x, y, t, charge]).all(0)
    bins = np.array([np.searchsorted(edges, a.astype(np.float64), side) - 1 for a, edges in axes])
    inside = ((bins >= 0) & (bins < np.array(out.shape[1:])[:, None])).all(0)
    kept = finite & inside
    np.add.at(out, (event[kept], *bins[:, kept]), charge[kept].astype(np.float64))
    counts = [np.bincount(event[lost], minlength=len(out)) for lost in (~finite, finite & ~inside)]
    return out.astype(np.float32), *counts
