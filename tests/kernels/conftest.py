"""What the tests of several kernels need."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest


@pytest.fixture
def releases_gil() -> Iterator[Callable[[Callable[[], object]], bool]]:
    """Whether another Python thread gets on while ``call()`` runs.

    The interpreter is told not to take the GIL away from a running thread, so the ticker moves during
    ``call`` only if ``call`` gives the GIL up: a kernel that keeps it fails however slow it is, and one that
    releases it may try again on a busy machine.
    """
    ticks, stop, interval = [0], threading.Event(), sys.getswitchinterval()

    def tick() -> None:
        while not stop.is_set():
            ticks[0] += 1
            time.sleep(1e-4)

    def released(call: Callable[[], object]) -> bool:
        for _ in range(50):
            before = ticks[0]
            call()
            if ticks[0] > before:
                return True
        return False

    ticker = threading.Thread(target=tick)
    sys.setswitchinterval(1000)
    ticker.start()
    try:
        yield released
    finally:
        sys.setswitchinterval(interval)
        stop.set()
        ticker.join()


@pytest.fixture
def tampered() -> Callable[..., Iterator[tuple[str, dict[str, object]]]]:
    """Every array argument in turn with another dtype, another byte order, not contiguous, not aligned."""
    import numpy as np

    def misaligned(array):
        raw = np.empty(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
        raw[...] = array
        return raw

    def variants(arguments):
        for name, array in arguments.items():
            if not isinstance(array, np.ndarray):
                continue
            other = {"float32": np.float64, "float64": np.float32}.get(array.dtype.name, np.int16)
            yield f"{name}: dtype", {**arguments, name: array.astype(other)}
            yield f"{name}: list", {**arguments, name: array.tolist()}
            spread = np.repeat(array, 2, axis=-1)[..., ::2]
            yield f"{name}: strides", {**arguments, name: spread}
            yield f"{name}: axes", {**arguments, name: array[np.newaxis]}
            if array.dtype.itemsize > 1:
                yield f"{name}: byte order", {**arguments, name: array.astype(array.dtype.newbyteorder())}
                yield f"{name}: alignment", {**arguments, name: misaligned(array)}

    return variants
