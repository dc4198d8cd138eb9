"""All benchmarks in one table: ``python benchmarks/run.py [--data FOLDER] [--json FILE]``.

Each row times a call of dmcnn and what a competent user would write instead, in turn, from the same start to the same
end, in process CPU time on one thread unless it says two threads, and gives the median ratio. The rows of attribution
need captum and take minutes; those of QKeras need ``--qkeras PYTHON``, see against_qkeras.py.
FOLDER holds electron.root, a LArCV2 file; without it the rows that read ROOT files are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import against_qkeras
import batches
import calorimeter
import engine
import explain
import feeding
import fixedpoint
import frames
import pixels
import reading
import smartpixel
import steps
import torch
from timing import Timing, table

import commands
import dmcnn
import occlusion
from dmcnn.inference.devices import use_whole_cpu


def rows(electron: Path | None, qkeras_python: str | None) -> list[Timing]:
    """Run all benchmarks; those on ROOT files and against QKeras only if these are given."""
    timings: list[Timing] = []
    if electron is not None:
        with tempfile.TemporaryDirectory() as folder:
            timings += reading.noisy_events(electron, Path(folder))
        timings += reading.sparse_events(electron)
    timings += batches.densify() + batches.loader() + feeding.rows()
    timings += pixels.crop() + pixels.voxelise() + batches.occlude()
    with tempfile.TemporaryDirectory() as folder:
        timings += calorimeter.chain(Path(folder))
        timings += frames.preprocessing(Path(folder))
    timings += steps.overhead() + smartpixel.rows() + fixedpoint.rows() + engine.rows(electron)
    if qkeras_python is not None:
        timings += against_qkeras.rows(qkeras_python)
    timings += occlusion.rows(electron)
    return timings + explain.rows() + commands.rows()


def main() -> None:
    """Run all benchmarks, print the table, write the numbers as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of electron.root")
    parser.add_argument("--qkeras", metavar="PYTHON", help="Python of an environment with QKeras")
    parser.add_argument("--json", type=Path, default=Path("benchmark.json"))
    options = parser.parse_args()
    os.environ["DMCNN_NUM_THREADS"] = "1"
    use_whole_cpu()  # keeps freed memory, as the commands do
    torch.set_num_threads(1)
    timings = rows(options.data / "electron.root" if options.data else None, options.qkeras)
    sys.stdout.write(table(timings) + "\n")
    versions = {
        "dmcnn": dmcnn.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    content = {**versions, "rows": [asdict(row) for row in timings]}
    options.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
