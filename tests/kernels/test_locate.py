"""centroid and most_charge against their twins, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmcnn import _core
from reference import locate as twin
from reference.images import columns, random_images


@pytest.mark.slow
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 3),
    st.tuples(st.integers(1, 3), st.integers(4, 12), st.integers(4, 12)),
    st.sampled_from([0.1, 0.4, 1, 0]),
    st.tuples(*[st.one_of(st.integers(1, 4), st.integers(1, 14))] * 2),
)
def test_same_as_twins(seed, n, shape, fill, size):
    dense = random_images(np.random.default_rng(seed), n, shape, fill)
    for n_threads in (1, 3):
        for found, expected in (
            (_core.centroid(*columns(dense), n_threads), twin.centroid(dense)),
            (_core.most_charge(*columns(dense), size, n_threads), twin.most_charge(dense, size)),
        ):
            for a, b in zip(found, expected, strict=True):
                assert a.dtype == b.dtype
                np.testing.assert_array_equal(a, b)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-40, 1.0, 1e30]), st.tuples(*[st.integers(1, 9)] * 2))
def test_any_float32(seed, scale, size):
    """Charges over many powers of ten: the same window as the twin's, and a sum right to double precision."""
    rng = np.random.default_rng(seed)
    dense = np.zeros((1, 1, 8, 9), np.float32)
    dense[0, 0][rng.random((8, 9)) < 0.3] = 1
    dense *= (scale * 10 ** rng.uniform(-8, 8, dense.shape)).astype(np.float32)
    (top,), (left,), (charge,) = _core.most_charge(*columns(dense), size)
    expected = twin.most_charge(dense, size)
    assert [top, left, charge] == [a[0] for a in expected]
    exact = dense[0, 0, max(top, 0) : top + size[0], max(left, 0) : left + size[1]].astype(np.float64).sum()
    assert charge == pytest.approx(exact, rel=1e-12, abs=2.0**-53 * float(dense.max()))


def test_ties_go_to_the_smallest_row_then_column():
    dense = np.zeros((1, 1, 40, 50), np.float32)
    for row, column in ((30, 5), (12, 44), (12, 33)):
        dense[0, 0, row, column] = 7.25
    top, left, charge = _core.most_charge(*columns(dense), (3, 4))
    assert (top[0], left[0], charge[0]) == (10, 30, 7.25)


VALID = {
    "offsets": np.array([0, 1, 3], np.int64),
    "index": np.array([5, 0, 23], np.int32),
    "value": np.array([1, 2, 3], np.float32),
}
CALLS = {
    "centroid": lambda **more: _core.centroid(**{"shape": (2, 3, 4), **more}),
    "most_charge": lambda **more: _core.most_charge(**{"shape": (2, 3, 4), "size": (2, 2), **more}),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"index": np.array([5, 0, 24], np.int32)}, "image 1: index 24"),
        ({"index": np.array([5, 9, 3], np.int32)}, "image 1: index 3, expected 10 to 23"),
        ({"value": np.array([1, 2, np.inf], np.float32)}, "image 1: value inf"),
        ({"offsets": np.array([0, 4, 3])}, "image 0: offsets 0 to 4"),
        ({"shape": (1, 2**40, 4)}, "shape"),
    ],
)
def test_refuses(call, change, said):
    with pytest.raises(ValueError, match=said):
        call(**{**VALID, **change})


@pytest.mark.parametrize("size", [(0, 2), (2, -1), (2**31, 1)])
def test_refuses_windows(size):
    with pytest.raises(ValueError, match="window of"):
        CALLS["most_charge"](**VALID, size=size)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_refuses_other_arrays(tampered, call):
    for what, arguments in tampered(VALID):
        with pytest.raises((TypeError, ValueError)):
            pytest.fail(f"{what} accepted: {call(**arguments)}")


@pytest.mark.parametrize("n_threads", [1, 2])
def test_release_gil(releases_gil, n_threads):
    images = columns(np.ones((2, 1, 400, 400), np.float32))
    assert releases_gil(lambda: _core.centroid(*images, n_threads))
    assert releases_gil(lambda: _core.most_charge(*images, (99, 99), n_threads))
