"""Timings from sparse images to batches: densify, loader, occlude, against NumPy, a DataLoader and a loop of clones.

Every row is a pair of calls that do the same work, timed in turn, round by round, so that other load on the machine
affects both. Times are process CPU times on one thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import plain
import torch
from numpy.typing import NDArray
from timing import Timing, paired

from dmcnn import _core
from dmcnn.datasets.dataset import Dataset
from dmcnn.datasets.labels import LabelRule
from dmcnn.images.sparse import SparseImages
from dmcnn.occlusion.engines import occluded_batches
from dmcnn.occlusion.fills import fill_values
from dmcnn.occlusion.windows import list_windows
from dmcnn.simulation.addresses import sample_path
from dmcnn.training.batches import Batches
from dmcnn.training.loader import Loader

BATCH = 32
ADC_LO, ADC_HI = 10.0, 500.0


def sample(events: int, seed: int = 1) -> SparseImages:
    """Return labelled 512 x 512 images of the built-in sample, which is simulated at first use."""
    rule = LabelRule.parse("run == 100", ["signal", "background"])
    inputs = f"sample://dark-trident/train?events={events}&seed={seed}&version=1"
    return Dataset(inputs, rule, adc_lo=ADC_LO, adc_hi=ADC_HI).load()


def random_images(count: int, active: int, side: int = 512, seed: int = 1) -> SparseImages:
    """Draw ``count`` images with ``active`` pixels each, on straight tracks."""
    from dmcnn.images.sparse import sparse

    random = np.random.default_rng(seed)
    dense = np.zeros((count, 1, side, side), np.float32)
    for image in dense:
        while (missing := active - np.count_nonzero(image)) > 0:
            start, slope = random.integers(0, side, 2), random.normal(size=2)
            steps = np.arange(min(missing, 400))[:, None] * slope / np.abs(slope).max()
            rows, columns = np.clip((start + steps).astype(int), 0, side - 1).T
            image[0, rows, columns] = random.uniform(ADC_LO, ADC_HI, len(rows))
    return sparse(dense)


def densify() -> list[Timing]:
    """Time a batch of 32 flipped images of 512 x 512 with 1,500 active pixels, against NumPy and memset alone."""
    images = random_images(BATCH, 1500)
    turns = np.random.default_rng(2).choice(np.array([0, 2, 4, 6], np.uint8), BATCH)
    out = np.empty((BATCH, *images.shape), np.float32)
    half = np.empty(out.shape, np.uint16)
    key = np.arange(BATCH, dtype=np.uint64)
    batch = (images.offsets, images.index, images.value)

    def numpy_way() -> NDArray[np.float32]:
        """Fill and flip dense images with NumPy."""
        dense = np.zeros(out.shape, np.float32)
        dense.reshape(BATCH, -1)[np.repeat(np.arange(BATCH), images.n_pixels), images.index] = images.value
        for image, turn in zip(dense, turns, strict=True):
            flips = [axis for axis, bit in ((1, 2), (2, 4)) if turn & bit]
            if flips:
                image[...] = np.flip(image, flips).copy()
        return dense

    def ours() -> None:
        """Fill and flip dense images with dmcnn."""
        _core.densify(*batch, out, turns)

    np.testing.assert_array_equal(numpy_way(), (ours(), out)[1])
    change: dict[str, Any] = {"shift": np.ones((BATCH, 2), np.int64), "key": key, "noise": 2.0, "mask": 0.1}
    return [
        paired("densify and flip 32 x 512 x 512", "NumPy: zeros, index, copy", ours, numpy_way, target=3),
        paired("densify and flip 32 x 512 x 512", "memset", ours, lambda: out.fill(0), target=0.5),
        paired(
            "densify, flip, shift, add noise and mask",
            "memset",
            lambda: _core.densify(*batch, out, turns, **change),
            lambda: out.fill(0),
        ),
        paired(
            "densify and flip to bfloat16",
            "float32 batch, cast by torch",
            lambda: _core.densify(*batch, half, turns),
            lambda: (ours(), torch.from_numpy(out).to(torch.bfloat16)),
        ),
    ]


class Turned(torch.utils.data.Dataset[torch.Tensor]):
    """Images of another dataset, each flipped and transposed at random."""

    def __init__(self, items: torch.utils.data.Dataset[Any]) -> None:
        self.items, self.random = items, np.random.default_rng(1)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> torch.Tensor:
        """Return the (1, rows, columns) float32 charges of an entry."""
        image, turn = self.items[number][0], int(self.random.integers(8))
        axes = [axis for axis, bit in ((1, 2), (2, 4)) if turn & bit]
        image = image.flip(axes) if axes else image
        return image.transpose(1, 2) if turn & 1 else image


def loader(events: int = 500, rounds: int = 5) -> list[Timing]:
    """Time an epoch of images in memory as shuffled batches of 32, flipped and transposed, against a DataLoader.

    The items of the DataLoader keep the sparse pixels in memory too, and make one image dense at a time.
    """
    batches = Batches(sample(events), BATCH, epochs=1, seed=1, augment=True)
    path = sample_path(f"sample://dark-trident/train?events={events}&seed=1&version=1")
    items = torch.utils.data.DataLoader(Turned(plain.images(str(path))), batch_size=BATCH, shuffle=True)

    def epoch() -> None:
        """Load one epoch with dmcnn."""
        with Loader(batches, n_threads=1) as loaded:
            for _ in loaded:
                pass

    return [
        paired(
            f"load an epoch of {events} images of 512 x 512",
            "DataLoader of sparse items",
            epoch,
            lambda: [len(batch) for batch in items],
            rounds=rounds,
        )
    ]


def occlude(active: int = 2000, half: int = 4, batch_size: int = 8, rounds: int = 15) -> list[Timing]:
    """Time all windows of one 512 x 512 event as batches of images, against a Python loop of clones.

    The loop writes 1 MB per window; dmcnn writes only the covered pixels, and only of windows that differ.
    """
    event = random_images(1, active)
    image = event.dense()[0]
    rows, columns = np.nonzero(image[0])

    def clones() -> Iterator[NDArray[np.float32]]:
        """Yield a copy of the image for every window."""
        for row, column in zip(rows, columns, strict=True):
            copy = image.copy()
            copy[:, max(0, row - half) : row + half + 1, max(0, column - half) : column + half + 1] = 0
            yield copy

    memory = np.empty((batch_size, *event.shape), np.float32)

    def ours() -> Iterator[torch.Tensor]:
        """Yield the batches of dmcnn."""
        scan = list_windows(event, half)
        return occluded_batches(event, scan, np.arange(len(scan)), fill_values(event), batch_size, memory)

    scan = list_windows(event, half)
    images = [image.numpy().copy() for batch in islice(ours(), 5) for image in batch]
    for window, copy in islice(zip(scan.number.tolist(), clones(), strict=True), len(images)):
        if window < len(images):
            np.testing.assert_array_equal(images[window], copy)
    full = torch.empty((batch_size, *image.shape))

    def loop() -> None:
        """Make all clones."""
        for _ in clones():
            pass

    def changes() -> None:
        """Make all batches."""
        for _ in ours():
            pass

    def whole_batches() -> None:
        """Make all batches and copy each of them whole."""
        for batch in ours():
            full[: len(batch)].copy_(batch)

    merged = f"{len(scan)} of {len(rows)} differ"
    return [
        paired(
            f"occlude, {active} windows ({merged})", "loop of clones", changes, loop, rounds=rounds, target=20
        ),
        paired("occlude and copy every batch whole", "loop of clones", whole_batches, loop, rounds=rounds),
        paired(
            "list and merge the windows",
            "loop of clones",
            lambda: list_windows(event, half),
            loop,
            rounds=rounds,
        ),
    ]
