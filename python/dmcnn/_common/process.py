"""Processes: names under which they leave files, and whether they still run."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from contextlib import suppress
from functools import cache
from pathlib import Path

NAME = re.compile(r"[0-9a-f]{8}-\d+-\d*")
"""Form of the name of a process."""

BOOT = "/proc/sys/kernel/random/boot_id"
"""File with a number that changes when the machine starts."""

DEAD = ("Z", "X", "x")
"""States of processes that have died, see proc_pid_stat(5)."""


def name(pid: int | None = None) -> str:
    """Return a name of a process of this machine, by default of this process: machine, number and time of start."""
    pid = os.getpid() if pid is None else pid
    return f"{_machine()}-{pid}-{_start(pid)}"


def has_ended(process: str) -> bool | None:
    """Return whether the process called ``process`` has ended; None for a process of another machine."""
    machine, pid, _ = process.split("-")
    return None if machine != _machine() else process != name(int(pid))


def boot() -> str | None:
    """Return the name of this start of this machine, which all its containers share; None if the system has none."""
    try:
        return Path(BOOT).read_text().strip()
    except OSError:  # not Linux
        return None


@cache
def _machine() -> str:
    """Return 8 digits for this start of this machine, and of the container that numbers the processes."""
    words = [platform.node()]
    with suppress(OSError):  # not Linux
        words.append(Path(BOOT).read_text())
        words.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256(" ".join(words).encode()).hexdigest()[:8]


def _start(pid: int) -> str:
    """Return the time at which a process started; 0 where the system does not say, "" if there is no such process.

    One that has died counts as gone, even if its parent has not asked for its status yet.
    """
    with suppress(OSError):
        state, *numbers = Path(f"/proc/{pid}/stat").read_text("latin-1").rpartition(")")[2].split()
        return "" if state in DEAD else numbers[18]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except (OSError, OverflowError):
        return "0"
    return "0"
