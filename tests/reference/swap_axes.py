"""NumPy twin of ``_core.swap_axes``."""

import numpy as np


def swap_axes(tables):
    """(n, columns, rows) of (n, rows, columns)."""
    return np.ascontiguousarray(tables.swapaxes(1, 2))
