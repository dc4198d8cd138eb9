"""Files that the commands of the installed dmcnn leave, finished and interrupted: ``python make.py FOLDER``.

``FOLDER/finished`` is what a run that nobody disturbed leaves, ``FOLDER/interrupted`` what stood in its place while
the same run was under way: copied while the process was stopped (SIGSTOP), so what a crash would have left.
"""

from __future__ import annotations

import csv
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

PIXELS = 13 * 21
CHANGED = 1_700_000_000
"""[s] Time of the last change of all inputs: images in a cache belong to files of that time."""

CELLS = """\
input_train = "cells.hdf5"
validation_fraction = 0.2
test_fraction = 0.2
label = "y"
classes = ["photon", "electron"]
signal = "electron"
model = "cnn3d"
time_edges = [-0.1, 0.1, 0.0399]
crop = 8
filters_1 = 3
filters_2 = 3
dense_1 = 6
dense_2 = 4
activation = "elu"
drop_out = 0.1
loss = "cross_entropy"
learning_rate = 0.002
EPOCHS = 2
batch_size_train = 20
test_every_step = 2
save_every_step = 5
GPUID = "cpu"
precision = "32"
"""

PIXEL_TRAINING = """\
input_train = "frames.parquet"
validation_fraction = 0.2
test_fraction = 0.2
slices = [0, 1]
charge = "standardised"
charge_bits = 4
model = "smartpixel"
targets = ["x-midplane", "y-midplane", "cotAlpha", "cotBeta"]
loss = "gaussian_nll"
constraints = ["zeros >= 0.3", "pull_width(x-midplane) <= 3"]
constraint_rate = 90.0
constraint_damping = 30.0
constraint_warmup = 0.5
weight_limit = 1.0
gradient_limit = 1.0
optimizer = "nadam"
schedule = "cosine"
learning_rate = 0.003
EPOCHS = 3
batch_size_train = 20
test_every_step = 3
save_every_step = 5
augment = False
GPUID = "cpu"
"""

WIRES = """\
input_train = "wires.h5"
test_fraction = 0.25
adc_lo = 10.0
adc_hi = 500.0
xdim = 32
ydim = 32
plane = 2
model = "lariat"
scaling = "minmax"
learning_rate = 0.003
EPOCHS = 3
batch_size_train = 6
cache = "cache"
GPUID = "cpu"
precision = "32"
"""

TUNING = """\
base = "cells_base.cfg"
name = "cells"
space = {"filters_1": [2, 3], "dense_1": [4, 6]}
sampler = "grid"
trials = 3
output_dir = "out"
"""


def run(command: str, *words: str) -> None:
    """Run a command to its end."""
    subprocess.run([sys.executable, "-m", f"dmcnn.{command}", *words], check=True)


def run_with_copy(command: str, words: Sequence[str], watched: str, copied: Sequence[str]) -> None:
    """The same; as soon as there is a file ``watched`` with content, copy what ``copied`` names to ../interrupted.

    A journal has content when a row follows its first line.
    """
    process = subprocess.Popen([sys.executable, "-m", f"dmcnn.{command}", *words])
    path = Path(watched)
    while process.poll() is None and not (path.exists() and path.read_bytes().partition(b"\n")[2]):
        time.sleep(0.0005)
    process.send_signal(signal.SIGSTOP)
    for pattern in copied:
        for source in filter(Path.is_file, Path().glob(pattern)):
            target = Path("../interrupted") / source
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    process.send_signal(signal.SIGCONT)
    if process.wait() or not any(Path("../interrupted").glob(watched)):
        sys.exit(f"{command} ended with {process.returncode}, or before there was {watched}")


def two_slices(every: Path, path: Path) -> None:
    """The first and the last time slice of a table of pixel frames, and its labels."""
    table = pq.read_table(every)
    last = table.num_columns // PIXELS - 1
    kept = [*range(PIXELS), *range(last * PIXELS, table.num_columns)]
    charges = [str(number) for number in range(2 * PIXELS)]
    names = charges + [table.column_names[i] for i in kept[2 * PIXELS :]]
    pq.write_table(table.select(kept).rename_columns(names), path, write_statistics=False)


def score_csvs(scores: Path) -> None:
    """Signal and background in CSVs of their own, with the columns of DM-CNN's."""
    with scores.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for name, label in (("signal", "electron"), ("background", "photon")):
        with Path(f"{name}.csv").open("w", newline="") as file:
            table = csv.DictWriter(file, list(rows[0])[:6], extrasaction="ignore", lineterminator="\n")
            table.writeheader()
            table.writerows(row for row in rows if row["label"] == label)


def forget_machine(database: Path) -> None:
    """Trials note the name of the machine that runs them."""
    with sqlite3.connect(database) as connection:
        owner = '{"lock": "elsewhere 1", "alive": 1700000000.0}'
        connection.execute("UPDATE trial_user_attributes SET value_json = ? WHERE key = 'owner'", [owner])
    connection.execute("VACUUM")
    connection.close()


def main() -> None:
    """All of it."""
    root = Path(sys.argv[1])
    (root / "finished").mkdir(parents=True)
    (root / "interrupted").mkdir()
    os.chdir(root / "finished")
    places = ["weights_directory=out", "output_directory=out"]

    run("simulate", "output=cells.hdf5", "kind=calorimeter", "events=200", "xdim=12", "ydim=12")
    run("simulate", "output=wires.h5", "events=24", "xdim=48", "ydim=40", "noise=2.0")
    run("simulate", "output=frames20.parquet", "kind=smartpixel", "events=100")
    two_slices(Path("frames20.parquet"), Path("frames.parquet"))
    Path("frames20.parquet").unlink()
    for name in ("cells.hdf5", "wires.h5", "frames.parquet"):
        os.utime(name, (CHANGED, CHANGED))
    for name, text in (
        ("cells_base", CELLS),
        ("pixels_base", PIXEL_TRAINING),
        ("wires_base", WIRES),
        ("tuning", TUNING),
    ):
        Path(f"{name}.cfg").write_text(text)

    for name, base in (("cells", "cells_base.cfg"), ("pixels", "pixels_base.cfg")):
        words = [base, f"name={name}", "seed=False", *places]
        last = f"out/DM-CNN_model_{name}_last.ckpt"
        run_with_copy("train", words, last, [f"out/*_{name}*"])
    run("train", "wires_base.cfg", "name=wires", *places)

    for name, file in (("cells", "cells.hdf5"), ("pixels", "frames.parquet"), ("wires", "wires.h5")):
        weights = f"weight_file=out/DM-CNN_model_{name}_best.ckpt"
        words = [f"input_file={file}", weights, f"name={name}", "output_dir=out", "GPUID=cpu"]
        if name == "wires":
            run("infer", *words)
            journal = f"out/.occlusion_test_wires_ENTRY_3_{name}.journal"
            run_with_copy(
                "occlude", [*words, "-n", "3", "occlusion_size=2", "border=skip"], journal, [journal]
            )
            methods = ["methods=all", "steps=4", "n_random=2", "n_noise=1", "n_samples=4", "n_steps=64"]
            run("attribute", *words, "-n", "3,4", *methods, "target=signal", "format=png")
            run("display", *words, "-n", "3,4", "format=png")
        else:
            journal = f"out/.{Path(file).stem}_DM-CNN_scores_{name}.journal"
            run_with_copy("infer", [*words, "batch_size=16"], journal, [journal])
    words = [
        "input_file=cells.hdf5",
        "weight_file=out/DM-CNN_model_cells_best.ckpt",
        "name=cells",
        "GPUID=cpu",
    ]
    more = ["-n", "0,7", "occlusion_size=1", "occlusion_depth=1", "fill=noise", "stride=2"]
    run("occlude", *words, *more, "output_dir=out")
    run(
        "export",
        "weight_file=out/DM-CNN_model_pixels_best.ckpt",
        "output_dir=out",
        'format=["json", "table"]',
    )

    scores = "out/cells_DM-CNN_scores_cells.csv"
    score_csvs(Path(scores))
    run("evaluate", "signal=signal.csv", "background=background.csv", "name=two", "output_dir=out")
    run("evaluate", f"scores={scores}", "signal_label=electron", "name=cells", "output_dir=out")
    estimates = '{"pixels": ["out/frames_DM-CNN_scores_pixels.csv"]}'
    weights = '{"pixels": "out/DM-CNN_model_pixels_best.ckpt"}'
    run(
        "evaluate",
        f"scores={estimates}",
        f"weights={weights}",
        "name=pixels",
        "output_dir=out",
        "profile_bins=3",
    )

    last = "out/tune_cells/trial_2/DM-CNN_model_last.ckpt"
    run_with_copy("tune", ["tuning.cfg"], last, ["out/tune_cells/*", "out/tune_cells/trial_*/*"])
    for database in Path("..").glob("*/out/tune_cells/trials.db"):
        forget_machine(database)

    for pattern in ("*.png", "*.pdf", "*_quality*.parquet", "*_wires_last.ckpt", ".lock", "best.cfg"):
        for path in Path("..").rglob(pattern):
            path.unlink()


if __name__ == "__main__":
    main()
