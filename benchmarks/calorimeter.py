"""Timing from an HDF5 file of energy and time images to batches of frames, against a loop over images and frames.

The 21 frames of 32 x 32 cells are cumulative. Both read the same file; the loop then selects the cells of every frame
of every image, as analyses of these images have done.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from timing import Timing, paired

from dmcnn.engines.dense import to_tensor
from dmcnn.images.frames import ECAL
from dmcnn.readers import open_images
from dmcnn.simulation import SAMPLES
from dmcnn.writers import calorimeter

BATCH, CHUNK = 128, 1024
SLOWER = 8
"""Images of dmcnn per image of the loop, which is slower."""


def chain(folder: Path, count: int = 8192) -> list[Timing]:
    """Time one thread in CPU time, and two threads in wall-clock time."""
    path = folder / "calorimeter.h5"
    calorimeter.write(path, SAMPLES["calorimeter"](events=count, seed=1))
    few = folder / "few.h5"
    calorimeter.write(few, SAMPLES["calorimeter"](events=count // SLOWER, seed=1))
    np.testing.assert_array_equal(
        np.concatenate([batch.numpy().copy() for batch in batches(few, 1)]), loop(few)
    )
    return [
        paired(
            f"read {count} HDF5 images 32x32 as batches of 21 frames, {threads} thread{'s' * (threads > 1)}",
            "h5py, then np.where per image and frame",
            lambda threads=threads: [len(batch) for batch in batches(path, threads)],
            lambda: torch.from_numpy(loop(few)).split(BATCH),
            target=30,
            rounds=5,
            scale=SLOWER,
            clock=clock,
        )
        for threads, clock in ((1, time.process_time), (2, time.perf_counter))
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


def loop(path: Path) -> NDArray[np.float32]:
    """Return the (n, 21, H, W) float32 frames of a whole file, made image by image."""
    with h5py.File(path) as file:
        pictures = file["X"][:]
    frames = np.zeros((len(pictures), ECAL.count, *pictures.shape[1:3]), np.float32)
    for image, picture in zip(frames, pictures, strict=True):
        energy, arrival = picture[..., 0], picture[..., 1]
        for k in range(ECAL.count - 1):
            rows, columns = np.where((energy > ECAL.energy_above) & (arrival <= ECAL.edges[k + 1]))
            image[k, rows, columns] = energy[rows, columns]
    return frames
