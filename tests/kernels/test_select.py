"""select against its twin, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmcnn import _core
from reference.select import select as twin

NAMES = ("offsets", "cell", "energy", "time", "bad")


def images(rng, shape, fill):
    """Energies and times, each zero by chance, with a few that are NaN, infinite, -0.0 or exactly at a limit."""
    pairs = np.where(rng.random((*shape, 2)) < fill, rng.normal(0, 0.1, (*shape, 2)), 0).astype(np.float32)
    for value in (np.nan, np.inf, -np.inf, -0.0, 0.005, 0.1):
        pairs[rng.random(pairs.shape) < 0.01] = value
    return pairs


def assert_same(pairs, corner, size, *limits):
    expected = twin(pairs, corner, size, *limits)
    for n_threads in (1, 3):
        found = _core.select(pairs, corner, size, *limits, n_threads=n_threads)
        for name, a, b in zip(NAMES, found, expected, strict=True):
            assert a.dtype == b.dtype, name
            np.testing.assert_array_equal(a, b, err_msg=name)


@pytest.mark.slow
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(0, 5), st.integers(1, 9), st.integers(1, 9)),
    st.sampled_from([0.0, 0.05, 0.5, 1.0]),
    st.sampled_from([(), (0.005,), (-np.inf, -0.1, 0.1), (float(np.float32(0.005)), -0.1, 0.05)]),
    st.data(),
)
def test_selects_what_the_twin_selects(seed, shape, fill, limits, data):
    _, height, width = shape
    rows, cols = (data.draw(st.integers(0, side)) for side in (height, width))
    corner = data.draw(st.integers(0, height - rows)), data.draw(st.integers(0, width - cols))
    assert_same(images(np.random.default_rng(seed), shape, fill), corner, (rows, cols), *limits)


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 0, 4), (3, 1, 1), (1, 1, 8), (1, 1, 9)])
def test_small_and_full_images(shape):
    for pairs in (np.zeros((*shape, 2), np.float32), np.ones((*shape, 2), np.float32)):
        assert_same(pairs, (0, 0), shape[1:])


PAIRS = np.ones((2, 3, 4, 2), np.float32)


@pytest.mark.parametrize(
    ("corner", "size", "limits", "said"),
    [
        ((0, 0), (4, 4), (), "window of 4 x 4 at 0, 0, expected one inside the images of 3 x 4"),
        ((-1, 0), (1, 1), (), "window of 1 x 1 at -1, 0"),
        ((0, 4), (1, 1), (), "window"),
        ((2**62, 0), (2**62, 1), (), "window"),
        ((0, 0), (3, 4), (np.nan,), "a limit is NaN"),
        ((0, 0), (3, 4), (0.0, np.nan), "a limit is NaN"),
    ],
)
def test_refuses(corner, size, limits, said):
    with pytest.raises(ValueError, match=said):
        _core.select(PAIRS, corner, size, *limits)


def test_refuses_other_arrays(tampered):
    for what, arguments in tampered({"pairs": PAIRS, "corner": (0, 0), "size": (3, 4)}):
        with pytest.raises((TypeError, ValueError)):
            pytest.fail(f"{what} accepted: {_core.select(**arguments)}")
    for pairs in (PAIRS[..., :1].copy(), PAIRS[0]):
        with pytest.raises(ValueError, match="pairs"):
            _core.select(pairs, (0, 0), (3, 4))


def test_release_gil(releases_gil):
    pairs = np.ones((256, 64, 64, 2), np.float32)
    assert releases_gil(lambda: _core.select(pairs, (0, 0), (64, 64)))
