"""NumPy twin of ``_core.crop``."""

import numpy as np


def crop(images, source, top, left, size, rows_per_pixel, merge):
    """(m, C, *size) float32 from dense (n, C, H, W) images, and the pixels of the image outside each window."""
    (height, width), span = size, size[0] * rows_per_pixel
    out = np.zeros((len(source), images.shape[1], height, width), np.float32)
    cut = np.zeros(len(source), np.int64)
    for j, (i, t, f) in enumerate(zip(source, top, left, strict=True)):
        window = np.zeros((images.shape[1], span, width))
        t, f = (int(np.clip(a, -(2**20), 2**20)) for a in (t, f))
        seen = images[i, :, max(t, 0) : max(t + span, 0), max(f, 0) : max(f + width, 0)]
        window[:, max(-t, 0) :, max(-f, 0) :][:, : seen.shape[1], : seen.shape[2]] = seen
        rows = window.reshape(len(window), height, rows_per_pixel, width)
        merged = rows.max(2) if merge == "max" else sum(rows[:, :, k] for k in range(rows_per_pixel))
        out[j] = merged / (rows_per_pixel if merge == "mean" else 1)
        cut[j] = np.count_nonzero(images[i]) - np.count_nonzero(seen)
    return out, cut
