"""Timings of occlusion scans: whole maps against one dense forward pass per active pixel, as DM-CNN's script does it.

    python benchmarks/occlusion.py [--data FOLDER] [--weights FILE]

Windows of 9 x 9 pixels (k = 4), images of 512 x 512, float32, one thread. Of the loop a few windows are timed, of
exact engines a few batches; both are extrapolated to the whole map. Scans with a tolerance are carried out.
Differences in bfloat16 (delta) are timed against exact windows, with their errors and the share of their time outside
of products; a processor without bfloat16 multiplies rounded numbers in float32. Typical events are those of the
built-in sample with 150 isolated pixels above threshold; FOLDER holds electron.root and proton.root, FILE is a
trained MPID, without which MPID is trained for a minute.

``python occlusion.py --scan sparse|dense`` scans the typical event with a random MPID, for its memory; dense a few
windows of it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from batches import ADC_LO, sample
from engine import noisy, root_files, typical
from timing import Timing, paired, table
from torch import nn

import commands
from dmcnn import train
from dmcnn._common.journal import Rows
from dmcnn._common.progress import ProgressBar
from dmcnn.checkpoints.load import load
from dmcnn.images.sparse import SparseImages
from dmcnn.images.sparse import sparse as sparse_images
from dmcnn.inference.devices import use_whole_cpu
from dmcnn.models import MODELS
from dmcnn.occlusion.approximations import DeltaWindows, FirstOrderWindows
from dmcnn.occlusion.choice import choose
from dmcnn.occlusion.result import Scan
from dmcnn.occlusion.tolerance import ToleranceScan

ISOLATED = 150
CAMPAIGN = 298
WINDOWS_OF_CAPTUM = (512 - 9 + 1) ** 2
EXACT = {"typical": 5.0, "electron.root": 12.0, "proton.root": 45.0, "noise-filled": 1.5}
WITHIN = {
    0.1: {"typical": 12.0, "electron.root": 20.0, "proton.root": 45.0, "noise-filled": 4.0},
    0.5: {"typical": 20.0, "electron.root": 25.0, "proton.root": 45.0, "noise-filled": 30.0},
}
"""Tolerance -> smallest ratios."""


def trained() -> nn.Module:
    """Train MPID for a minute on the built-in sample."""
    with tempfile.TemporaryDirectory() as folder:
        cfg = Path(__file__).parents[1] / "cfg" / "training_config.cfg"
        address = "sample://dark-trident/{}?events={}&version=2"
        words = {
            "input_train": address.format("train", 160),
            "input_test": address.format("test", 20),
            "EPOCHS": 1,
            "weights_directory": folder,
            "output_directory": folder,
            "name": "benchmark",
        }
        train.main([str(cfg), *(f"{key}={value}" for key, value in words.items())])
        return load(Path(folder) / "DM-CNN_model_benchmark_best.ckpt")[0]


def scattered(images: SparseImages) -> SparseImages:
    """Add isolated pixels above threshold to every image."""
    dense, random = images.dense(), np.random.default_rng(5)
    for image in dense:
        empty = np.flatnonzero(image == 0)
        image.reshape(-1)[random.choice(empty, ISOLATED, replace=False)] = random.uniform(
            ADC_LO, 30, ISOLATED
        )
    return sparse_images(dense)


def events(electron: Path | None) -> dict[str, SparseImages]:
    """Return one event of each kind: of files the one with the median number of pixels."""
    found = {"typical": scattered(typical(sample(64), 1)), "noise-filled": noisy(4500, 1)}
    for file, images, _ in root_files(electron) if electron else ():
        found[file] = typical(images, 1)
    return found


def seconds(call: Callable[[], object], rounds: int = 3) -> float:
    """Return the median CPU time of a call."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return statistics.median(times)


@torch.inference_mode()
def loop(net: nn.Module, event: SparseImages, windows: int = 4) -> float:
    """Return the CPU time of one window of a loop over pixels: blank, forward, one image at a time."""
    image = torch.from_numpy(event.dense())
    columns = event.index % event.shape[2]
    rows = event.index // event.shape[2] % event.shape[1]

    def scan() -> None:
        """Score some windows."""
        for row, column in zip(rows[:windows].tolist(), columns[:windows].tolist(), strict=True):
            blank = image.clone()
            blank[..., max(0, row - 4) : row + 5, max(0, column - 4) : column + 5] = 0
            net(blank)

    scan()
    return seconds(scan) / windows


def exact_scan(net: nn.Module, event: SparseImages, name: str) -> float:
    """Return the CPU time of a whole exact scan, extrapolated from a few batches."""
    scan = Scan(k=4)
    windows, engine = scan.windows(event), scan.engine(name, 8)
    order = np.random.default_rng(1).permutation(len(windows))
    few, many = order[: engine.at_once], order[: 4 * engine.at_once]

    def part(which: np.ndarray) -> float:
        """Time some windows, plan included."""
        return seconds(lambda: [*engine.scores(net, event, windows, which)])

    if len(many) == len(windows):
        return part(many)
    short, long = part(few), part(many)
    slope = (long - short) / (len(many) - len(few))
    return short + slope * (len(windows) - len(few))


def certified_scan(net: nn.Module, event: SparseImages, tolerance: float) -> tuple[float, str]:
    """Return the CPU time of a whole scan with a tolerance, by the engine that auto takes, and its certificate."""
    scan = Scan(k=4, tolerance=tolerance)
    windows = scan.windows(event)
    word = choose("auto", net, event, scan, windows, 8).engine
    engine = scan.engine(word, 8)
    if not engine.approximations:
        return exact_scan(net, event, word), "exact"
    start = time.process_time()
    with ProgressBar(total=len(windows), disable=True) as bar:
        *_, found = ToleranceScan(net, event, windows, engine, Rows(engine.row_width(2)), bar).run()
    shares = f"{found.exact:.0%} exact" + f", {found.delta:.0%} by delta" * (found.delta > 0)
    return time.process_time() - start, shares + f", others by {found.rest}" * bool(found.rest)


def delta(net: nn.Module, event: SparseImages, about: str, count: int = 48) -> Timing:
    """Time a window by differences against an exact one; errors and share of the time are in its name."""
    scan = Scan(k=4)
    windows, engine = scan.windows(event), scan.engine("sparse", 1)
    which = np.random.default_rng(1).permutation(len(windows))[:count]
    differences = DeltaWindows(net, event, windows, engine)
    ours, exact = (
        np.concatenate([*scores])
        for scores in (differences.scores(which), engine.scores(net, event, windows, which))
    )
    error, few = (ours - exact) / exact.std(axis=0), which[:8]
    share = outside(lambda: [*differences.scores(few)])
    title = (
        f"delta, {about}, a window, error rms {np.sqrt((error**2).mean()):.3f} max {np.abs(error).max():.3f} std, "
        f"{share:.0%} outside of products"
    )
    calls = lambda: [*differences.scores(few)], lambda: [*engine.scores(net, event, windows, few)]
    timing = paired(title, "exact window", *calls, rounds=3)
    return replace(timing, ours=timing.ours / len(few), other=timing.other / len(few))


def outside(call: Callable[[], object]) -> float:
    """Return the share of the CPU time of a call that is not spent in products of matrices."""
    inside, multiply = 0.0, torch.mm

    def timed(*args: Any, **kwargs: Any) -> torch.Tensor:
        """Multiply, and add the time."""
        nonlocal inside
        start = time.process_time()
        out = multiply(*args, **kwargs)
        inside += time.process_time() - start
        return out

    with mock.patch.object(torch, "mm", timed):
        start = time.process_time()
        call()
        return 1 - inside / (time.process_time() - start)


DENSE_WINDOWS = 16
"""Windows of the process of dense passes."""


def one_scan(name: str) -> None:
    """Scan the typical event with a random MPID, all windows or, dense, a few."""
    event, scan = events(None)["typical"], Scan(k=4)
    windows, engine = scan.windows(event), scan.engine(name, 8)
    which = np.arange(len(windows))[: DENSE_WINDOWS if name == "dense" else None]
    for _ in engine.scores(MODELS["mpid"]().eval(), event, windows, which):
        pass


def memory() -> Timing:
    """Return the row of a process that scans the whole typical event; its ratio is that of the memory."""
    words = [[__file__, "--scan", name] for name in ("sparse", "dense")]
    name = f"occlusion, exact: process of the whole typical event (dense: {DENSE_WINDOWS} windows), ratio of memory"
    with tempfile.TemporaryDirectory() as folder:
        timing = commands.pair(name, "dense fp32", *words, Path(folder), 1)
    ours, other = timing.memory
    return replace(timing, ratio=other / ours)


def captum_window(net: nn.Module, event: SparseImages) -> float:
    """Return the CPU time of one window of captum's Occlusion, whose cost does not depend on its size."""
    import captum.attr

    method, image = captum.attr.Occlusion(net), torch.from_numpy(event.dense())
    shapes = {"sliding_window_shapes": (1, 128, 128), "strides": (1, 128, 128)}
    return seconds(lambda: method.attribute(image, target=0, **shapes), 1) / 17


def rows(electron: Path | None, weights: Path | None = None, *, long: bool = False) -> Iterator[Timing]:
    """Yield the rows; scans with a tolerance, which are carried out, and captum only if ``long``."""
    net = (trained() if weights is None else load(weights)[0]).eval()
    resnet = MODELS["resnet18"]().eval()
    found = events(electron)
    for name, event in found.items():
        one, windows = loop(net, event), Scan(k=4).windows(event)
        whole = one * len(windows.number)
        about = f"{name} ({len(windows.number)} px)"
        ours = exact_scan(net, event, "sparse")
        yield Timing(f"occlusion, exact, {about}", "loop of passes", ours, whole, whole / ours, EXACT[name])
        if name == "typical":
            hours = CAMPAIGN * ours * 2028 / len(windows.number) / 3600
            loops = CAMPAIGN * 2028 * one / 3600
            title = f"campaign of {CAMPAIGN} events of 2,028 px, exact: {hours:.2g} core-hours"
            yield Timing(title, f"loop: {loops:.3g} core-hours", 3600 * hours, 3600 * loops, loops / hours)
            yield memory()
            if long:
                captum = captum_window(net, event) * WINDOWS_OF_CAPTUM
                yield Timing(
                    f"occlusion, exact, {about}", "captum, stride 1", ours, captum, captum / ours, 100
                )
        if name != "proton.root":
            first = first_order(net, event)
            yield Timing(f"first order, {about}, a window", "pass", first, one, one / first, 100)
            yield delta(net, event, about)
        for tolerance, targets in WITHIN.items() if long else ():
            ours, certificate = certified_scan(net, event, tolerance)
            yield Timing(
                f"occlusion, tolerance {tolerance}, {about}, {certificate}",
                "loop of passes", ours, whole, whole / ours, targets[name],
            )  # fmt: skip
        whole = loop(resnet, event) * len(windows.number)
        ours = exact_scan(resnet, event, "incremental")
        title = f"occlusion, ResNet18, incremental, {about}"
        yield Timing(title, "loop of passes", ours, whole, whole / ours, 10)


def first_order(net: nn.Module, event: SparseImages) -> float:
    """Return the CPU time of a window to first order, the gradients of the event shared by all of them."""
    scan = Scan(k=4)
    windows = scan.windows(event)
    return seconds(lambda: FirstOrderWindows(net, event, windows, scan.engine("sparse", 8)), 1) / len(windows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of electron.root")
    parser.add_argument("--weights", type=Path, help="trained MPID")
    parser.add_argument("--scan", choices=("sparse", "dense"), help="scan the typical event once")
    options = parser.parse_args()
    os.environ["DMCNN_NUM_THREADS"] = "1"
    use_whole_cpu()  # keeps freed memory, as the command does
    torch.set_num_threads(1)
    if options.scan:
        one_scan(options.scan)
        return
    electron = options.data / "electron.root" if options.data else None
    sys.stdout.write(table([*rows(electron, options.weights, long=True)]) + "\n")


if __name__ == "__main__":
    main()
