"""Timing of crop and voxelise against NumPy, on one thread in process CPU time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from timing import Timing, paired

from dmcnn.images.crop import around_most_charge
from dmcnn.images.frames import ECAL, to_frames
from dmcnn.images.sparse import sparse

SIZE = (512, 512)


def crop() -> list[Timing]:
    """Time the search for the 512 x 512 window of most charge in 1008 ticks x 3456 wires, 4,000 pixels active."""
    random = np.random.default_rng(1)
    plane = np.zeros((1008, 3456), np.float32)
    plane[random.integers(0, 1008, 4000), random.integers(0, 3456, 4000)] = random.uniform(10, 500, 4000)
    images = sparse(plane[None, None])

    def dense_search() -> tuple[int, int]:
        """Return (top, left) of the window from cumulative sums of the dense plane."""
        sums = np.zeros((1009, 3457))
        np.cumsum(np.cumsum(plane, axis=0, dtype=np.float64), axis=1, out=sums[1:, 1:])
        high, wide = SIZE
        totals = sums[high:, wide:] - sums[:-high, wide:] - sums[high:, :-wide] + sums[:-high, :-wide]
        row, column = np.unravel_index(totals.argmax(), totals.shape)
        return int(row), int(column)

    window = around_most_charge(images, SIZE, n_threads=1)
    top, left = dense_search()
    charges = [plane[r : r + SIZE[0], c : c + SIZE[1]].sum(dtype=np.float64) for r, c in
               ((int(window.top[0]), int(window.left[0])), (top, left))]  # fmt: skip
    np.testing.assert_allclose(charges[0], charges[1], rtol=1e-9)
    return [
        paired(
            "window of most charge, 512x512 in 3456x1008",
            "NumPy cumulative sums of the dense plane",
            lambda: around_most_charge(images, SIZE, n_threads=1),
            dense_search,
            target=20,
        )
    ]


def voxelise(count: int = 200) -> list[Timing]:
    """Time 21 cumulative frames of 32 x 32 images of energy and time with about 40 cells hit."""
    random = np.random.default_rng(2)
    dense = np.zeros((count, 2, 32, 32), np.float32)
    hit = random.random((count, 32, 32)) < 0.04
    dense[:, 0][hit] = random.exponential(0.05, hit.sum())
    dense[:, 1][hit] = random.normal(0, 0.04, hit.sum())
    images, edges = sparse(dense), ECAL.edges
    out = np.empty((count, ECAL.count, 32, 32), np.float32)

    def loop() -> NDArray[np.float32]:
        """Select the cells of every frame of every image."""
        frames = np.zeros_like(out)
        for image, (energy, time) in zip(frames, dense, strict=True):
            for k in range(ECAL.count - 1):
                rows, columns = np.where((energy > ECAL.energy_above) & (time <= edges[k + 1]))
                image[k, rows, columns] = energy[rows, columns]
        return frames

    def vectorised() -> NDArray[np.float32]:
        """Select the cells of all frames and images at once."""
        energy, time = dense[:, 0], dense[:, 1]
        event, rows, columns = np.nonzero(energy > ECAL.energy_above)
        first = np.searchsorted(edges[1:], time[event, rows, columns], side="left")
        frames = np.zeros_like(out)
        live = np.arange(ECAL.count - 1) >= first[:, None]
        which, k = np.nonzero(live)
        frames[event[which], k, rows[which], columns[which]] = energy[event, rows, columns][which]
        return frames

    def ours() -> NDArray[np.float32]:
        """Make the frames with dmcnn."""
        return to_frames(images, ECAL, out=out, n_threads=1)

    np.testing.assert_array_equal(ours(), loop())
    np.testing.assert_array_equal(ours(), vectorised())
    name = f"voxelise {count} sparse images 32x32 to 21 frames, cumulative"
    return [
        paired(name, "np.where per image and frame", ours, loop, target=30),
        paired(name, "vectorised NumPy", ours, vectorised, target=3),
    ]
