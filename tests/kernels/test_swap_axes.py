"""swap_axes against its twin, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmcnn import _core
from reference.swap_axes import swap_axes as twin


@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(0, 3), st.integers(0, 1100), st.integers(0, 40)),
    st.sampled_from([np.float32, np.float64]),
)
def test_same_as_twin(seed, shape, dtype):
    tables = np.random.default_rng(seed).normal(size=shape).astype(dtype)
    for n_threads in (1, 2, 5):
        out = np.full((shape[0], shape[2], shape[1]), 7, dtype)
        _core.swap_axes(tables, out, n_threads=n_threads)
        np.testing.assert_array_equal(out, twin(tables))


def test_refuses():
    with pytest.raises(ValueError, match=r"out has shape \(2, 3, 4\), expected \(2, 4, 3\)"):
        _core.swap_axes(np.zeros((2, 3, 4)), np.zeros((2, 3, 4)))
    with pytest.raises(ValueError, match="tables has shape"):
        _core.swap_axes(np.zeros((3, 4)), np.zeros((4, 3)))


def test_refuses_other_arrays(tampered):
    for what, arguments in tampered({"tables": np.zeros((2, 3, 4)), "out": np.zeros((2, 4, 3))}):
        with pytest.raises((TypeError, ValueError)):
            pytest.fail(f"{what} accepted: {_core.swap_axes(**arguments)}")


def test_releases_gil(releases_gil):
    tables, out = np.zeros((4, 2000, 64)), np.empty((4, 64, 2000))
    assert releases_gil(lambda: _core.swap_axes(tables, out))
