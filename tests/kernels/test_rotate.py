"""rotate against its twin, against scipy's interpolation, and what it refuses."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from dmcnn import _core
from reference.images import columns, random_images
from reference.rotate import rotate as twin

ANGLES = st.one_of(st.sampled_from([0.0, 90.0, -90.0, 180.0, 270.0, 360.0, 450.0]), st.floats(-720, 720))


def dense(found, shape):
    """Return the dense (m, C, H, W) images of a result, whose pixels must be in order and not zero."""
    offsets, index, value, *_ = found
    out = np.zeros((len(offsets) - 1, int(np.prod(shape))), np.float32)
    for image, (start, stop) in zip(out, pairwise(offsets.tolist()), strict=True):
        assert (np.diff(index[start:stop]) > 0).all()
        image[index[start:stop]] = value[start:stop]
    assert value.all()
    return out.reshape(-1, *shape)


@pytest.mark.slow
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
    st.sampled_from([0.5, 0.1, 1, 0]),
    st.lists(ANGLES, min_size=3, max_size=3),
)
def test_same_as_twin(seed, shape, fill, angles):
    rng = np.random.default_rng(seed)
    images = random_images(rng, shape[0], shape[1:], fill)
    degrees = np.array(angles[: shape[0]], np.float64)
    expected, cut = twin(images, degrees)
    for n_threads in (1, 3):
        found = _core.rotate(*columns(images), degrees, n_threads)
        np.testing.assert_allclose(dense(found, images.shape[1:]), expected, atol=1e-4)
        if np.isin(degrees % 90, [0]).all():
            np.testing.assert_array_equal(found[4], cut)


@pytest.mark.parametrize("side", [(7, 7), (6, 6), (5, 9)])
def test_quarter_turns_move_whole_pixels_as_rot90(side):
    images = random_images(np.random.default_rng(1), 2, (2, *side), 0.4)
    for quarter in range(-4, 5):
        if quarter % 2 and side[0] != side[1]:
            continue
        found = _core.rotate(*columns(images), np.full(2, 90.0 * quarter))
        np.testing.assert_array_equal(dense(found, images.shape[1:]), np.rot90(images, quarter, (2, 3)))


@given(st.floats(-180, 180), st.integers(0, 2**32 - 1))
def test_charge_and_its_centre_are_kept(degrees, seed):
    """The centre of charge is that of the rotated pixels, for any image away from the border."""
    images = np.zeros((1, 1, 40, 50), np.float32)
    images[0, 0, 13:27, 18:32] = random_images(np.random.default_rng(seed), 1, (1, 14, 14), 0.3)[0, 0].clip(0)
    images[0, 0, 20, 20] = 1
    found = dense(_core.rotate(*columns(images), np.array([degrees])), (1, 40, 50))
    charge = float(images.sum())
    assert float(found.sum()) == pytest.approx(charge, rel=1e-5)
    angle, middle = np.deg2rad(degrees), np.array([19.5, 24.5])
    y, x = np.array(ndimage.center_of_mass(images[0, 0])) - middle
    expected = y * np.cos(angle) - x * np.sin(angle), x * np.cos(angle) + y * np.sin(angle)
    np.testing.assert_allclose(ndimage.center_of_mass(found[0, 0]) - middle, expected, atol=1e-3)


@pytest.mark.parametrize("degrees", [7.0, 33.0, -58.0, 145.0])
def test_a_smooth_image_turns_as_scipy_interpolates_it(degrees):
    """Independent method: for every pixel the value at its place before, by cubic splines."""
    y, x = np.mgrid[:60, :60] - 29.5
    image = (100 * np.exp(-(((y - 5) / 6) ** 2) - ((x + 7) / 9) ** 2)).astype(np.float32)
    found = dense(_core.rotate(*columns(image[None, None]), np.array([degrees])), (1, 60, 60))[0, 0]
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    matrix = np.array([[cos, sin], [-sin, cos]])  # from places after to places before
    expected = ndimage.affine_transform(image, matrix, 29.5 - matrix @ [29.5, 29.5], order=3)
    spread = (
        np.sqrt(2) * 2.5
    )  # a pixel takes shares of about two others, so that values scatter by some percent
    smooth = ndimage.gaussian_filter(found, spread), ndimage.gaussian_filter(expected, spread)
    np.testing.assert_allclose(*smooth, atol=1.5)


@pytest.mark.parametrize("degrees", [3.0, 20.0, 45.0, 71.0])
def test_a_turned_line_has_no_holes(degrees):
    images = np.zeros((1, 1, 101, 101), np.float32)
    images[0, 0, 50, 20:81] = 1
    found = dense(_core.rotate(*columns(images), np.array([degrees])), (1, 101, 101))
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    steps = np.linspace(-29, 29, 400)
    at = np.rint(50 - steps * sin).astype(int), np.rint(50 + steps * cos).astype(int)
    assert (found[0, 0][at] > 0.15).all()


VALID = {
    "offsets": np.array([0, 1, 3], np.int64),
    "index": np.array([5, 0, 23], np.int32),
    "value": np.array([1, 2, 3], np.float32),
    "degrees": np.array([0.0, 33.0]),
}


def test_bad_arguments_are_refused(tampered):
    with pytest.raises(ValueError, match="image 0: angle nan"):
        _core.rotate(**VALID | {"degrees": np.array([np.nan, 0.0])}, shape=(2, 3, 4))
    with pytest.raises(ValueError, match="degrees"):
        _core.rotate(**VALID | {"degrees": np.zeros(3)}, shape=(2, 3, 4))
    for what, arguments in tampered(VALID):
        with pytest.raises((TypeError, ValueError)):
            pytest.fail(f"{what} accepted: {_core.rotate(**arguments, shape=(2, 3, 4))}")


def test_the_gil_is_released(releases_gil):
    images = random_images(np.random.default_rng(1), 40, (1, 100, 100), 0.2)
    arguments = (*columns(images), np.full(40, 10.0))
    assert releases_gil(lambda: _core.rotate(*arguments))
