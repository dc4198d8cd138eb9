"""NumPy twin of ``_core.densify``."""

import numpy as np


def densify(offsets, index, value, shape, orientation=None):
    """(B, C, H, W) float32: zeros, the pixels, then transpose, then the flips."""
    out = np.zeros((len(offsets) - 1, *shape), np.float32)
    for i, image in enumerate(out):
        mine = slice(offsets[i], offsets[i + 1])
        image.reshape(-1)[index[mine]] = value[mine]
        turn = 0 if orientation is None else orientation[i]
        turned = image.copy()
        if turn & 1:
            turned = turned.transpose(0, 2, 1)
        if turn & 2:
            turned = turned[:, ::-1]
        if turn & 4:
            turned = turned[:, :, ::-1]
        image[...] = turned
    return out
