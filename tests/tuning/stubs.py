"""Work of the worker processes in tests, which import it from here."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from dmcnn._common.errors import InputError
from dmcnn.tuning.workers import log, run_workers


def speaks(number: int) -> None:
    """Write one line to the log of the search and one to the standard output."""
    sys.stdout.write(f"loud {os.environ['OMP_NUM_THREADS']}\n")
    log.info("worker %d speaks", number)


def fails(number: int) -> None:
    """Raise the same InputError in every process."""
    raise InputError("first fault", "second fault")


def dies(number: int) -> None:
    """Kill the second process; the first one ends later and is not affected."""
    if number:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.2)


def sleeps(folder: Path, number: int) -> None:
    """Sleep until interrupted, then write a file after a delay."""
    (folder / f"begun_{number}").touch()
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        time.sleep(0.3)
        (folder / f"saved_{number}").touch()
        raise


def stops_by_term(folder: Path, number: int) -> None:
    """Sleep; SIGTERM acts as an interrupt, as in a training."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sleeps(folder, number)


if __name__ == "__main__":
    work = {"sleeps": sleeps, "stops_by_term": stops_by_term}[sys.argv[1]]
    run_workers(work, (Path(sys.argv[2]),), 2, Path(sys.argv[2]))
