"""list_changes and link_changes against their twins, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmcnn import _core
from reference.changes import link_changes, list_changes


def drawn(seed, variants, rows, n, length):
    """Changed rows of some variants, and the links of a layer."""
    rng = np.random.default_rng(seed)
    changed = [np.flatnonzero(rng.random(rows) < rng.choice([0, 0.1, 0.9, 1])) for _ in range(variants)]
    start = np.cumsum([0, *map(len, changed)])
    row = np.concatenate([*changed, []]).astype(np.int32)
    return start, row, rng.integers(-2, rows, (n, length)).astype(np.int32)


@given(
    st.integers(0, 2**32 - 1), st.integers(0, 6), st.integers(1, 40), st.integers(0, 60), st.integers(1, 9)
)
def test_changes_are_those_of_the_twins(seed, variants, rows, n, length):
    start, row, index = drawn(seed, variants, rows, n, length)
    users = _core.list_users(index, rows)
    for threads in (1, 3):
        after = _core.list_changes(start, row, *users, rows, n, n_threads=threads)
        for found, expected in zip(after, list_changes(start, row, index), strict=True):
            np.testing.assert_array_equal(found, expected)
        links = _core.link_changes(start, row, index, rows, *after, n_threads=threads)
        np.testing.assert_array_equal(links, link_changes(start, row, index, rows, *after))
        assert links.dtype == np.int32
        assert links.shape == (len(after[1]), length)


def test_one_row_and_none():
    index = np.array([[0, -1]], np.int32)
    users, start = _core.list_users(index, 1), np.array([0, 0, 1])
    after = _core.list_changes(start, np.array([0], np.int32), *users, 1, 1)
    np.testing.assert_array_equal(after[0], [0, 0, 1])
    links = _core.link_changes(start, np.array([0], np.int32), index, 1, *after)
    np.testing.assert_array_equal(links, [[1, -1]])


@pytest.mark.parametrize(
    ("start", "row", "line"),
    [
        ([0, 2], [1, 1], "variant 0: row 1, expected 2 to 2"),
        ([0, 1], [3], "variant 0: row 3, expected 0 to 2"),
        ([0, 2, 1], [0], "variant 1: end 1, expected at least 2"),
        ([1, 1], [0], "variant 0: start 1, expected 0"),
    ],
)
def test_bad_changes_are_refused(start, row, line):
    index = np.array([[0], [1], [2]], np.int32)
    with pytest.raises(ValueError, match=line):
        _core.list_changes(np.array(start), np.array(row, np.int32), *_core.list_users(index, 3), 3, 3)


def test_neighbours_outside_are_refused():
    start, row, index = np.array([0, 1]), np.array([0], np.int32), np.array([[2]], np.int32)
    with pytest.raises(ValueError, match="row 0: neighbour 2, expected at most 1"):
        _core.link_changes(start, row, index, 2, start, row)
    with pytest.raises(ValueError, match="user 0, expected 0 to -1"):
        _core.list_changes(start, row, *_core.list_users(np.array([[0]], np.int32), 1), 1, 0)
