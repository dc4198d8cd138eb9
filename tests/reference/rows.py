"""NumPy twins of ``_core.gather_rows``, ``list_users``, ``scatter_rows`` and ``max_rows``."""

import numpy as np


def gather_rows(source, index, apart=False, bias=None, positive=False):
    """(n, k, C) if ``apart``, else their sums (n, C); ``source`` is (rows, C) or (rows, k, C)."""
    at = np.where(index < 0, 0, index)
    taken = source[at, np.arange(index.shape[1])] if source.ndim == 3 else source[at]
    taken = np.where((index < 0)[:, :, None], 0, taken)
    if apart:
        return taken
    sums = taken.sum(1) + (0 if bias is None else bias)
    return np.where(sums < 0, 0, sums) if positive else sums


def list_users(index, rows):
    """start (rows * k + 1,) and user: a stable sort of the links by row and place."""
    row, place = np.nonzero(index >= 0)
    segment = index[row, place] * index.shape[1] + place
    start = np.searchsorted(np.sort(segment), np.arange(rows * index.shape[1] + 1))
    return start.astype(np.int32), row[np.argsort(segment, kind="stable")].astype(np.int32)


def scatter_rows(source, index, rows, apart=False, which=None):
    """(rows, k, C) if ``apart``, else (rows, C): every link adds its user's row to the row that it names."""
    length, channels = index.shape[1], source.shape[-1]
    out = np.zeros((rows, length, channels), source.dtype)
    for k in range(length):
        use = index[:, k] >= 0
        given = source[:, k] if source.ndim == 3 else source
        given = given if which is None else np.where(which == k, given, 0)
        np.add.at(out, (index[use, k], k), given[use])
    return out if apart else out.sum(1)


def max_rows(source, index):
    """(n, C) maxima and the first place that holds them, -inf and -1 without rows; finite numbers only."""
    taken = np.where((index < 0)[:, :, None], -np.inf, source[np.where(index < 0, 0, index)])
    which = np.where((index < 0).all(1)[:, None], -1, taken.argmax(1))
    return taken.max(1).astype(source.dtype), which.astype(np.int32)
