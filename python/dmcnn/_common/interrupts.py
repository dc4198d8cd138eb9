"""Interrupts of a command: Ctrl-C, and SIGTERM of a batch system, which ends it in the same orderly way."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

INTERRUPTED = 130
"""Exit status after Ctrl-C."""

REQUEUE = 75
"""Exit status after SIGTERM: "temporary failure, try again" of sysexits.h, which no other end of a command has."""


class Terminated(KeyboardInterrupt):
    """SIGTERM; what Ctrl-C cleans up and saves is cleaned up and saved."""


def interrupt(number: int) -> KeyboardInterrupt:
    """Return the exception of a signal, SIGINT or SIGTERM."""
    return Terminated() if number == signal.SIGTERM else KeyboardInterrupt()


def status(error: KeyboardInterrupt) -> int:
    """Return the exit status of a command that an interrupt ended."""
    return REQUEUE if isinstance(error, Terminated) else INTERRUPTED


@contextmanager
def terminable() -> Iterator[None]:
    """Raise Terminated within the block when SIGTERM arrives, and lose neither this nor Ctrl-C.

    Python drops an exception that is raised while an object is removed, as h5py does all the time: such a signal is
    sent again until it gets through. Only the main thread may handle signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    in_hook = sending = False
    through = threading.Event()

    def handle(number: int, _: FrameType | None) -> None:
        if in_hook or (sending and through.is_set()):  # it would be dropped once more, or come twice
            return
        through.set()
        raise interrupt(number)

    def send(number: int) -> None:
        nonlocal sending
        while not through.wait(0.01):
            os.kill(os.getpid(), number)
        sending = False

    def send_again(dropped: Any) -> None:
        nonlocal in_hook, sending
        if not isinstance(dropped.exc_value, KeyboardInterrupt):
            hook(dropped)
            return
        number = signal.SIGTERM if isinstance(dropped.exc_value, Terminated) else signal.SIGINT
        in_hook = sending = True
        through.clear()
        threading.Thread(target=send, args=(number,), daemon=True).start()
        in_hook = False

    numbers = [signal.SIGTERM]
    # else Ctrl-C is ignored, as a shell may ask for
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        numbers.append(signal.SIGINT)
    old, hook = {number: signal.signal(number, handle) for number in numbers}, sys.unraisablehook
    sys.unraisablehook = send_again
    try:
        yield
    finally:
        through.set()
        sys.unraisablehook = hook
        for number, handler in old.items():
            signal.signal(number, handler)


@contextmanager
def delay() -> Iterator[list[int]]:
    """Yield the list in which the numbers of Ctrl-C and SIGTERM arrive, which are held back within the block.

    A library that calls Python from C, as libhdf5 does to write, may not survive an exception raised there.
    """
    arrived: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield arrived
        return
    old = {
        number: signal.signal(number, lambda it, _: arrived.append(it))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield arrived
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
