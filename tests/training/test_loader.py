"""Loader: the same batches in the same order, bounded memory, and no thread after the end."""

from __future__ import annotations

import gc
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from conftest import toy_images
from dmcnn._common.errors import InputError
from dmcnn.training.batches import Batches
from dmcnn.training.loader import Buffers, Loader


class Numbers:
    """Steps whose batch is their number; they may wait or fail, and count how many were begun."""

    def __init__(self, total: int, first: int = 0, fails: int | None = None, wait: float = 0.0) -> None:
        self.total, self.first, self.fails, self.wait = total, first, fails, wait
        self.begun = 0
        self._lock = threading.Lock()

    def batch(self, step: int) -> int:
        with self._lock:
            self.begun += 1
        time.sleep(self.wait * (step % 3))
        if step == self.fails:
            raise ZeroDivisionError(f"step {step}")
        return step


def loaders() -> list[str]:
    """Return the names of the threads of all loaders."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("dmcnn-loader")]


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    if loaders():
        gc.collect()
    assert loaders() == []


@pytest.mark.parametrize("n_threads", [1, 2, 5])
@pytest.mark.parametrize("first", [0, 3])
def test_same_batches_as_without(n_threads: int, first: int) -> None:
    images = replace(toy_images(11, seed=3, side=92), label=np.arange(11))
    settings = {
        "epochs": 3,
        "seed": 5,
        "augment": True,
        "shift": (3, 3),
        "noise": 2.0,
        "mask": 0.1,
        "first": first,
    }
    expected = list(Batches(images, 4, **settings))
    loader = Loader(Batches(images, 4, **settings), n_threads=n_threads)
    assert len(loader) == len(expected) == 9 - first
    for _ in range(2):
        for (a, b), (c, d) in zip(loader, expected, strict=True):
            assert torch.equal(a, c)
            assert torch.equal(b, d)


def test_order_does_not_depend_on_the_duration_of_steps() -> None:
    assert list(Loader(Numbers(30, 4, wait=0.002), n_threads=5)) == list(range(4, 30))
    assert list(Loader(Numbers(3, 7), n_threads=2)) == []


def test_no_more_than_ahead_batches_are_made_ahead() -> None:
    steps = Numbers(1000)
    batches = iter(Loader(steps, n_threads=2, ahead=3))
    for taken in range(1, 20):
        next(batches)
        time.sleep(0.005)
        assert steps.begun <= taken + 3
    batches.close()


def test_an_error_is_raised_at_its_step() -> None:
    numbers = []
    loader = Loader(Numbers(20, fails=5, wait=0.001), n_threads=4)
    with pytest.raises(ZeroDivisionError, match="step 5"):
        numbers.extend(loader)
    assert numbers == [0, 1, 2, 3, 4]
    assert loaders() == []


@pytest.mark.slow
def test_threads_end_when_the_iteration_is_left() -> None:
    def interrupt() -> None:
        """Leave an iteration with an exception."""
        for number in Loader(Numbers(1000, wait=0.001), n_threads=3):
            if number == 5:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    gc.collect()
    assert loaders() == []
    with Loader(Numbers(1000), n_threads=3) as loader:
        left = iter(loader)
        next(left)
        assert loaders()
    assert loaders() == []
    dropped = iter(Loader(Numbers(1000), n_threads=3))
    next(dropped)
    del dropped
    assert loaders() == []


def test_thread_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DMCNN_NUM_THREADS", "3")
    assert Loader(Numbers(1)).n_threads == 3
    assert Loader(Numbers(1)).ahead == 6
    monkeypatch.setenv("DMCNN_NUM_THREADS", "99")
    assert Loader(Numbers(1)).n_threads == 4
    with pytest.raises(InputError, match="0 threads"):
        Loader(Numbers(1), n_threads=0)


def test_memory_is_used_again_after_its_tensor_is_freed() -> None:
    buffers = Buffers()
    first = buffers.tensor((2, 3))
    first.fill_(1)
    at = first.data_ptr()
    view = first[1]
    del first
    second = buffers.tensor((2, 3))
    second.fill_(2)
    assert view.tolist() == [1, 1, 1]
    assert second.data_ptr() != at
    del view
    assert buffers.tensor((3,)).data_ptr() == at
    weight = torch.ones((2, 3), requires_grad=True)
    third = buffers.tensor((2, 3))
    third.fill_(3)
    loss = (third * weight).sum()
    del third
    for _ in range(3):
        buffers.tensor((2, 3)).fill_(9)
    loss.backward()
    assert weight.grad.tolist() == [[3, 3, 3]] * 2
    del loss, weight
    small, large = buffers.tensor((1,)), buffers.tensor((1000,))
    assert (small.shape, large.shape) == ((1,), (1000,))
