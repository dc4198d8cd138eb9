"""voxelise_hits against its twin, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmcnn import _core
from reference.images import assert_same
from reference.voxelise_hits import voxelise_hits as twin

EDGES = st.lists(st.integers(-8, 8), min_size=2, max_size=9, unique=True).map(
    lambda numbers: np.array(sorted(numbers)) * 0.1
)


@pytest.mark.slow
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(0, 40), max_size=4),
    st.tuples(EDGES, EDGES, EDGES),
    st.sampled_from([np.float32, np.float64]),
    st.booleans(),
)
def test_same_as_twin(seed, counts, edges, dtype, right_closed):
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)
    hits = [
        rng.choice(np.concatenate([e, e + 0.01, [np.nan, np.inf][: rng.integers(3)]]), offsets[-1])
        for e in edges
    ]
    charge = rng.choice([0.1, -0.1, 1e3, 1e-9, 2.5], offsets[-1])
    arguments = [offsets, *(a.astype(dtype) for a in (*hits, charge)), *edges]
    expected, bad, cut = twin(*arguments, right_closed)
    for n_threads in (1, 3):
        assert_same(_core.voxelise_hits(*arguments, right_closed, n_threads), expected, bad, cut)


def test_many_voxels():
    """Voxel numbers of more than one digit of the sort."""
    rng = np.random.default_rng(3)
    offsets = np.array([0, 4000, 9000])
    x, y, t = rng.integers(0, 300, (3, 9000)) // np.array([[1], [30], [1]]) + 0.5
    edges = [np.arange(301.0), np.arange(11.0), np.arange(301.0)]
    arguments = (offsets, x, y, t, rng.normal(size=9000), *edges)
    assert_same(_core.voxelise_hits(*arguments), *twin(*arguments, False))


HITS = {
    "offsets": np.array([0, 1, 3], np.int64),
    **{name: np.array([0.5, 0.5, 1.5]) for name in ("x", "y", "t", "charge")},
    **{name: np.array([0.0, 1, 2]) for name in ("x_edges", "y_edges", "t_edges")},
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"offsets": np.array([0, 4, 3])}, "event 0: offsets 0 to 4"),
        ({"offsets": np.array([0, 2, 2])}, "offset 2: value 2, expected 3"),
        ({"y": np.zeros(2)}, r"y has shape \(2\), expected \(3\)"),
        ({"y_edges": np.array([1.0, 0])}, "edge 1: y 0"),
        ({"t_edges": np.array([])}, "0 edges of t"),
        ({"charge": np.array([0, 1e39, 0])}, "event 1: sum of a pixel 9"),
        ({f"{axis}_edges": np.arange(2000.0) for axis in "xyt"}, "at most 2147483647 pixels"),
    ],
)
def test_refuses(change, said):
    with pytest.raises(ValueError, match=said):
        _core.voxelise_hits(**{**HITS, **change})


def test_one_type_of_hits_at_a_time():
    with pytest.raises(TypeError):
        _core.voxelise_hits(**{**HITS, "x": np.zeros(3, np.float32)})


def test_refuses_other_arrays(tampered):
    for what, arguments in tampered(HITS):
        with pytest.raises((TypeError, ValueError)):
            pytest.fail(f"{what} accepted: {_core.voxelise_hits(**arguments)}")


@pytest.mark.parametrize("n_threads", [1, 2])
def test_releases_gil(releases_gil, n_threads):
    offsets, edges, hits = np.array([0, 50_000, 100_000]), np.arange(5.0), np.full(100_000, 0.5)
    assert releases_gil(lambda: _core.voxelise_hits(offsets, *[hits] * 4, *[edges] * 3, n_threads=n_threads))
