"""All benchmarks in one table: ``python benchmarks/run.py [SECTION …] [--data FOLDER] [--json FILE]``.

Each row times a call of dmcnn and what a competent user would write instead, in turn, from the same start to the same
end, in process CPU time on one thread unless it says two threads, and gives the median ratio. The rows of attribution
need captum; those of QKeras need ``--qkeras PYTHON``, see against_qkeras.py. FOLDER holds electron.root, a LArCV2
file; without it the rows that read ROOT files are left out. Every section is printed and saved when it ends.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
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

Rows = Callable[[], Iterable[Timing]]


def sections(electron: Path | None, qkeras_python: str | None) -> Mapping[str, Rows]:
    """Return the function that runs each section, in order; those on ROOT files or QKeras only if these are given."""
    return {
        **({"reading": lambda: root_files(electron)} if electron else {}),
        "batches": lambda: [*batches.densify(), *batches.loader(), *feeding.rows(), *batches.occlude()],
        "pixels": lambda: [*pixels.crop(), *pixels.voxelise()],
        "calorimeter": lambda: in_folder(calorimeter.chain),
        "frames": lambda: in_folder(frames.preprocessing),
        "smartpixel": lambda: [*smartpixel.rows(), *fixedpoint.rows()],
        **({"qkeras": lambda: against_qkeras.rows(qkeras_python)} if qkeras_python else {}),
        "training": steps.overhead,
        "engine": lambda: engine.rows(electron),
        "occlusion": lambda: occlusion.rows(electron),
        "attribution": explain.rows,
        "commands": commands.rows,
    }


def root_files(electron: Path) -> list[Timing]:
    """Return the rows on a LArCV2 file."""
    return [
        *in_folder(lambda folder: reading.noisy_events(electron, folder)),
        *reading.sparse_events(electron),
    ]


def in_folder(rows: Callable[[Path], Iterable[Timing]]) -> list[Timing]:
    """Return rows that need a folder for their files."""
    with tempfile.TemporaryDirectory() as folder:
        return list(rows(Path(folder)))


def main() -> None:
    """Run the sections; print each as a table, and write all numbers as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("section", nargs="*", help="sections to run; all without")
    parser.add_argument("--data", type=Path, help="folder of electron.root")
    parser.add_argument("--qkeras", metavar="PYTHON", help="Python of an environment with QKeras")
    parser.add_argument("--json", type=Path, default=Path("benchmark.json"))
    options = parser.parse_args()
    known = sections(options.data / "electron.root" if options.data else None, options.qkeras)
    if unknown := [name for name in options.section if name not in known]:
        parser.error(f"no section {', '.join(unknown)}: choose from {', '.join(known)}")
    os.environ["DMCNN_NUM_THREADS"] = "1"
    use_whole_cpu()  # keeps freed memory, as the commands do
    torch.set_num_threads(1)
    versions = {
        "dmcnn": dmcnn.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    done: dict[str, list[Timing]] = {}
    for name in options.section or known:
        done[name] = list(known[name]())
        sys.stdout.write(f"{name}\n{table(done[name])}\n\n")
        sys.stdout.flush()
        content = {**versions, "rows": [{"section": at, **asdict(row)} for at in done for row in done[at]]}
        options.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
