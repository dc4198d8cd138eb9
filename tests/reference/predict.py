"""NumPy twin of ``_core.Network``, in int64; arguments as there."""

import numpy as np


def divide(a, b):
    """a / b, rounded half to even."""
    below, rest = np.divmod(a, b)
    return below + ((2 * rest > b) | ((2 * rest == b) & (below % 2 == 1)))


def add(sums, places, bias):
    """Sums of 2^-places plus a bias, its axis last, and the places of both."""
    integers, bits = bias
    return sums * 2 ** (bits - 1) + integers.astype(np.int64) * 2**places, places + bits - 1


def activate(sums, places, bits):
    top = 2 ** (bits - 1) - 1
    return np.clip(divide(sums * 2 ** (bits - 1), 2**places), -top, top)


def predict(frames, pool, depthwise, pointwise, bias, conv, conv_bias, dense, **bits):
    """(n, m) float32 outputs of (n, C, H, W) float32 frames."""
    low, k = 2 ** (bits["input_bits"] - 1), depthwise[0].shape[1]
    pixels = np.clip(np.rint(np.nan_to_num(frames).astype(np.float64) * low), -low, low - 1).astype(np.int64)
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (k, k), (2, 3))
    each = np.einsum("ncyxij,cij->nyxc", windows, depthwise[0].astype(np.int64))
    places = bits["input_bits"] + depthwise[1] + pointwise[1] - 3
    maps = activate(*add(each @ pointwise[0].T.astype(np.int64), places, bias), bits["act_1_bits"])
    sums = maps @ conv[0].T.astype(np.int64)
    maps = activate(*add(sums, bits["act_1_bits"] + conv[1] - 2, conv_bias), bits["act_2_bits"])
    n, rows, cols, filters = len(maps), maps.shape[1] // pool, maps.shape[2] // pool, maps.shape[3]
    squares = maps[:, : rows * pool, : cols * pool].reshape(n, rows, pool, cols, pool, filters).sum((2, 4))
    low, unit = 2 ** (bits["pool_bits"] - 1), pool**2 * 2 ** (bits["act_2_bits"] - 1)
    codes = np.clip(divide(squares * low, unit), -low, low - 1).transpose(0, 3, 1, 2).reshape(n, -1)
    before = bits["pool_bits"]
    for weight, bias_, after in dense:
        sums, places = add(codes @ weight[0].T.astype(np.int64), before + weight[1] - 2, bias_)
        codes, before = activate(sums, places, after or 2), after
    out = (sums / 2.0**places).astype(np.float32)
    read = np.isnan(frames[:, :, : rows * pool + k - 1, : cols * pool + k - 1]).any((1, 2, 3))
    return np.where(read[:, None], np.float32(np.nan), out)
