"""densify against its twin, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dmcnn import _core
from reference.densify import bfloat16, random
from reference.densify import densify as twin


def batch(rng, n, shape, fill):
    """offsets, index, value of n random images; about ``fill`` of the pixels are active."""
    active = rng.random((n, int(np.prod(shape)))) < fill
    offsets = np.concatenate([[0], np.cumsum(active.sum(1))]).astype(np.int64)
    index = np.nonzero(active)[1].astype(np.int32)
    return offsets, index, rng.normal(size=len(index)).astype(np.float32)


def dense(offsets, index, value, shape, orientation=None, which=None, dtype=np.float32, **change):
    """The batch and what it lost, made with 1, 2 and 5 threads."""
    count = len(offsets) - 1 if which is None else len(which)
    made = []
    for n_threads in (1, 2, 5):
        out = np.full((count, *shape), 7, dtype)
        lost = _core.densify(
            offsets, index, value, out, orientation, which=which, n_threads=n_threads, **change
        )
        made.append((out, lost))
    for out, lost in made:
        np.testing.assert_array_equal(out, made[0][0])
        np.testing.assert_array_equal(lost, made[0][1])
    return made[0]


def assert_same(found, expected):
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 4),
    st.tuples(*[st.integers(1, 6)] * 3),
    st.sampled_from([0, 0.1, 1]),
)
def test_same_as_twin(seed, n, shape, fill):
    rng = np.random.default_rng(seed)
    sparse = batch(rng, n, shape, fill)
    assert_same(dense(*sparse, shape), twin(*sparse, shape))
    turns = rng.choice(np.arange(0, 8, 1 if shape[1] == shape[2] else 2, np.uint8), n) if n else None
    assert_same(dense(*sparse, shape, turns), twin(*sparse, shape, turns))
    which = rng.integers(0, n, 5) if n else np.zeros(0, np.int64)
    shift = rng.integers(-7, 8, (len(which), 2))
    turns = None if turns is None else rng.choice(turns, len(which))
    assert_same(dense(*sparse, shape, turns, which, shift=shift), twin(*sparse, shape, turns, which, shift))


@pytest.mark.parametrize("orientation", range(8))
@pytest.mark.parametrize("side", [1, 2, 5])
def test_orientations(orientation, side):
    sparse = batch(np.random.default_rng(side), 3, (2, side, side), 0.5)
    turns = np.array([orientation, 0, orientation], np.uint8)
    shape = (2, side, side)
    assert_same(dense(*sparse, shape, turns), twin(*sparse, shape, turns))


def test_far_shifts_empty_the_image():
    shape = (1, 3, 4)
    sparse = batch(np.random.default_rng(0), 4, shape, 1)
    far = np.array([[2**63 - 1, 0], [0, -(2**63)], [3, 0], [0, -4]])
    out, lost = dense(*sparse, shape, shift=far)
    assert not out.any()
    assert lost.tolist() == [12] * 4


@pytest.mark.parametrize("shape", [(0, 3, 3), (2, 0, 3), (2, 3, 0)])
def test_shape_without_pixels(shape):
    assert dense(*batch(np.random.default_rng(0), 2, shape, 1), shape)[0].shape == (2, *shape)


@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**64 - 1),
    st.sampled_from([0.0, 0.5, 1e-3, 3e38]),
    st.sampled_from([0.0, 0.3, 1.0]),
)
def test_random_numbers_are_those_of_the_twin(seed, own_seed, noise, mask):
    rng = np.random.default_rng(seed)
    shape, keys = (2, 4, 4), rng.integers(0, 2**64, 3, np.uint64)
    sparse = batch(rng, 3, shape, 0.5)
    turns, shift = rng.integers(0, 8, 3, np.uint8), rng.integers(-1, 2, (3, 2))
    found = dense(*sparse, shape, turns, shift=shift, key=keys, seed=own_seed, noise=noise, mask=mask)
    with np.errstate(over="ignore"):
        changed = random(*sparse, keys, own_seed, noise, mask)
    assert_same(found, twin(*changed, shape, turns, shift=shift))


def test_random_numbers_belong_to_image_and_pixel():
    """Whatever else is in the batch, wherever the image stands, however it is turned."""
    shape = (1, 8, 8)
    sparse = batch(np.random.default_rng(1), 6, shape, 0.6)
    keys = np.arange(6, dtype=np.uint64)
    change = {"seed": 3, "noise": 0.2, "mask": 0.3}
    whole = dense(*sparse, shape, key=keys, **change)[0]
    which = np.array([4, 1])
    turns = np.array([6, 7], np.uint8)
    some = dense(*sparse, shape, turns, which, key=keys[which], **change)[0]
    np.testing.assert_array_equal(some[0, 0], whole[4, 0, ::-1, ::-1])
    np.testing.assert_array_equal(some[1, 0], whole[1, 0].T[::-1, ::-1])
    other = dense(*sparse, shape, key=keys + np.uint64(1), **change)[0]
    assert not np.array_equal(other, whole)


def test_random_numbers_are_as_promised():
    """Mean 0, variance 1, kurtosis 2.9, share of masked pixels, no correlation of neighbours."""
    side = 512
    index = np.arange(side * side, dtype=np.int32)
    offsets, zeros = np.array([0, len(index)]), np.zeros(len(index), np.float32)
    key = np.zeros(1, np.uint64)
    noise = dense(offsets, index, zeros, (1, side, side), key=key, noise=2.0)[0].ravel() / 2
    error = 1 / np.sqrt(len(index))
    assert abs(noise.mean()) < 4 * error
    assert abs(noise.var() - 1) < 6 * error
    assert abs((noise**4).mean() - 2.9) < 40 * error
    assert np.abs(noise).max() < 6
    assert abs((noise[1:] * noise[:-1]).mean()) < 4 * error
    kept = dense(offsets, index, zeros + 1, (1, side, side), key=key, mask=0.3)[0].mean()
    assert abs(kept - 0.7) < 4 * error


@pytest.mark.slow
@given(st.lists(st.integers(0, 2**32 - 1), max_size=16))
def test_bfloat16_is_that_of_the_twin_and_of_torch(words):
    special = [
        0,
        1,
        0x7F7FFFFF,
        0x7F7F8000,
        0x7F7F7FFF,
        0x7F800000,
        0x3F808000,
        0x3F818000,
        0x3F808001,
        0x7FC00001,
    ]
    bits = np.array([*words, *special, *(word | 2**31 for word in special)], np.uint32)
    value = bits.view(np.float32)
    index, offsets = np.arange(len(value), dtype=np.int32), np.array([0, len(value)])
    found = dense(offsets, index, value, (1, 1, len(value)), dtype=np.uint16)[0].ravel()
    np.testing.assert_array_equal(found, bfloat16(value))
    ours = torch.from_numpy(found).view(torch.bfloat16).float().numpy()
    np.testing.assert_array_equal(ours, torch.from_numpy(value).to(torch.bfloat16).float().numpy())


VALID = {
    "offsets": np.array([0, 1, 3], np.int64),
    "index": np.array([5, 0, 23], np.int32),
    "value": np.array([1, 2, 3], np.float32),
    "orientation": np.zeros(2, np.uint8),
    "out": np.zeros((2, 2, 3, 4), np.float32),
    "which": np.array([0, 1]),
    "shift": np.zeros((2, 2), np.int64),
    "key": np.zeros(2, np.uint64),
    "noise": 1.0,
    "mask": 0.0,
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"index": [5, 0, 24]}, "image 1: index 24, expected 0 to 23"),
        ({"index": [-1, 0, 23]}, "image 0: index -1"),
        ({"index": [2**31 - 1, 0, 23]}, "image 0: index 2147483647"),
        ({"offsets": [0, 4, 3]}, "image 0: offsets 0 to 4"),
        ({"offsets": [0, -(2**63), 3]}, "image 0: offsets 0 to -9223372036854775808"),
        ({"offsets": [0, 1, 2]}, "offset 2: value 2, expected 3"),
        ({"offsets": [1, 1, 3]}, "offset 0: value 1, expected 0"),
        ({"offsets": [0, 3]}, "image 1: number 1, expected 0 to 0"),
        ({"offsets": [0, 3], "which": None}, r"offsets has shape \(2\), expected \(3\)"),
        ({"offsets": []}, "offsets is empty"),
        ({"value": [1, 2]}, r"value has shape \(2\), expected \(3\)"),
        ({"orientation": [0, 8]}, "image 1: orientation 8, expected 0 to 7"),
        ({"orientation": [1, 0]}, "image 0: transpose of 3 x 4, expected a square image"),
        ({"orientation": [0]}, "orientation has shape"),
        ({"which": [0, 2]}, "image 1: number 2, expected 0 to 1"),
        ({"which": [-1, 0]}, "image 0: number -1"),
        ({"which": [0]}, "which has shape"),
        ({"shift": [[0, 0]]}, "shift has shape"),
        ({"key": [0]}, "key has shape"),
        ({"key": None}, "without key"),
        ({"noise": -1.0}, "noise -1.0"),
        ({"noise": float("nan")}, "noise nan"),
        ({"noise": 1e39}, "noise inf"),
        ({"mask": 1.5}, "mask 1.5"),
        ({"mask": float("nan")}, "mask nan"),
    ],
)
def test_refuses(change, said):
    for name, values in change.items():
        if isinstance(values, list):
            change[name] = np.array(values, VALID[name].dtype)
    with pytest.raises(ValueError, match=said):
        _core.densify(**{**VALID, **change})


def test_refuses_other_arrays(tampered):
    for what, arguments in tampered(VALID):
        with pytest.raises((TypeError, ValueError)):
            pytest.fail(f"{what} accepted: {_core.densify(**arguments)}")
    frozen = VALID["out"].copy()
    frozen.setflags(write=False)
    with pytest.raises(ValueError, match="writeable"):
        _core.densify(**{**VALID, "out": frozen})
    for name, value in (("seed", -1), ("seed", 1.5), ("n_threads", 1.5), ("noise", None)):
        with pytest.raises(TypeError):
            _core.densify(**{**VALID, name: value})


def test_errors_do_not_depend_on_threads():
    many = {name: VALID[name] for name in ("index", "value")}
    many |= {"out": np.zeros((99, 1, 4, 6), np.float32)}
    many["offsets"] = np.concatenate([[0, 3], np.full(98, 3)])
    many["orientation"] = np.where(np.arange(99) % 7 == 6, 9, 0).astype(np.uint8)
    for n_threads in (1, 2, 4, 8):
        with pytest.raises(ValueError, match="image 6: orientation 9"):
            _core.densify(**many, n_threads=n_threads)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_releases_gil(releases_gil, n_threads):
    sparse = batch(np.random.default_rng(0), 2, (1, 1448, 1448), 0.5)
    out = np.empty((2, 1, 1448, 1448), np.float32)
    turn = np.array([7, 7], np.uint8)
    assert releases_gil(lambda: _core.densify(*sparse, out, turn, n_threads=n_threads))
