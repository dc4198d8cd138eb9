"""Timings of the data of a training: rotations on sparse pixels, images/s of one network, and its waits for data.

The baselines are what users write: a dataset of single items in a DataLoader of torch, and rotations of dense images
by torch or scipy. Waits are shares of the wall-clock time of a training in which the network has no batch.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable

import numpy as np
import plain
import torch
from batches import BATCH, Turned, sample
from scipy import ndimage
from timing import Timing, paired
from torch import nn
from torch.nn import functional as F

from dmcnn.images.augment import rotate
from dmcnn.simulation.addresses import sample_path
from dmcnn.training.batches import Batches
from dmcnn.training.loader import Loader

Batch = Iterable[tuple[torch.Tensor, torch.Tensor]]


def rotations(events: int = 64) -> list[Timing]:
    """Time random rotations of sparse images, as dense batches, against those of dense ones."""
    images = sample(events)
    angles = np.random.default_rng(1).uniform(-20, 20, events)
    dense = torch.from_numpy(images.dense())
    matrices = torch.zeros(events, 2, 3)
    matrices[:, 0, 0] = matrices[:, 1, 1] = torch.from_numpy(np.cos(np.deg2rad(angles)))
    matrices[:, 1, 0] = torch.from_numpy(np.sin(np.deg2rad(angles)))
    matrices[:, 0, 1] = -matrices[:, 1, 0]

    def by_torch() -> torch.Tensor:
        """Interpolate dense images, batch by batch."""
        parts = zip(dense.split(BATCH), matrices.split(BATCH), strict=True)
        return torch.cat([
            F.grid_sample(one, F.affine_grid(turn, list(one.shape), align_corners=False), align_corners=False)
            for one, turn in parts
        ])  # fmt: skip

    def by_scipy() -> list[np.ndarray]:
        """Interpolate dense images one by one, as in DM-CNN's forks."""
        return [ndimage.rotate(one[0], angle, reshape=False, order=1)
                for one, angle in zip(dense.numpy(), angles, strict=True)]  # fmt: skip

    def ours() -> np.ndarray:
        """Rotate the pixels, and make the images dense."""
        return rotate(images, angles, 1).dense()

    name = f"rotate {events} images of 512 x 512 by any angle"
    return [
        paired(name, "torch, grid_sample", ours, by_torch, rounds=3, target=20),
        paired(name, "scipy.ndimage.rotate", ours, by_scipy, rounds=2, target=20),
    ]


class Items(Turned):
    """Images of a dataset with their labels, each flipped and transposed at random."""

    def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:  # type: ignore[override]
        """Return the image and the label of an entry."""
        return super().__getitem__(number).contiguous(), self.items[number][1]


def network() -> nn.Module:
    """Return a network whose step takes a few times as long as the data of its images."""
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, 4), nn.ReLU(), nn.Conv2d(8, 16, 3, 2), nn.ReLU(), nn.AdaptiveMaxPool2d(4), nn.Flatten(),
        nn.Linear(256, 2),
    )  # fmt: skip


def train(net: nn.Module, batches: Batch) -> tuple[float, float]:
    """Train for one epoch; return the time and the part of it without a batch [s]."""
    optimizer, waits, start = torch.optim.Adam(net.parameters()), 0.0, time.perf_counter()
    loaded = iter(batches)
    next(loaded)  # threads and memory of the first batch belong to no step
    start = begin = time.perf_counter()
    for images, labels in loaded:
        waits += time.perf_counter() - begin
        loss = F.cross_entropy(net(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        begin = time.perf_counter()
    return time.perf_counter() - start, waits


def training(events: int = 500, rounds: int = 3) -> list[Timing]:
    """Time an epoch of the same network with the batches of dmcnn and with those of a DataLoader, by wall clock."""
    images = sample(events)
    items = plain.images(str(sample_path(f"sample://dark-trident/train?events={events}&seed=1&version=1")))
    measured = []
    for nth in range(rounds):
        with Loader(Batches(images, BATCH, epochs=1, seed=nth, augment=True), n_threads=1) as loader:
            ours = train(network(), loader)
        other = train(network(), torch.utils.data.DataLoader(Items(items), batch_size=BATCH, shuffle=True))
        measured.append((ours, other))
    times = [statistics.median(pair[i][0] for pair in measured) for i in (0, 1)]
    waits = [statistics.median(pair[i][1] / pair[i][0] for pair in measured) for i in (0, 1)]
    ratio = statistics.median(other[0] / ours[0] for ours, other in measured)
    trained = events - BATCH
    return [
        Timing(
            f"train on {trained} images ({trained / times[0]:.0f} images/s, waits {100 * waits[0]:.1f} %)",
            f"DataLoader of items ({trained / times[1]:.0f} images/s, waits {100 * waits[1]:.1f} %)",
            *times,
            ratio,
        )
    ]


def rows() -> list[Timing]:
    """Run all timings of this file."""
    return rotations() + training()
