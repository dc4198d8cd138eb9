"""Shares of a work: every thing in one of them, alike in cost, and the same whoever asks."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmcnn._common.shares import Share, balance

COSTS = st.lists(st.integers(0, 10**9), max_size=60)
COUNTS = st.integers(1, 20)


@given(COSTS, COUNTS)
def test_shares_are_alike_in_cost(costs: list[int], count: int) -> None:
    """Greedy by falling cost: no two shares differ by more than the most costly thing."""
    shares = balance(costs, count)
    assert len(shares) == len(costs)
    assert all(0 <= share < count for share in shares)
    loads = [
        sum(cost for cost, share in zip(costs, shares, strict=True) if share == one) for one in range(count)
    ]
    assert max(loads) - min(loads) <= max(costs, default=0)
    assert shares == balance(list(costs), count)


def test_equal_things_go_round() -> None:
    assert balance([1, 1, 1, 1, 1], 2) == [0, 1, 0, 1, 0]
    assert balance([5, 1, 1, 1, 2], 2) == [0, 1, 1, 1, 1]


@given(st.integers(0, 500), COUNTS, st.integers(1, 70))
def test_spans_follow_one_another_and_are_cut_at_units(total: int, count: int, unit: int) -> None:
    spans = [Share(number, count).span(total, unit) for number in range(count)]
    assert spans[0][0] == 0
    assert spans[-1][1] == total
    for (_, end), (first, _) in pairwise(spans):
        assert end == first
        assert end % unit == 0 or end == total
    sizes = [-(-(end - first) // unit) for first, end in spans]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("text", ["3", "3/3", "-1/3", "1/0", "a/b", "1/3 ", "0.5/3"])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(ValueError, match="the shares of n are 0/n to"):
        Share.parse(text)


def test_a_share_as_text_and_as_name() -> None:
    share = Share.parse("3/100")
    assert (share.number, share.count, str(share), share.tag) == (3, 100, "3/100", "_share3of100")
