"""Maps over threads: each item once, results in order, and the error of the first item that fails."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator

import pytest

from dmcnn._common.threads import map_in_threads


def squares(numbers: Iterator[int]) -> Iterator[int]:
    for number in numbers:
        time.sleep(0.001 * (number % 3))
        yield number**2


@pytest.mark.parametrize("n_threads", [-1, 1, 2, 5])
@pytest.mark.parametrize("n", [0, 1, 20])
def test_results_in_the_order_of_the_items(n: int, n_threads: int) -> None:
    assert map_in_threads(squares, range(n), n_threads) == [number**2 for number in range(n)]


def test_several_threads_are_at_work_at_once() -> None:
    meeting = threading.Barrier(3)

    def work(numbers: Iterator[int]) -> Iterator[int]:
        for number in numbers:
            meeting.wait(timeout=30)
            yield number

    assert map_in_threads(work, range(3), 3) == [0, 1, 2]


@pytest.mark.parametrize("n_threads", [1, 2, 4])
def test_the_first_error_in_the_order_of_the_items(n_threads: int) -> None:
    """Item 3 fails late and item 4 at once: the error is that of item 3, and few items begin after it."""
    begun = []

    def work(numbers: Iterator[int]) -> Iterator[int]:
        for number in numbers:
            begun.append(number)
            time.sleep(0.02 if number == 3 else 0)
            if number in (3, 4):
                raise ValueError(f"item {number}")
            yield number

    with pytest.raises(ValueError, match="item 3"):
        map_in_threads(work, range(1000), n_threads)
    assert len(begun) < 1000


def test_an_error_before_the_first_item() -> None:
    def work(numbers: Iterator[int]) -> Iterator[int]:
        raise OSError("no file")
        yield from numbers

    with pytest.raises(OSError, match="no file"):
        map_in_threads(work, range(5), 2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_starts_threads_of_its_own() -> None:
    expected = map_in_threads(squares, range(9), 3)
    with multiprocessing.get_context("fork").Pool(1) as child:
        assert child.apply_async(map_in_threads, (squares, range(9), 3)).get(timeout=60) == expected
