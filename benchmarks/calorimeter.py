"""Timing from an HDF5 file of energy and time images to batches of frames, against h5py and vectorised NumPy.

The 21 frames of 32 x 32 cells are cumulative. Both read the same file, batch by batch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import torch
from pixels import frames_of
from timing import Timing, paired

from dmcnn.engines.dense import to_tensor
from dmcnn.readers import open_images
from dmcnn.simulation import SAMPLES
from dmcnn.writers import calorimeter

BATCH, CHUNK = 128, 1024


def chain(folder: Path, count: int = 8192) -> list[Timing]:
    """Time one thread."""
    path = folder / "calorimeter.h5"
    calorimeter.write(path, SAMPLES["calorimeter"](events=count, seed=1))
    for one, two in zip(batches(path, 1), plain_batches(path), strict=True):
        np.testing.assert_array_equal(one.numpy(), two.numpy())
    return [
        paired(
            f"read {count} HDF5 images 32x32 as batches of 21 frames",
            "h5py, vectorised NumPy per batch",
            lambda: [len(batch) for batch in batches(path, 1)],
            lambda: [len(batch) for batch in plain_batches(path)],
            rounds=5,
        )
    ]


def batches(path: Path, threads: int) -> Iterator[torch.Tensor]:
    """Yield all images as (BATCH, 21, H, W) float32 tensors, all in the same memory."""
    os.environ["DMCNN_NUM_THREADS"] = str(threads)
    reader = open_images(path)
    memory = torch.from_numpy(np.empty((BATCH, *reader.shape), np.float32))
    for start in range(0, len(reader), CHUNK):
        images = reader.read(start, min(start + CHUNK, len(reader)))
        for first in range(0, len(images), BATCH):
            which = np.arange(first, min(first + BATCH, len(images)))
            yield to_tensor(images, which=which, out=memory[: len(which)], n_threads=threads)


def plain_batches(path: Path) -> Iterator[torch.Tensor]:
    """Yield the same batches with h5py and NumPy."""
    with h5py.File(path) as file:
        for start in range(0, len(file["X"]), BATCH):
            yield torch.from_numpy(frames_of(file["X"][start : start + BATCH].transpose(0, 3, 1, 2)))
