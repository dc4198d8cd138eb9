"""normalise_rows and normalise_slopes against their twins, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmcnn import _core
from reference.normalise_rows import normalise_rows, normalise_slopes


@pytest.mark.slow
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(1, 300), max_size=4),
    st.sampled_from([(1, 1), (2, 1), (70, 70), (70, 7), (33, 1), (12, 3)]),
    st.booleans(),
    st.sampled_from([np.float32, np.float64]),
)
def test_same_as_twins(seed, sizes, channels_and_groups, affine, dtype):
    rng = np.random.default_rng(seed)
    channels, groups = channels_and_groups
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    rows, slope = (rng.normal(3, 1, (offsets[-1], channels)).astype(dtype) for _ in range(2))
    count = rng.integers(1, 9, len(rows)).astype(np.int32)
    weight, bias = (rng.normal(size=channels).astype(dtype) if affine else None for _ in range(2))
    made = []
    for n in (1, 2, 5):
        out, back = np.empty_like(rows), np.empty_like(rows)
        arguments = rows, offsets, count, groups, 1e-2
        moments = _core.normalise_rows(*arguments, weight, bias, out, n_threads=n)
        slopes = _core.normalise_slopes(*arguments, weight, slope, *moments, back, n_threads=n)
        made.append((out, *moments, back, *slopes))
    for other in made[1:]:
        for a, b in zip(made[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
    if not sizes:
        return
    expected = [*normalise_rows(*arguments, weight, bias)]
    expected += normalise_slopes(*arguments, weight, slope, *moments)
    close = {"rtol": 2e-4, "atol": 2e-4} if dtype == np.float32 else {"rtol": 1e-9, "atol": 1e-9}
    for a, b in zip(made[0], expected, strict=True):
        np.testing.assert_allclose(a, b, **close)


def test_a_small_variance_beside_a_large_mean_is_exact():
    """E[x^2] - m^2 in float32 would have no digit right."""
    rng = np.random.default_rng(0)
    rows = (4096 + rng.normal(size=(1000, 3))).astype(np.float32)
    count = np.ones(1000, np.int32)
    count[0] = 200_000
    offsets, out = np.array([0, 1000]), np.empty_like(rows)
    mean, variance = _core.normalise_rows(rows, offsets, count, 3, 0.0, None, None, out)
    expected = normalise_rows(rows, offsets, count, 3, 0.0, None, None)
    np.testing.assert_allclose(mean, expected[1], rtol=1e-14)
    np.testing.assert_allclose(variance, expected[2], rtol=1e-9)
    np.testing.assert_allclose(out, expected[0], rtol=1e-3)


VALID = {
    "rows": np.zeros((3, 2), np.float32),
    "offsets": np.array([0, 1, 3]),
    "count": np.ones(3, np.int32),
    "groups": 1,
    "eps": 0.1,
    "weight": np.zeros(2, np.float32),
    "bias": np.zeros(2, np.float32),
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
        ({"weight": np.zeros(3, np.float32)}, "weight has shape"),
        ({"out": np.zeros((2, 2), np.float32)}, "out has shape"),
        ({"groups": 0}, "0 groups, expected a divisor of 2 channels"),
        ({"groups": 3}, "3 groups, expected a divisor of 2 channels"),
    ],
)
def test_refuses(change, said):
    with pytest.raises(ValueError, match=said):
        _core.normalise_rows(**{**VALID, **change})


def test_refuses_other_arrays(tampered):
    for what, arguments in tampered(VALID):
        with pytest.raises((TypeError, ValueError)):
            pytest.fail(f"{what} accepted: {_core.normalise_rows(**arguments)}")


def test_releases_gil(releases_gil):
    rows, count = np.zeros((20_000, 64)), np.ones(20_000, np.int32)
    out = np.empty_like(rows)
    call = (rows, np.array([0, 20_000]), count, 64, 0.1, None, None, out)
    assert releases_gil(lambda: _core.normalise_rows(*call))
