"""NumPy twin of ``_core.select``."""

import numpy as np


def select(pairs, corner, size, energy_min=-np.inf, after=-np.inf, before=np.inf):
    """Same arguments and results as the kernel, by masks over the dense images."""
    finite = np.isfinite(pairs).all(-1)
    energy, time = np.where(finite[..., None], pairs, 0).astype(np.float64).transpose(3, 0, 1, 2)
    kept = (energy != 0) & (energy > energy_min) & (time > after) & (time < before)
    (top, left), (rows, cols) = corner, size
    window = np.s_[:, top : top + rows, left : left + cols]
    image, row, column = np.nonzero(kept[window])
    offsets = np.searchsorted(image, np.arange(len(pairs) + 1)).astype(np.int64)
    found = pairs[window][image, row, column]
    cell = (row * cols + column).astype(np.int32)
    return offsets, cell, found[:, 0], found[:, 1], np.count_nonzero(~finite, axis=(1, 2)).astype(np.int64)
