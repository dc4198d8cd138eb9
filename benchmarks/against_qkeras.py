"""Timings of the quantised pixel network against QKeras itself, which runs in a Python environment of its own.

    python benchmarks/against_qkeras.py PYTHON

PYTHON is that of an environment with ``pip install "tensorflow-cpu==2.15.*" qkeras==0.9.0 pyparsing``. Its process
answers round by round, in turn with dmcnn, on frames of the same occupancy.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from fixedpoint import BITS, POOL, parameters
from smartpixel import BATCH, frames, predict, step
from timing import Timing, table

from dmcnn.models.smartpixel import SmartPixel
from dmcnn.quantisation.fixedpoint import FixedPoint

PROCESS = Path(__file__).with_name("qkeras_process.py")
ROUNDS = 7


def rows(python: str) -> list[Timing]:
    """Time forward and backward pass, prediction in floats, and prediction in fixed point, with 2 and 20 slices."""
    return _rows(python, 2) + _rows(python, 20)


def _rows(python: str, slices: int) -> list[Timing]:
    """Time frames of one number of slices."""
    torch.manual_seed(slices)
    net, images = SmartPixel(channels=slices), frames(slices)
    weight = torch.randn(BATCH, net.output.out_features)
    fixed = FixedPoint(parameters(slices), shape=tuple(images.shape[1:]), pool=POOL, bits=BITS)
    dense = images.numpy()
    calls = (
        ("forward and backward", "step", lambda: step(net, images, weight)),
        ("prediction", "predict", lambda: predict(net, images)),
        ("fixed point", "predict", lambda: fixed(dense, n_threads=1)),
    )
    words = [python, str(PROCESS), str(slices), str(BATCH)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        what = f"{BATCH} pixel frames of {slices} slices"
        timings = [_row(f"{what}: {name}", call, process, word) for name, word, call in calls]
        process.communicate()
    return timings


def _row(name: str, ours: Callable[[], object], process: subprocess.Popen[str], word: str) -> Timing:
    """Time a call of dmcnn in turn with one of the process."""
    assert process.stdin is not None
    assert process.stdout is not None
    ours()
    pairs = []
    for _ in range(ROUNDS):
        start = time.process_time()
        ours()
        mine = time.process_time() - start
        process.stdin.write(f"{word}\n")
        process.stdin.flush()
        pairs.append((mine, float(process.stdout.readline())))
    mine_s, other_s = zip(*pairs, strict=True)
    ratio = statistics.median(other / mine for mine, other in pairs)
    return Timing(name, "QKeras 0.9", statistics.median(mine_s), statistics.median(other_s), ratio)


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.stdout.write(table(rows(sys.argv[1])) + "\n")
