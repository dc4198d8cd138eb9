"""The kernels as torch operations against the kernels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dmcnn import _core
from dmcnn.engines import torch_rows

SIZES = [(0, 2, 3, 4), (50, 1, 7, 5), (300, 9, 40, 33), (20, 4, 1, 1)]


def links(rng, n, length, rows):
    return rng.integers(-2, rows, (n, length)).astype(np.int32)


@pytest.mark.parametrize(("n", "length", "rows", "channels"), SIZES)
def test_rows_are_those_of_the_kernels(n, length, rows, channels):
    rng = np.random.default_rng(n)
    index = links(rng, n, length, rows) + np.int32(10)
    index[index < 10] = -1
    near = links(rng, n, length, rows)
    start, user = _core.list_users(near, rows)
    which = rng.integers(-1, length, (n, channels)).astype(np.int32)
    bias = rng.normal(size=channels)
    for shape in ((rows, channels), (rows, length, channels)):
        source = rng.normal(size=shape)
        for apart in (False, True):
            out = np.empty((n, *(length,) * apart, channels))
            more = {} if apart else {"bias": bias, "positive": True}
            _core.gather_rows(source, index, out, **more, first=10)
            more = {} if apart else {"bias": torch.from_numpy(bias), "positive": True}
            found = torch_rows.gather_rows(
                torch.from_numpy(source), torch.from_numpy(index), apart=apart, **more, first=10
            )
            np.testing.assert_allclose(found, out, atol=1e-12)
    for shape in ((n, channels), (n, length, channels)):
        slope = rng.normal(size=shape)
        for apart in (False, True):
            for only in (None, which):
                out = np.empty((rows, *(length,) * apart, channels))
                _core.scatter_rows(slope, start, user, out, only)
                found = torch_rows.scatter_rows(
                    torch.from_numpy(slope), torch.from_numpy(start), torch.from_numpy(user), rows=rows, apart=apart,
                    which=None if only is None else torch.from_numpy(only),
                )  # fmt: skip
                np.testing.assert_allclose(found, out, atol=1e-12)


def test_a_part_of_the_rows():
    rng = np.random.default_rng(1)
    start, user = _core.list_users(links(rng, 50, 4, 20), 20)
    slope = rng.normal(size=(50, 3))
    out = np.empty((5, 3))
    part = start[8 * 4 : 13 * 4 + 1]
    _core.scatter_rows(slope, part, user, out)
    found = torch_rows.scatter_rows(
        torch.from_numpy(slope), torch.from_numpy(part), torch.from_numpy(user), rows=5, apart=False
    )
    np.testing.assert_allclose(found, out, atol=1e-12)


@pytest.mark.parametrize(("n", "length", "rows", "channels"), SIZES)
def test_maxima_are_those_of_the_kernel(n, length, rows, channels):
    rng = np.random.default_rng(n)
    source, index = rng.integers(-2, 3, (rows, channels)).astype(np.float64), links(rng, n, length, rows)
    source[rng.random(source.shape) < 0.05] = np.nan
    out = np.empty((n, channels))
    which = _core.max_rows(source, index, out)
    found, place = torch_rows.max_rows(torch.from_numpy(source), torch.from_numpy(index))
    np.testing.assert_array_equal(found, out)
    np.testing.assert_array_equal(place, which)


@pytest.mark.parametrize("groups", [1, 3, 12])
@pytest.mark.parametrize("affine", [False, True])
def test_normalisation_is_that_of_the_kernels(groups, affine):
    rng = np.random.default_rng(groups)
    offsets = np.array([0, 5, 6, 60])
    rows, slope = rng.normal(2, 1, (60, 12)), rng.normal(size=(60, 12))
    count = rng.integers(1, 9, 60).astype(np.int32)
    weight, bias = (rng.normal(size=12) if affine else None for _ in range(2))
    out, back = np.empty_like(rows), np.empty_like(rows)
    moments = _core.normalise_rows(rows, offsets, count, groups, 0.1, weight, bias, out)
    slopes = _core.normalise_slopes(rows, offsets, count, groups, 0.1, weight, slope, *moments, back)
    tensors = [
        None if x is None else torch.from_numpy(x) for x in (rows, offsets, count, weight, bias, slope)
    ]
    found = torch_rows.normalise_rows(*tensors[:3], groups, 0.1, *tensors[3:5])
    for a, b in zip(found, (out, *moments), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)
    found = torch_rows.normalise_slopes(*tensors[:3], groups, 0.1, tensors[3], tensors[5], *found[1:])
    for a, b in zip(found, (back, *slopes), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-11)
