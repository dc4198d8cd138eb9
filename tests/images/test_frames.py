"""Space-time frames of energy and time images, and of lists of hits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dmcnn._common.errors import InputError
from dmcnn.images import frames as voxels
from dmcnn.images.frames import ECAL, Frames, Hits
from dmcnn.images.sparse import SparseImages, sparse


@pytest.fixture(scope="module")
def oracle(shared_data):
    return np.load(shared_data / "ecal" / "voxel_oracle.npz")


def energy_time(pictures: np.ndarray) -> SparseImages:
    """Convert (n, y, x, 2) into SparseImages with channels energy and time."""
    return sparse(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)), label=np.arange(len(pictures)))


@pytest.mark.parametrize("name", ["cumulative", "binned"])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_ecal_convention_bit_for_bit(oracle, name, n_threads):
    np.testing.assert_array_equal(ECAL.edges, oracle["edges"])
    images, how = energy_time(oracle["X"]), replace(ECAL, cumulative=name == "cumulative")
    dense = voxels.to_frames(images, how, n_threads=n_threads)
    assert dense.dtype == np.float32
    assert dense.tobytes() == oracle[name].tobytes()
    found = voxels.to_voxels(images, how, n_threads=n_threads)
    assert found.dense().tobytes() == oracle[name].tobytes()
    assert found.value.all()


def test_identity_comes_along():
    images = energy_time(np.full((3, 4, 5, 2), 0.05, np.float32))
    found = voxels.to_voxels(images, ECAL)
    assert found.shape == (21, 4, 5)
    np.testing.assert_array_equal(found.events, images.events)
    np.testing.assert_array_equal(found.label, images.label)
    np.testing.assert_array_equal(found.meta, np.repeat(images.meta[:, :1], 21, axis=1))
    assert (found.meta["x_max"] == 5).all()


def test_frames_go_where_they_are_told():
    images = energy_time(np.full((3, 4, 5, 2), 0.05, np.float32))
    batch = np.full((5, 21, 4, 5), np.nan, np.float32)
    assert voxels.to_frames(images, ECAL, out=batch[1:4]).base is batch
    assert np.isnan(batch[[0, 4]]).all()
    np.testing.assert_array_equal(batch[1:4], voxels.to_frames(images, ECAL))


def test_channels_and_time_window():
    images = energy_time(np.array([[[[3.0, 1.0], [2.0, 7.0]]]], np.float32))
    frames = Frames([0, 4, 8], after=2.0)
    assert voxels.to_frames(images, frames).ravel().tolist() == [0, 0, 0, 2]
    assert voxels.to_frames(images, frames, energy=1, time=0).ravel().tolist() == [1, 0, 0, 0]
    left = Frames([1, 7, 8], closed="left")
    assert voxels.to_frames(images, left).ravel().tolist() == [3, 0, 0, 2]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_hits_as_numpy_counts_them(dtype):
    rng = np.random.default_rng(1)
    offsets = np.array([0, 500, 500, 1200])
    x, y, t, charge = (rng.uniform(0, high, 1200).astype(dtype) for high in (13, 11, 10, 1))
    edges = np.arange(11.0), np.array([0, 2.5, 9]), np.linspace(0, 12, 7)
    images, outside, bad = voxels.hits_to_voxels(Hits(offsets, x, y, t, charge), *edges)
    assert images.shape == (10, 2, 6)
    assert (images.meta["x_max"] == 12).all()
    assert images.events["entry"].tolist() == [0, 1, 2]
    for i in range(3):
        mine = slice(offsets[i], offsets[i + 1])
        points = np.stack([t[mine], y[mine], x[mine]], 1).astype(np.float64)
        expected, _ = np.histogramdd(points, edges, weights=charge[mine].astype(np.float64))
        np.testing.assert_allclose(images.dense()[i], expected, rtol=1e-6)
        assert outside[i] == ((y[mine] >= 9) | (x[mine] >= 12)).sum()
    assert not bad.any()


def test_duplicates_are_summed_in_double():
    charge = np.array([1e8, 1, -1e8, np.nan], np.float32)
    zeros = np.zeros(4, np.float32)
    images, outside, bad = voxels.hits_to_voxels(
        Hits(np.array([0, 4]), zeros, zeros, zeros, charge), *[[0, 1]] * 3
    )
    assert images.value.tolist() == [1]
    assert (outside.tolist(), bad.tolist()) == ([0], [1])
    mixed = Hits(np.array([0, 4]), zeros, zeros, zeros.astype(int), charge, images.events)
    assert voxels.hits_to_voxels(mixed, *[[-1, 0]] * 3, closed="right")[0].value.tolist() == [1]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda i: Frames([1]), "at least two increasing"),
        (lambda i: Frames([1, 1]), "at least two increasing"),
        (lambda i: Frames([1, np.nan]), "at least two increasing"),
        (lambda i: Frames([1, 2, 3], n_frames=1), "1 frames, expected at least the 2"),
        (lambda i: Frames([1, 2], closed="both"), "closed = 'both'"),
        (lambda i: Frames([1, 2], energy_above=np.nan), "energies above nan"),
        (lambda i: Frames([1, 2], after=3, until=2), "times 3 to 2"),
        (lambda i: voxels.to_voxels(i, ECAL, time=2), "time channel 2, expected 0 to 1"),
        (lambda i: voxels.to_frames(i, ECAL, energy=-1), "energy channel -1"),
        (lambda i: voxels.to_frames(i, ECAL, out=np.empty((2, 20, 3, 3), np.float32)), "out is float32"),
        (lambda i: voxels.to_frames(i, ECAL, out=np.empty((2, 21, 3, 3))), "out is float64"),
        (lambda i: voxels.hits_to_voxels(Hits(*[np.zeros(1, int)] * 5), [0, 1], [1, 0], [0, 1]), "y edges"),
    ],
)
def test_refuses(call, said):
    with pytest.raises(InputError, match=said):
        call(energy_time(np.ones((2, 3, 3, 2), np.float32)))


def test_refuses_columns_that_do_not_fit():
    hits = Hits(np.array([0, 2]), np.zeros(2), np.zeros(3), np.zeros(2), np.zeros(2))
    with pytest.raises(ValueError, match="y has shape"):
        voxels.hits_to_voxels(hits, *[[0, 1]] * 3)
