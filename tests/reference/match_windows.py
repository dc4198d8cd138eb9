"""NumPy twin of ``_core.match_windows``."""

from itertools import product

import numpy as np


def match_windows(ids, kernel, stride, dilation, before, after, beyond):
    """number (n, d, h, w), offsets (n+1,), neighbours (rows, k), count (rows,): np.unique on every map's windows."""
    numbers, neighbours, counts, offsets = [], [], [], [0]
    for one in ids:
        padded = np.pad(one, list(zip(before, after, strict=True)), constant_values=-1)
        padded = np.pad(padded, [(0, more) for more in beyond], constant_values=-2)
        sizes = zip(padded.shape, kernel, stride, dilation, strict=True)
        shape = [(size - (k - 1) * d - 1) // s + 1 for size, k, s, d in sizes]
        shifts = product(*(range(0, k * d, d) for k, d in zip(kernel, dilation, strict=True)))
        cuts = [tuple(slice(at, at + (n - 1) * s + 1, s) for at, n, s in zip(shift, shape, stride, strict=True))
                for shift in shifts]  # fmt: skip
        tuples = np.stack([padded[cut].ravel() for cut in cuts], axis=1)
        _, first, inverse, count = np.unique(
            tuples, axis=0, return_index=True, return_inverse=True, return_counts=True
        )
        order = np.argsort(first)
        numbers.append(np.argsort(order)[inverse.ravel()].reshape(shape) + offsets[-1])
        neighbours.append(tuples[first[order]])
        counts.append(count[order])
        offsets.append(offsets[-1] + len(order))
    return np.array(numbers), np.array(offsets), np.concatenate(neighbours), np.concatenate(counts)
