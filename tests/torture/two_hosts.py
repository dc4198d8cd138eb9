"""Two hosts under stress: commands of one name on both at once, deaths, silence, other clocks, numbers used again.

Whatever happened, the same command once more leaves the results of an undisturbed run, and nothing else.
``python -m torture.two_hosts --rounds 3`` in the folder ``tests`` is the long form; a test runs a part.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from torture.exclusion import COMMANDS, REFUSED, differences, prepare, results
from torture.hosts import HOUR, LOCKS, SLEEP, Host, Process, fault

COMMANDS_OF_BOTH = ("infer", "occlude", "train", "tune")
LOST = "the lock is gone"
"""Words of a command that another has taken its name from."""
LATER = re.compile(r"without another sign of life it is free in (\d+) s")
"""Words of a command that finds a silent owner on another host."""


class TwoHosts:
    """Torture of one command on two hosts that share a folder.

    Args:
        command: the command.
        folder: folder for all files.
        locks: what the locks of the shared disk do, one of LOCKS.
        seed: of the times of the kills.
        beat, silence: [s] as in dmcnn._common.lock.

    Attributes:
        counts: what happened.
    """

    def __init__(
        self, command: str, folder: Path, locks: str, seed: int = 1, beat: float = 0.2, silence: float = 2.0
    ) -> None:
        self.command, self.folder, self.locks = command, folder / f"{command}_{locks}", locks
        self.beat, self.silence = beat, silence
        self.random, self.counts = random.Random(f"{command} {locks} {seed}"), Counter[str]()
        with self.hosts() as (one, _):
            place = self._place("undisturbed")
            begin = time.monotonic()
            assert self._start(one, place).end() == 0
            self.seconds = time.monotonic() - begin
            self.expected = results(place)

    @contextmanager
    def hosts(
        self, clock: float = 0.0, names: tuple[str, str] = ("alpha", "beta")
    ) -> Iterator[tuple[Host, Host]]:
        """Yield two hosts; the clock of the second is ahead by ``clock`` seconds."""
        pair = [
            Host(
                name, self.folder / f"host_{number}", locks=self.locks, clock=number * clock,
                beat=self.beat, silence=self.silence,
            )
            for number, name in enumerate(names)
        ]  # fmt: skip
        try:
            yield pair[0], pair[1]
        finally:
            for host in pair:
                host.down()

    def _place(self, name: str) -> Path:
        """Return a folder with new inputs."""
        place = self.folder / name
        shutil.rmtree(place, ignore_errors=True)
        prepare(place, 1)
        return place

    def _start(self, host: Host, place: Path, pid: int = 0) -> Process:
        """Start the command on a host."""
        return host.start(self.command, COMMANDS[self.command], place, pid)

    def _own(self, host: Host, place: Path, pid: int = 0) -> Process:
        """Start the command on a host and wait until it owns its name and has worked for a while."""
        process = self._start(host, place, pid)
        while not _locks(place):
            assert process.status is None, process.text
            time.sleep(0.002)
        time.sleep(self.random.uniform(0, 0.2 * self.seconds))
        return process

    def _end(self, process: Process) -> bool:
        """Wait for a process; return whether it has done its work, and not been refused or lost its name."""
        status, text = process.end(), process.text
        process.log.unlink(missing_ok=True)
        assert "Traceback" not in text, text
        if status == 0:
            return True
        assert status == 2, f"status {status}: {text}"
        assert REFUSED in text or LOST in text, text
        self.counts["lost the name" if LOST in text else "refused"] += 1
        return False

    def _finish(self, host: Host, place: Path, what: str) -> None:
        """Run the command until it is done; AssertionError unless it leaves the results of an undisturbed run."""
        deadline = time.monotonic() + 10 * self.silence + 60
        while not self._end(process := self._start(host, place)) or self._is_under_way(process):
            assert time.monotonic() < deadline, f"{self.command}, {what}: never free"
            time.sleep(min(1.0, self.silence / 4))
        found = results(place)
        wrong = [
            name for name in found.keys() | self.expected.keys() if found.get(name) != self.expected.get(name)
        ]
        assert not wrong, f"{self.command}, {self.locks}, {what}: {differences(found, self.expected, wrong)}"
        self.counts[what] += 1

    def _is_under_way(self, process: Process) -> bool:
        """Return whether trials of a search still belong to the other host."""
        return "under way in other processes" in process.last

    def twins(self, clock: float = 0.0) -> None:
        """Start the command on both hosts at once, let both end, and run it once more."""
        with self.hosts(clock) as pair:
            place = self._place("twins")
            assert sum(self._end(process) for process in [self._start(host, place) for host in pair])
            self._finish(pair[1], place, f"twins{', clocks differ' if clock else ''}")

    def death(self, clock: float = 0.0) -> None:
        """Kill the command on one host and start it on the other, which waits until the owner is silent for long."""
        with self.hosts(clock) as (one, other):
            place = self._place("death")
            process = self._own(one, place)
            process.send(signal.SIGKILL)
            died, early = time.monotonic(), process.end() == 0
            if not early and (held := _locks(place)):
                second = self._start(other, place)
                is_done = self._end(second)
                if self.command != "tune" and time.monotonic() - died < self.silence - 2 * self.beat:
                    assert not is_done, f"taken over at once: {held}"
                    assert LATER.search(second.last), second.last
            self._finish(other, place, f"death{', clocks differ' if clock else ''}")

    def own_death(self) -> None:
        """Kill the command and start it again on the same host, which goes on at once."""
        with self.hosts() as (one, _):
            place = self._place("own_death")
            process = self._own(one, place)
            process.send(signal.SIGKILL)
            process.end()
            assert self._end(self._start(one, place))
            self._finish(one, place, "death and start on the same host")

    def number_again(self) -> None:
        """Kill the command, let others have its number on both hosts, and start it again, here and there."""
        with self.hosts() as (one, other):
            place = self._place("number_again")
            process = self._own(one, place, pid=7000)
            process.send(signal.SIGKILL)
            process.end()
            sleeper = one.start(SLEEP, [], self.folder, pid=process.pid)
            there = other.start(SLEEP, [], self.folder, pid=process.pid)
            assert (sleeper.pid, there.pid) == (7000, 7000)
            assert self._end(self._start(one, place))
            self._finish(other, place, "number of a process used again")

    def told(self) -> None:
        """Kill the command, remove its locks, and start it on the other host, which goes on at once."""
        with self.hosts() as (one, other):
            place = self._place("told")
            process = self._own(one, place)
            process.send(signal.SIGKILL)
            process.end()
            for path in _locks(place):
                path.unlink(missing_ok=True)
            assert self._end(self._start(other, place))
            self._finish(other, place, "told that the owner has died")

    def told_wrongly(self) -> None:
        """Remove the locks of a living command and start it on the other host: the first must stop."""
        with self.hosts() as (one, other):
            place = self._place("told_wrongly")
            process = self._own(one, place)
            for path in _locks(place):
                path.unlink(missing_ok=True)
            second = self._start(other, place)
            self._end(process)
            self._end(second)
            self._finish(other, place, "told wrongly")

    def sleep(self) -> None:
        """Stop a command for longer than the silence, start it on the other host, and wake the first."""
        with self.hosts() as (one, other):
            place = self._place("sleep")
            process = self._own(one, place)
            process.send(signal.SIGSTOP)
            time.sleep(self.silence + 3 * self.beat)
            second = self._own(other, place) if self.locks != "shared" and self.command != "tune" else None
            process.send(signal.SIGCONT)
            ended = [self._end(each) for each in (process, second) if each is not None]
            assert any(ended)
            self._finish(other, place, "sleep")

    def same_name(self) -> None:
        """Start the command on two hosts of the same name at once, kill it on one, and go on on the other."""
        with self.hosts(names=("alpha", "alpha")) as pair:
            place = self._place("same_name")
            process = self._own(pair[0], place)
            self._end(self._start(pair[1], place))
            process.send(signal.SIGKILL)
            process.end()
            self._finish(pair[1], place, "hosts of the same name")

    def twins_of_other_clocks(self) -> None:
        """Do ``twins`` with an hour between the clocks, either way."""
        for clock in (HOUR, -HOUR):
            self.twins(clock)

    def death_of_other_clocks(self) -> None:
        """Do ``death`` with an hour between the clocks, either way."""
        for clock in (HOUR, -HOUR):
            self.death(clock)


PARTS = (
    *(
        "twins",
        "death",
        "twins_of_other_clocks",
        "death_of_other_clocks",
        "own_death",
        "number_again",
        "told",
    ),
    *("told_wrongly", "sleep", "same_name"),
)
"""Names of what is done, in order."""


def _locks(place: Path) -> list[Path]:
    """Return the lock files in the output folders."""
    return [
        path for path in place.glob("out/**/.*") if path.name.endswith(".lock") and ".part" not in path.name
    ]


def warm(commands: Sequence[str]) -> None:
    """Import what the commands need, once for all hosts."""
    modules = (
        "training.setup",
        "training.session",
        "inference.predictor",
        "figures.save",
        "occlusion.result",
    )
    for module in (*modules, *commands):
        import_module(f"dmcnn.{module}")


def torture(
    commands: Sequence[str],
    locks: Sequence[str],
    rounds: int,
    folder: Path,
    parts: Sequence[str] = PARTS,
    seed: int = 1,
    is_real: bool = False,
) -> Iterator[tuple[str, Mapping[str, int]]]:
    """Yield every command with the kind of locks, and what happened; AssertionError at the first fault."""
    warm(commands)
    os.environ["DMCNN_CACHE"] = str(folder / "cache")
    beats = (20.0, 180.0) if is_real else (0.2, 2.0)
    for kind in locks:
        for command in commands:
            if (command, kind) == ("tune", "none"):
                continue  # a search refuses to begin
            one = TwoHosts(command, folder, kind, seed, *beats)
            for _ in range(rounds):
                for part in parts:
                    getattr(one, part)()
            yield f"{command}, {kind} locks", one.counts


def main() -> int:
    """Torture the commands and print what happened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commands", nargs="*", help=f"by default: {', '.join(COMMANDS_OF_BOTH)}")
    parser.add_argument("--locks", choices=LOCKS, action="append", help="by default all")
    parser.add_argument("--part", choices=PARTS, action="append", help="by default all")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1, help="of the times of the kills")
    parser.add_argument("--real", action="store_true", help="silence of 180 s, as in use")
    given = parser.parse_args()
    if reason := fault():
        sys.stdout.write(f"{reason}\n")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        words = given.commands or COMMANDS_OF_BOTH, given.locks or LOCKS, given.rounds, Path(folder)
        for what, counts in torture(*words, given.part or PARTS, given.seed, given.real):
            sys.stdout.write(f"{what}: {', '.join(f'{count} {word}' for word, count in counts.items())}\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
