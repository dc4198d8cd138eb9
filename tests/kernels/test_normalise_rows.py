"""measure_rows, scale_rows, measure_slopes and scale_slopes against their twins, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmcnn import _core
from reference.normalise_rows import measure_rows, measure_slopes, scale_rows, scale_slopes


@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(1, 300), max_size=4),
    st.integers(0, 70),
    st.sampled_from([np.float32, np.float64]),
)
def test_same_as_twins(seed, sizes, channels, dtype):
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    rows, slope = (rng.normal(3, 1, (offsets[-1], channels)).astype(dtype) for _ in range(2))
    count = rng.integers(1, 9, len(rows)).astype(np.int32)
    numbers = [rng.normal(size=(len(sizes), channels)).astype(dtype) for _ in range(4)]
    close = {"rtol": 1e-4, "atol": 1e-4} if dtype == np.float32 else {"rtol": 1e-10, "atol": 1e-10}
    made = []
    for n in (1, 2, 5):
        scaled, back = np.empty_like(rows), np.empty_like(rows)
        _core.scale_rows(rows, offsets, count, *numbers[:3], scaled, n_threads=n)
        _core.scale_slopes(rows, offsets, count, slope, *numbers, back, n_threads=n)
        means = _core.measure_rows(rows, offsets, count, n_threads=n)
        slopes = _core.measure_slopes(rows, offsets, count, slope, numbers[0], n_threads=n)
        made.append((*means, *slopes, scaled, back))
    for other in made[1:]:
        for a, b in zip(made[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
    if not sizes:
        return
    expected = [
        *measure_rows(rows, offsets, count),
        *measure_slopes(rows, offsets, slope, numbers[0]),
        scale_rows(rows, offsets, *numbers[:3]),
        scale_slopes(rows, offsets, count, slope, *numbers),
    ]
    for a, b in zip(made[0], expected, strict=True):
        np.testing.assert_allclose(a, b, **close)


def test_a_small_variance_beside_a_large_mean_is_exact():
    """E[x^2] - m^2 in float32 would have no digit right."""
    rng = np.random.default_rng(0)
    rows = (4096 + rng.normal(size=(1000, 3))).astype(np.float32)
    count = np.ones(1000, np.int32)
    count[0] = 200_000
    mean, squares = _core.measure_rows(rows, np.array([0, 1000]), count)
    expected = measure_rows(rows, np.array([0, 1000]), count)
    np.testing.assert_allclose(mean, expected[0], rtol=1e-14)
    np.testing.assert_allclose(squares, expected[1], rtol=1e-9)


VALID = {
    "rows": np.zeros((3, 2), np.float32),
    "offsets": np.array([0, 1, 3]),
    "count": np.ones(3, np.int32),
    "centre": np.zeros((2, 2), np.float32),
    "scale": np.zeros((2, 2), np.float32),
    "shift": np.zeros((2, 2), np.float32),
    "out": np.zeros((3, 2), np.float32),
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"offsets": np.array([0, 4, 3])}, "image 0: offsets 0 to 4"),
        ({"offsets": np.array([1, 2, 3])}, "offset 0: value 1, expected 0"),
        ({"offsets": np.array([0, 1, 2])}, "offset 2: value 2, expected 3"),
        ({"offsets": np.zeros(0, np.int64)}, "offsets is empty"),
        ({"count": np.ones(2, np.int32)}, r"count has shape \(2\), expected \(3\)"),
        ({"scale": np.zeros((3, 2), np.float32)}, "scale has shape"),
        ({"out": np.zeros((2, 2), np.float32)}, "out has shape"),
    ],
)
def test_refuses(change, said):
    with pytest.raises(ValueError, match=said):
        _core.scale_rows(**{**VALID, **change})


def test_refuses_other_arrays(tampered):
    for what, arguments in tampered(VALID):
        with pytest.raises((TypeError, ValueError)):
            pytest.fail(f"{what} accepted: {_core.scale_rows(**arguments)}")


def test_releases_gil(releases_gil):
    rows, count = np.zeros((20_000, 64)), np.ones(20_000, np.int32)
    assert releases_gil(lambda: _core.measure_rows(rows, np.array([0, 20_000]), count))
