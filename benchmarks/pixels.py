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
    what, baseline = "window of most charge, 512x512 in 3456x1008", "NumPy cumulative sums of the plane"

    def sparse_search() -> tuple[int, int]:
        """Return (top, left) of the window from the same sparse pixels, made dense for the sums."""
        plane[:] = 0
        plane.ravel()[images.index] = images.value
        return dense_search()

    return [
        paired(
            f"{what}, from the dense plane",
            baseline,
            lambda: around_most_charge(sparse(plane[None, None]), SIZE, n_threads=1),
            dense_search,
        ),
        paired(
            f"{what}, from sparse pixels",
            f"{baseline}, made dense",
            lambda: around_most_charge(images, SIZE, n_threads=1),
            sparse_search,
        ),
    ]


def voxelise(count: int = 200) -> list[Timing]:
    """Time 21 cumulative frames of 32 x 32 images of energy and time with about 40 cells hit."""
    random = np.random.default_rng(2)
    dense = np.zeros((count, 2, 32, 32), np.float32)
    hit = random.random((count, 32, 32)) < 0.04
    dense[:, 0][hit] = random.exponential(0.05, hit.sum())
    dense[:, 1][hit] = random.normal(0, 0.04, hit.sum())
    images = sparse(dense)
    out = np.empty((count, ECAL.count, 32, 32), np.float32)

    def ours() -> NDArray[np.float32]:
        """Make the frames of sparse images with dmcnn."""
        return to_frames(images, ECAL, out=out, n_threads=1)

    def from_dense() -> NDArray[np.float32]:
        """Make the frames of dense images with dmcnn."""
        return to_frames(sparse(dense), ECAL, out=out, n_threads=1)

    def from_pixels() -> NDArray[np.float32]:
        """Make the frames of the same sparse pixels with NumPy."""
        pictures = np.zeros(dense.shape, np.float32)
        pictures.reshape(count, -1)[np.repeat(np.arange(count), images.n_pixels), images.index] = images.value
        return frames_of(pictures)

    np.testing.assert_array_equal(ours(), frames_of(dense))
    np.testing.assert_array_equal(from_pixels(), frames_of(dense))
    name = f"voxelise {count} images 32x32 to 21 frames, cumulative"
    return [
        paired(f"{name}, from dense images", "vectorised NumPy", from_dense, lambda: frames_of(dense)),
        paired(f"{name}, from sparse images", "vectorised NumPy, made dense", ours, from_pixels),
    ]


def frames_of(dense: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the (n, 21, H, W) cumulative frames of (n, 2, H, W) energies and times, selected all at once."""
    energy, time = dense[:, 0], dense[:, 1]
    event, rows, columns = np.nonzero(energy > ECAL.energy_above)
    first = np.searchsorted(ECAL.edges[1:], time[event, rows, columns], side="left")
    frames = np.zeros((len(dense), ECAL.count, *energy.shape[1:]), np.float32)
    which, k = np.nonzero(np.arange(ECAL.count - 1) >= first[:, None])
    frames[event[which], k, rows[which], columns[which]] = energy[event, rows, columns][which]
    return frames
