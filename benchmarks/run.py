"""Every benchmark in one table: ``python benchmarks/run.py [--data FOLDER] [--json FILE]``.

Each row times our call and a baseline in turn, on one thread by process CPU time unless the row says two threads, and
gives the median ratio. The rows of attribution need captum and take minutes.
FOLDER holds electron.root, a LArCV2 file; without it the rows that read ROOT are left out.
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

import batches
import calorimeter
import explain
import fixedpoint
import frames
import pixels
import reading
import smartpixel
import steps
import torch
from timing import Timing, table

import dmcnn


def rows(electron: Path | None) -> list[Timing]:
    """All rows; those on ROOT files only if there is one."""
    found: list[Timing] = []
    if electron is not None:
        with tempfile.TemporaryDirectory() as folder:
            found += reading.noisy_events(electron, Path(folder))
        found += reading.sparse_events(electron)
    found += batches.densify()
    if electron is not None:
        found += batches.loader(electron)
    found += pixels.crop() + pixels.voxelise() + batches.occlude()
    with tempfile.TemporaryDirectory() as folder:
        found += calorimeter.chain(Path(folder))
        found += frames.preprocessing(Path(folder))
    found += steps.overhead() + smartpixel.rows() + fixedpoint.rows()
    return found + explain.rows()


def main() -> None:
    """Run, print, save."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--data", type=Path, help="folder of electron.root")
    words.add_argument("--json", type=Path, default=Path("benchmark.json"))
    asked = words.parse_args()
    os.environ["DMCNN_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    found = rows(asked.data / "electron.root" if asked.data else None)
    sys.stdout.write(table(found) + "\n")
    about = {"dmcnn": dmcnn.__version__, "python": platform.python_version(), "machine": platform.machine()}
    asked.json.write_text(json.dumps({**about, "rows": [asdict(row) for row in found]}, indent=1) + "\n")


if __name__ == "__main__":
    main()
