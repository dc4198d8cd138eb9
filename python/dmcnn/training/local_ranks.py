"""Ranks of a training on one machine: this process, and new ones that take part in its steps."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

import torch

from dmcnn._common import plugins
from dmcnn._common.errors import InputError
from dmcnn._common.threads import call_when_orphaned
from dmcnn.training.ranks import ENDED, LOCAL_NUMBER, LOCAL_SIZE, NUMBER, SIZE

LAST = 20
"""[s] Longest time to wait for the fault of a rank that has left."""


@contextmanager
def local_ranks(work: Callable[[], int], count: int) -> Iterator[None]:
    """Run ``work`` in ``count`` - 1 new processes; within the block this process is the first rank beside them.

    The others write nothing that is kept, so that they are ended when the block ends, however it does.

    Args:
        work: what a rank does; it returns the exit status.
        count: number of ranks.

    Raises:
        InputError: a rank that cannot start, or the fault of one that has ended while others went on.
    """
    before, threads = dict(os.environ), torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        logs = [Path(folder) / f"rank_{number}" for number in range(count)]
        os.environ.update(_variables(count))
        processes = []
        try:
            processes = _start(work, logs)
            os.environ.update({NUMBER: "0", LOCAL_NUMBER: "0"})
            yield
        except InputError as error:
            faults = list(_faults(processes, logs[1:])) if str(error).startswith(ENDED) else []
            raise (InputError(*faults) if faults else error) from None
        finally:
            for process in processes:
                process.kill()
                process.join()
            os.environ.clear()
            os.environ.update(before)
            torch.set_num_threads(threads)


def _variables(count: int) -> dict[str, str]:
    """Return the variables that all ranks have, as torchrun sets them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return {
        SIZE: str(count),
        LOCAL_SIZE: str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def _start(work: Callable[[], int], logs: Sequence[Path]) -> list[SpawnProcess]:
    """Return the ranks from 1 on, started and ready to connect."""
    context = multiprocessing.get_context("spawn")
    processes, ready = [], []
    for number, log in enumerate(logs[1:], 1):
        reader, writer = context.Pipe(duplex=False)
        arguments = work, number, log, plugins.folders(), writer
        processes.append(context.Process(target=_run, args=arguments, daemon=True))
        processes[-1].start()
        writer.close()
        ready.append(reader)
    for reader in ready:
        wait([reader])  # also true when the process has ended, which closes its end
        try:
            reader.recv()
        except EOFError:
            faults = list(_faults(processes, logs[1:]))
            raise InputError(*(faults or ["a process of this training could not start"])) from None
    return processes


def _run(work: Callable[[], int], number: int, log: Path, folders: Sequence[str], ready: Connection) -> None:
    """Take part as rank ``number``, silently; faults go to a file."""
    os.setpgid(0, 0)  # Ctrl-C reaches the first rank alone, and all stop after the same step
    call_when_orphaned(partial(os._exit, 1))  # until the ranks are connected nothing else ends this one
    with log.open("w") as faults, Path(os.devnull).open("w") as nothing:
        os.dup2(nothing.fileno(), 1)
        os.dup2(faults.fileno(), 2)
    os.environ.update({NUMBER: str(number), LOCAL_NUMBER: str(number)})
    ready.send(number)
    ready.close()
    with plugins.own_modules():
        for folder in reversed(folders):
            plugins.look_in(Path(folder))
        raise SystemExit(work())


def _faults(processes: Sequence[SpawnProcess], logs: Sequence[Path]) -> Iterator[str]:
    """Yield a line for the first rank that ended by a fault of its own, and not because another had ended."""
    wait([process.sentinel for process in processes], LAST)
    for number, (process, log) in enumerate(zip(processes, logs, strict=False), 1):
        if process.exitcode is not None and process.exitcode < 0:
            yield f"rank {number} of this training was ended by {signal.Signals(-process.exitcode).name}"
            return
        lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
        if process.exitcode != 0 and lines and not lines[-1].startswith(ENDED):
            yield f"rank {number} of this training: {lines[-1]}"
            return
