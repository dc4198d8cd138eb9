"""What the tests of kernels on sparse images share."""

import numpy as np


def random_images(rng, n, shape, fill):
    """(n, *shape) float32; about ``fill`` of the pixels are active, some of them negative, some cancelling."""
    wide = rng.normal(50, 60, (n, *shape))
    values = np.where(rng.random((n, *shape)) < 0.6, wide, rng.choice([1.5, -1.5, 1e-3], (n, *shape)))
    return np.where(rng.random((n, *shape)) < fill, values, 0).astype(np.float32)


def columns(dense):
    """offsets, index, value, shape of dense (n, C, H, W) images: what the kernels take."""
    counts = np.count_nonzero(dense, axis=(1, 2, 3))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    index = np.concatenate([np.empty(0, np.int32), *(np.flatnonzero(image) for image in dense)]).astype(
        np.int32
    )
    return offsets, index, dense[dense != 0], dense.shape[1:]


def assert_same(found, dense, bad, cut):
    """Sparse images bit-equal to dense ones, with no pixel too many, and their counts."""
    names = ("offsets", "index", "value", "bad", "cut")
    for name, a, b in zip(names, found, (*columns(dense)[:3], bad, cut), strict=True):
        assert a.dtype == b.dtype, name
        np.testing.assert_array_equal(a, b, err_msg=name)
