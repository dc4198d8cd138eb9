"""How many threads dmcnn may use, and work in Python shared among several."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from dmcnn._common.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")


def threads(wanted: int | None = None) -> int:
    """``wanted`` if given, else $DMCNN_NUM_THREADS, else every core that this process may run on."""
    if wanted is None:
        text = os.environ.get("DMCNN_NUM_THREADS", "")
        if not text:
            return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        if not text.isdecimal():
            raise InputError(f"DMCNN_NUM_THREADS = {text!r}, expected a whole number of at least 1")
        wanted = int(text)
    if wanted < 1:
        raise InputError(f"{wanted} threads, expected at least 1")
    return wanted


def shared(
    work: Callable[[Iterator[Item]], Iterator[Result]], items: Sequence[Item], n_threads: int
) -> list[Result]:
    """What ``work`` yields for each item, in their order; it runs in n_threads threads, this one among them.

    Each thread calls ``work`` once, with those of the items that fall to it as they come, and must get one result
    for each of them. If items fail, the error of the first one is raised, whichever failed first: items are begun
    in order, and those begun are ended.
    """
    if n_threads <= 1:
        return list(work(iter(items)))
    todo = deque(enumerate(items))
    results: dict[int, Result] = {}
    errors: dict[int, Exception] = {}

    def run() -> None:
        place = -1

        def mine() -> Iterator[Item]:
            nonlocal place
            while todo and not errors:
                try:
                    place, item = todo.popleft()
                except IndexError:  # another thread took the last one
                    return
                yield item

        try:
            for result in work(mine()):
                results[place] = result
        except Exception as error:
            errors[place] = error

    others = [_pool(n_threads - 1).submit(run) for _ in range(n_threads - 1)]
    try:
        run()
    finally:
        todo.clear()
        for other in others:
            if not other.cancel():  # what has not begun by now is not needed any more
                other.result()
    if errors:
        raise errors[min(errors)]
    return [results[place] for place in range(len(items))]


@cache
def _pool(size: int) -> ThreadPoolExecutor:
    """Threads that wait for the next call: starting them anew takes as long as reading two events."""
    return ThreadPoolExecutor(size, "dmcnn")


if hasattr(os, "register_at_fork"):  # a forked process has the pools, but not their threads
    os.register_at_fork(after_in_child=_pool.cache_clear)
