"""sparsify against its twin, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmcnn import _core
from reference.collect import assert_same
from reference.sparsify import sparsify as twin

INF = float("inf")
LO, HI = np.float32(10.1), np.float32(500.3)
EDGES = np.float32(
    [LO, np.nextafter(LO, -INF, dtype=np.float32), HI, np.nextafter(HI, INF, dtype=np.float32)]
)
SPECIAL = np.float32([np.nan, INF, -INF, 0, -0.0, 1e-45, -3, 20, 3e38, *EDGES])


@st.composite
def problems(draw):
    """Random images, some missing, some larger than ``shape``, some all zero."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, channels = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    side = draw(st.sampled_from([1, 4, 12]))
    rows, cols = rng.integers(0, side + 1, (2, n, channels))
    counts = (rows * cols).ravel()
    starts = (np.cumsum(counts) - counts).reshape(n, channels)
    fill = draw(st.sampled_from([0.02, 0.5, 1]))
    pixels = np.where(rng.random(counts.sum()) < fill, rng.choice(SPECIAL, counts.sum()), np.float32(0))
    starts[rng.random((n, channels)) < 0.2] = -1
    shape = draw(st.tuples(st.integers(0, 9), st.integers(0, 9)))
    bounds = draw(st.sampled_from([(-INF, INF), (10.1, 500.3), (-INF, 0.0), (0.0, INF), (-3.0, 3e38)]))
    return pixels, starts, rows, cols, shape, *bounds, draw(st.booleans())


@pytest.mark.slow
@given(problems())
def test_same_as_twin(problem):
    expected = twin(*problem)
    for n_threads in (1, 2, 5):
        assert_same(_core.sparsify(*problem, n_threads=n_threads), expected)


@pytest.mark.parametrize("n", [1, 15, 16, 17, 100])
def test_threads_change_nothing(n):
    rng = np.random.default_rng(n)
    pixels = np.where(rng.random((n, 5, 6)) < 0.3, rng.uniform(0, 600, (n, 5, 6)), 0).astype(np.float32)
    starts, rows, cols = (np.array(column)[:, None] for column in (np.arange(n) * 30, [5] * n, [6] * n))
    problem = (pixels.ravel(), starts, rows, cols, (5, 6), 10.1, 500.3, True)
    expected = twin(*problem)
    for n_threads in (1, 2, 3, 8):
        assert_same(_core.sparsify(*problem, n_threads=n_threads), expected)
    starts = np.where(np.arange(n)[:, None] >= n // 2, -5, starts)
    for n_threads in (1, 2, 8):
        with pytest.raises(ValueError, match=f"image {n // 2}: pixels -5"):
            _core.sparsify(pixels.ravel(), starts, *problem[2:], n_threads=n_threads)


@pytest.mark.parametrize(
    ("size", "shape", "kept", "index"),
    [
        (9, 8, slice(0, 8), slice(0, 8)),
        (10, 8, slice(1, 9), slice(0, 8)),
        (8, 9, slice(0, 8), slice(0, 8)),
        (8, 10, slice(0, 8), slice(1, 9)),
        (1, 1, slice(0, 1), slice(0, 1)),
    ],
)
@pytest.mark.parametrize("axis", [0, 1])
def test_centred_fit(size, shape, kept, index, axis):
    """The shift is half the difference, truncated toward zero both for a smaller and a larger image."""
    pixels = np.arange(1, size + 1, dtype=np.float32)
    sizes = [(size, 1), (1, size)][axis], [(shape, 1), (1, shape)][axis]
    one = [np.array([[number]]) for number in (0, *sizes[0])]
    found = _core.sparsify(pixels, *one, sizes[1], -INF, INF, True)
    np.testing.assert_array_equal(found[1], np.arange(shape)[index])
    np.testing.assert_array_equal(found[2], pixels[kept])
    assert found[4] == size - len(pixels[kept])


VALID = {
    "pixels": np.ones(12, np.float32),
    "starts": np.array([[0], [6]], np.int64),
    "rows": np.array([[2], [2]], np.int64),
    "cols": np.array([[3], [3]], np.int64),
    "shape": (2, 3),
    "adc_lo": 0.0,
    "adc_hi": 500.0,
    "row_major": True,
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"starts": [[0], [7]]}, r"image 1: pixels 7 \+ 6, expected -1, or a place in 12 pixels"),
        ({"starts": [[-2], [6]]}, "image 0: pixels -2"),
        ({"starts": [[0], [2**63 - 1]]}, "image 1: pixels"),
        ({"rows": [[2], [-2]], "cols": [[3], [-3]]}, "image 1: image of size -2 x -3"),
        ({"rows": [[2**33], [2]], "cols": [[2**33], [3]]}, "image 0: image of size"),
        ({"rows": [[2]]}, r"rows has shape \(1, 1\), expected \(2, 1\)"),
        ({"shape": (-1, 3)}, "shape"),
        ({"shape": (2**16, 2**15)}, r"shape \(1, 65536, 32768\), expected .* at most 2147483647"),
        ({"adc_lo": 501.0}, "expected adc_lo <= adc_hi"),
        ({"adc_hi": float("nan")}, "expected adc_lo <= adc_hi"),
    ],
)
def test_refuses(change, said):
    for name in change.keys() & {"starts", "rows", "cols"}:
        change[name] = np.array(change[name], np.int64)
    with pytest.raises(ValueError, match=said):
        _core.sparsify(**{**VALID, **change})


def test_refuses_other_types(tampered):
    for what, arguments in tampered(VALID):
        with pytest.raises((TypeError, ValueError)):
            pytest.fail(f"{what} accepted: {_core.sparsify(**arguments)}")
    for name, value in [("shape", (2.0, 3.0)), ("shape", (2, 3, 4)), ("row_major", None), ("adc_lo", None)]:
        with pytest.raises(TypeError):
            _core.sparsify(**{**VALID, name: value})


def test_releases_gil(releases_gil):
    """All pixels below the threshold: NumPy lets go of the GIL too when it copies a long result."""
    pixels = np.ones(1 << 22, np.float32)
    start, rows, cols = (np.array([[number]]) for number in (0, 1 << 11, 1 << 11))
    assert releases_gil(lambda: _core.sparsify(pixels, start, rows, cols, (2048, 2048), 2.0, 9.0, False))
