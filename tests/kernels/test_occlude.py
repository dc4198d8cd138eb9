"""occlude against its twin, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmcnn import _core
from reference.occlude import occlude as twin


def occluded(image, rows, cols, half):
    out = np.full((len(rows), *image.shape), np.nan, np.float32)
    assert _core.occlude(image, rows, cols, half, out) is None
    return out


@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 5),
    st.tuples(*[st.integers(1, 7)] * 3),
    st.sampled_from([0, 1, 2, 9]),
)
def test_same_as_twin(seed, n, shape, half):
    rng = np.random.default_rng(seed)
    image = rng.normal(size=shape).astype(np.float32)
    rows, cols = rng.integers(shape[1], size=n), rng.integers(shape[2], size=n)
    np.testing.assert_array_equal(occluded(image, rows, cols, half), twin(image, rows, cols, half))


def test_every_border():
    image = np.random.default_rng(0).normal(size=(3, 4, 6)).astype(np.float32)
    rows, cols = (axis.ravel() for axis in np.mgrid[:4, :6])
    for half in range(7):
        np.testing.assert_array_equal(occluded(image, rows, cols, half), twin(image, rows, cols, half))
    assert not occluded(image, rows, cols, 2**63 - 1).any()


VALID = {
    "image": np.ones((2, 3, 4), np.float32),
    "rows": np.array([0, 2], np.int64),
    "cols": np.array([0, 3], np.int64),
    "half": 1,
    "out": np.zeros((2, 2, 3, 4), np.float32),
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rows": [0, 3]}, r"window 1: centre \(3, 3\), expected a pixel of 3 x 4"),
        ({"rows": [-1, 2]}, r"window 0: centre \(-1, 0\)"),
        ({"cols": [0, 4]}, r"window 1: centre \(2, 4\)"),
        ({"cols": [2**63 - 1, 0]}, "window 0"),
        ({"cols": [0]}, r"cols has shape \(1\), expected \(2\)"),
        ({"half": -1}, "half -1, expected >= 0"),
        ({"out": np.zeros((2, 2, 4, 3))}, "out has shape"),
    ],
)
def test_refuses(change, said):
    change = {k: v if k == "half" else np.array(v, VALID[k].dtype) for k, v in change.items()}
    with pytest.raises(ValueError, match=said):
        _core.occlude(**{**VALID, **change})


def test_refuses_other_arrays(tampered):
    for what, arguments in tampered(VALID):
        with pytest.raises((TypeError, ValueError)):
            pytest.fail(f"{what} accepted: {_core.occlude(**arguments)}")
    with pytest.raises(TypeError):
        _core.occlude(**{**VALID, "half": 1.5})
    frozen = VALID["out"].copy()
    frozen.setflags(write=False)
    with pytest.raises(ValueError, match="writeable"):
        _core.occlude(**{**VALID, "out": frozen})
    with pytest.raises(ValueError, match="share memory"):
        _core.occlude(**{**VALID, "image": VALID["out"][1]})


def test_releases_gil(releases_gil):
    image = np.ones((1, 512, 512), np.float32)
    centres = np.arange(16, dtype=np.int64)
    out = np.empty((16, *image.shape), np.float32)
    assert releases_gil(lambda: _core.occlude(image, centres, centres, 9, out))
