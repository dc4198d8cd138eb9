"""voxelise, dense and sparse, against its twin, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmcnn import _core
from reference.images import assert_same, columns
from reference.voxelise import voxelise as twin

EDGES = st.lists(st.integers(-8, 8), min_size=2, max_size=9, unique=True).map(
    lambda numbers: np.array(sorted(numbers)) * 0.1
)


def energy_and_time(rng, n, fill, edges):
    """(n, 3, 4, 5) float32: times in channel 0, many of them on an edge, nothing in 1, energies in 2."""
    dense = np.zeros((n, 3, 4, 5), np.float32)
    alive = rng.random((n, 4, 5)) < fill
    dense[:, 2] = np.where(alive, rng.choice([-1, 0.005, 0.3, 1.1], alive.shape), 0)
    times = np.where(
        rng.random(alive.shape) < 0.5, rng.choice(edges, alive.shape), rng.uniform(-1, 1, alive.shape)
    )
    dense[:, 0] = np.where(rng.random(alive.shape) < 0.8, times, 0)
    return dense


@pytest.mark.slow
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 3),
    st.sampled_from([0, 0.1, 1]),
    EDGES,
    st.integers(0, 2),
    st.tuples(st.sampled_from([-np.inf, 0.0, 0.005, 0.3]), st.sampled_from([-np.inf, -0.3, 0.0])),
    st.booleans(),
    st.booleans(),
)
def test_same_as_twin(seed, n, fill, edges, more, above, cumulative, right_closed):
    dense = energy_and_time(np.random.default_rng(seed), n, fill, edges)
    n_frames, (energy_above, after) = len(edges) - 1 + more, above
    how = (energy_above, after, after + 0.7 if after > -9 else np.inf, cumulative, right_closed)
    expected, cut = twin(dense, 2, 0, edges, n_frames, *how)
    for n_threads in (1, 3):
        found = _core.voxelise(*columns(dense), 2, 0, edges, n_frames, *how, n_threads)
        assert_same(found, expected, np.zeros(n, np.int64), cut)
        out = np.full(expected.shape, np.nan, np.float32)
        assert _core.voxelise_dense(*columns(dense), 2, 0, edges, out, *how, n_threads) is None
        np.testing.assert_array_equal(out, expected)


def cells_of(dense):
    """offsets, cell, energy, time, shape of (n, 3, H, W) images as ``energy_and_time`` makes them."""
    n, _, height, width = dense.shape
    image, cell = np.nonzero(dense[:, 2].reshape(n, height * width))
    offsets = np.searchsorted(image, np.arange(n + 1)).astype(np.int64)
    energy, time = (dense[:, channel].reshape(n, height * width)[image, cell] for channel in (2, 0))
    return offsets, cell.astype(np.int32), energy, time, (height, width)


@pytest.mark.slow
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 40),
    st.sampled_from([0, 0.1, 1]),
    EDGES,
    st.sampled_from([-np.inf, 0.0, 0.3]),
    st.booleans(),
    st.booleans(),
)
def test_cells_are_those_of_the_images(seed, n, fill, edges, above, cumulative, right_closed):
    dense = energy_and_time(np.random.default_rng(seed), n, fill, edges)
    how = (above, -0.3, 0.4, cumulative, right_closed)
    expected, cut = twin(dense, 2, 0, edges, len(edges), *how)
    for n_threads in (1, 3):
        found = _core.voxelise_cells(*cells_of(dense), edges, len(edges), *how, n_threads)
        assert_same(found, expected, np.zeros(n, np.int64), cut)


CELLS = {
    "offsets": np.array([0, 1, 3], np.int64),
    "cell": np.array([5, 0, 11], np.int32),
    "energy": np.array([1, 2, 3], np.float32),
    "time": np.array([0.5, 1, 2], np.float32),
    "edges": np.array([0.0, 1, 2]),
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cell": np.array([5, 0, 12], np.int32)}, "image 1: cell 12, expected 1 to 11"),
        ({"cell": np.array([5, 3, 3], np.int32)}, "image 1: cell 3, expected 4 to 11"),
        ({"cell": np.array([-1, 0, 3], np.int32)}, "image 0: cell -1"),
        ({"energy": np.array([1, np.nan, 3], np.float32)}, "image 1: energy and time nan"),
        ({"time": np.array([np.inf, 1, 3], np.float32)}, "image 0: energy and time 1.0+, inf"),
        ({"energy": np.zeros(2, np.float32)}, "energy has shape"),
        ({"offsets": np.array([0, 4, 3])}, "image 0: offsets 0 to 4"),
        ({"edges": np.array([0.0])}, "1 edges of time"),
        ({"shape": (2**40, 2**40)}, "shape"),
        ({"n_frames": 1}, "1 frames, expected at least the 2"),
    ],
)
def test_cells_refuse(change, said):
    with pytest.raises(ValueError, match=said):
        _core.voxelise_cells(**{**CELLS, "shape": (3, 4), "n_frames": 2, **change})


def test_cells_refuse_other_arrays(tampered):
    for what, arguments in tampered({**CELLS, "shape": (3, 4), "n_frames": 2}):
        with pytest.raises((TypeError, ValueError)):
            pytest.fail(f"{what} accepted: {_core.voxelise_cells(**arguments)}")


IMAGES = {
    "offsets": np.array([0, 1, 3], np.int64),
    "index": np.array([5, 0, 23], np.int32),
    "value": np.array([1, 2, 3], np.float32),
    "edges": np.array([0.0, 1, 2]),
}
REST = {"shape": (2, 3, 4), "energy": 0, "time": 1}
CALLS = {
    "voxelise": lambda **more: _core.voxelise(**{**IMAGES, **REST, "n_frames": 2, **more}),
    "voxelise_dense": lambda **more: _core.voxelise_dense(
        **{**IMAGES, **REST, "out": np.zeros((2, 2, 3, 4), np.float32), **more}
    ),
}


@pytest.mark.parametrize("call", [CALLS["voxelise"], CALLS["voxelise_dense"]], ids=["sparse", "dense"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"index": np.array([5, 0, 24], np.int32)}, "image 1: index 24"),
        ({"index": np.array([5, 9, 3], np.int32)}, "image 1: index 3, expected 10 to 23"),
        ({"value": np.array([1, 2, np.nan], np.float32)}, "image 1: value nan"),
        ({"offsets": np.array([0, 4, 3])}, "image 0: offsets 0 to 4"),
        ({"energy": 2}, "channel 2, expected 0 to 1"),
        ({"time": -1}, "channel -1, expected 0 to 1"),
        ({"edges": np.array([0.0])}, "1 edges of time, expected at least 2"),
        ({"edges": np.array([0.0, 0, 1])}, "edge 1: time 0.0+, expected more than 0"),
        ({"edges": np.array([0.0, np.nan])}, "edge 1: time nan"),
        ({"edges": np.arange(4.0)}, "2 frames, expected at least the 3"),
    ],
)
def test_refuses(call, change, said):
    with pytest.raises(ValueError, match=said):
        call(**change)


def test_refuses_sizes():
    with pytest.raises(ValueError, match="shape"):
        CALLS["voxelise"](n_frames=2**40)
    with pytest.raises(ValueError, match="out has shape"):
        CALLS["voxelise_dense"](out=np.zeros((2, 2, 4, 3), np.float32))
    frozen = np.zeros((2, 2, 3, 4), np.float32)
    frozen.setflags(write=False)
    with pytest.raises(ValueError, match="writeable"):
        CALLS["voxelise_dense"](out=frozen)


@pytest.mark.parametrize("name", CALLS)
def test_refuses_other_arrays(tampered, name):
    more = {"out": np.zeros((2, 2, 3, 4), np.float32)} if name == "voxelise_dense" else {}
    for what, arguments in tampered({**IMAGES, **more}):
        with pytest.raises((TypeError, ValueError)):
            pytest.fail(f"{what} accepted: {CALLS[name](**arguments)}")


@pytest.mark.parametrize("n_threads", [1, 2])
def test_release_gil(releases_gil, n_threads):
    images = columns(np.ones((2, 2, 200, 200), np.float32))
    edges = np.arange(5.0)
    out = np.empty((2, 4, 200, 200), np.float32)
    more = {"cumulative": True, "n_threads": n_threads}
    assert releases_gil(lambda: _core.voxelise(*images, 0, 1, edges, 4, **more))
    cells = np.array([0, 80_000]), *(np.zeros(80_000, kind) for kind in (np.int32, np.float32, np.float32))
    cells[1][:] = np.arange(80_000)
    assert releases_gil(lambda: _core.voxelise_cells(*cells, (400, 200), edges, 4, n_threads=n_threads))
    assert releases_gil(lambda: _core.voxelise_dense(*images, 0, 1, edges, out, **more))
