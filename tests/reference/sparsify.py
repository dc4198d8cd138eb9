"""NumPy twin of ``_core.sparsify``."""

import numpy as np

from reference.collect import collect


def sparsify(pixels, starts, rows, cols, shape, adc_lo, adc_hi, row_major):
    """Same arguments and results as the kernel; valid input only."""

    def image(start, n_rows, n_cols):
        if start < 0:
            return None
        order = "C" if row_major else "F"
        return pixels[start : start + n_rows * n_cols].reshape((n_rows, n_cols), order=order)

    images = [
        [image(*place) for place in zip(*sizes, strict=True)] for sizes in np.stack([starts, rows, cols], 1)
    ]
    return collect(images, shape, adc_lo, adc_hi)
