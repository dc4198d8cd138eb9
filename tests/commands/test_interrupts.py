"""Ends of commands: the exit status tells Ctrl-C from SIGTERM, and the line whether the work goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from dmcnn import simulate, train
from dmcnn._common.interrupts import REQUEUE
from dmcnn.settings.command import run
from dmcnn.simulation import SAMPLES, parts
from dmcnn.training import loop

BASE = {
    "simulate": ["output=x.h5", "events=2"],
    "evaluate": ["scores=x.csv"],
    "infer": ["input_file=x.h5", "weight_file=x.ckpt"],
    "display": ["input_file=x.h5", "score_label=False", "-n", "3"],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("x.csv", "x.h5", "x.ckpt"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("is_slow", [False, True])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, REQUEUE)])
def test_an_interrupt_is_not_lost_while_an_object_is_removed(
    number: int, status: int, is_slow: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor on a machine so busy that the signal comes again while the first one is still being dropped."""

    class Removed:
        def __del__(self) -> None:
            os.kill(os.getpid(), number)
            time.sleep(0.01)

    start = threading.Thread.start

    def slowly(self: threading.Thread) -> None:
        start(self)
        until = time.monotonic() + 0.1
        while time.monotonic() < until:
            pass

    def work(_: Any) -> None:
        if is_slow:
            monkeypatch.setattr(threading.Thread, "start", slowly)
        Removed()
        time.sleep(5)

    assert run("evaluate", work, BASE["evaluate"]) == status


@pytest.mark.slow
def test_a_training_saves_after_sigterm(
    train_words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stepped = loop._Step.__call__

    def step(self: Any, *batch: Any) -> None:
        stepped(self, *batch)
        if self.progress.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(loop._Step, "__call__", step)
    assert train.main(train_words) == REQUEUE
    assert "goes on from here" in capsys.readouterr().err
    monkeypatch.undo()
    assert train.main(train_words) == 0
    assert train.main([*train_words, "resume=False", "save_weights=False"]) == 0


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate in batches of 4 events instead of 64."""
    sample = SAMPLES["dark-trident"]

    @wraps(sample)  # with its signature, from which the keys of the cfg come
    def small(*numbers: int, **arguments: Any) -> Any:
        return sample(*numbers, **{"batch": 4, **arguments})

    monkeypatch.setitem(SAMPLES, "dark-trident", small)


@pytest.mark.slow
@pytest.mark.usefixtures("small_batches")
def test_a_stopped_simulation_makes_no_event_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["events=14", "kind=dark-trident", "xdim=64", "ydim=64", "cosmic_flux=0"]
    assert simulate.main([f"output={tmp_path}/whole.h5", *words]) == 0
    write, sizes = parts._write, []

    def stop_after_two(path: Path, batch: Any) -> None:
        write(path, batch)
        sizes.append(len(batch))
        if len(sizes) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(parts, "_write", stop_after_two)
    assert simulate.main([f"output={tmp_path}/x.h5", *words]) == 130
    assert not (tmp_path / "x.h5").exists()
    assert simulate.main([f"output={tmp_path}/x.h5", *words]) == 0
    assert sizes == [4, 4, 4, 2]
    assert (tmp_path / "x.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.slow
@pytest.mark.usefixtures("small_batches")
def test_batches_of_another_sample_or_damaged_ones_are_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["events=10", "xdim=64", "ydim=64", "cosmic_flux=0"]
    write = parts._write

    def stop(path: Path, batch: Any) -> None:
        write(path, batch)
        path.write_bytes(path.read_bytes()[:-900])
        raise KeyboardInterrupt

    monkeypatch.setattr(parts, "_write", stop)
    assert simulate.main([f"output={tmp_path}/x.h5", "seed_number=1", *words]) == 130
    monkeypatch.setattr(parts, "_write", write)
    assert simulate.main([f"output={tmp_path}/x.h5", "seed_number=1", *words]) == 0
    monkeypatch.setattr(parts, "_write", stop)
    assert simulate.main([f"output={tmp_path}/y.h5", "seed_number=1", *words]) == 130
    monkeypatch.setattr(parts, "_write", write)
    assert simulate.main([f"output={tmp_path}/y.h5", "seed_number=2", *words]) == 0
    assert simulate.main([f"output={tmp_path}/z.h5", "seed_number=2", *words]) == 0
    x, y, z = ((tmp_path / f"{name}.h5").read_bytes() for name in "xyz")
    assert x != y == z


@pytest.mark.slow
def test_the_process_ends_with_the_status(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "dmcnn", "simulate", "output=x.h5", "events=100000"],
        cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    while not list(tmp_path.glob(".x.h5.parts/*.npz")):
        assert process.poll() is None
        time.sleep(0.1)
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert process.returncode == REQUEUE
    assert said.endswith("interrupted: the same command goes on from here\n")
    assert said.count("\n") == 2  # and no progress in the log of so short a run
