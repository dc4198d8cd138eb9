"""Worker processes of a search: start, common stop, and log files."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from dmcnn._common import interrupts
from dmcnn._common.errors import InputError, surroundings
from dmcnn._common.threads import call_when_orphaned

log = logging.getLogger("dmcnn.tune")


def run_workers(work: Callable[..., None], arguments: tuple[Any, ...], count: int, folder: Path) -> None:
    """Run ``work(*arguments, number)`` in ``count`` new processes, which share the cores, and wait for all.

    Their output goes to ``folder/worker_<number>.log``; lines of the logger "dmcnn.tune" appear here too. An
    interrupt is passed on, so that every process can save its state, and raised when all have ended.

    Raises:
        InputError: the faults that stopped any of them.
    """
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    processes = [
        context.Process(
            target=_run, args=(work, (*arguments, number), count, writer, folder / f"worker_{number}.log")
        )
        for number in range(count)
    ]
    log.info("%d workers: their output is in %s", count, folder / "worker_*.log")
    resource_tracker.ensure_running()  # its start would unblock the signal that is blocked below
    signal.pthread_sigmask(
        signal.SIG_BLOCK, [signal.SIGINT]
    )  # inherited by a worker until it can handle the signal
    for process in processes:
        process.start()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    interrupted: KeyboardInterrupt | None = None
    while any(process.exitcode is None for process in processes):
        try:
            for process in processes:
                process.join()
        except KeyboardInterrupt as error:
            log.info("\nstopping: every worker saves its trial")
            interrupted = error
            for process in processes:
                if process.is_alive() and process.pid is not None:
                    os.kill(process.pid, signal.SIGINT)
    if interrupted is not None:
        raise interrupted
    faults: list[str] = []
    with reader, writer:
        while reader.poll():
            faults += reader.recv()
    for number, process in enumerate(processes):
        if process.exitcode and not faults:
            faults.append(
                f"worker {number} ended with status {process.exitcode}: see {folder / f'worker_{number}.log'}"
            )
    if faults:
        raise InputError(*dict.fromkeys(faults))


def _run(
    work: Callable[..., None], arguments: tuple[Any, ...], count: int, faults: Connection, path: Path
) -> None:
    """Run the work in a new process and send its faults through the pipe."""
    os.setpgid(0, 0)  # Ctrl-C reaches the first process alone, which passes it on once
    _share_cores(count)
    _redirect(path)
    call_when_orphaned(partial(os.kill, os.getpid(), signal.SIGTERM))  # this one saves its state and stops
    try:
        with interrupts.terminable():  # batch systems send SIGTERM to every process of a job
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
            work(*arguments)
    except InputError as error:
        faults.send(error.faults)
    except KeyboardInterrupt:
        pass
    except Exception as error:
        if (line := surroundings(error)) is None:
            raise
        faults.send((line,))


def _share_cores(count: int) -> None:
    """Set the number of threads per process; torch reads these variables when it is imported."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for name in ("OMP_NUM_THREADS", "DMCNN_NUM_THREADS"):
        os.environ.setdefault(name, str(max(1, cores // count)))


def _redirect(path: Path) -> None:
    """Send the output of this process to a file, and the logger of the search also to the terminal."""
    sys.stdout.flush()
    sys.stderr.flush()
    terminal = os.fdopen(os.dup(1), "w", buffering=1)
    with path.open("a") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    logging.basicConfig(format="%(message)s", stream=sys.stdout)
    logging.getLogger("dmcnn").setLevel(logging.INFO)
    log.addHandler(logging.StreamHandler(terminal))
