"""match_windows against its twin, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmcnn import _core
from reference.match_windows import match_windows as twin

ONES, NONE = (1, 1, 1), (0, 0, 0)
small = st.tuples(*[st.integers(1, 3)] * 3)
padding = st.tuples(*[st.integers(0, 2)] * 3)


def match(ids, *geometry):
    """What 1, 2 and 5 threads give, which is the same."""
    made = [_core.match_windows(ids, *geometry, n_threads=n) for n in (1, 2, 5)]
    for other in made[1:]:
        for a, b in zip(made[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
    return made[0]


@pytest.mark.slow
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 4),
    st.tuples(*[st.integers(7, 9)] * 3),
    st.sampled_from([0, 0.02, 0.3, 1]),
    small, small, small, padding, padding, padding,
)  # fmt: skip
def test_same_as_twin(seed, n, shape, fill, kernel, stride, dilation, before, after, beyond):
    rng = np.random.default_rng(seed)
    ids = np.where(rng.random((n, *shape)) < fill, rng.integers(0, 5, (n, *shape)), -1).astype(np.int32)
    found = match(ids, kernel, stride, dilation, before, after, beyond)
    if n == 0:
        assert [len(x) for x in found] == [0, 1, 0, 0]
        return
    for a, b in zip(found, twin(ids, kernel, stride, dilation, before, after, beyond), strict=True):
        np.testing.assert_array_equal(a, b)
    assert [x.dtype for x in found] == [np.int32, np.int64, np.int32, np.int32]


def test_empty_image_and_one_pixel():
    ids = np.full((2, 1, 6, 7), -1, np.int32)
    ids[1, 0, 0, 0] = 3
    number, offsets, neighbours, count = match(ids, (1, 3, 3), ONES, ONES, (0, 1, 1), (0, 1, 1), NONE)
    assert offsets.tolist() == [0, 1, 6]
    assert count.tolist() == [42, 1, 1, 38, 1, 1]
    assert number[1, 0, :2, :3].tolist() == [[1, 2, 3], [4, 5, 3]]
    assert neighbours[1].tolist() == [-1, -1, -1, -1, 3, -1, -1, -1, -1]


def test_a_background_differs_from_the_padding():
    ids = np.zeros((1, 1, 5, 5), np.int32)
    *_, count = match(ids, (1, 3, 3), ONES, ONES, (0, 1, 1), (0, 1, 1), NONE)
    assert count.tolist() == [1, 3, 1, 3, 9, 3, 1, 3, 1]


def test_full_image_has_a_row_for_every_place():
    ids = np.arange(2 * 90_000, dtype=np.int32).reshape(2, 1, 300, 300)
    number, _, neighbours, count = match(ids, (1, 2, 2), ONES, ONES, NONE, NONE, NONE)
    np.testing.assert_array_equal(number.ravel(), np.arange(2 * 299 * 299))
    np.testing.assert_array_equal(neighbours[:, 0], ids[:, 0, :-1, :-1].ravel())
    assert (count == 1).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kernel": (1, 0, 1)}, "axis 1: kernel 0, expected 1 to 2147483647"),
        ({"stride": (1, 1, 0)}, "axis 2: stride 0"),
        ({"dilation": (-1, 1, 1)}, "axis 0: dilation -1"),
        ({"before": (0, -1, 0)}, "axis 1: padding before -1"),
        ({"after": (0, 0, 2**40)}, "axis 2: padding after 1099511627776"),
        ({"beyond": (0, 0, -1)}, "axis 2: places beyond -1"),
        ({"kernel": (1, 5, 1)}, "axis 1: padded size 4, expected at least the window's 5"),
        (
            {"kernel": (1, 3, 1), "dilation": (1, 2, 1)},
            "axis 1: padded size 4, expected at least the window's 5",
        ),
        ({"after": (0, 2**20, 2**20)}, "more than 2147483647 places"),
        ({"ids": np.zeros((1, 0, 4, 5), np.int32)}, "axis 0: size 0"),
        ({"ids": np.zeros((1, 4, 5), np.int32)}, r"ids has shape \(1, 4, 5\)"),
    ],
)
def test_refuses(change, said):
    valid = {"ids": np.zeros((1, 1, 4, 5), np.int32), "kernel": ONES, "stride": ONES, "dilation": ONES}
    valid |= {"before": NONE, "after": NONE, "beyond": NONE}
    with pytest.raises(ValueError, match=said):
        _core.match_windows(**{**valid, **change})


def test_refuses_other_arrays(tampered):
    for what, arguments in tampered({"ids": np.zeros((1, 1, 4, 5), np.int32)}):
        with pytest.raises((TypeError, ValueError)):
            pytest.fail(f"{what} accepted: {_core.match_windows(**arguments, **_ones())}")


def _ones():
    return {"kernel": ONES, "stride": ONES, "dilation": ONES, "before": NONE, "after": NONE, "beyond": NONE}


@pytest.mark.parametrize("n_threads", [1, 2])
def test_releases_gil(releases_gil, n_threads):
    ids = np.random.default_rng(0).integers(0, 9, (2, 1, 600, 600), np.int32)
    assert releases_gil(lambda: _core.match_windows(ids, **_ones(), n_threads=n_threads))
