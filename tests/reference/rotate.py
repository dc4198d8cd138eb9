"""NumPy twin of ``_core.rotate``."""

import numpy as np

QUARTERS = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])


def rotate(images, degrees):
    """(n, C, H, W) float32 from dense (n, C, H, W) images, and the pixels whose centre leaves each image."""
    (height, width), pad = images.shape[2:], [(0, 0), (0, 0), (1, 1), (1, 1)]
    middle, centre = (height - 1) / 2, (width - 1) / 2
    out = np.pad(np.zeros(images.shape), pad)  # with a margin for what leaves the image
    cut = np.zeros(len(images), np.int64)
    for i, angle in enumerate(degrees):
        turn = np.deg2rad(angle)
        cos, sin = (np.cos(turn), np.sin(turn)) if angle % 90 else QUARTERS[int(angle // 90) % 4]
        channel, row, column = np.nonzero(images[i])
        down = middle + (row - middle) * cos - (column - centre) * sin
        right = centre + (column - centre) * cos + (row - middle) * sin
        cut[i] = ((down < -0.5) | (down >= height - 0.5) | (right < -0.5) | (right >= width - 0.5)).sum()
        for r, c in ((0, 0), (0, 1), (1, 0), (1, 1)):
            at = np.floor(down).astype(int) + r, np.floor(right).astype(int) + c
            share = (1 - abs(down - at[0])) * (1 - abs(right - at[1])) * images[i][channel, row, column]
            place = np.clip(at[0] + 1, 0, height + 1), np.clip(at[1] + 1, 0, width + 1)
            np.add.at(out[i], (channel, *place), share)
    return out[:, :, 1:-1, 1:-1].astype(np.float32), cut
