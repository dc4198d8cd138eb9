"""Threads: their number, and a map of Python work over several of them."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

from dmcnn._common.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")


def threads(count: int | None = None) -> int:
    """Return ``count`` if given, else $DMCNN_NUM_THREADS, else the number of cores that this process may use.

    Raises:
        InputError: a number below 1, or a variable that is no whole number.
    """
    if count is None:
        text = os.environ.get("DMCNN_NUM_THREADS", "")
        if not text:
            return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        if not text.isdecimal():
            raise InputError(f"DMCNN_NUM_THREADS = {text!r}, expected a whole number of at least 1")
        count = int(text)
    if count < 1:
        raise InputError(f"{count} threads, expected at least 1")
    return count


def map_in_threads(
    work: Callable[[Iterator[Item]], Iterator[Result]], items: Sequence[Item], n_threads: int
) -> list[Result]:
    """Return the results of ``work`` for all items, in the order of the items.

    ``work`` runs in ``n_threads`` threads, the calling one among them. Each thread calls it once with an iterator
    over the items that this thread takes, and ``work`` must yield one result per item. If items fail, the error of
    the first of them in the order of the items is raised: items begin in order, and every item that has begun ends.
    """
    if n_threads <= 1:
        return list(work(iter(items)))
    todo = deque(enumerate(items))
    results: dict[int, Result] = {}
    errors: dict[int, Exception] = {}

    def run() -> None:
        place = -1

        def next_items() -> Iterator[Item]:
            nonlocal place
            while todo and not errors:
                try:
                    place, item = todo.popleft()
                except IndexError:  # another thread took the last one
                    return
                yield item

        try:
            for result in work(next_items()):
                results[place] = result
        except Exception as error:
            errors[place] = error

    others = [_pool(n_threads - 1).submit(run) for _ in range(n_threads - 1)]
    try:
        run()
    finally:
        todo.clear()
        for other in others:
            if not other.cancel():  # a thread that has not begun is not needed any more
                other.result()
    if errors:
        raise errors[min(errors)]
    return [results[place] for place in range(len(items))]


@contextmanager
def call_repeatedly(call: Callable[[], object], seconds: float) -> Iterator[None]:
    """Run a function every ``seconds`` in a thread while the block runs."""
    done = threading.Event()

    def beat() -> None:
        """Run the function until the block ends."""
        while not done.wait(seconds):
            call()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def call_when_orphaned(call: Callable[[], object]) -> None:
    """Run a function in a thread when the process that has started this one, by multiprocessing, has died."""
    from multiprocessing import parent_process  # which commands without processes need not wait for

    if (parent := parent_process()) is None:
        return

    def watch() -> None:
        """Run the function when the other process has ended."""
        parent.join()
        call()

    threading.Thread(target=watch, daemon=True).start()


@cache
def _pool(size: int) -> ThreadPoolExecutor:
    """Return a pool of threads that later calls use again: to start threads takes as long as to read two events."""
    return ThreadPoolExecutor(size, "dmcnn")


if hasattr(os, "register_at_fork"):  # a forked process has the pools, but not their threads
    os.register_at_fork(after_in_child=_pool.cache_clear)
