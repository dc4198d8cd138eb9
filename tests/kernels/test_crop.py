"""crop against its twin, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmcnn import _core
from reference.crop import crop as twin
from reference.images import assert_same, columns, random_images


def assert_same_as_twin(dense, source, top, left, size, rows_per_pixel, merge):
    expected, cut = twin(dense, source, top, left, size, rows_per_pixel, merge)
    for n_threads in (1, 3):
        found = _core.crop(*columns(dense), source, top, left, size, rows_per_pixel, merge, n_threads)
        assert_same(found, expected, np.zeros(len(source), np.int64), cut)


@pytest.mark.slow
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
    st.sampled_from([0.5, 0.1, 1, 0]),
    st.tuples(st.integers(1, 6), st.integers(1, 12)),
    st.integers(1, 5),
    st.sampled_from(["sum", "mean", "max"]),
)
def test_same_as_twin(seed, shape, fill, size, rows_per_pixel, merge):
    """Windows that reach over every border, and some that lie just outside."""
    rng = np.random.default_rng(seed)
    source = rng.integers(0, shape[0], rng.integers(6))
    top = rng.integers(-size[0] * rows_per_pixel, shape[2] + 1, len(source))
    left = rng.integers(-size[1], shape[3] + 1, len(source))
    dense = random_images(rng, shape[0], shape[1:], fill)
    assert_same_as_twin(dense, source, top, left, size, rows_per_pixel, merge)


def test_windows_far_away_are_empty():
    far = [-(2**63), -(2**63) + 1, -(2**31), -4, 0, 3, 2**31, 2**63 - 1]
    top, left = (grid.ravel() for grid in np.meshgrid(far, far))
    dense = np.ones((1, 2, 3, 3), np.float32)
    assert_same_as_twin(dense, np.zeros_like(top), top, left, (2, 4), 2, "sum")


VALID = {
    "offsets": np.array([0, 1, 3], np.int64),
    "index": np.array([5, 0, 23], np.int32),
    "value": np.array([1, 2, 3], np.float32),
    "source": np.array([0, 1], np.int64),
    "top": np.array([0, -1], np.int64),
    "left": np.array([0, 1], np.int64),
}
REST = {"shape": (2, 3, 4), "size": (2, 2)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"index": np.array([5, 0, 24], np.int32)}, "image 1: index 24, expected 1 to 23"),
        (
            {"index": np.array([5, 7, 7], np.int32)},
            r"image 1: index 7, expected 8 to 23 \(strictly increasing\)",
        ),
        ({"index": np.array([-1, 0, 23], np.int32)}, "image 0: index -1"),
        ({"value": np.array([1, np.nan, 3], np.float32)}, "image 1: value nan, expected a finite number"),
        ({"value": np.array([1, 2], np.float32)}, r"value has shape \(2\), expected \(3\)"),
        ({"offsets": np.array([0, 4, 3])}, "image 0: offsets 0 to 4"),
        ({"offsets": np.array([0, -(2**63), 3])}, "image 0: offsets 0 to -9223372036854775808"),
        ({"offsets": np.array([0, 1, 2])}, "offset 2: value 2, expected 3"),
        ({"offsets": np.array([1, 1, 3])}, "offset 0: value 1, expected 0"),
        ({"offsets": np.array([], np.int64)}, "offsets is empty"),
        ({"source": np.array([0, 2])}, "window 1: image 2, expected 0 to 1"),
        ({"top": np.array([0])}, r"top has shape \(1\), expected \(2\)"),
        ({"size": (0, 2)}, "window of 0 x 2 pixels"),
        ({"size": (2**40, 2)}, "window of 1099511627776 x 2"),
        ({"size": (2**16, 2**15)}, "at most 2147483647 pixels"),
        ({"shape": (2, 3, -4)}, "shape"),
        ({"rows_per_pixel": 0}, "0 rows per pixel"),
        ({"rows_per_pixel": 2**62}, "rows per pixel, expected 1 to 1073741823"),
        ({"merge": "median"}, "merge 'median', expected 'sum', 'mean' or 'max'"),
    ],
)
def test_refuses(change, said):
    with pytest.raises(ValueError, match=said):
        _core.crop(**{**VALID, **REST, **change})


def test_refuses_a_sum_beyond_float32():
    dense = np.full((1, 1, 2, 1), 3e38, np.float32)
    place = np.zeros(1, np.int64)
    with pytest.raises(ValueError, match="window 0: sum of a pixel 6"):
        _core.crop(*columns(dense), place, place, place, (1, 1), 2)
    assert _core.crop(*columns(dense), place, place, place, (1, 1), 2, "mean")[2] == dense[0, 0, 0]


def test_refuses_other_arrays(tampered):
    for what, arguments in tampered(VALID):
        with pytest.raises((TypeError, ValueError)):
            pytest.fail(f"{what} accepted: {_core.crop(**arguments, **REST)}")


@pytest.mark.parametrize("n_threads", [1, 2])
def test_releases_gil(releases_gil, n_threads):
    images = columns(np.ones((1, 1, 600, 600), np.float32))
    place = np.zeros(4, np.int64)
    assert releases_gil(lambda: _core.crop(*images, place, place, place, (500, 500), 1, "sum", n_threads))
