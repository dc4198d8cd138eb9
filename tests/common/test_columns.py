"""Records of columns against their rows as lists."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from dmcnn._common.columns import join, join_offsets


@dataclass(frozen=True)
class Ragged:
    offsets: NDArray[np.int64]
    value: NDArray[np.float32]
    name: NDArray[np.int16]


def record(*rows: list[float]) -> Ragged:
    """A record of rows; each is named by its length."""
    sizes = [len(row) for row in rows]
    return Ragged(
        np.cumsum([0, *sizes]),
        np.array([x for row in rows for x in row], np.float32),
        np.array(sizes, np.int16),
    )


@pytest.mark.parametrize(
    "parts",
    [
        [[[1.0, 2.0], []], [[3.0]], [[], [4.0, 5.0, 6.0]]],
        [[[1.0]]],
        [[], [[2.0]], []],
        [[[]], [[]]],
    ],
)
def test_rows_stay_what_they_are(parts: list[list[list[float]]]) -> None:
    found, expected = (
        join([record(*rows) for rows in parts]),
        record(*(row for rows in parts for row in rows)),
    )
    for name in ("offsets", "value", "name"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), strict=True)


def test_no_parts() -> None:
    none = record()
    assert join([], none) is none
    with pytest.raises(IndexError):
        join([])


def test_offsets_of_no_rows_are_those_of_the_others() -> None:
    assert join_offsets([np.array([0]), np.array([0, 2, 5]), np.array([0]), np.array([0, 1])]).tolist() == [
        0,
        2,
        5,
        6,
    ]
