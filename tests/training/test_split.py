"""Stratified split: disjoint, complete parts with the shares of every class."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmcnn.training.split import stratified_split


@pytest.mark.slow
@given(
    st.lists(st.integers(0, 4), max_size=200),
    st.sampled_from([(0.2,), (0.1, 0.3), (0.5, 0.25)]),
    st.integers(0, 5),
)
def test_parts_are_disjoint_and_keep_the_shares(
    classes: list[int], fractions: tuple[float, ...], seed: int
) -> None:
    label = np.array(classes, np.int64)
    parts = stratified_split(label, fractions, seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(label)))
    for number in np.unique(label):
        total = (label == number).sum()
        for part, share in zip(parts, fractions, strict=False):
            assert abs((label[part] == number).sum() - share * total) <= 1
    for part, again in zip(parts, stratified_split(label, fractions, seed), strict=True):
        np.testing.assert_array_equal(part, again)
        assert (np.diff(part) > 0).all()


def test_another_seed_draws_other_events() -> None:
    label = np.arange(100) % 4
    assert not np.array_equal(stratified_split(label, [0.5], 1)[0], stratified_split(label, [0.5], 2)[0])
