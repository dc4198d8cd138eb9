"""Pixel rule, fit and counts shared by the twins of sparsify and decode_image2d."""

import numpy as np


def collect(images, shape, adc_lo, adc_hi):
    """images[e][c]: (rows, cols) float32, or None -> offsets, index, value, bad, cut."""
    (height, width), lo, hi = shape, np.float32(adc_lo), np.float32(adc_hi)
    index, value = [np.empty(0, np.int32)], [np.empty(0, np.float32)]
    bad, cut = np.zeros((2, len(images)), np.int64)
    for e, channels in enumerate(images):
        fitted = np.zeros((len(channels), height, width), np.float32)
        for c, image in enumerate(channels):
            if image is None:
                continue
            bad[e] += np.count_nonzero(~np.isfinite(image))
            active = np.where(np.isfinite(image) & (image >= lo), np.minimum(image, hi), np.float32(0))
            down, right = int((height - image.shape[0]) / 2), int((width - image.shape[1]) / 2)
            seen = active[max(0, -down) :, max(0, -right) :][:height, :width]
            cut[e] += np.count_nonzero(active) - np.count_nonzero(seen)
            down, right = max(0, down), max(0, right)
            fitted[c, down : down + seen.shape[0], right : right + seen.shape[1]] = seen
        index.append(np.flatnonzero(fitted).astype(np.int32))
        value.append(fitted.ravel()[index[-1]])
    return np.cumsum([len(i) for i in index]), np.concatenate(index), np.concatenate(value), bad, cut


def assert_same(found, expected):
    """Bit-equal offsets, index, value, bad and cut, of equal dtypes."""
    for name, a, b in zip(("offsets", "index", "value", "bad", "cut"), found, expected, strict=True):
        assert a.dtype == b.dtype, name
        np.testing.assert_array_equal(a, b, err_msg=name)
