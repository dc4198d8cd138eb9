"""Farm of Dask: shares of a command as processes of its workers."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dmcnn._common.errors import InputError
from dmcnn._common.extras import need
from dmcnn._common.progress import ProgressBar
from dmcnn._common.shares import Share

CHILD = """
import os, signal, sys, threading
def stop():
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=stop, daemon=True).start()
from dmcnn.__main__ import main
sys.exit(main(sys.argv[1:]))
"""
"""Program of a share: it saves its work and ends when the worker has died, which closes its standard input."""

PATIENCE = 10
"""[s] Longest time to wait for a scheduler."""

LINES = 3
"""Number of last lines of a failed share that are shown."""


def run_share(
    command: str, words: Sequence[str], folder: str, modules: Sequence[str], threads: int
) -> tuple[int, str]:
    """Run a command in a new process of this machine; return its exit status and its last lines.

    Args:
        command: such as "occlude".
        words: of its command line.
        folder: working directory, which all machines see.
        modules: folders of the user's own modules.
        threads: number of threads that the process may use.
    """
    count = {name: str(threads) for name in ("OMP_NUM_THREADS", "DMCNN_NUM_THREADS")}
    path = os.pathsep.join(filter(None, [*modules, os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", CHILD, command, *words],
            cwd=folder,
            env={**os.environ, **count, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        with process:
            status = process.wait()
        output.seek(0)
        return status, " ".join(output.read().strip().splitlines()[-LINES:])


def run_shares(
    command: str, cfg: str, count: int | None, address: str, modules: Sequence[str] = ()
) -> list[str]:
    """Run all shares of a command on the workers of a farm; return a line, with its last lines, for each that failed.

    Args:
        command: such as "occlude".
        cfg: text of its settings, without a share.
        count: number of shares; None = one for each thread of the farm.
        address: of the scheduler, "tcp://host:port"; "dask" = a farm of all cores of this machine, for this call.
        modules: folders of the user's own modules.

    Raises:
        InputError: dask is not installed, or no scheduler is there.
    """
    distributed = need("distributed")
    logging.getLogger("distributed").setLevel(logging.ERROR)  # it tells of every connection
    with tempfile.NamedTemporaryFile("w", suffix=".cfg", prefix=".farm-", dir=Path.cwd()) as file:
        file.write(cfg)
        file.flush()
        try:
            cluster: Any = (
                distributed.LocalCluster(threads_per_worker=1, dashboard_address=None)
                if address == "dask"
                else address
            )
            client = distributed.Client(cluster, set_as_default=False, timeout=PATIENCE)
        except OSError as error:
            raise InputError(f"farm = {address!r}: no scheduler is there ({error})") from None
        with client:
            try:
                return _wait(distributed, client, command, file.name, count, modules)
            finally:
                if address == "dask":
                    cluster.close()


def _wait(
    distributed: Any, client: Any, command: str, cfg: str, count: int | None, modules: Sequence[str]
) -> list[str]:
    """Send all shares to the workers and wait for them; return a line for each that failed."""
    number = count or sum(client.nthreads().values())
    faults: dict[int, str] = {}
    futures = {
        client.submit(run_share, command, [cfg, f"share={share}"], str(Path.cwd()), list(modules), 1, pure=False):
            share for share in (Share(i, number) for i in range(number))
    }  # fmt: skip
    with ProgressBar(total=number, desc=command, unit="share") as bar:
        for future, result in distributed.as_completed(
            futures, loop=client.loop, with_results=True, raise_errors=False
        ):
            if future.status == "error":
                faults[futures[future].number] = str(result[1])
            elif result[0]:
                faults[futures[future].number] = f"status {result[0]}: {result[1]}"
            bar.update(1)
    return [f"share {Share(i, number)}: {faults[i]}" for i in sorted(faults)]
