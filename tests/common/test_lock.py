"""Locks of output names: one owner, taken over from the dead, also from a machine that has fallen silent."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dmcnn._common import lock as locks
from dmcnn._common.errors import InputError
from dmcnn._common.files import atomic_file
from dmcnn._common.lock import SILENCE, lock

OWNER = """
import sys, time
from dmcnn._common.lock import lock
with lock(sys.argv[1]):
    print("owned", flush=True)
    time.sleep(60)
"""


def owner_process(stem: Path) -> subprocess.Popen[str]:
    """Start a process that owns a name until it is killed."""
    process = subprocess.Popen([sys.executable, "-c", OWNER, str(stem)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "owned\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_name_has_one_owner_and_is_free_when_it_dies(tmp_path: Path) -> None:
    stem = tmp_path / "new" / "scores"
    process = owner_process(stem)
    try:
        words = (
            rf"process {process.pid} on .* last sign of life 0 s ago.*choose another name= or output folder"
        )
        with pytest.raises(InputError, match=words), lock(stem):
            pytest.fail("two owners")
        with lock(tmp_path / "new" / "other"):
            pass
    finally:
        end(process)
    with lock(stem):
        assert [path.name for path in stem.parent.iterdir()] == [".scores.lock"]
        with pytest.raises(InputError, match=str(os.getpid())), lock(stem):
            pytest.fail("two owners in one process")
    assert list(stem.parent.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="no /proc")
@pytest.mark.parametrize("has_locks", [True, False])
def test_an_owner_that_nobody_has_asked_for_its_status_is_dead(
    has_locks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = owner_process(tmp_path / "a")
    if not has_locks:
        monkeypatch.setattr(locks, "try_lock", lambda file: None)
    try:
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and still in the list of processes
        assert Path(f"/proc/{process.pid}/stat").exists()
        with lock(tmp_path / "a"):
            pass
    finally:
        end(process)


def test_who_waits_gets_the_name(tmp_path: Path) -> None:
    done = threading.Event()

    def own() -> None:
        with lock(tmp_path / "a"):
            done.set()
            time.sleep(0.3)

    thread = threading.Thread(target=own)
    thread.start()
    done.wait()
    with pytest.raises(InputError), lock(tmp_path / "a"):
        pass
    with lock(tmp_path / "a", wait=30):
        pass
    thread.join()


def foreign(stem: Path, age: float, **words: object) -> Path:
    """Leave the lock file of another owner, of some age."""
    path = stem.with_name(f".{stem.name}.lock")
    owner = {"host": "node7", "process": "0123abcd-1-1", "command": "dmcnn infer"}
    path.write_text(json.dumps({**owner, **words}))
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def test_another_machine_owns_a_name_while_its_heart_beats(tmp_path: Path) -> None:
    stem = tmp_path / "a"
    path = foreign(stem, SILENCE - 30)
    words = (
        r"dmcnn infer is writing these files \(process 1 on node7, last sign of life 1\d\d s ago\).*remove "
    )
    words += (
        re.escape(str(path))
        + r" if that process has died; without another sign of life it is free in [23]\d s"
    )
    with pytest.raises(InputError, match=words), lock(stem):
        pass
    path.unlink()  # the user says that it has died
    with lock(stem):
        pass
    foreign(stem, SILENCE + 5)
    with lock(stem):
        pass


def test_clocks_of_machines_may_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign(tmp_path / "a", SILENCE - 30)
    now = time.time
    for hours in (-1, 1):
        monkeypatch.setattr(time, "time", lambda hours=hours: now() + 3600 * hours)
        with pytest.raises(InputError, match=r"last sign of life 1\d\d s ago"), lock(tmp_path / "a"):
            pass


def test_a_machine_that_was_started_again_is_not_taken_for_another_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stem, me = tmp_path / "a", locks._identity()
    foreign(stem, 0, host=me["host"], boot="another")
    with pytest.raises(InputError, match=r"free in (60|5\d) s"), lock(stem):
        pass
    foreign(stem, 65, host=me["host"], boot="another")
    with lock(stem):
        pass
    container = {"host": me["host"], "boot": me["boot"]}  # of other numbers of processes
    foreign(stem, 0, **container)
    with lock(stem):
        pass
    monkeypatch.setattr(locks, "try_lock", lambda file: None)
    foreign(stem, 0, **container)
    with pytest.raises(InputError), lock(stem):
        pass


def test_unfinished_files_of_a_dead_process_elsewhere_are_removed(tmp_path: Path) -> None:
    dead, other = (tmp_path / f".dmcnn-12345678-0123abcd-{pid}-1.part.ckpt" for pid in (1, 11))
    for path in (dead, other):
        path.write_text("half")
    foreign(tmp_path / "a", SILENCE + 5)
    with lock(tmp_path / "a"):
        assert sorted(tmp_path.iterdir()) == sorted([other, tmp_path / ".a.lock"])


@pytest.mark.parametrize("has_locks", [True, False])
def test_disks_without_hard_links(has_locks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    if not has_locks:
        monkeypatch.setattr(locks, "try_lock", lambda file: None)
    stem = tmp_path / "a"
    with lock(stem), pytest.raises(InputError, match=str(os.getpid())), lock(stem):
        pass
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".a.lock").touch()  # of a process that is about to write its name there
    with pytest.raises(InputError, match="another process"), lock(stem):
        pass


def test_without_locks_of_the_disk_the_process_number_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "try_lock", lambda file: None)
    stem, me = tmp_path / "a", locks._identity()
    with lock(stem), pytest.raises(InputError), lock(stem):
        pass
    machine, pid, start = me["process"].split("-")
    for dead in (f"{machine}-{2**22 + 1}-{start}", f"{machine}-{pid}-1"):  # later processes have the number
        foreign(stem, 0, **{**me, "process": dead})
        with lock(stem):
            pass


def test_an_owner_that_was_silent_for_too_long_writes_no_more(tmp_path: Path) -> None:
    with lock(tmp_path / "a"):
        with atomic_file(tmp_path / "a.csv") as temporary:
            temporary.write_text("mine")
        path = foreign(tmp_path / "a", 0)
        with (
            pytest.raises(InputError, match="the lock is gone"),
            atomic_file(tmp_path / "a.csv") as temporary,
        ):
            temporary.write_text("late")
        with pytest.raises(InputError, match="the lock is gone"), atomic_file(tmp_path / "a.csv"):
            pass  # the new owner has removed the unfinished file
    assert (tmp_path / "a.csv").read_text() == "mine"
    assert path.exists()  # it is not ours to remove


def test_the_heart_beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "BEAT", 0.01)
    with lock(tmp_path / "a"):
        path = tmp_path / ".a.lock"
        os.utime(path, (0, 0))
        deadline = time.monotonic() + 30
        while path.stat().st_mtime < 1e9:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("has_locks", [True, False])
def test_one_of_many_takes_over_at_a_time(
    has_locks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads that find the lock of a dead process all at once, or that begin at once on a disk without locks."""
    monkeypatch.setattr(locks, "RETRY", 0.002)
    inside, most, count, errors = [0], [0], [0], []

    def work() -> None:
        try:
            for _ in range(20):
                with lock(tmp_path / "a", wait=60):
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                    count[0] += 1
                    time.sleep(0.0005)
                    inside[0] -= 1
        except InputError as error:
            errors.append(error)

    if has_locks:
        foreign(tmp_path / "a", SILENCE + 5)
    else:
        monkeypatch.setattr(locks, "try_lock", lambda file: None)
    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert (most[0], count[0]) == (1, 120)
