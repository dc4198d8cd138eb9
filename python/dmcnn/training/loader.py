"""Loader: threads that make batches ahead of the network, in memory that is used again."""

from __future__ import annotations

import math
import time
import weakref
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from types import TracebackType
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from dmcnn._common.threads import threads

Batch = TypeVar("Batch", covariant=True)


class Steps(Protocol[Batch]):
    """Batches by step, which several threads may make at the same time."""

    first: int
    total: int

    def batch(self, step: int) -> Batch:
        """Return the batch of a step."""


class Buffers:
    """Pool of memory for float32 tensors on the host.

    The first write to fresh memory takes ten times as long as the next. A tensor's memory returns to the pool when
    torch frees its storage, that is when no view and no graph refers to it any more.
    """

    def __init__(self) -> None:
        self._free: deque[NDArray[np.float32]] = deque()

    def tensor(self, shape: tuple[int, ...]) -> torch.Tensor:
        """Return a contiguous float32 tensor of this shape with arbitrary content."""
        size = math.prod(shape)
        try:
            memory = self._free.pop()
        except IndexError:
            memory = np.empty(size, np.float32)
        if len(memory) < size:
            memory = np.empty(size, np.float32)
        view = memory[:size].reshape(shape)
        weakref.finalize(view, self._free.append, memory).atexit = False
        return torch.from_numpy(view)  # its storage refers to ``view``


class Loader(Generic[Batch]):
    """Iterable over the batches of ``steps`` in order; threads make them while the network works.

    A batch is a function of its step alone, so that its content does not depend on the threads. At most ``ahead``
    batches are finished or in work besides the one that the network uses. An error in a step is raised when the
    iteration reaches that step. The threads end when the iteration ends, fails, is closed or is deleted, and at
    ``close``.

    Args:
        steps: batches ``steps.first`` to ``steps.total - 1``.
        n_threads: number of threads; None = all that dmcnn may use, at most 4.
        ahead: number of batches made ahead; None = two per thread.

    Attributes:
        waited: [s] time in which the iterations waited for batches that were not ready.
    """

    def __init__(
        self, steps: Steps[Batch], *, n_threads: int | None = None, ahead: int | None = None
    ) -> None:
        self.steps = steps
        self.n_threads = min(threads(), 4) if n_threads is None else threads(n_threads)
        self.ahead = 2 * self.n_threads if ahead is None else max(1, ahead)
        self.waited = 0.0
        self._pools: weakref.WeakSet[ThreadPoolExecutor] = weakref.WeakSet()

    def __len__(self) -> int:
        return max(0, self.steps.total - self.steps.first)

    def __iter__(self) -> Iterator[Batch]:
        pool = ThreadPoolExecutor(self.n_threads, "dmcnn-loader")
        self._pools.add(pool)
        numbers = iter(range(self.steps.first, self.steps.total))
        queue: deque[Future[Batch]] = deque()
        try:
            queue.extend(pool.submit(self.steps.batch, step) for step in islice(numbers, self.ahead))
            while queue:
                began = time.perf_counter()
                batch = queue.popleft().result()
                self.waited += time.perf_counter() - began
                queue.extend(pool.submit(self.steps.batch, step) for step in islice(numbers, 1))
                yield batch
                del batch  # returns its memory to the pool
        finally:
            pool.shutdown(cancel_futures=True)

    def close(self) -> None:
        """End the threads of all iterations that did not reach their end."""
        for pool in list(self._pools):
            pool.shutdown(cancel_futures=True)

    def __enter__(self) -> Loader[Batch]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
