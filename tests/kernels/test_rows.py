"""gather_rows, list_users, scatter_rows and max_rows against their twins, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dmcnn import _core
from reference.rows import gather_rows, list_users, max_rows, scatter_rows

seeds = st.integers(0, 2**32 - 1)
DTYPES = [np.float32, np.float64]


def links(rng, n, length, rows):
    """(n, length) row numbers, some of them negative."""
    return (
        rng.integers(-2, rows, (n, length)).astype(np.int32) if rows else np.full((n, length), -1, np.int32)
    )


def threaded(call, shape, dtype):
    """What ``call(out, n_threads)`` writes, which does not depend on the threads."""
    made = []
    for n_threads in (1, 2, 5):
        made.append(np.full(shape, 7, dtype))
        call(made[-1], n_threads)
    for other in made[1:]:
        np.testing.assert_array_equal(made[0], other)
    return made[0]


@pytest.mark.slow
@given(
    seeds,
    st.integers(0, 300),
    st.integers(1, 9),
    st.integers(0, 40),
    st.integers(0, 70),
    st.sampled_from(DTYPES),
)
def test_gather_is_its_twin(seed, n, length, rows, channels, dtype):
    rng = np.random.default_rng(seed)
    index, bias = links(rng, n, length, rows), rng.normal(size=channels).astype(dtype)
    for source in (rng.normal(size=(rows, channels)), rng.normal(size=(rows, length, channels))):
        source = source.astype(dtype) if rows else np.zeros((1, *source.shape[1:]), dtype)
        apart = threaded(
            lambda out, t, s=source: _core.gather_rows(s, index, out, n_threads=t),
            (n, length, channels),
            dtype,
        )
        np.testing.assert_array_equal(apart, gather_rows(source, index, apart=True))
        sums = threaded(
            lambda out, t, s=source: _core.gather_rows(s, index, out, bias, True, n_threads=t),
            (n, channels),
            dtype,
        )
        expected = gather_rows(source, index, bias=bias, positive=True)
        np.testing.assert_allclose(sums, expected, rtol=0, atol=1e-5 if dtype == np.float32 else 1e-13)


@pytest.mark.slow
@given(
    seeds,
    st.integers(0, 300),
    st.integers(1, 9),
    st.integers(1, 40),
    st.integers(0, 70),
    st.sampled_from(DTYPES),
)
def test_scatter_is_its_twin_and_the_transposed_of_gather(seed, n, length, rows, channels, dtype):
    rng = np.random.default_rng(seed)
    index = links(rng, n, length, rows)
    start, user = _core.list_users(index, rows)
    for found, expected in zip((start, user), list_users(index, rows), strict=True):
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == np.int32
    close = {"rtol": 1e-4, "atol": 1e-4} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-12}
    which = rng.integers(-1, length, (n, channels)).astype(np.int32)
    for source in (rng.normal(size=(n, channels)), rng.normal(size=(n, length, channels))):
        source = source.astype(dtype)
        for apart in (False, True):
            shape = (rows, length, channels) if apart else (rows, channels)
            for only in (None, which):
                found = threaded(
                    lambda out, t, s=source, o=only: _core.scatter_rows(s, start, user, out, o, n_threads=t),
                    shape, dtype,
                )  # fmt: skip
                np.testing.assert_allclose(found, scatter_rows(source, index, rows, apart, only), **close)
        values = rng.normal(size=(rows, *source.shape[1:])).astype(dtype)
        gathered = gather_rows(values, index, apart=source.ndim == 3)
        apart = np.empty((rows, length, channels), dtype)
        _core.scatter_rows(source, start, user, apart)
        back = apart if source.ndim == 3 else apart.sum(1)
        np.testing.assert_allclose((gathered * source).sum(), (values * back).sum(), rtol=1e-3, atol=1e-3)


def test_scatter_writes_a_part_of_the_rows():
    rng = np.random.default_rng(1)
    index = links(rng, 50, 4, 20)
    start, user = _core.list_users(index, 20)
    source = rng.normal(size=(50, 3))
    out = np.empty((5, 3))
    _core.scatter_rows(source, start[8 * 4 : 13 * 4 + 1], user, out)
    np.testing.assert_allclose(out, scatter_rows(source, index, 20)[8:13], atol=1e-12)


@given(
    seeds,
    st.integers(0, 300),
    st.integers(1, 9),
    st.integers(1, 40),
    st.integers(0, 70),
    st.sampled_from(DTYPES),
)
def test_max_is_its_twin(seed, n, length, rows, channels, dtype):
    rng = np.random.default_rng(seed)
    index, source = links(rng, n, length, rows), rng.integers(-2, 3, (rows, channels)).astype(dtype)
    out = np.empty((n, channels), dtype)
    which = _core.max_rows(source, index, out, n_threads=2)
    expected, place = max_rows(source, index)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(which, place)


def test_max_of_nan_is_nan_as_in_torch():
    source = np.array([[1.0], [np.nan], [3.0], [np.nan]])
    out = np.empty((1, 1))
    assert _core.max_rows(source, np.array([[0, 1, 2, 3]], np.int32), out).item() == 3
    value, place = torch.nn.functional.max_pool1d(torch.from_numpy(source.T[None]), 4, return_indices=True)
    assert np.isnan(out.item())
    assert torch.isnan(value).item()
    assert place.item() == 3


def test_bfloat16_is_widened_exactly_and_rounded_as_torch_does():
    rng = np.random.default_rng(3)
    index = links(rng, 200, 3, 30)
    source = torch.from_numpy(rng.normal(size=(30, 5)).astype(np.float32)).to(torch.bfloat16)
    bits, wide = source.view(torch.uint16).numpy(), source.float().numpy()
    out = np.empty((200, 5), np.float32)
    _core.gather_rows(bits, index, out)
    np.testing.assert_allclose(out, gather_rows(wide, index), atol=1e-6)
    fine = rng.normal(size=(30, 5)).astype(np.float32)
    fine[0] = np.nan
    narrow = np.empty((200, 3, 5), np.uint16)
    _core.gather_rows(fine, index, narrow)
    expected = torch.from_numpy(gather_rows(fine, index, apart=True)).to(torch.bfloat16)
    np.testing.assert_array_equal(torch.from_numpy(narrow).view(torch.bfloat16).float(), expected.float())


VALID = {"source": np.zeros((3, 2)), "index": np.array([[0, 2], [-1, 1]], np.int32), "out": np.zeros((2, 2))}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"index": np.array([[0, 2], [-1, 3]], np.int32)},
            "row 1: neighbour 3, expected negative, or 0 to 2",
        ),
        ({"index": np.zeros((2, 0), np.int32)}, "index without neighbours"),
        ({"out": np.zeros((3, 2))}, "out 0: rows 3, expected 2"),
        ({"out": np.zeros((2, 3))}, "source 0: channels 2, expected 3"),
        ({"out": np.zeros((2, 3, 2))}, r"out has shape \(2, 3, 2\), expected \(any, 2, any\)"),
        ({"bias": np.zeros(3)}, r"bias has shape \(3\), expected \(2\)"),
        ({"out": np.zeros((2, 2, 2)), "positive": True}, "bias or positive part, expected only of sums"),
    ],
)
def test_gather_refuses(change, said):
    with pytest.raises(ValueError, match=said):
        _core.gather_rows(**{**VALID, **change})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"start": np.array([0, 1, 5, 2, 2, 2, 2], np.int32)}, "row 0: users 1 to 5"),
        ({"start": np.array([0, -1, 0, 2, 2, 2, 2], np.int32)}, "row 0: users 0 to -1"),
        (
            {"start": np.array([0, 1], np.int32)},
            r"start has shape \(2\), expected 3 times the neighbours \+ 1",
        ),
        ({"start": np.zeros(0, np.int32)}, "start has shape"),
        ({"user": np.array([0, 4], np.int32)}, "row 0: user 4, expected 0 to 3"),
        ({"user": np.array([-1, 0], np.int32)}, "row 0: user -1"),
        ({"which": np.zeros((4, 1), np.int32)}, "which has shape"),
    ],
)
def test_scatter_refuses(change, said):
    valid = {"source": np.zeros((4, 2)), "start": np.array([0, 1, 2, 2, 2, 2, 2], np.int32)}
    valid |= {"user": np.array([0, 3], np.int32), "out": np.zeros((3, 2))}
    with pytest.raises(ValueError, match=said):
        _core.scatter_rows(**{**valid, **change})


def test_list_users_refuses():
    with pytest.raises(ValueError, match="row 0: neighbour 3, expected at most 2"):
        _core.list_users(np.array([[3]], np.int32), 3)
    with pytest.raises(ValueError, match="expected products below"):
        _core.list_users(np.zeros((1, 2), np.int32), 2**31)


def test_refuses_other_arrays(tampered):
    for what, arguments in tampered(VALID):
        with pytest.raises((TypeError, ValueError)):
            pytest.fail(f"{what} accepted: {_core.gather_rows(**arguments)}")


def test_releases_gil(releases_gil):
    source, index = np.zeros((1000, 64)), np.zeros((4000, 9), np.int32)
    out = np.empty((4000, 64))
    assert releases_gil(lambda: _core.gather_rows(source, index, out))
    start, user = _core.list_users(index, 1000)
    back = np.empty((1000, 64))
    assert releases_gil(lambda: _core.scatter_rows(out, start, user, back))
