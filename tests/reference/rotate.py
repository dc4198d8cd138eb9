"""NumPy twin of ``_core.rotate``."""

import numpy as np


def rotate(images, source, degrees):
    """(m, C, H, W) float32 from dense (n, C, H, W) images, and the pixels whose centre leaves each image."""
    height, width = images.shape[2:]
    middle, centre = (height - 1) / 2, (width - 1) / 2
    out = np.zeros(
        (len(source), images.shape[1], height + 2, width + 2)
    )  # with a margin for what leaves the image
    cut = np.zeros(len(source), np.int64)
    for j, (i, angle) in enumerate(zip(source, degrees, strict=True)):
        quarter = angle % 360 / 90
        exact = quarter == int(quarter)
        cos, sin = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]][int(quarter) % 4] if exact else
                            [np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))])  # fmt: skip
        channel, row, column = np.nonzero(images[i])
        down = middle + (row - middle) * cos - (column - centre) * sin
        right = centre + (column - centre) * cos + (row - middle) * sin
        cut[j] = ((down < -0.5) | (down >= height - 0.5) | (right < -0.5) | (right >= width - 0.5)).sum()
        for r in (0, 1):
            for c in (0, 1):
                at = np.floor(down).astype(int) + r, np.floor(right).astype(int) + c
                share = (1 - abs(down - at[0])) * (1 - abs(right - at[1])) * images[i][channel, row, column]
                place = np.clip(at[0] + 1, 0, height + 1), np.clip(at[1] + 1, 0, width + 1)
                np.add.at(out[j], (channel, *place), share)
    return out[:, :, 1:-1, 1:-1].astype(np.float32), cut
