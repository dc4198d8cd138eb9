"""NumPy twins of ``_core.normalise_rows`` and ``normalise_slopes``."""

from itertools import pairwise

import numpy as np


def normalise_rows(rows, offsets, count, groups, eps, weight, bias):
    """Rows normalised, means and variances: every row is repeated as often as it counts."""
    out, means, variances = np.empty(rows.shape), [], []
    for a, b in pairwise(offsets):
        places = np.repeat(rows[a:b].astype(np.float64), count[a:b], axis=0)
        by_group = places.reshape(len(places), groups, -1)
        numbers = by_group.shape[2] if rows.shape[1] else 0
        mean, variance = (np.repeat(x, numbers) for x in (by_group.mean((0, 2)), by_group.var((0, 2))))
        out[a:b] = (rows[a:b] - mean) / np.sqrt(variance + eps)
        means.append(mean)
        variances.append(variance)
    out = out * (1 if weight is None else weight) + (0 if bias is None else bias)
    return out, np.array(means), np.array(variances)


def normalise_slopes(rows, offsets, count, groups, eps, weight, slope, mean, variance):
    """Gradients of rows, weight and bias, of each image."""
    out, of_weight, of_bias = np.empty(rows.shape), [], []
    for i, (a, b) in enumerate(pairwise(offsets)):
        rate = 1 / np.sqrt(variance[i] + eps)
        own, slopes = (rows[a:b] - mean[i]) * rate, slope[a:b].astype(np.float64)
        of_weight.append((slopes * own).sum(0))
        of_bias.append(slopes.sum(0))
        slopes = slopes * (1 if weight is None else weight)
        number = rows.shape[1] // groups
        size = count[a:b].sum() * number
        sums = [x.reshape(-1, groups, number).sum((0, 2)) / size for x in (slopes, slopes * own)]
        first, second = (np.repeat(x, number) for x in sums)
        out[a:b] = rate * (slopes - count[a:b, None] * (first + own * second))
    return out, np.array(of_weight), np.array(of_bias)
