"""Processes of two hosts that fight for a lock, and are killed: never two hold it, and nothing is left."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from torture.hosts import HOLD, LOCKS, Host, fault

BEAT, SILENCE = 0.1, 1.0
TURNS, LONGEST = 12, 0.02


@pytest.mark.slow
@pytest.mark.parametrize("locks", LOCKS)
def test_one_process_of_two_hosts_holds_a_lock(locks: str, tmp_path: Path) -> None:
    if reason := fault():
        pytest.skip(reason)
    draw = random.Random(locks)
    folder, lines = tmp_path / "out", tmp_path / "lines"
    folder.mkdir()
    words = [str(folder / "a"), str(TURNS), str(LONGEST), str(lines)]
    hosts = [
        Host(name, tmp_path / name, locks=locks, beat=BEAT, silence=SILENCE, clock=clock)
        for name, clock in (("alpha", 0.0), ("beta", 3600.0))
    ]
    try:
        processes = [host.start(HOLD, words, tmp_path) for host in hosts for _ in range(3)]
        for process in processes[1::2]:  # one of alpha, two of beta
            time.sleep(draw.uniform(0, 0.3))
            process.send(signal.SIGKILL)
        for process in processes:
            assert process.end() in (0, -signal.SIGKILL), process.text
        # who dies while he waits leaves a file that only his own host knows to be nobody's
        for host in hosts:
            last = host.start(HOLD, [words[0], "1", "0", words[3]], tmp_path)
            assert last.end() == 0, last.text
    finally:
        for host in hosts:
            host.down()
    assert list(folder.iterdir()) == []
    killed = {f"{each.host.name} {each.pid}" for each in processes if each.status == -signal.SIGKILL}
    owner, since = "", 0.0
    for line in lines.read_text().splitlines():
        what, host, pid, number, moment = line.split()
        if what == "begin":
            if owner:  # it has died
                dead, _ = owner.rsplit(" ", 1)
                assert dead in killed, (owner, line)
                assert dead.split()[0] == host or float(moment) - since > SILENCE - 2 * BEAT, (owner, line)
            owner, since = f"{host} {pid} {number}", float(moment)
        else:
            assert owner == f"{host} {pid} {number}", (owner, line)
            owner = ""
    assert not owner
