"""What workers do in tests; the new processes import it from here."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from dmcnn._common.errors import InputError
from dmcnn.tuning.workers import log, side_by_side


def speaks(number: int) -> None:
    """Says something to the log of the search, and more to others."""
    sys.stdout.write(f"loud {os.environ['OMP_NUM_THREADS']}\n")
    log.info("worker %d speaks", number)


def fails(number: int) -> None:
    """Bad input, the same everywhere."""
    raise InputError("first fault", "second fault")


def dies(number: int) -> None:
    """The second process is killed; the first waits long enough to see that it need not follow."""
    if number:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.2)


def sleeps(folder: Path, number: int) -> None:
    """Until interrupted, which it notes, taking its time over it."""
    (folder / f"begun_{number}").touch()
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        time.sleep(0.3)
        (folder / f"saved_{number}").touch()
        raise


def stops_by_term(folder: Path, number: int) -> None:
    """As training does: SIGTERM ends it in good order."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sleeps(folder, number)


if __name__ == "__main__":
    work = {"sleeps": sleeps, "stops_by_term": stops_by_term}[sys.argv[1]]
    side_by_side(work, (Path(sys.argv[2]),), 2, Path(sys.argv[2]))
