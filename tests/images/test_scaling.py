"""Scaling of pixel values against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dmcnn._common.errors import InputError
from dmcnn.images.scaling import SCALINGS, scale_


def test_minmax_is_per_image_over_all_channels_and_in_place() -> None:
    values = np.random.default_rng(3).uniform(-20, 400, (3, 2, 5, 7)).astype(np.float32)
    values[1] *= 0.01
    images = torch.from_numpy(values.copy())
    assert scale_(images, "minmax") is images
    for found, image in zip(images.numpy(), values.astype(np.float64), strict=True):
        expected = (image - image.min()) / (image.max() - image.min()) + 0.1
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert images.amin() == pytest.approx(0.1)
    assert images.amax() == pytest.approx(1.1)


def test_images_of_one_value_become_a_tenth() -> None:
    images = torch.zeros(3, 1, 4, 4)
    images[1] = 37.5
    images[2, 0, 1, 2] = 5.0
    scale_(images, "minmax")
    torch.testing.assert_close(images[:2], torch.full((2, 1, 4, 4), 0.1))
    assert images[2, 0, 1, 2] == pytest.approx(1.1)


def test_extremes_of_other_images() -> None:
    whole = torch.tensor([0.0, 100.0, 50.0, 0.0]).reshape(1, 1, 2, 2)
    occluded = whole.repeat(2, 1, 1, 1)
    occluded[1, 0, 0, 1] = 0
    scale_(occluded, "minmax", like=whole)
    expected = torch.tensor([[0.1, 1.1, 0.6, 0.1], [0.1, 0.1, 0.6, 0.1]]).reshape(2, 1, 2, 2)
    torch.testing.assert_close(occluded, expected)
    torch.testing.assert_close(whole.flatten(), torch.tensor([0.0, 100.0, 50.0, 0.0]))


def test_none_changes_nothing_and_an_unknown_name_is_refused() -> None:
    images = torch.rand(2, 1, 3, 3)
    before = images.clone()
    assert torch.equal(scale_(images, "none"), before)
    with pytest.raises(
        InputError, match=r"'mimax' \(did you mean 'minmax'\?\), expected one of none, minmax"
    ):
        scale_(images, "mimax")
    assert set(SCALINGS) == {"none", "minmax"}


def test_no_batch_is_no_fault() -> None:
    assert scale_(torch.zeros(0, 1, 4, 4), "minmax").shape == (0, 1, 4, 4)
