"""Mutants of every file that dmcnn reads: each ends in the same content, in one line, or in being made again.

``python tests/torture/mutants.py --mutants 20000`` is the long form; a test runs a few of each format.
"""

from __future__ import annotations

import argparse
import faulthandler
import hashlib
import json
import logging
import os
import pickle
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dmcnn._common import npz
from dmcnn._common.errors import InputError, surroundings
from dmcnn.checkpoints.card import Card
from dmcnn.checkpoints.load import load
from dmcnn.checkpoints.save import save
from dmcnn.checkpoints.torch_file import read
from dmcnn.datasets import disk_cache
from dmcnn.datasets.dataset import Dataset
from dmcnn.settings.cfg import read_cfg
from dmcnn.simulation import SAMPLES
from dmcnn.tables import table
from dmcnn.writers import calorimeter, larcv3

SECONDS = 20
"""[s] Time of one mutant, after which it counts as endless."""


@dataclass(frozen=True)
class Format:
    """File format under test.

    Attributes:
        name: name of its file.
        make: function that writes a valid file.
        content: function that reads a file, all of it.
        has_checksum: whether other content than that of the valid file must not be accepted.
        aborts: whether a library may end the process, which Python cannot prevent: pyarrow does for a footer with
            other size statistics than its schema has (1 mutant in about 1,000).
    """

    name: str
    make: Callable[[Path], Any]
    content: Callable[[Path], Any]
    has_checksum: bool = False
    aborts: bool = False


SMALL = {"num_class": 2, "channels": 1, "height": 24, "width": 24}


def network() -> tuple[Card, torch.nn.Module]:
    """Return a small network and its card."""
    torch.manual_seed(1)
    card = Card("lariat", SMALL, ["muon", "pion"], "muon", "softmax", {"xdim": 24, "ydim": 24})
    return card, card.build().eval()


def write_checkpoint(path: Path) -> None:
    """Write a checkpoint as a training does."""
    card, net = network()
    save(path, {"dmcnn": card.as_dict(), "state_dict": net.state_dict(), "progress": {"step": 3}})


def write_old_checkpoint(path: Path) -> None:
    """Write a checkpoint as dmcnn 0.1 did, without a checksum of its own."""
    card, net = network()
    torch.save({"dmcnn": card.as_dict(), "state_dict": net.state_dict()}, path)


def write_weights(path: Path) -> None:
    """Write a wrapped state dict, with a number of NumPy."""
    _, net = network()
    torch.save({"state_dict": net.state_dict(), "best": np.float64(0.9)}, path)


def write_safetensors(path: Path) -> None:
    """Write weights and card."""
    from dmcnn.checkpoints.safetensors_file import write

    card, net = network()
    write(path, card, net.state_dict())


def write_keras(path: Path) -> None:
    """Write weights as Keras 2 does."""
    from checkpoints.saved_by_keras import layers_of
    from checkpoints.saved_by_keras import save as save_keras

    save_keras(path, layers_of(network()[1], (1, 1, 64)), (24, 24, 1))


def write_keras3(path: Path) -> None:
    """Write a whole model as Keras 3 does."""
    from checkpoints.saved_by_keras import layers_of, save3

    save3(path, layers_of(network()[1], (1, 1, 64)), (24, 24, 1))


def write_larcv3(product: str) -> Callable[[Path], Any]:
    """Return a function that writes a LArCV3 file."""
    return lambda path: larcv3.write(
        path, SAMPLES["dark-trident"](events=3, seed=1, xdim=64, ydim=64), producer="wire", product=product
    )


def write_frames(path: Path) -> None:
    """Write pixel frames as a table of parquet or csv."""
    from dmcnn.writers import smartpixel

    columns = ("x-midplane", "y-midplane", "cotAlpha", "cotBeta")
    batches = list(SAMPLES["smartpixel"](events=6, seed=1))
    parquet = path.with_suffix(".parquet")
    smartpixel.write(parquet, batches, columns=smartpixel_columns(batches) or columns)
    if path.suffix == ".csv":
        import pandas

        pandas.read_parquet(parquet).to_csv(path, index=False)
        parquet.unlink()


def smartpixel_columns(batches: Any) -> Any:
    """Return the names of the labels of the simulated frames."""
    from dmcnn.simulation.smartpixel import LABELS

    return LABELS if batches[0].label.shape[1] == len(LABELS) else None


def write_cache(path: Path) -> None:
    """Write the cache of a dataset."""
    disk_cache.write(path, SAMPLES["calorimeter"](events=8, seed=1), "key")


def write_archive(path: Path) -> None:
    """Write maps as occlude and attribute do."""
    npz.write(path, {"k": 1}, maps=np.arange(300.0).reshape(3, 10, 10), rows=np.array("[1, 2]"))


def write_cfg(path: Path) -> None:
    """Write a cfg."""
    lines = [
        "# dmcnn 0.1.0",
        "name = 'x'",
        "EPOCHS = 3",
        "label = {'a*': 1}",
        "adc_lo = float(10)",
        "classes = ['a', 'b']",
    ]
    path.write_text("\n".join(lines) + "\n")


def write_scores(path: Path) -> None:
    """Write a table of scores."""
    rows = [("1", "2", str(i), f"0.{i}", str(i), "7") for i in range(9)]
    table.write(path, table.Table.from_rows(table.SCORE_COLUMNS, rows))


def images(path: Path) -> Any:
    """Read all images of a file."""
    data = Dataset(str(path))
    return data.read(0, len(data)), data.events


def network_of(path: Path) -> Any:
    """Load a network."""
    net, card = load(path)
    return card.as_dict(), dict(net.state_dict())


def scores_of(path: Path) -> Any:
    """Read a table of scores, and its numbers."""
    return table.read(path).rows, table.scores(path)[0]


FORMATS = [
    Format(
        "x.ckpt", write_checkpoint, lambda path: (network_of(path), read(path)["progress"]), has_checksum=True
    ),
    Format("old.ckpt", write_old_checkpoint, network_of, has_checksum=True),
    Format("x.pth", write_weights, read, has_checksum=True),
    Format("x.safetensors", write_safetensors, network_of, has_checksum=True),
    Format("x.h5", write_keras, network_of),
    Format("x.keras", write_keras3, network_of, has_checksum=True),
    Format("maps.npz", write_archive, lambda path: npz.read(path, {"k": 1}), has_checksum=True),
    Format("x.sparse", write_cache, lambda path: disk_cache.read(path, "key")[0], has_checksum=True),
    Format("sparse2d.h5", write_larcv3("sparse2d"), images),
    Format("image2d.h5", write_larcv3("image2d"), images),
    Format(
        "cells.hdf5", lambda path: calorimeter.write(path, SAMPLES["calorimeter"](events=4, seed=1)), images
    ),
    Format("frames.parquet", write_frames, images, aborts=True),
    Format("frames.csv", write_frames, images),
    Format("muon_1.npy", lambda path: np.save(path, np.eye(32, dtype=np.float32)), images),
    Format("x.cfg", write_cfg, read_cfg),
    Format("scores.csv", write_scores, scores_of),
]
"""Formats that dmcnn reads, and its own files."""


def mutate(data: bytes, random: np.random.Generator) -> bytes:
    """Return the bytes with one to three faults, as disks, transfers, editors and people make them."""
    changed = bytearray(data)
    for _ in range(random.integers(1, 4)):
        at = int(random.integers(0, max(len(changed), 1)))
        if random.random() < 0.4:  # headers and directories, at both ends
            at = at % 512 if random.random() < 0.5 else max(0, len(changed) - 1 - at % 512)
        size = int(2 ** random.uniform(0, 9))
        kind = random.integers(0, 8)
        if kind == 0 and changed:
            changed[min(at, len(changed) - 1)] ^= 1 << int(random.integers(0, 8))
        elif kind == 1:
            del changed[at:]
        elif kind == 2:
            del changed[at : at + size]
        elif kind == 3:
            changed[at:at] = random.bytes(size)
        elif kind == 4:
            changed[at : at + size] = bytes(min(size, len(changed) - at))
        elif kind == 5:
            changed[at : at + size] = b"\xff" * min(size, len(changed) - at)
        elif kind == 6:
            changed[at:at] = changed[at : at + size]
        elif changed:
            other = int(random.integers(0, len(changed)))
            changed[at : at + size] = changed[other : other + size]
    return bytes(changed)


def digest(value: Any) -> str:
    """Return a hash of a value that was read."""
    words = hashlib.sha256()

    def add(part: Any) -> None:
        """Add one part."""
        if isinstance(part, torch.Tensor):
            part = part.numpy()
        if isinstance(part, np.ndarray):
            words.update(
                f"{part.dtype.str if not part.dtype.names else part.dtype.descr} {part.shape}".encode()
            )
            words.update(np.ascontiguousarray(part).tobytes())
        elif isinstance(part, dict):
            for key, entry in part.items():
                words.update(repr(key).encode())
                add(entry)
        elif is_dataclass(part):
            for entry in fields(part):
                add(getattr(part, entry.name))
        elif isinstance(part, list | tuple):
            words.update(str(len(part)).encode())
            for entry in part:
                add(entry)
        else:
            words.update(repr(part).encode())

    add(value)
    return words.hexdigest()


def outcome(form: Format, path: Path, expected: str) -> tuple[str, str]:
    """Read a mutant; return "same", "other" content, "refused", made "again", or "fault" with its traceback."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = form.content(path)
    except (InputError, disk_cache.UnusableError) as error:
        return "refused", str(error)
    except Exception as error:
        if (line := surroundings(error)) is not None:
            return "refused", line
        return "fault", traceback.format_exc()
    if content is None:
        return "again", ""
    return ("same" if digest(content) == expected else "other"), ""


def run(form: Format, count: int, seed: int, folder: Path) -> tuple[Counter[str], list[str]]:
    """Read ``count`` mutants of a format in a process of its own; return the outcomes, and the tracebacks."""
    folder = folder / form.name.replace(".", "_")
    folder.mkdir()
    valid = folder / form.name
    form.make(valid)
    data, expected = valid.read_bytes(), digest(form.content(valid))
    counts: Counter[str] = Counter()
    faults: list[str] = []
    done = 0
    while done < count:
        done = _child(form, valid, data, expected, range(done, count), seed, counts, faults)
    return counts, faults


def _child(
    form: Format,
    path: Path,
    data: bytes,
    expected: str,
    numbers: range,
    seed: int,
    counts: Counter[str],
    faults: list[str],
) -> int:
    """Read mutants in a child until it ends or dies; return the number of the next mutant."""
    receiver, sender = os.pipe()
    child = os.fork()
    if not child:
        os.close(receiver)
        logging.disable()
        faulthandler.disable()
        for number in numbers:
            signal.alarm(SECONDS)
            path.write_bytes(mutate(data, np.random.default_rng([seed, number])))
            os.write(sender, pickle.dumps(number))
            kind, text = outcome(form, path, expected)
            os.write(sender, pickle.dumps((kind, text[-3000:])))
        os._exit(0)
    os.close(sender)
    at = numbers[0]
    with os.fdopen(receiver, "rb") as results, suppress(EOFError):
        while True:
            at = pickle.load(results)
            kind, text = pickle.load(results)
            counts[kind] += 1
            if kind == "fault":
                faults.append(f"{form.name}, mutant {at}: {text}")
    _, status = os.waitpid(child, 0)
    if status and form.aborts and os.WTERMSIG(status) == signal.SIGABRT:
        counts["aborted"] += 1
        return at + 1
    if status:
        counts["fault"] += 1
        faults.append(f"{form.name}, mutant {at}: the process ended with signal {os.WTERMSIG(status)}")
        return at + 1
    return numbers[-1] + 1


def main() -> int:
    """Run the long form; return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=20_000, help="of all formats together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--format", help="only this one, such as x.ckpt")
    words = parser.parse_args()
    chosen = [form for form in FORMATS if words.format in (None, form.name)]
    wrong, report = 0, {}
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for form in chosen:
            counts, faults = run(form, -(-words.mutants // len(chosen)), words.seed, Path(folder))
            silent = counts["other"] if form.has_checksum else 0
            wrong += counts["fault"] + silent
            report[form.name] = dict(counts)
            sys.stdout.write(f"{form.name:16} {dict(counts)} silent {silent}\n" + "".join(faults[:3]))
            sys.stdout.flush()
    total = sum(sum(counts.values()) for counts in report.values())
    sys.stdout.write(
        f"{total} mutants in {time.monotonic() - start:.0f} s, {wrong} wrong\n{json.dumps(report)}\n"
    )
    return int(wrong > 0)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    sys.exit(main())
