"""Files are whole or absent, whatever happens to the process and to the disk, and nothing is left behind."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dmcnn._common import process
from dmcnn._common.errors import InputError, surroundings, system_error
from dmcnn._common.files import atomic_file, expand, output_folder
from dmcnn._common.unfinished import temporary_path


def parts(folder: Path) -> list[str]:
    """Return the unfinished files in a folder."""
    return [path.name for path in folder.iterdir() if ".part" in path.name]


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 251 + ".csv")
    with atomic_file(path) as temporary:
        temporary.write_text("x")
        assert temporary.suffix == ".csv"
    assert path.read_text() == "x"
    begun = False
    with pytest.raises(OSError, match="too long"), atomic_file(tmp_path / ("n" * 256)):
        begun = True
    assert not begun  # the fault is known before the work


@pytest.mark.parametrize(
    ("raised", "number"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), errno.ENOSPC),
        (OSError(errno.EFBIG, "File too large"), errno.EFBIG),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), errno.ENOENT),
    ],
)
def test_a_fault_of_the_disk_names_the_file(tmp_path: Path, raised: OSError, number: int) -> None:
    with pytest.raises(OSError, match=r"x\.npz") as error, atomic_file(tmp_path / "x.npz"):
        raise raised
    assert error.value.errno == number
    assert error.value.filename == str(tmp_path / "x.npz")
    assert not list(tmp_path.iterdir())


def test_what_a_library_makes_of_a_full_disk_is_looked_through(tmp_path: Path) -> None:
    def fail() -> None:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        finally:
            raise RuntimeError("unexpected pos 576 vs 470")  # as torch

    with pytest.raises(OSError, match=r"x\.ckpt") as error, atomic_file(tmp_path / "x.ckpt"):
        fail()
    line = surroundings(error.value)
    assert line is not None
    assert line.startswith(f"{tmp_path}/x.ckpt: No space left on device: free some space")
    assert "\n" not in line


def test_faults_of_dmcnn_are_no_faults_of_the_surroundings() -> None:
    assert surroundings(KeyError("x")) is None
    assert surroundings(OSError("no number")) is None
    bug = KeyError("y")
    bug.__context__ = FileNotFoundError(errno.ENOENT, "gone", "x")
    assert surroundings(bug) is None
    assert system_error(InputError("x")) is None
    assert (
        surroundings(MemoryError())
        == "not enough memory: choose a smaller batch size, or a machine with more memory"
    )


WRITER = """
import sys, time
from dmcnn._common.files import atomic_file
with atomic_file(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print("begun", flush=True)
    time.sleep(60)
"""


def test_what_a_dead_process_left_is_removed_and_a_living_one_keeps_its_file(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / name)], stdout=subprocess.PIPE, text=True
        )
        for name in ("one.csv", "two.csv")
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "begun\n"
    os.kill(writers[0].pid, signal.SIGKILL)
    writers[0].wait()
    assert len(parts(tmp_path)) == 2
    output_folder(tmp_path)
    (left,) = parts(tmp_path)
    assert str(writers[1].pid) in left
    writers[1].kill()
    writers[1].wait()
    output_folder(tmp_path)
    assert not parts(tmp_path)
    for writer in writers:
        assert writer.stdout is not None
        writer.stdout.close()


def test_files_of_another_machine_stay_for_a_day(tmp_path: Path) -> None:
    other = temporary_path(tmp_path / "x.csv").name.replace(process.name(), "0123abcd-7-1")
    for age in (3600.0, 100_000.0):
        (tmp_path / other).write_text("half")
        os.utime(tmp_path / other, (time.time() - age,) * 2)
        (tmp_path / ".dmcnn-mine").write_text("not a temporary file")
        output_folder(tmp_path)
        assert (tmp_path / other).exists() == (age < 86400)
    assert (tmp_path / ".dmcnn-mine").exists()


def test_a_folder_that_exists_is_meant_as_it_is_spelt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("run[12]/right.npy", "run1/wrong.npy", "run[12]/deep/a.npy"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert expand(f"{tmp_path}/run[12]/*.npy") == [f"{tmp_path}/run[12]/right.npy"]
    assert expand(f"{tmp_path}/run[12]/**/a.npy") == [f"{tmp_path}/run[12]/deep/a.npy"]
    monkeypatch.chdir(tmp_path)
    assert expand("run[12]/*.npy") == ["run[12]/right.npy"]
    assert expand("run?/*.npy") == ["run1/wrong.npy"]
    with pytest.raises(InputError, match="no such file"):
        expand("~nobody-at-all/x.npy")


def test_a_library_that_misses_the_folder_in_words_of_its_own_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "net.pt2"

    def write(*, is_gone: bool) -> None:
        with atomic_file(path):
            if is_gone:
                path.parent.rmdir()
            raise RuntimeError("Parent directory does not exist")

    with pytest.raises(FileNotFoundError) as fault:
        write(is_gone=True)
    assert fault.value.filename == str(path)
    with pytest.raises(RuntimeError):
        write(is_gone=False)
