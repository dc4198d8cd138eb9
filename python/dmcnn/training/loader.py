"""Batches made ahead of the network, in memory that is used again."""

from __future__ import annotations

import math
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
    """Batches that can be asked for by step, from several threads at once."""

    first: int
    total: int

    def batch(self, step: int) -> Batch:
        """The batch of a step."""


class Buffers:
    """float32 tensors on the host in memory that is used again once nobody holds the tensor any more.

    The first touch of fresh memory costs ten times what filling it costs. A tensor lends its memory until torch
    frees its storage, views and graphs included; a tensor that is kept therefore keeps its content.
    """

    def __init__(self) -> None:
        self._free: deque[NDArray[np.float32]] = deque()

    def tensor(self, shape: tuple[int, ...]) -> torch.Tensor:
        """A contiguous tensor of this shape; its content is arbitrary."""
        size = math.prod(shape)
        try:
            memory = self._free.pop()
        except IndexError:
            memory = np.empty(size, np.float32)
        if len(memory) < size:
            memory = np.empty(size, np.float32)
        lent = memory[:size].reshape(shape)
        weakref.finalize(lent, self._free.append, memory).atexit = False
        return torch.from_numpy(lent)  # its storage holds ``lent``


class Loader(Generic[Batch]):
    """The batches of ``steps`` in their order, made by threads while the network works.

    A batch is a function of its step alone, so threads change nothing but the time. At most ``ahead`` batches are
    made or being made beside the one handed out. An error in a step is raised when that step's turn comes. Threads
    end with the iteration: when it is through, fails, is closed or is dropped; and with ``close``.

    Args:
        steps: has batches ``first`` to ``total - 1``.
        n_threads: that make batches, each one at a time; default: all that dmcnn may use, at most 4.
        ahead: default: two per thread.
    """

    def __init__(
        self, steps: Steps[Batch], *, n_threads: int | None = None, ahead: int | None = None
    ) -> None:
        self.steps = steps
        self.n_threads = min(threads(), 4) if n_threads is None else threads(n_threads)
        self.ahead = 2 * self.n_threads if ahead is None else max(1, ahead)
        self._pools: weakref.WeakSet[ThreadPoolExecutor] = weakref.WeakSet()

    def __len__(self) -> int:
        return max(0, self.steps.total - self.steps.first)

    def __iter__(self) -> Iterator[Batch]:
        pool = ThreadPoolExecutor(self.n_threads, "dmcnn-loader")
        self._pools.add(pool)
        todo = iter(range(self.steps.first, self.steps.total))
        made: deque[Future[Batch]] = deque()
        try:
            made.extend(pool.submit(self.steps.batch, step) for step in islice(todo, self.ahead))
            while made:
                batch = made.popleft().result()
                made.extend(pool.submit(self.steps.batch, step) for step in islice(todo, 1))
                yield batch
                del batch  # so that its memory can be used again
        finally:
            pool.shutdown(cancel_futures=True)

    def close(self) -> None:
        """End the threads of every iteration that was left before its end."""
        for pool in list(self._pools):
            pool.shutdown(cancel_futures=True)

    def __enter__(self) -> Loader[Batch]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
