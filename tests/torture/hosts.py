"""Hosts on one machine: own names, boots, processes, clocks and locks, and a folder that they share.

A host is a process in name spaces of its own, which forks the commands. It needs the rights to make these.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import multiprocessing
import os
import platform
import random
import socket
import sys
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

NEW_MOUNTS, NEW_NAME, NEW_PIDS = 0x00020000, 0x04000000, 0x20000000
BIND, PRIVATE = 0x1000, 0x4000 | 0x40000
BOOT = "/proc/sys/kernel/random/boot_id"
LAST_PID = Path("/proc/sys/kernel/ns_last_pid")

FLOCK = fcntl.flock

SLEEP, HOUR = "sleep", 3600.0
"""Command that does nothing for so many seconds."""
HOLD = "hold"
"""Command that holds a lock again and again, see ``hold``."""

_lines: list[Connection] = []
"""Lines to all hosts."""

LOCKS = ("shared", "own", "none")
"""What the locks of a shared disk may do: hold on all hosts, on each of them alone, or not exist."""


def _call(name: str, *words: Any) -> None:
    """Call a function of the system; OSError if it fails."""
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*words):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)


def fault() -> str:
    """Return why no hosts can be made here; "" if they can."""
    if sys.platform != "linux":
        return "name spaces are those of Linux"
    child = os.fork()
    if not child:
        status = 1
        with suppress(OSError):
            _call("unshare", NEW_MOUNTS | NEW_NAME | NEW_PIDS)
            _call("mount", None, b"/", None, PRIVATE, None)
            status = 0
        os._exit(status)
    return "no rights to make name spaces (unshare)" if os.waitpid(child, 0)[1] else ""


def hold(words: Sequence[str]) -> None:
    """Lock a name again and again, and write a line when that begins and ends; tidy the folder first, as commands do.

    Args:
        words: name, how often, [s] for how long at most, and the file of the lines.
    """
    from dmcnn._common.files import output_folder
    from dmcnn._common.lock import lock

    name, count, longest, lines = words
    output_folder(Path(name).parent)
    draw = random.Random(os.urandom(8))
    with Path(lines).open("ab", buffering=0) as file:
        for number in range(int(count)):
            with lock(name, wait=HOUR):
                who = f"{platform.node()} {os.getpid()} {number}"
                file.write(f"begin {who} {time.monotonic()}\n".encode())
                time.sleep(draw.uniform(0, float(longest)))
                file.write(f"end {who} {time.monotonic()}\n".encode())


@dataclass
class Process:
    """Command that runs on a host.

    Attributes:
        host: the host.
        pid: number of the process there.
        log: file of all that it says.
        last: all that it has said, once it has ended.
    """

    host: Host
    pid: int
    log: Path
    last: str = ""
    _status: int | None = None

    @property
    def status(self) -> int | None:
        """Status of the command, negative after a signal; None while it runs."""
        if self._status is None:
            self._status = self.host.status(self.pid)
        return self._status

    @property
    def text(self) -> str:
        """All that it has said."""
        return self.log.read_text() if self.log.exists() else ""

    def send(self, number: int) -> None:
        """Send a signal, if the process still runs."""
        if self.status is None:
            self.host.signal(self.pid, number)

    def end(self, longest: float = 300.0) -> int:
        """Wait for the process; return its status."""
        deadline = time.monotonic() + longest
        while (status := self.status) is None:
            assert time.monotonic() < deadline, f"{self.log}: does not end: {self.text}"
            time.sleep(0.01)
        self.last = self.text
        return status


class Host:
    """Host that runs commands, each in a forked process.

    Args:
        name: of the host.
        folder: folder of its own, which is created.
        locks: what the locks of the shared disk do, one of LOCKS.
        clock: [s] how much its clock is ahead.
        beat, silence: [s] as in dmcnn._common.lock.
        boot: number of its start; by default a new one.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        locks: str = "shared",
        clock: float = 0.0,
        beat: float = 0.2,
        silence: float = 2.0,
        boot: str = "",
    ) -> None:
        self.name, self.folder, self.locks, self.clock = name, folder, locks, clock
        self.beat, self.silence = beat, silence
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "boot_id").write_text((boot or str(uuid.uuid4())) + "\n")
        self._line, theirs = multiprocessing.Pipe()
        _lines.append(self._line)
        sys.stdout.flush()
        self._child = os.fork()
        if not self._child:
            for line in _lines:  # also those to other hosts, which would never seem closed
                line.close()
            self._live(theirs)
        theirs.close()
        assert self._line.recv() == "up"

    def start(self, command: str, words: Sequence[str], folder: Path, pid: int = 0) -> Process:
        """Start a command in a folder; with a number of the process, which must be free, if one is given."""
        log = folder / f"log_{uuid.uuid4().hex}"
        return Process(self, self._ask("start", command, list(words), str(folder), str(log), pid), log)

    def signal(self, pid: int, number: int) -> None:
        """Send a signal to a process of this host."""
        self._ask("signal", pid, number)

    def status(self, pid: int) -> int | None:
        """Return the status of a process that has ended, negative after a signal; None while it runs."""
        status: int | None = self._ask("status", pid)
        return status

    def down(self) -> None:
        """Switch the host off, and all its processes with it."""
        self._line.close()
        os.waitpid(self._child, 0)

    def _ask(self, *words: Any) -> Any:
        """Send a request to the host and return its answer."""
        self._line.send(words)
        answer = self._line.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _live(self, line: Connection) -> None:
        """Be the host: answer until the line is closed."""
        status = 1
        try:
            _call("unshare", NEW_MOUNTS | NEW_NAME | NEW_PIDS)
            first = os.fork()
            if first:
                line.close()
                os.waitpid(first, 0)
                os._exit(0)
            self._furnish()
            line.send("up")
            while True:
                request, *words = line.recv()
                try:
                    line.send(getattr(self, f"_{request}")(*words))
                except OSError as error:
                    line.send(error)
        except EOFError:
            status = 0
        finally:
            os._exit(status)

    def _furnish(self) -> None:
        """Give this process name, boot, processes, clock and locks of the host."""
        _call("mount", None, b"/", None, PRIVATE, None)
        _call("mount", b"proc", b"/proc", b"proc", 0, None)
        _call("mount", os.fsencode(self.folder / "boot_id"), os.fsencode(BOOT), None, BIND, None)
        socket.sethostname(self.name)
        platform._uname_cache = None  # type: ignore[attr-defined]
        from dmcnn._common import lock, process
        from dmcnn.tuning import claims

        process._machine.cache_clear()
        for module in (lock, claims):
            module.BEAT, module.SILENCE = self.beat, self.silence
        if self.clock:
            true = time.time
            time.time = lambda: true() + self.clock
        if self.locks != "shared":
            fcntl.flock = self._flock

    def _flock(self, file: Any, operation: int) -> None:
        """Lock an open file for the processes of this host alone; OSError where there are no locks."""
        if self.locks == "none":
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
        about = os.fstat(file.fileno())
        own = os.open(self.folder / f"{about.st_dev}_{about.st_ino}", os.O_RDWR | os.O_CREAT)
        try:
            FLOCK(own, operation)
        except OSError:
            os.close(own)
            raise
        close = file.close

        def close_both() -> None:
            """Close the file, which frees its lock."""
            if not file.closed:
                os.close(own)
            close()

        file.close = close_both

    def _start(self, command: str, words: list[str], folder: str, log: str, pid: int) -> int:
        """Fork a command; return the number of its process."""
        if pid:
            LAST_PID.write_text(str(pid - 1))
        child = os.fork()
        if child:
            return child
        status = 99
        try:
            os.chdir(folder)
            file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            for stream in (1, 2):
                os.dup2(file, stream)
            sys.argv = [command]
            own = {SLEEP: lambda _: time.sleep(HOUR), HOLD: hold}
            status = (own.get(command) or import_module(f"dmcnn.{command}").main)(words) or 0
            sys.stdout.flush()
        finally:
            os._exit(status)

    def _signal(self, pid: int, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    def _status(self, pid: int) -> int | None:
        done, status = os.waitpid(pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if done else None
