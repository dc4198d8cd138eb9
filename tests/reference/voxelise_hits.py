"""NumPy twin of ``_core.voxelise_hits``."""

import numpy as np


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
