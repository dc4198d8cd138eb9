"""Augmentation on sparse pixels against that of dense batches, and against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from conftest import toy_images
from dmcnn._common.errors import InputError
from dmcnn.engines.dense import to_tensor
from dmcnn.images import augment, draws
from dmcnn.images.sparse import sparse


@pytest.fixture(scope="module")
def images():
    return toy_images(9, seed=3, side=92)


def test_orientations_are_those_of_dense_batches(images) -> None:
    turns = np.arange(9, dtype=np.uint8) % 8
    found = augment.orient(images, turns)
    np.testing.assert_array_equal(found.dense(), to_tensor(images, turns).numpy())
    assert all(
        (np.diff(found.index[a:b]) > 0).all() for a, b in zip(found.offsets, found.offsets[1:], strict=False)
    )
    oblong = sparse(np.ones((1, 2, 3, 4), np.float32))
    np.testing.assert_array_equal(
        augment.orient(oblong, augment.FLIP_ROWS).dense(), oblong.dense()[:, :, ::-1]
    )
    with pytest.raises(InputError, match="3 x 4 pixels, expected square ones"):
        augment.orient(oblong, augment.TRANSPOSE)


@pytest.mark.parametrize("degrees", augment.TURNS)
def test_quarter_turns_are_orientations(images, degrees: int) -> None:
    found = augment.rotate(images, degrees)
    np.testing.assert_array_equal(found.dense(), augment.orient(images, augment.TURNS[degrees]).dense())
    assert found.events is images.events


def test_noise_and_lost_pixels_are_those_of_dense_batches(images) -> None:
    key = draws.event_keys(images)
    change = {"seed": 7, "key": key}
    lost = augment.drop_pixels(images, 0.3, **change)
    dense = to_tensor(images, noise=4.0, mask=0.3, **change)
    assert torch.equal(torch.from_numpy(augment.blur_charge(lost, 4.0, **change).dense()), dense)


def test_draws_of_an_event_do_not_depend_on_its_batch(images) -> None:
    for change, strength in (
        (augment.blur_charge, 4.0),
        (augment.drop_pixels, 0.3),
        (augment.drop_wires, 0.3),
    ):
        whole = change(images, strength, seed=1, key=draws.event_keys(images))
        part = images.take([5, 2])
        alone = change(part, strength, seed=1, key=draws.event_keys(part))
        np.testing.assert_array_equal(alone.dense(), whole.dense()[[5, 2]])
    assert len(set(draws.event_keys(images).tolist())) == len(images)


def test_dead_wires_lose_all_of_their_pixels() -> None:
    images = sparse(np.ones((50, 2, 5, 40), np.float32))
    found = augment.drop_wires(images, 0.25, seed=1, key=draws.event_keys(images)).dense()
    alive = found.any(axis=2)
    np.testing.assert_array_equal(found, np.repeat(alive[:, :, None], 5, axis=2))
    assert 0.7 < alive.mean() < 0.8
    assert (alive[:, 0] != alive[:, 1]).any()
    assert len({one.tobytes() for one in alive}) == 50


def test_charge_is_scaled_by_image(images) -> None:
    found = augment.scale_charge(images, np.arange(1, 10)).dense()
    np.testing.assert_array_equal(
        found, images.dense() * np.arange(1, 10, dtype=np.float32)[:, None, None, None]
    )
    np.testing.assert_array_equal(augment.scale_charge(images, 0.5).dense(), images.dense() * np.float32(0.5))
