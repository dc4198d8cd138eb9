"""From parquet files of pixel frames to standardised images on a 4-bit grid, fit and labels included, against pandas.

Files are written by pandas as it does by default. Both ways of pandas are those that analyses of these frames use: a
pass for the statistics, a second one that writes batches, which are read again; and a single pass that knows them.
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
from dmcnn.readers import fit_charge
from dmcnn.simulation import smartpixel

BATCH, HIGH, LOW, STEPS = 5000, 1.7, 2.5, 8
SCALES = {"x-midplane": 75.0, "y-midplane": 18.75, "cotAlpha": 8.0, "cotBeta": 0.5}
SETS = (([0, 19], [50_000]), ([0, 19], [5_000] * 8), (list(range(20)), [5_000]))
"""Slices that are read, and rows of the files: 50,000 as published; many small files, which have as many columns to
describe; and fewer where pandas would need 10 GB."""


def preprocessing(folder: Path) -> list[Timing]:
    """Two rows for each set of files; none without pandas."""
    if find_spec("pandas") is None:
        return []
    found = []
    for chosen, (slices, counts) in enumerate(SETS):
        names = [written(folder / f"{chosen}", number, count) for number, count in enumerate(counts)]
        files = f"{len(counts)} x {counts[0]} pixel frames"
        found += pairs(names, slices, f"{files}, parquet to 4-bit images of {len(slices)} slices")
    return found


def pairs(names: Sequence[Path], slices: list[int], what: str) -> list[Timing]:
    """Ours against each way of pandas, once all three have been found to give the same."""
    batches = names[0].parents[1]
    known = fit_charge(names, slices=slices)
    mean, std = known.values()
    theirs = np.concatenate([frames for frames, _ in original(names, slices, batches)])
    np.testing.assert_array_equal(ours(names, slices).dense().transpose(0, 2, 3, 1), theirs)
    np.testing.assert_array_equal(single(names, slices, mean, std)[0].transpose(0, 2, 3, 1), theirs)
    del theirs

    def in_batches() -> list[int]:
        return [len(frames) for frames, _ in original(names, slices, batches)]

    ways = (
        ("pandas: statistics, batch files, batches again", in_batches, {}, 6.0),
        ("pandas: one pass, statistics known", lambda: single(names, slices, mean, std), known, 2.5),
    )
    return [
        paired(what, baseline, partial(ours, names, slices, **given), way, target=target, rounds=5)
        for baseline, way, given, target in ways
    ]


def written(folder: Path, number: int, count: int) -> Path:
    """A pair of files of ``count`` rows, as pandas writes them; the path of that of the charges."""
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
    """The file of the labels of a file of charges."""
    return path.parents[1] / "labels" / path.name.replace("recon3D", "labels")


def ours(paths: Sequence[Path], slices: list[int], **known: Any) -> SparseImages:
    """All frames, on the grid, with their labels; statistics are fitted unless they are ``known``."""
    how: dict[str, Any] = {"slices": slices, "charge": "standardised", "charge_bits": 4, **known}
    how |= fit_charge(paths, **how)
    targets = Targets(tuple(SCALES), tuple(SCALES.values()))
    return Dataset([str(path) for path in paths], targets=targets, **how).load(progress=False)


def charges(path: Path, slices: list[int]) -> Any:
    """A pandas table of the pixels of these slices."""
    import pandas as pd

    names = [str(pixel) for number in slices for pixel in range(273 * number, 273 * (number + 1))]
    return pd.read_parquet(path, columns=names)


def in_place(table: Any) -> NDArray[np.float64]:
    """The numbers of a pandas table, copied where pandas does not let us change them."""
    values = table.to_numpy()
    return values if values.flags.writeable else np.array(values, order="K")


def logarithms(charge: NDArray[np.float64]) -> NDArray[np.float64]:
    """sign(x) log2(1 + |x|)."""
    return np.sign(charge) * np.log1p(np.abs(charge)) / math.log(2)


def standardised(found: NDArray[np.float64], mean: float, std: float) -> NDArray[np.float64]:
    """Logarithms centred and scaled."""
    out = (found - mean) / std
    out[out > 0] /= HIGH
    out[out < 0] /= LOW
    return out


def gridded(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """On the 4-bit grid."""
    return np.clip(np.rint(frames * np.float32(STEPS)), -STEPS, STEPS - 1) / np.float32(STEPS)


def original(
    paths: Sequence[Path], slices: list[int], folder: Path
) -> Iterator[tuple[NDArray[np.float32], Any]]:
    """Batches of frames (n, 13, 21, slices) and labels, from files that a second pass has written."""
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
        _ = np.min(centred), np.max(centred)
    mean, std = sum(means) / len(means), math.sqrt(sum(variances) / len(variances))
    written = []
    for path in paths:
        table, labels = charges(path, slices), pd.read_parquet(labels_of(path), columns=list(SCALES))
        kept = ~np.isnan(table.to_numpy()).any(axis=1)
        if not kept.all():
            table, labels = table[kept], labels[kept]
        values = in_place(table)
        charged = np.abs(values) > 0
        values[charged] = standardised(logarithms(values[charged]), mean, std)
        values = values.reshape(-1, len(slices), 13, 21).transpose(0, 2, 3, 1)
        scaled = labels.to_numpy() / np.array(list(SCALES.values()))
        for start in range(0, len(values), BATCH):
            rows = slice(start, start + BATCH)
            written.append(folder / f"batch_{len(written)}.npz")
            np.savez(written[-1], x=values[rows].astype(np.float32), y=scaled[rows].astype(np.float32))
    for path in written:
        batch = np.load(path)
        yield gridded(batch["x"]), batch["y"]


def single(
    paths: Sequence[Path], slices: list[int], mean: float, std: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """All frames (n, slices, 13, 21) and labels."""
    import pandas as pd

    frames, labels = [], []
    for path in paths:
        values = charges(path, slices).to_numpy()
        charged = values != 0
        found = np.zeros(values.shape, np.float32)
        found[charged] = standardised(logarithms(values[charged]), mean, std)
        frames.append(gridded(found).reshape(-1, len(slices), 13, 21))
        table = pd.read_parquet(labels_of(path), columns=list(SCALES))
        labels.append((table.to_numpy() / np.array(list(SCALES.values()))).astype(np.float32))
    return (frames[0], labels[0]) if len(frames) == 1 else (np.concatenate(frames), np.concatenate(labels))
