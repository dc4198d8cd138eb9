"""NumPy twins of ``_core.measure_rows``, ``scale_rows``, ``measure_slopes`` and ``scale_slopes``."""

from itertools import pairwise

import numpy as np


def per_image(rows, offsets):
    """The rows of each image."""
    return [rows[a:b] for a, b in pairwise(offsets)]


def measure_rows(rows, offsets, count):
    """(n, C) means and sums of squared deviations, with every row repeated as often as it counts."""
    places = [np.repeat(one.astype(np.float64), own, axis=0)
              for one, own in zip(per_image(rows, offsets), per_image(count, offsets), strict=True)]  # fmt: skip
    return np.array([one.mean(0) for one in places]), np.array(
        [((one - one.mean(0)) ** 2).sum(0) for one in places]
    )


def scale_rows(rows, offsets, centre, scale, shift):
    """(row - centre) * scale + shift."""
    image = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    return (rows - centre[image]) * scale[image] + shift[image]


def measure_slopes(rows, offsets, slope, centre):
    """(n, C) sums of slope and of slope * (row - centre), in float64."""
    image = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    product = slope.astype(np.float64) * (rows - centre[image])
    return np.array([one.sum(0, np.float64) for one in per_image(slope, offsets)]), np.array(
        [one.sum(0) for one in per_image(product, offsets)]
    )


def scale_slopes(rows, offsets, count, slope, centre, scale, shift, tilt):
    """slope * scale - count * (shift + (row - centre) * tilt)."""
    image = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    return slope * scale[image] - count[:, None] * (shift[image] + (rows - centre[image]) * tilt[image])
