"""Timing from parquet files of pixel frames to standardised images of 4 bits, with fit and labels, against pandas.

pandas writes the files with its defaults. Analyses of these frames use pandas in two ways: a pass for the statistics
and a second pass that writes batches, which are read again; or a single pass with known statistics.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from timing import Timing, paired

from dmcnn.datasets.dataset import Dataset
from dmcnn.datasets.targets import Targets
from dmcnn.images.sparse import SparseImages, join
from dmcnn.readers.smartpixel.reader import SmartPixelFile
from dmcnn.simulation import smartpixel

BATCH, HIGH, LOW, STEPS = 5000, 1.7, 2.5, 8
SCALES = {"x-midplane": 75.0, "y-midplane": 18.75, "cotAlpha": 8.0, "cotBeta": 0.5}
SETS = (([0, 19], [50_000]), ([0, 19], [5_000] * 8), (list(range(20)), [5_000]))
"""Slices to read, and rows of each file: 50,000 as published; many small files, each with all columns; and 5,000 with
all slices, since pandas would need 10 GB for more."""


def preprocessing(folder: Path) -> list[Timing]:
    """Time each set of files against both ways of pandas; return no rows without pandas."""
    if find_spec("pandas") is None:
        return []
    timings = []
    for nth, (slices, counts) in enumerate(SETS):
        names = [write_pair(folder / f"{nth}", number, count) for number, count in enumerate(counts)]
        files = f"{len(counts)} x {counts[0]} pixel frames"
        timings += pairs(names, slices, f"{files}, parquet to 4-bit images of {len(slices)} slices")
    return timings


def pairs(names: Sequence[Path], slices: list[int], what: str) -> list[Timing]:
    """Check that dmcnn and both ways of pandas give the same images, and time them."""
    batches = names[0].parents[1]
    known = SmartPixelFile.fit(names, slices=slices, charge="standardised")
    mean, std = known.values()
    expected = np.concatenate([frames for frames, _ in original(names, slices, batches)])
    np.testing.assert_array_equal(ours(names, slices).dense().transpose(0, 2, 3, 1), expected)
    np.testing.assert_array_equal(single(names, slices, mean, std)[0].transpose(0, 2, 3, 1), expected)
    del expected

    def in_batches() -> list[int]:
        """Run the way of pandas with two passes."""
        return [len(frames) for frames, _ in original(names, slices, batches)]

    ways = (
        ("pandas: fit statistics, write and read batches", in_batches, {}, 6.0),
        ("pandas: one pass with known statistics", lambda: single(names, slices, mean, std), known, 2.5),
    )
    return [
        paired(what, baseline, partial(ours, names, slices, **statistics), way, target=target, rounds=5)
        for baseline, way, statistics, target in ways
    ]


def write_pair(folder: Path, number: int, count: int) -> Path:
    """Write files of charges and labels of ``count`` rows with pandas; return the path of the charges."""
    import pandas as pd

    images = join(list(smartpixel.smartpixel(count, seed=number + 1)))
    dense = np.zeros((math.prod(images.shape), count))
    dense[images.index, np.repeat(np.arange(count), images.n_pixels)] = images.value
    path = folder / "recon3D" / f"recon3D_d{number}.parquet"
    frame = pd.DataFrame(dense.T, columns=[str(pixel) for pixel in range(len(dense))], copy=False)
    for target, table in (
        (path, frame),
        (labels_of(path), pd.DataFrame(images.label, columns=smartpixel.LABELS)),
    ):
        target.parent.mkdir(parents=True, exist_ok=True)
        table.to_parquet(target)
    return path


def labels_of(path: Path) -> Path:
    """Return the path of the labels of a file of charges."""
    return path.parents[1] / "labels" / path.name.replace("recon3D", "labels")


def ours(paths: Sequence[Path], slices: list[int], **known: Any) -> SparseImages:
    """Read all frames with labels, standardised and rounded; statistics are fitted unless they are ``known``."""
    how: dict[str, Any] = {"slices": slices, "charge": "standardised", "charge_bits": 4, **known}
    how |= SmartPixelFile.fit(paths, **how)
    targets = Targets(tuple(SCALES), tuple(SCALES.values()))
    return Dataset([str(path) for path in paths], targets=targets, **how).load(progress=False)


def charges(path: Path, slices: list[int]) -> Any:
    """Read the pixels of these slices as a pandas table."""
    import pandas as pd

    names = [str(pixel) for number in slices for pixel in range(273 * number, 273 * (number + 1))]
    return pd.read_parquet(path, columns=names)


def in_place(table: Any) -> NDArray[np.float64]:
    """Return the numbers of a pandas table, copied if they are read-only."""
    values = table.to_numpy()
    return values if values.flags.writeable else np.array(values, order="K")


def logarithms(charge: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute sign(x) log2(1 + |x|)."""
    return np.sign(charge) * np.log1p(np.abs(charge)) / math.log(2)


def standardise(values: NDArray[np.float64], mean: float, std: float) -> NDArray[np.float64]:
    """Centre and scale logarithms."""
    out = (values - mean) / std
    out[out > 0] /= HIGH
    out[out < 0] /= LOW
    return out


def round_to_grid(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round to the grid of 4 bits."""
    return np.clip(np.rint(frames * np.float32(STEPS)), -STEPS, STEPS - 1) / np.float32(STEPS)


def original(
    paths: Sequence[Path], slices: list[int], folder: Path
) -> Iterator[tuple[NDArray[np.float32], Any]]:
    """Yield batches of frames (n, 13, 21, slices) and labels from files that a second pass has written."""
    import pandas as pd

    means, variances = [], []
    for path in paths:
        values = in_place(charges(path, slices).dropna())
        charged = np.abs(values) > 0
        values[charged] = logarithms(values[charged])
        mean, variance = np.mean(values[charged]), np.var(values[charged]) + 1e-10
        centred = np.zeros_like(values)
        centred[charged] = (values[charged] - mean) / np.sqrt(variance)
        means.append(mean)
        variances.append(variance)
        _ = np.min(centred), np.max(centred)  # the original computes them as well
    mean, std = sum(means) / len(means), math.sqrt(sum(variances) / len(variances))
    files = []
    for path in paths:
        table, labels = charges(path, slices), pd.read_parquet(labels_of(path), columns=list(SCALES))
        complete = ~np.isnan(table.to_numpy()).any(axis=1)
        if not complete.all():
            table, labels = table[complete], labels[complete]
        values = in_place(table)
        charged = np.abs(values) > 0
        values[charged] = standardise(logarithms(values[charged]), mean, std)
        values = values.reshape(-1, len(slices), 13, 21).transpose(0, 2, 3, 1)
        scaled = labels.to_numpy() / np.array(list(SCALES.values()))
        for start in range(0, len(values), BATCH):
            rows = slice(start, start + BATCH)
            files.append(folder / f"batch_{len(files)}.npz")
            np.savez(files[-1], x=values[rows].astype(np.float32), y=scaled[rows].astype(np.float32))
    for path in files:
        batch = np.load(path)
        yield round_to_grid(batch["x"]), batch["y"]


def single(
    paths: Sequence[Path], slices: list[int], mean: float, std: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return all frames (n, slices, 13, 21) and labels, from one pass."""
    import pandas as pd

    frames, labels = [], []
    for path in paths:
        values = charges(path, slices).to_numpy()
        charged = values != 0
        scaled = np.zeros(values.shape, np.float32)
        scaled[charged] = standardise(logarithms(values[charged]), mean, std)
        frames.append(round_to_grid(scaled).reshape(-1, len(slices), 13, 21))
        table = pd.read_parquet(labels_of(path), columns=list(SCALES))
        labels.append((table.to_numpy() / np.array(list(SCALES.values()))).astype(np.float32))
    return (frames[0], labels[0]) if len(frames) == 1 else (np.concatenate(frames), np.concatenate(labels))
