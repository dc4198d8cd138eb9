"""Timings of whole commands, from the start of the process to its end, with their memory, against plain scripts.

Both run in processes of their own on one thread; times are their CPU times, start-up included, and memory their
largest resident size. The scripts are those of plain.py and plain_evaluation.py. Of trainings the log tells the share
of the wall-clock time in which the network waited for data, which one thread makes beside it.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from timing import Timing

import dmcnn
from dmcnn.models.mpid import MPID
from dmcnn.simulation.addresses import sample_path

PLAIN = Path(__file__).with_name("plain.py")
PLAIN_EVALUATION = Path(__file__).with_name("plain_evaluation.py")
TRAIN, TEST = "sample://dark-trident/train?events=48", "sample://dark-trident/test?events=48"


LAUNCH = """
import json, os, subprocess, sys
process = subprocess.Popen([sys.executable, *sys.argv[1:]], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
errors = process.stderr.read().decode()
_, status, usage = os.wait4(process.pid, 0)
print(json.dumps([status, errors, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]))
"""
"""Program that runs another one; it is small itself, since a process begins with the resident size of its parent."""


def environment() -> dict[str, str]:
    """Return the environment of a process on one thread."""
    one_thread = {"OMP_NUM_THREADS": "1", "DMCNN_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    paths = os.pathsep.join([str(Path(dmcnn.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, **one_thread, "PYTHONPATH": paths}


def measure(words: list[str], folder: Path) -> tuple[float, float]:
    """Run Python with ``words`` in ``folder``; return the CPU time [s] and the largest resident size [MB]."""
    launch = [sys.executable, "-S", "-c", LAUNCH, *words]
    done = subprocess.run(launch, cwd=folder, env=environment(), capture_output=True, text=True, check=True)
    status, errors, seconds, megabytes = json.loads(done.stdout)
    if status:
        raise RuntimeError(f"{' '.join(words)}: {errors}")
    return seconds, megabytes


def pair(name: str, baseline: str, ours: list[str], other: list[str], folder: Path, rounds: int) -> Timing:
    """Run both in turn, ``rounds`` times."""
    measured = [(measure(ours, folder), measure(other, folder)) for _ in range(rounds)]
    ours_s, other_s = ([pair[i][0] for pair in measured] for i in (0, 1))
    ratio = statistics.median(b / a for a, b in zip(ours_s, other_s, strict=True))
    memory = tuple(statistics.median(pair[i][1] for pair in measured) for i in (0, 1))
    timing = Timing(name, baseline, statistics.median(ours_s), statistics.median(other_s), ratio)
    return replace(timing, memory=memory)


SMALL = """
from torch import nn
class Small(nn.Sequential):
    def __init__(self, num_class, channels, height, width):
        super().__init__(
            nn.Conv2d(channels, 8, 5, 4), nn.ReLU(), nn.Conv2d(8, 16, 3, 2), nn.ReLU(), nn.AdaptiveMaxPool2d(4),
            nn.Flatten(), nn.Linear(256, num_class),
        )
"""
"""Module of a network whose step takes a few times as long as the data of its images."""


def waits(images: str, reading: list[str], folder: Path) -> list[Timing]:
    """Train a small network and MPID; return the wait of each for the data of an image, and its whole time."""
    (folder / "small.py").write_text(SMALL)
    timings = []
    for model, epochs in (("small:Small", 20), ("mpid", 2)):
        name = model.partition(":")[0]
        words = [f"model={model}", f"input_train={images}", "test_fraction=0.2", "label=run == 100",
                 f"EPOCHS={epochs}", "batch_size_train=4", "learning_rate=0.0001", "augment=True", "precision=32",
                 "test_every_step=1000", f"name={name}", *reading]  # fmt: skip
        done = subprocess.run([sys.executable, "-m", "dmcnn", "train", *words], cwd=folder, env=environment(),
                              capture_output=True, text=True, check=True)  # fmt: skip
        *_, (rate, share) = re.findall(r"(\S+) images/s, waited for data (\S+) %", done.stdout)
        waited, whole = float(share) / 100 / float(rate), 1 / float(rate)
        timings.append(Timing(
            f"train {name}: wait for an image ({share} % of the time)",
            f"wall-clock time of an image ({rate} images/s)", waited, whole, whole / max(waited, 1e-9),
        ))  # fmt: skip
    return timings


def tables(folder: Path, rows: int = 1_000_000) -> tuple[Path, Path]:
    """Write a table of scores and an analysis table of the same events in another order."""
    import pandas as pd

    random = np.random.default_rng(1)
    label = random.random(rows) < 0.5
    score = 1 / (1 + np.exp(-random.normal(2.0 * label - 1, 1.5)))
    ids = {"run_number": 7, "subrun_number": np.arange(rows) // 100, "event_number": np.arange(rows)}
    table = pd.DataFrame(ids).assign(
        signal_score=score, n_pixels=random.integers(50, 4000, rows), entry_number=np.arange(rows)
    )
    table["label"] = np.where(label, "signal", "background")
    scores, analysis = folder / "many_scores.csv", folder / "analysis.csv"
    table.to_csv(scores, index=False)
    order = random.permutation(rows)
    pd.DataFrame(ids).iloc[order].assign(energy=random.random(rows)).to_csv(analysis, index=False)
    return scores, analysis


def evaluations(scores: Path, folder: Path) -> list[Timing]:
    """Time the evaluation of a labelled table, of one of signal and one of background, and of two networks."""
    import pandas as pd

    table, random = pd.read_csv(scores), np.random.default_rng(2)
    logit = np.log(table["signal_score"] / (1 - table["signal_score"]))
    other = 1 / (1 + np.exp(random.normal(0, 0.8, len(table)) - 0.8 * logit))
    paths: dict[str, dict[str, str]] = {"signal": {}, "background": {}}
    for name, network in {"a": table, "b": table.assign(signal_score=other)}.items():
        for kind, files in paths.items():
            files[name] = str(folder / f"{kind}_{name}.csv")
            network[network["label"] == kind].drop(columns="label").to_csv(files[name], index=False)
    (signal, second_signal), (background, second_background) = (
        tuple(files.values()) for files in paths.values()
    )
    cases = {
        "1,000,000 scores with labels": (["signal_label=signal", f"scores={scores}"], [str(scores)]),
        "500,000 + 500,000 scores": ([f"signal={signal}", f"background={background}"], [signal, background]),
        "2 networks, 1,000,000 events": (
            [f"{kind}={files}" for kind, files in paths.items()],
            [signal, background, second_signal, second_background],
        ),
    }
    return [
        pair(f"dmcnn evaluate, {case}", "pandas, scikit-learn, matplotlib",
             ["-m", "dmcnn", "evaluate", *ours, f"output_dir=evaluation_{number}"],
             [str(PLAIN_EVALUATION), *other], folder, 2)
        for number, (case, (ours, other)) in enumerate(cases.items())
    ]  # fmt: skip


JOIN = """
import sys
from dmcnn.tables import join, table
results, _ = join.join_by_ids(table.read(sys.argv[1]), table.read(sys.argv[2], table.IDS))
table.write("join.csv", results)
"""


WRITE = """
import sys
import numpy as np
random, rows = np.random.default_rng(1), 200_000
columns = {f"x{i}": random.normal(size=rows) for i in range(12)}
columns |= {f"p{i}": random.random(rows, np.float32) for i in range(4)} | {"entry_number": np.arange(rows)}
if sys.argv[1] == "dmcnn":
    from dmcnn.tables import table
    table.write("write.csv", table.Table.from_columns(columns))
else:
    import pandas as pd
    pd.DataFrame(columns).to_csv("plain_write.csv", index=False)
"""


AREA = """
import sys
if sys.argv[1] == "dmcnn":
    from dmcnn.metrics import classification
    from dmcnn.tables import table
    rows = table.read(sys.argv[2], ["label", "signal_score"])
    (names, number), (scores, _) = rows.levels("label"), table.scores_of(rows, "signal_score")
    classification.auc_interval(labels=number == names.index("signal"), scores=scores)
else:
    import pandas as pd
    from sklearn.metrics import roc_auc_score
    rows = pd.read_csv(sys.argv[2])
    roc_auc_score(rows["label"] == "signal", rows["signal_score"])
"""


def rows() -> list[Timing]:
    """Time start-up, infer, train, occlude, evaluate, the join and the writing of tables, and waits for data."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train, test = (str(sample_path(address).resolve()) for address in (TRAIN, TEST))
        torch.manual_seed(1)
        torch.save(MPID().state_dict(), folder / "net.pwf")
        scores, analysis = tables(folder)
        plain = [str(PLAIN)]
        command = ["-m", "dmcnn"]
        reading = ["plane=2", "adc_lo=10", "adc_hi=500"]
        return [
            pair("start: import dmcnn", "import numpy", ["-c", "import dmcnn"], ["-c", "import numpy"], folder, 7),
            pair("start: dmcnn infer --help", "import torch", [*command, "infer", "--help"],
                 ["-c", "import torch"], folder, 5),
            pair("dmcnn infer, 48 events", "DM-CNN's loop, batches of 1",
                 [*command, "infer", f"input_file={test}", "weight_file=net.pwf", *reading],
                 [*plain, "infer", test, "net.pwf"], folder, 3),
            pair("dmcnn train, 48 events, and evaluate 48", "plain torch, dataset of items",
                 [*command, "train", f"input_train={train}", f"input_test={test}", "label=run == 100",
                  "EPOCHS=1", "batch_size_train=4", "learning_rate=0.0001", "drop_out=0.2", "augment=False",
                  "precision=32", "test_every_step=1000", "name=bench", *reading],
                 [*plain, "train", train, test], folder, 1),
            pair("dmcnn occlude, stride 32", "plain torch, copies in batches of 8",
                 [*command, "occlude", f"input_file={test}", "weight_file=net.pwf", "-n", "0", "stride=32", *reading],
                 [*plain, "occlude", test, "net.pwf"], folder, 1),
            *evaluations(scores, folder),
            pair("read 1,000,000 scores, AUC with interval", "pandas, scikit-learn, no interval",
                 ["-c", AREA, "dmcnn", str(scores)], ["-c", AREA, "pandas", str(scores)], folder, 3),
            pair("join of 1,000,000 x 1,000,000 rows", "pandas merge", ["-c", JOIN, str(scores), str(analysis)],
                 [*plain, "join", str(scores), str(analysis)], folder, 2),
            pair("write 200,000 rows of 17 columns", "pandas to_csv", ["-c", WRITE, "dmcnn"],
                 ["-c", WRITE, "pandas"], folder, 3),
            *waits(train, reading, folder),
        ]  # fmt: skip
