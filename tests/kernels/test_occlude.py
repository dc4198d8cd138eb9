"""list_windows and occlude against their twins, and what they refuse."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmcnn import _core
from reference.occlude import list_boxes as boxes_twin
from reference.occlude import list_windows as twin
from reference.occlude import occlude as occlude_twin

NAMES = ("rows", "cols", "number", "offsets", "covered")


def pixels(rng, shape, fill):
    return np.flatnonzero(rng.random(shape) < fill).astype(np.int32)


def assert_same(index, shape, half, stride, skip):
    found, expected = (of(index, shape, half, stride, skip) for of in (_core.list_windows, twin))
    for name, a, b in zip(NAMES, found, expected, strict=True):
        assert a.dtype == b.dtype, name
        np.testing.assert_array_equal(a, b, err_msg=name)
    return found


@pytest.mark.slow
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
    st.sampled_from([0, 0.05, 0.3, 1]),
    st.sampled_from([0, 1, 2, 9]),
    st.sampled_from([1, 2, 3, 20]),
    st.booleans(),
)
def test_windows_are_those_of_the_twin(seed, shape, fill, half, stride, skip):
    assert_same(pixels(np.random.default_rng(seed), shape, fill), shape, half, stride, skip)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 5), (1, 5, 1)])
def test_small_and_full_images(shape):
    full = np.arange(np.prod(shape), dtype=np.int32)
    for index in (full, full[:0], full[:1], full[-1:]):
        for half in (0, 1, 2**63 - 1):
            for stride in (1, 2, 2**63 - 1):
                assert_same(index, shape, half, stride, False)
    assert_same(full[:0], (0, 4, 4), 1, 2, False)
    assert_same(full[:0], (1, 0, 4), 1, 1, True)


def assert_same_boxes(index, shape, half, depth, stride, skip):
    expected = boxes_twin(index, shape, half, depth, stride, skip)
    for n_threads in (1, 3):
        found = _core.list_boxes(index, shape, half, depth, stride, skip, n_threads=n_threads)
        for name, a, b in zip(("frames", *NAMES), found, expected, strict=True):
            assert a.dtype == b.dtype, name
            np.testing.assert_array_equal(a, b, err_msg=name)
    return found


@pytest.mark.slow
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 6), st.integers(1, 7), st.integers(1, 7)),
    st.sampled_from([0.0, 0.05, 0.3, 1.0]),
    st.integers(0, 4),
    st.integers(0, 4),
    st.integers(1, 4),
    st.booleans(),
)
def test_boxes_are_those_of_the_twin(seed, shape, fill, half, depth, stride, skip):
    index = pixels(np.random.default_rng(seed), shape, fill)
    assert_same_boxes(index, shape, half, depth, stride, skip)


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 1, 1), (2, 1, 5)])
def test_boxes_of_small_and_full_images(shape):
    full = np.arange(np.prod(shape), dtype=np.int32)
    for index in (full, full[:0], full[:1], full[-1:]):
        for depth in (0, 1, 2**63 - 1):
            for stride in (1, 2**63 - 1):
                assert_same_boxes(index, shape, 1, depth, stride, False)
    assert_same_boxes(full[:0], (0, 4, 4), 1, 1, 2, False)
    assert_same_boxes(full[:0], (3, 0, 4), 1, 1, 2, True)


@given(st.integers(0, 2**32 - 1), st.integers(0, 3))
def test_boxes_through_all_frames_are_windows(seed, half):
    """A box deeper than the image covers what a window does: one per pixel, and no other."""
    shape = (4, 6, 5)
    index = pixels(np.random.default_rng(seed), shape, 0.1)
    frames, *boxes = _core.list_boxes(index, shape, half, 9)
    np.testing.assert_array_equal((frames * 6 + boxes[0]) * 5 + boxes[1], index)
    by_box, by_window = (
        {
            tuple(at): covered[offsets[window] : offsets[window + 1]].tolist()
            for (*at, window) in np.transpose([rows, cols, number]).tolist()
        }
        for rows, cols, number, offsets, covered in (
            boxes,
            _core.list_windows(index, shape, half, n_threads=2),
        )
    )
    assert by_box == by_window


@given(st.integers(0, 2**32 - 1), st.integers(0, 4), st.sampled_from([1, 2, 3]))
def test_merged_windows_are_the_same_image_and_others_are_not(seed, half, stride):
    """Against dense copies: one picture per different window, and the one that belongs to every centre."""
    rng = np.random.default_rng(seed)
    shape, skip = (2, 7, 8), bool(rng.integers(2))
    image = np.where(rng.random(shape) < 0.15, rng.uniform(1, 9, shape), 0).astype(np.float32)
    index = np.flatnonzero(image).astype(np.int32)
    rows, cols, number, offsets, covered = _core.list_windows(index, shape, half, stride, skip)
    out = np.repeat(image[np.newaxis], len(offsets) - 1, axis=0)
    zeros = np.zeros(len(index), np.float32)
    for n_threads in (1, 3):
        _core.occlude(index, zeros, offsets, covered, np.arange(len(out)), out, n_threads=n_threads)
    for row, col, window in zip(rows, cols, number, strict=True):
        hidden = image.copy()
        hidden[:, max(0, row - half) : row + half + 1, max(0, col - half) : col + half + 1] = 0
        np.testing.assert_array_equal(out[window], hidden)
        assert not np.array_equal(hidden, image)
    assert len({one.tobytes() for one in out}) == len(out)
    assert set(number) == set(range(len(out)))


@given(st.integers(0, 2**32 - 1))
def test_writes_what_the_twin_writes_and_restores(seed):
    rng = np.random.default_rng(seed)
    shape = (2, 6, 6)
    index = pixels(rng, shape, 0.3)
    value, fill = rng.normal(size=(2, len(index))).astype(np.float32)
    *_, offsets, covered = _core.list_windows(index, shape, 1)
    image = np.zeros(shape, np.float32)
    image.reshape(-1)[index] = value
    which = rng.integers(0, max(1, len(offsets) - 1), 5 if len(index) else 0)
    out = np.repeat(image[np.newaxis], len(which), axis=0)
    expected, before = out.copy(), None
    for n_threads in (1, 2, 3):  # each time over what the windows before have left
        restored = {} if before is None else {"before": before, "value": value}
        _core.occlude(index, fill, offsets, covered, which, out, n_threads=n_threads, **restored)
        occlude_twin(index, fill, offsets, covered, which, expected, **restored)
        np.testing.assert_array_equal(out, expected)
        before, which = which, rng.permutation(which)
    which = before
    _core.occlude(index, value, offsets, covered, which, out)
    assert all(np.array_equal(one, image) for one in out)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"index": [0, 0]}, "pixel 1: index 0, expected 1 to 11"),
        ({"index": [3, 1]}, "pixel 1: index 1"),
        ({"index": [-1]}, "pixel 0: index -1"),
        ({"index": [12]}, "pixel 0: index 12"),
        ({"index": [2**31 - 1]}, "pixel 0"),
        ({"shape": (-1, 3, 4)}, "shape"),
        ({"shape": (1, 2**40, 2**40)}, "shape"),
        ({"half": -1}, "half -1, expected >= 0"),
        ({"stride": 0}, "stride 0, expected >= 1"),
    ],
)
def test_windows_refuse(change, said):
    arguments = {"index": [1, 5], "shape": (1, 3, 4), "half": 1, **change}
    arguments["index"] = np.array(arguments["index"], np.int32)
    with pytest.raises(ValueError, match=said):
        _core.list_windows(**arguments)
    with pytest.raises(ValueError, match=said):
        _core.list_boxes(**arguments, depth=1)


def test_boxes_refuse_a_depth_below_zero():
    for depth in (-1, -(2**63)):
        with pytest.raises(ValueError, match=f"depth {depth}, expected >= 0"):
            _core.list_boxes(np.array([1], np.int32), (1, 3, 4), 1, depth)


VALID = {
    "index": np.array([0, 5, 23], np.int32),
    "fill": np.zeros(3, np.float32),
    "offsets": np.array([0, 1, 3], np.int64),
    "covered": np.array([0, 1, 2], np.int32),
    "which": np.array([0, 1, 1], np.int64),
    "out": np.ones((3, 2, 3, 4), np.float32),
    "before": np.array([-1, -1, -1], np.int64),
    "value": np.ones(3, np.float32),
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"which": [0, 2, 0]}, "image 1: window 2, expected 0 to 1"),
        ({"which": [-1, 0, 0]}, "image 0: window -1"),
        ({"which": [0]}, "out has shape"),
        ({"offsets": [0, 1, 4]}, "image 1: offsets 1 to 4"),
        ({"offsets": [-1, 1, 3]}, "image 0: offsets -1 to 1"),
        ({"offsets": [0, 3, 1]}, "image 1: offsets 3 to 1"),
        ({"offsets": []}, "offsets is empty"),
        ({"covered": [0, 1, 3]}, "image 1: covered 3, expected 0 to 2"),
        ({"covered": [-1, 1, 2]}, "image 0: covered -1"),
        ({"before": [0, 2, -1]}, "image 1: window 2, expected 0 to 1"),
        ({"before": [0, -1, -2]}, "image 2: window -2"),
        ({"before": [0, 1]}, r"before has shape \(2\), expected \(3\)"),
        ({"value": [0, 1]}, r"value has shape \(2\), expected \(3\)"),
        ({"index": [0, 5, 24]}, "image 1: index 24, expected 0 to 23"),
        ({"index": [-1, 5, 23]}, "image 0: index -1"),
        ({"fill": [0, 0]}, r"fill has shape \(2\), expected \(3\)"),
    ],
)
def test_refuses(change, said):
    change = {name: np.array(values, VALID[name].dtype) for name, values in change.items()}
    for n_threads in (1, 2):
        with pytest.raises(ValueError, match=said):
            _core.occlude(**{**VALID, **change}, n_threads=n_threads)


@pytest.mark.parametrize("missing", ["before", "value"])
def test_restores_only_with_both(missing):
    with pytest.raises(ValueError, match="before and value, expected both or neither"):
        _core.occlude(**{**VALID, missing: None})


def test_refuses_other_arrays(tampered):
    for what, arguments in tampered(VALID):
        with pytest.raises((TypeError, ValueError)):
            pytest.fail(f"{what} accepted: {_core.occlude(**arguments)}")
    for what, arguments in tampered({"index": VALID["index"], "shape": (2, 3, 4), "half": 1}):
        with pytest.raises((TypeError, ValueError)):
            pytest.fail(f"{what} accepted: {_core.list_windows(**arguments)}")
    for change in ({"half": 1.5}, {"stride": 1.5}, {"shape": (3, 4)}, {"shape": (2.0, 3, 4)}, {"skip": None}):
        with pytest.raises(TypeError):
            _core.list_windows(**{"index": VALID["index"], "shape": (2, 3, 4), "half": 1, **change})
    with pytest.raises(TypeError):
        _core.list_boxes(VALID["index"], (2, 3, 4), 1, 1.5)
    frozen = VALID["out"].copy()
    frozen.setflags(write=False)
    with pytest.raises(ValueError, match="writeable"):
        _core.occlude(**{**VALID, "out": frozen})


def test_release_gil(releases_gil):
    index = pixels(np.random.default_rng(0), (1, 256, 256), 0.5)
    assert releases_gil(lambda: _core.list_windows(index, (1, 256, 256), 2))
    assert releases_gil(lambda: _core.list_boxes(index, (1, 256, 256), 2, 0))
    offsets, covered = np.array([0, len(index)]), np.arange(len(index), dtype=np.int32)
    which, out = np.zeros(8, np.int64), np.empty((8, 1, 256, 256), np.float32)
    fill = np.zeros(len(index), np.float32)
    for n_threads in (1, 2):
        call = partial(_core.occlude, index, fill, offsets, covered, which, out, n_threads=n_threads)
        assert releases_gil(call)
