"""NumPy twin of ``_core.occlude``."""

import numpy as np


def occlude(image, rows, cols, half):
    """(n, C, H, W) float32: copies of ``image`` with one window of zeros each."""
    out = np.repeat(image[np.newaxis], len(rows), axis=0)
    for copy, row, col in zip(out, rows, cols, strict=True):
        copy[:, max(0, row - half) : row + half + 1, max(0, col - half) : col + half + 1] = 0
    return out
