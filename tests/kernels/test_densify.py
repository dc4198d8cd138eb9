"""densify against its twin, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmcnn import _core
from reference.densify import densify as twin


def batch(rng, n, shape, fill):
    """offsets, index, value of n random images; about ``fill`` of the pixels are active."""
    active = rng.random((n, int(np.prod(shape)))) < fill
    offsets = np.concatenate([[0], np.cumsum(active.sum(1))]).astype(np.int64)
    index = np.nonzero(active)[1].astype(np.int32)
    return offsets, index, rng.normal(size=len(index)).astype(np.float32)


def dense(offsets, index, value, shape, orientation=None):
    out = np.full((len(offsets) - 1, *shape), np.nan, np.float32)
    assert _core.densify(offsets, index, value, out, orientation) is None
    return out


@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 4),
    st.tuples(*[st.integers(1, 6)] * 3),
    st.sampled_from([0, 0.1, 1]),
)
def test_same_as_twin(seed, n, shape, fill):
    sparse = batch(np.random.default_rng(seed), n, shape, fill)
    np.testing.assert_array_equal(dense(*sparse, shape), twin(*sparse, shape))
    flips = np.random.default_rng(seed).choice(np.array([0, 2, 4, 6], np.uint8), n)
    np.testing.assert_array_equal(dense(*sparse, shape, flips), twin(*sparse, shape, flips))


@pytest.mark.parametrize("orientation", range(8))
@pytest.mark.parametrize("side", [1, 2, 5])
def test_orientations(orientation, side):
    sparse = batch(np.random.default_rng(side), 3, (2, side, side), 0.5)
    turns = np.array([orientation, 0, orientation], np.uint8)
    shape = (2, side, side)
    np.testing.assert_array_equal(dense(*sparse, shape, turns), twin(*sparse, shape, turns))


@pytest.mark.parametrize("shape", [(0, 3, 3), (2, 0, 3), (2, 3, 0)])
def test_shape_without_pixels(shape):
    assert dense(*batch(np.random.default_rng(0), 2, shape, 1), shape).shape == (2, *shape)


VALID = {
    "offsets": np.array([0, 1, 3], np.int64),
    "index": np.array([5, 0, 23], np.int32),
    "value": np.array([1, 2, 3], np.float32),
    "orientation": np.zeros(2, np.uint8),
    "out": np.zeros((2, 2, 3, 4), np.float32),
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"index": [5, 0, 24]}, "image 1: index 24, expected 0 to 23"),
        ({"index": [-1, 0, 23]}, "image 0: index -1"),
        ({"index": [2**31 - 1, 0, 23]}, "image 0: index 2147483647"),
        ({"offsets": [0, 4, 3]}, "image 0: offsets 0 to 4"),
        ({"offsets": [0, -(2**63), 3]}, "image 0: offsets 0 to -9223372036854775808"),
        ({"offsets": [0, 1, 2]}, "offset 2: value 2, expected 3"),
        ({"offsets": [1, 1, 3]}, "offset 0: value 1, expected 0"),
        ({"offsets": [0, 3]}, r"offsets has shape \(2\), expected \(3\)"),
        ({"value": [1, 2]}, r"value has shape \(2\), expected \(3\)"),
        ({"orientation": [0, 8]}, "image 1: orientation 8, expected 0 to 7"),
        ({"orientation": [1, 0]}, "image 0: transpose of 3 x 4, expected a square image"),
        ({"orientation": [0]}, "orientation has shape"),
    ],
)
def test_refuses(change, said):
    change = {name: np.array(values, VALID[name].dtype) for name, values in change.items()}
    with pytest.raises(ValueError, match=said):
        _core.densify(**{**VALID, **change})


def test_refuses_other_arrays(tampered):
    for what, arguments in tampered(VALID):
        with pytest.raises((TypeError, ValueError)):
            pytest.fail(f"{what} accepted: {_core.densify(**arguments)}")
    frozen = VALID["out"].copy()
    frozen.setflags(write=False)
    with pytest.raises(ValueError, match="writeable"):
        _core.densify(**{**VALID, "out": frozen})


def test_releases_gil(releases_gil):
    sparse = batch(np.random.default_rng(0), 1, (1, 2048, 2048), 0.5)
    out = np.empty((1, 1, 2048, 2048), np.float32)
    turn = np.array([7], np.uint8)
    assert releases_gil(lambda: _core.densify(*sparse, out, turn))
