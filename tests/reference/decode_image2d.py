"""NumPy twin of ``_core.decode_image2d``."""

import numpy as np

from reference.collect import collect


def decode_image2d(data, entries, position, rows, cols, shape, adc_lo, adc_hi, flip_rows):
    """Same arguments and results as the kernel; valid input only."""
    images = []
    for e, channels in enumerate(position):
        stored, at = [], entries[e] + 6
        while at < entries[e + 1]:
            count = int(data[at : at + 4].view(">i4")[0])
            stored.append(data[at + 4 : at + 4 + 4 * count].view(">f4").astype(np.float32))
            at += 4 + 4 * count
        images.append([])
        for which, n_rows, n_cols in zip(channels, rows[e], cols[e], strict=True):
            image = stored[which].reshape(n_cols, n_rows).T if which >= 0 else None
            images[-1].append(image[::-1] if image is not None and flip_rows else image)
    return collect(images, shape, adc_lo, adc_hi)
