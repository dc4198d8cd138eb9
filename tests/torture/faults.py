"""Faults of the surroundings under every command: full disks, no permission, files that vanish, odd cfg files.

Each ends in one line and status 2, or does no harm; the same command then goes on, and nothing is left behind.
``python tests/torture/faults.py`` is the long form; a test runs a part.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from dmcnn.checkpoints.card import Card
from dmcnn.checkpoints.save import save

SIDE = 24
NOBODY = 65534
"""Number of a user without rights."""

READING = [f"xdim={SIDE}", f"ydim={SIDE}"]
TRAIN = [
    *("input_train=npy", "input_test=npy", "label=prefix", "classes=['muon', 'pion']"),
    *("model=lariat", "loss=cross_entropy"),
    *("EPOCHS=2", "batch_size_train=3", "learning_rate=0.001", "GPUID=cpu", "precision=32", *READING),
]  # fmt: skip
COMMANDS: dict[str, list[str]] = {
    "infer": ["input_file=npy", "weight_file=x.ckpt", "output_dir=o"],
    "display": ["input_file=npy", "weight_file=x.ckpt", "-n", "0,1", "output_dir=o"],
    "occlude": ["input_file=npy", "weight_file=x.ckpt", "-n", "0", "output_dir=o", "stride=4"],
    "attribute": ["input_file=npy", "weight_file=x.ckpt", "-n", "0,1", "output_dir=o",
                  "methods=['saliency']", "judge=False"],
    "export": ["weight_file=x.ckpt", "output_dir=o", "format=['onnx', 'torch']"],
    "evaluate": ["scores=scores.csv", "signal_label=muon", "output_dir=o"],
    "simulate": ["output=o/s.h5", "events=3", "xdim=64", "ydim=64"],
    "train": [*TRAIN, "weights_directory=o", "output_directory=o"],
    "tune": ["base=t.cfg", "space={'learning_rate': [0.001, 0.002]}", "trials=2", "output_dir=o", "sampler=random"],
}  # fmt: skip
"""Command -> its words, in a folder that ``prepare`` has filled."""


class Outcome(NamedTuple):
    """Status of a command, what it said, and the unfinished files that it left."""

    status: int
    text: str
    leftovers: list[str]

    def fault(self) -> str:
        """Return what is wrong with the way a command ended; "" if nothing is."""
        lines = [line for line in self.text.splitlines() if "Traceback" in line or "Logging error" in line]
        if lines or "fault of dmcnn" in self.text or self.status not in (0, 2):
            return f"status {self.status}: {self.text[-1500:]}"
        return f"left behind: {', '.join(self.leftovers)}" if self.leftovers else ""


def prepare(folder: Path) -> None:
    """Fill a folder with a network, images, scores and a cfg."""
    (folder / "npy").mkdir(parents=True)
    random = np.random.default_rng(1)
    for number in range(12):
        image = (random.random((SIDE, SIDE)) < 0.1) * random.uniform(10, 90, (SIDE, SIDE))
        np.save(folder / "npy" / f"{('muon', 'pion')[number % 2]}_{number:02}.npy", image.astype(np.float32))
    torch.manual_seed(1)
    sizes = {"num_class": 2, "channels": 1, "height": SIDE, "width": SIDE}
    reading = {"xdim": SIDE, "ydim": SIDE}
    card = Card(
        "lariat", sizes, ["muon", "pion"], "muon", "softmax", reading, label="prefix", loss="cross_entropy"
    )
    save(folder / "x.ckpt", {"dmcnn": card.as_dict(), "state_dict": card.build().state_dict()})
    rows = [f"1,1,{i},{random.random():.3f},{i},9,{('muon', 'pion')[i % 2]}" for i in range(30)]
    header = "run_number,subrun_number,event_number,signal_score,entry_number,n_pixels,label"
    (folder / "scores.csv").write_text("\n".join([header, *rows]) + "\n")
    lines = [word.partition("=") for word in TRAIN]
    (folder / "t.cfg").write_text("\n".join(f"{key} = {_literal(text)}" for key, _, text in lines) + "\n")


def _literal(text: str) -> str:
    """Return the value of a word as a cfg holds it."""
    return text if re.fullmatch(r"[\d.]+|\[.*\]", text) else repr(text)


def run(
    command: str, words: Sequence[str], folder: Path, before: Callable[[], None] = lambda: None
) -> Outcome:
    """Run a command in a forked process, in ``folder``, after ``before``; the modules are imported already."""
    log = folder.parent / f"{folder.name}.log"
    sys.stdout.flush()
    child = os.fork()
    if not child:
        status = 99
        try:
            with log.open("wb") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            sys.stdout, sys.stderr = (os.fdopen(os.dup(number), "w") for number in (1, 2))
            logging.getLogger().handlers.clear()
            os.chdir(folder)
            before()
            status = import_module(f"dmcnn.{command}").main(list(words))
            sys.stdout.flush()
        except BaseException:
            import traceback

            traceback.print_exc()
            sys.stderr.flush()
        os._exit(status)
    _, status = os.waitpid(child, 0)
    left = [str(path.relative_to(folder)) for path in folder.rglob(".dmcnn-*")]
    return Outcome(os.waitstatus_to_exitcode(status), log.read_text(errors="replace"), left)


def full(limit: int) -> Callable[[], None]:
    """Return a function after which no file can have more than ``limit`` bytes."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def few_files() -> None:
    """Leave three files that can be opened."""
    opened = len(list(Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (opened + 3, opened + 3))


def forbidden(path: str) -> Callable[[], None]:
    """Return a function after which a process without rights finds ``path`` closed."""

    def close() -> None:
        """Close it, and give up all rights."""
        if path == "o":
            Path(path).mkdir(exist_ok=True)
        Path(path).chmod(0)
        if os.getuid() == 0:
            os.environ["HOME"] = "/tmp"
            os.setuid(NOBODY)

    return close


def vanishing(path: str, seconds: float) -> Callable[[], None]:
    """Return a function after which ``path`` is removed again and again, first after some seconds."""

    def work() -> None:
        """Remove the file or folder."""
        for _ in range(20):
            time.sleep(seconds)
            shutil.rmtree(path, ignore_errors=True)
            with suppress(OSError):
                Path(path).unlink()

    return lambda: threading.Thread(target=work, daemon=True).start()


def in_the_way() -> None:
    """Put a file where the output folder should be."""
    Path("o").write_text("")


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[bool]:
    """Mount a disk of some kilobytes as the output folder; yield False where that is not allowed."""
    place = folder / "o"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place)]
    mounted = not subprocess.run(words, capture_output=True, check=False).returncode
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(place)], check=True)


FAULTS: dict[str, Callable[[], None]] = {
    **{f"files of at most {limit} bytes": full(limit) for limit in (0, 300, 3000, 12_000, 50_000)},
    "a file where the folder should be": in_the_way,
    "output folder closed": forbidden("o"),
    "network closed": forbidden("x.ckpt"),
    "images closed": forbidden("npy"),
    "few open files": few_files,
    **{f"output folder removed every {seconds} s": vanishing("o", seconds) for seconds in (0.01, 0.1, 0.4)},
    "images removed": vanishing("npy", 0.05),
    "network removed": vanishing("x.ckpt", 0.01),
}
"""Fault -> function that brings it about."""

ODD_CFGS: dict[str, bytes] = {
    "BOM": b"\xef\xbb\xbfinput_file = 'npy'\nweight_file = 'x.ckpt'\noutput_dir = 'o'\n",
    "NUL in a path": b"input_file = 'n\\0py'\nweight_file = 'x.ckpt'\n",
    "NUL": b"input_file = 'n\0py'\n",
    "not UTF-8": b"input_file = 'n\xe9py'\n",
    "no character": b"input_file = 'n\\ud800py'\nweight_file = 'x.ckpt'\n",
    "infinity": b"input_file = 'npy'\nbatch_size = int(1e400)\n",
    "huge": b"input_file = 'npy'\nweight_file = 'x.ckpt'\nbatch_size = 99999999999999999999999\n",
    "bracket": b"input_file = 'sample://['\nweight_file = 'x.ckpt'\n",
    "long name": b"input_file = 'npy'\nweight_file = 'x.ckpt'\noutput_dir = 'o'\nname = '"
    + 250 * b"n"
    + b"'\n",
    "long input": b"input_file = '" + 300 * b"n" + b"'\nweight_file = 'x.ckpt'\n",
    "no user": b"input_file = '~nobody-at-all/x'\nweight_file = 'x.ckpt'\n",
    "slash": b"input_file = 'npy'\nweight_file = 'x.ckpt'\nname = '../x'\n",
    "line end": b"input_file = 'npy'\nweight_file = 'x.ckpt'\nname = 'a\\nb'\n",
    "deep": b"input_file = " + 400 * b"[" + 400 * b"]" + b"\n",
}
"""Kind -> text of a cfg of infer."""


def cases(commands: Sequence[str]) -> Iterator[tuple[str, Callable[[Path], list[Outcome]]]]:
    """Yield (name, function that runs the case in a folder and returns the outcomes: with the fault, and without)."""
    for command in commands:
        for fault, before in FAULTS.items():
            if not (command in ("evaluate", "simulate", "train", "tune") and fault.startswith("network")):
                yield f"{command}: {fault}", lambda folder, c=command, b=before: _with_fault(folder, c, b)
        for kilobytes in (4, 32, 100):
            yield (
                f"{command}: disk of {kilobytes} kB",
                lambda folder, c=command, k=kilobytes: _on_disk(folder, c, k),
            )
    for kind, text in ODD_CFGS.items():
        yield f"cfg: {kind}", lambda folder, t=text: _with_cfg(folder, t)


def _with_fault(folder: Path, command: str, before: Callable[[], None]) -> list[Outcome]:
    first = run(command, COMMANDS[command], folder, before)
    for path in (folder / "o", folder / "npy", folder / "x.ckpt"):
        if path.exists():
            path.chmod(0o755)
    if (folder / "o").is_file():
        (folder / "o").unlink()
    if not ((folder / "npy").exists() and (folder / "x.ckpt").exists()):
        return [first]
    return [first, run(command, COMMANDS[command], folder)]


def _on_disk(folder: Path, command: str, kilobytes: int) -> list[Outcome]:
    with small_disk(folder, kilobytes) as mounted:
        return [run(command, COMMANDS[command], folder)] if mounted else []


def _with_cfg(folder: Path, text: bytes) -> list[Outcome]:
    (folder / "x.cfg").write_bytes(text)
    return [run("infer", ["x.cfg"], folder)]


def check(name: str, work: Callable[[Path], list[Outcome]], template: Path, folder: Path) -> tuple[int, str]:
    """Run a case in a new folder; return the status with the fault, and what is wrong, "" if nothing is."""
    shutil.copytree(template, folder)
    folder.chmod(0o777)
    first, *again = work(folder) or [Outcome(0, "", [])]
    if fault := first.fault():
        return first.status, f"{name}: {fault}"
    if again and (again[0].status or again[0].fault()):
        return first.status, f"{name}: afterwards {again[0].fault() or again[0].text[-600:]}"
    return first.status, ""


def main() -> int:
    """Run all cases; return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--command", choices=COMMANDS, action="append", help="only this one")
    commands = parser.parse_args().command or list(COMMANDS)
    statuses: Counter[int] = Counter()
    wrong = 0
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        prepare(template := Path(place) / "template")
        warm()
        for number, (name, work) in enumerate(cases(commands)):
            status, fault = check(name, work, template, Path(place) / str(number))
            statuses[status] += 1
            if fault:
                wrong += 1
                sys.stdout.write(f"{fault}\n\n")
                sys.stdout.flush()
    sys.stdout.write(f"{statuses.total()} cases, {wrong} wrong; status: number of cases {dict(statuses)}\n")
    return int(wrong > 0)


def warm() -> None:
    """Import everything that the commands use, so that a fault meets their work and not their imports."""
    modules = (
        *("inference.predictor", "training.session", "displays.event", "attribution.report", "tuning.trials"),
        *("exports", "evaluation.signal", "figures.save", "occlusion.result", "simulation.addresses"),
    )
    for module in modules:
        import_module(f"dmcnn.{module}")
    encodings = (
        "encodings.utf_8_sig",
        "encodings.utf_16_be",
        "encodings.utf_32_be",
        "encodings.raw_unicode_escape",
    )
    libraries = ("captum", "onnx", "onnxruntime", "optuna", "plotly", "torch.export", "torch.onnx")
    # torch.export imports these when it is called
    late = ("torch._dynamo", "torch.export._trace", "torch.utils._sympy.numbers")
    for module in (*libraries, *late, *encodings):
        import_module(module)


if __name__ == "__main__":
    sys.exit(main())
