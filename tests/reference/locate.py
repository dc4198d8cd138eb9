"""NumPy twins of ``_core.centroid`` and ``_core.most_charge``."""

import numpy as np


def centroid(images):
    """(n,) rows and columns of dense (n, C, H, W) images; np.cumsum adds in the order of the pixels."""
    middle = (np.array(images.shape[2:]) - 1) / 2
    found = np.tile(middle, (len(images), 1))
    for i, image in enumerate(images):
        _, row, column = np.nonzero(image > 0)
        weight = image[image > 0].astype(np.float64)
        if len(weight):
            found[i] = [np.cumsum(weight * place)[-1] / np.cumsum(weight)[-1] for place in (row, column)]
    return found[:, 0], found[:, 1]


def most_charge(images, size):
    """top, left, charge of dense (n, C, H, W) images: every window, in whole multiples of 2^-s."""
    found = []
    for image in images:
        places = (
            62 - int(np.count_nonzero(image)).bit_length() - int(np.frexp(np.abs(image).max(initial=0))[1])
        )
        whole = np.rint(np.ldexp(image.astype(np.float64), places)).astype(np.int64).sum(0)
        extent = np.minimum(size, whole.shape)
        sums = np.lib.stride_tricks.sliding_window_view(whole, extent).sum((2, 3))
        corner = np.array(np.unravel_index(np.argmax(sums), sums.shape))
        room = np.array(whole.shape) - size
        found.append([*np.where(room < 0, -(-room // 2), corner), np.ldexp(float(sums.max()), -places)])
    top, left, charge = np.array(found).reshape(-1, 3).T
    return top.astype(np.int64), left.astype(np.int64), charge
