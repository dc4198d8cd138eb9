"""NumPy twins of ``_core.voxelise`` and ``_core.voxelise_dense``."""

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
