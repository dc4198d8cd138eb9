"""A part of the torture by two_hosts.py, which is run as a whole by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from torture import hosts

TESTS = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.parametrize("locks", hosts.LOCKS)
def test_two_hosts_never_write_the_same_files(locks: str) -> None:
    if reason := hosts.fault():
        pytest.skip(reason)
    words = [
        "-m",
        "torture.two_hosts",
        "infer",
        "--locks",
        locks,
        "--part",
        "death",
        "--part",
        "told_wrongly",
    ]
    run = subprocess.run([sys.executable, *words], cwd=TESTS, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    (line,) = run.stdout.splitlines()
    for words in ("death", "told wrongly"):
        assert f"1 {words}" in line
