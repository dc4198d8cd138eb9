"""Workers: output, faults, and common stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dmcnn._common.errors import InputError
from dmcnn.tuning.workers import run_workers
from tuning import stubs


def test_only_the_search_is_heard(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run_workers(stubs.speaks, (), 2, tmp_path)
    heard = capfd.readouterr().out
    assert sorted(line for line in heard.splitlines() if "speaks" in line) == [
        "worker 0 speaks",
        "worker 1 speaks",
    ]
    assert "loud" not in heard
    for number in range(2):
        cores = max(1, len(os.sched_getaffinity(0)) // 2)
        threads = os.environ.get("OMP_NUM_THREADS", str(cores))
        assert (tmp_path / f"worker_{number}.log").read_text() == f"loud {threads}\nworker {number} speaks\n"


def test_faults_are_told_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        run_workers(stubs.fails, (), 2, tmp_path)
    assert error.value.faults == ("first fault", "second fault")


def test_a_worker_that_was_killed_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="worker 1 ended with status -9"):
        run_workers(stubs.dies, (), 2, tmp_path)


def wait_for(event: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not event():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def heed_interrupts() -> None:
    """Restore the handler of SIGINT: processes that a shell starts in the background ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow
@pytest.mark.parametrize(("work", "number"), [("sleeps", signal.SIGINT), ("stops_by_term", signal.SIGKILL)])
def test_all_save_and_stop_when_the_first_process_does(work: str, number: int, tmp_path: Path) -> None:
    """Ctrl-C at the terminal reaches the group of processes; or the first process is killed."""
    log = tmp_path / "log"
    with log.open("w") as file:
        run = subprocess.Popen(
            [sys.executable, stubs.__file__, work, str(tmp_path)],
            start_new_session=True,
            stderr=file,
            preexec_fn=heed_interrupts,
        )
    wait_for(lambda: len(list(tmp_path.glob("begun_*"))) == 2)
    os.killpg(run.pid, number)
    assert run.wait(60) != 0
    wait_for(lambda: len(list(tmp_path.glob("saved_*"))) == 2)
    if number == signal.SIGINT:
        assert log.read_text().count("Traceback") == 1  # that of the stub itself
        assert log.read_text().rstrip().endswith("KeyboardInterrupt")
