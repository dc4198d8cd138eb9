"""Exclusion and identity under stress: two of every command at once, inputs made again, kills at random times.

Whatever happened, the same command once more leaves the results of an undisturbed run, and nothing else.
``python tests/torture/exclusion.py --rounds 20`` is the long form; a test runs a part.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from tqdm import tqdm

SIDE = 24
COUNT = 160
"""Images: with one per batch, three parts of the journal of infer."""
TIME = 10**9
"""[s] Time of change of all inputs, also of those that are made again."""

NETWORK = ["weight_file=net.ckpt", "GPUID=cpu", "batch_size=1", "output_dir=out"]
IMAGES = ["input_file=npy", *NETWORK]
TRAIN = [
    "input_train=npy", "input_test=npy", "label=prefix", "classes=['muon', 'pion']", "model=lariat", "seed_number=3",
    "loss=cross_entropy", "EPOCHS=3", "batch_size_train=16", "learning_rate=0.001", "precision=32", "GPUID=cpu",
    f"xdim={SIDE}", f"ydim={SIDE}", "save_every_step=2", "test_every_step=5", "test_events_nums=20", "augment=False",
]  # fmt: skip
COMMANDS: dict[str, list[str]] = {
    "infer": IMAGES,
    "occlude": [*IMAGES, "-n", "0", "occlusion_size=1"],
    "attribute": [*IMAGES, "-n", "0,1", "methods=['saliency']", "judge=False", "format=png"],
    "display": [*IMAGES, "-n", "0,1", "format=png"],
    "evaluate": ["scores=scores.csv", "signal_label=muon", "output_dir=out"],
    "export": ["weight_file=net.ckpt", "output_dir=out", "format=table"],
    "simulate": ["output=out/sample.h5", "events=12", "xdim=48", "ydim=48"],
    "train": [*TRAIN, "weights_directory=out", "output_directory=out"],
    "tune": ["base=base.cfg", "space={'learning_rate': [0.001, 0.002]}", "sampler=grid", "output_dir=out",
             "pruner=none"],
    "infer merged": ["input_file=['npy', 'more']", *NETWORK, "merged=True",
                     "output_format=['csv', 'parquet', 'root']"],
    "evaluate stack": ["stack={'cosmic': 'cosmic.csv', 'neutrino': 'neutrino.csv'}", "signal=signal.csv",
                       "data=data.csv", "blind_above=False", "bins=5", "universes={'flux': {'neutrino': 'flux_*'}}",
                       "normalisation={'POT': {'neutrino': 0.02}}", "output_dir=out"],
    "train folds": [*TRAIN, "weights_directory=out", "output_directory=out", "folds=2", "EPOCHS=1"],
    "train ranks": [*TRAIN, "weights_directory=out", "output_directory=out", "ranks=2"],
    "train tensorboard": [*TRAIN, "weights_directory=out", "output_directory=out", "tensorboard=True"],
    "report": ["made", "output_dir=out"],
    "report folds": ["made", "output_dir=out"],
}  # fmt: skip
"""Command, and what it does -> its words, in a folder that ``prepare`` has filled."""
BEFORE = {"report": "train", "report folds": "train folds"}
"""Command -> another, whose results in the folder ``made`` are its inputs."""

REFUSED = "is writing these files"
"""Words of a command that finds another of the same name."""
OTHER_DATA = ("made from other data", "fingerprints of the data")
"""Words of a training or search that finds its data changed; every other command begins anew."""
TIMES = ("start", "end", "duration", "seconds")
"""Columns of tables and arrays of maps that tell when, not what."""

CONTEXT = multiprocessing.get_context("forkserver")


def prepare(folder: Path, seed: int) -> None:
    """Write the inputs of all commands; those of another seed have the same names, sizes and times."""
    import torch

    from dmcnn.checkpoints.card import KEY, Card

    draw = np.random.default_rng(seed)
    (folder / "npy").mkdir(parents=True, exist_ok=True)
    for number in range(COUNT):
        image = draw.integers(0, 9, (SIDE, SIDE)).astype(np.float32)
        np.save(folder / "npy" / f"{'muon' if number % 2 else 'pion'}_{number:03d}.npy", image)
    torch.manual_seed(seed)
    card = Card(
        "lariat", {"num_class": 2, "channels": 1, "height": SIDE, "width": SIDE}, ["muon", "pion"], "muon",
        "softmax", {"xdim": SIDE, "ydim": SIDE}, scaling="minmax", label="prefix", loss="cross_entropy",
    )  # fmt: skip
    torch.save({KEY: card.as_dict(), "state_dict": card.build().state_dict()}, folder / "net.ckpt")
    shutil.copytree(folder / "npy", folder / "more", dirs_exist_ok=True)
    for sample in ("cosmic", "neutrino", "signal", "data"):
        header = "run_number,subrun_number,event_number,signal_score,entry_number,n_pixels,flux_0,flux_1"
        events = [f"1,1,{n},{draw.random():.6f},{n},9,1.1,{draw.random() + 0.5:.6f}" for n in range(40)]
        (folder / f"{sample}.csv").write_text("\n".join([header, *events]) + "\n")
    rows = [f"{number},{draw.random():.6f},{'muon' if number % 2 else 'pion'}" for number in range(60)]
    (folder / "scores.csv").write_text("\n".join(["run_number,signal_score,label", *rows]) + "\n")
    settings = [word.partition("=") for word in TRAIN]
    texts = {"input_train", "input_test", "label", "model", "loss", "precision", "GPUID"}
    lines = [f"{key} = {value!r}" if key in texts else f"{key} = {value}" for key, _, value in settings]
    (folder / "base.cfg").write_text("\n".join(lines) + "\n")
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (TIME, TIME))


def _work(name: str, words: Sequence[str], folder: str, log: str) -> None:
    """Run a command in a new process and end with its status."""
    command = name.partition(" ")[0]
    os.chdir(folder)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(file, stream)
    sys.argv = [command]
    tqdm.set_lock(threading.RLock())  # its own is a semaphore of the system, which a kill would leave behind
    try:
        sys.exit(import_module(f"dmcnn.{command}").main(words))
    except KeyboardInterrupt:  # while modules are imported
        sys.exit(130)


class Running:
    """Command that runs in a folder, in a process of its own.

    Attributes:
        process: the process.
        log: file of all that it says.
    """

    def __init__(self, command: str, folder: Path) -> None:
        self.log = folder / f"log_{random.getrandbits(40):x}"
        arguments = (command, COMMANDS[command], str(folder), str(self.log))
        self.process: ForkServerProcess = CONTEXT.Process(target=_work, args=arguments)
        self.process.start()

    def stop(self, number: int) -> None:
        """Send a signal, if the process still runs."""
        if self.process.is_alive() and self.process.pid is not None:
            os.kill(self.process.pid, number)

    def end(self) -> tuple[int, str]:
        """Wait for the process; return its status and what it said."""
        self.process.join(600)
        assert self.process.exitcode is not None, f"{self.log}: does not end"
        text = self.log.read_text() if self.log.exists() else ""
        self.log.unlink(missing_ok=True)
        assert "Traceback" not in text, text
        allowed = {0, 130, -signal.SIGKILL, -signal.SIGINT}  # -SIGINT: before the command has begun
        if self.process.exitcode not in allowed:
            assert self.process.exitcode == 2, f"status {self.process.exitcode}: {text}"
            assert any(words in text for words in (REFUSED, *OTHER_DATA)), text
        return self.process.exitcode, text


def results(folder: Path) -> dict[str, Any]:
    """Return the content of all files that a command has left in ``out``, without what differs from run to run."""
    out = folder / "out"
    paths = sorted(path for path in out.rglob("*") if path.is_file())
    content: dict[str, Any] = {}
    for path in paths:
        name = str(path.relative_to(out))
        if name.startswith("tune") and path.name != "trials.csv":
            if path.name.endswith((".part", ".journal")) or (
                path.name.startswith(".") and path.name != ".lock"
            ):
                content[name] = "left behind"
            continue
        if "tfevents" in path.name:
            content[str(path.parent.relative_to(out))] = _scalars(path.parent)
        else:
            content[name] = READ.get(path.suffix, Path.read_bytes)(path)
    return content


def _table(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table."""
    with path.open(newline="") as file:
        rows = [
            {key: value for key, value in row.items() if key not in TIMES} for row in csv.DictReader(file)
        ]
    return sorted(rows, key=lambda row: row["trial"]) if rows and "trial" in rows[0] else rows


def _checkpoint(path: Path) -> list[bytes]:
    """Return the weights in a checkpoint."""
    import torch

    state = torch.load(path, weights_only=True, map_location="cpu")["state_dict"]
    return [tensor.numpy().tobytes() for tensor in state.values()]


def _arrays(path: Path) -> dict[str, bytes]:
    """Return all arrays of an HDF5 file."""
    arrays: dict[str, bytes] = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: arrays.update({name: item[...].tobytes()} if hasattr(item, "dtype") else {})
        )
    return arrays


def _maps(path: Path) -> dict[str, bytes]:
    """Return all arrays of maps."""
    with np.load(path) as file:
        return {name: file[name].tobytes() for name in file.files if name not in TIMES}


def _trees(path: Path) -> dict[str, Any]:
    """Return all texts, trees and histograms of a ROOT file."""
    import uproot

    content: dict[str, Any] = {}
    with uproot.open(path) as file:
        for name, kind in file.classnames().items():
            if kind == "TTree":
                content[name] = {
                    key: value.tolist() for key, value in file[name].arrays(library="np").items()
                }
            elif kind.startswith("TH"):
                content[name] = [numbers.tolist() for numbers in file[name].to_numpy(flow=True)]
            elif kind != "TDirectory":
                content[name] = str(file[name])
    return content


def _scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return all numbers in the files of a folder that TensorBoard reads."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(one.step, one.value) for one in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


READ: dict[str, Callable[[Path], Any]] = {
    ".cfg": lambda path: [line for line in path.read_text().splitlines() if not line.startswith("#")],
    ".csv": _table,
    ".ckpt": _checkpoint,
    ".h5": _arrays,
    ".npz": _maps,
    ".root": _trees,
}
"""Suffix -> reader of what must be the same; of other files every byte."""


def differences(found: dict[str, Any], expected: dict[str, Any], names: Sequence[str]) -> str:
    """Return in which way results differ from those of an undisturbed run."""
    return "; ".join(
        f"{name}: {str(found.get(name))[:1500]} instead of {str(expected.get(name))[:1500]}"
        for name in sorted(names)
    )


def _processes_in(place: Path) -> list[int]:
    """Return the numbers of the processes that work in a folder."""
    numbers = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (path / "cwd").readlink() == place.resolve():
                numbers.append(int(path.name))
    return numbers


PATIENCE = 60
"""[s] Longest time for which the processes of a killed command may live on."""


class Torture:
    """Torture of one command in folders of its own.

    Attributes:
        command: the command.
        expected: seed -> results of an undisturbed run.
        seconds: how long that takes.
        counts: what happened.
    """

    def __init__(self, command: str, folder: Path, seed: int) -> None:
        self.command, self.folder, self.random = command, folder, random.Random(f"{command} {seed}")
        self.expected: dict[int, dict[str, Any]] = {}
        self.seconds, self.counts = 0.0, Counter[str]()
        for number in (1, 2):
            place = folder / f"undisturbed_{number}"
            self._prepare(place, number)
            begin = time.monotonic()
            assert Running(command, place).end()[0] == 0
            self.seconds = time.monotonic() - begin
            self.expected[number] = results(place)
            assert self.expected[number]

    def _place(self, name: str) -> Path:
        """Return a folder with the inputs of seed 1."""
        place = self.folder / name
        shutil.rmtree(place, ignore_errors=True)
        self._prepare(place, 1)
        return place

    def _prepare(self, place: Path, seed: int) -> None:
        """Write the inputs of the command into a folder, among them the results of another one."""
        prepare(place, seed)
        if before := BEFORE.get(self.command):
            source = self.folder / f"before_{seed}"
            if not source.exists():
                prepare(source, seed)
                assert Running(before, source).end()[0] == 0
            shutil.rmtree(place / "made", ignore_errors=True)
            shutil.copytree(source / "out", place / "made")

    def _pause(self) -> None:
        """Wait for a part of the time that the command takes."""
        time.sleep(self.random.uniform(0, 1.1 * self.seconds))

    def _finish(self, place: Path, seed: int, what: str) -> None:
        """Run the command to its end; raise AssertionError unless it leaves the results of an undisturbed run."""
        status, text = Running(self.command, place).end()
        self.counts[what] += 1
        if seed == 2 and status == 2 and any(words in text for words in OTHER_DATA):
            self.counts["refused as of other data"] += 1
            return
        assert status == 0, text
        found, expected = results(place), self.expected[seed]
        wrong = [name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)]
        assert not wrong, f"{self.command}, {what}: {differences(found, expected, wrong)}"
        deadline = time.monotonic() + PATIENCE
        while left := _processes_in(place):
            assert time.monotonic() < deadline, f"{self.command}, {what}: processes {left} still run"
            time.sleep(0.1)

    def twins(self) -> None:
        """Start two at once, stop both, start two again, and let them end."""
        place = self._place("twins")
        for number in (self.random.choice((signal.SIGINT, signal.SIGKILL)), None):
            two = [Running(self.command, place) for _ in range(2)]
            if number is not None:
                self._pause()
                for one in two:
                    one.stop(number)
            states = [one.end() for one in two]
            self.counts["refused beside another"] += sum(REFUSED in text for _, text in states)
        self._finish(place, 1, "twins")

    def remade(self) -> None:
        """Kill a run, make its inputs again, and run it anew."""
        place = self._place("remade")
        one = Running(self.command, place)
        self._pause()
        one.stop(signal.SIGKILL)
        one.end()
        self._prepare(place, 2)
        self._finish(place, 2, "inputs made again")

    def kills(self, count: int) -> None:
        """Kill runs at random times, one after another, and let the last end."""
        place = self._place("kills")
        for _ in range(count):
            one = Running(self.command, place)
            self._pause()
            one.stop(signal.SIGKILL)
            self.counts["killed" if one.end()[0] == -signal.SIGKILL else "ended before the kill"] += 1
        self._finish(place, 1, "kills")


def torture(
    commands: Sequence[str], rounds: int, kills: int, seed: int = 1
) -> Iterator[tuple[str, Mapping[str, int]]]:
    """Yield every command and what happened to it; AssertionError at the first mixture, traceback or leftover."""
    CONTEXT.set_forkserver_preload(
        ["dmcnn.training.setup", "dmcnn.inference.predictor", "dmcnn.figures.save"]
    )
    for command in commands:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["DMCNN_CACHE"] = str(Path(folder) / "cache")
            one = Torture(command, Path(folder), seed)
            for _ in range(rounds):
                one.twins()
                one.remade()
                one.kills(kills)
            yield command, one.counts


def main() -> None:
    """Torture the commands and print what happened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commands", nargs="*", help=f"by default all: {', '.join(COMMANDS)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kills", type=int, default=5, help="kills in each round")
    parser.add_argument("--seed", type=int, default=1, help="of the times of the kills")
    given = parser.parse_args()
    for command, counts in torture(given.commands or list(COMMANDS), given.rounds, given.kills, given.seed):
        sys.stdout.write(f"{command}: {', '.join(f'{count} {what}' for what, count in counts.items())}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
