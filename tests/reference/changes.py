"""NumPy twins of ``_core.list_changes`` and ``link_changes``."""

from itertools import pairwise

import numpy as np


def list_changes(start, row, index):
    """start, row after a layer: rows of which some neighbour is changed, for every variant."""
    parts = [np.flatnonzero(np.isin(index, row[first:last]).any(1)) for first, last in pairwise(start)]
    return np.cumsum([0, *map(len, parts)]), np.concatenate([*parts, []]).astype(np.int32)


def link_changes(start, row, index, rows, after_start, after_row):
    """Numbers in the table of all rows and the changed ones of all variants, for every row after the layer."""
    parts = [np.zeros((0, index.shape[1]), np.int32)]
    for v in range(len(start) - 1):
        number = np.arange(-2, rows)  # shifted by two, for padding
        number[row[start[v] : start[v + 1]] + 2] = rows + np.arange(start[v], start[v + 1])
        parts.append(number[index[after_row[after_start[v] : after_start[v + 1]]] + 2])
    return np.concatenate(parts)
