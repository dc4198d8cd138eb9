"""Batches: functions of the seed and the step; augmentation against NumPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from conftest import toy_images
from dmcnn.engines.dense import to_tensor
from dmcnn.images.augment import drop_wires, rotate, scale_charge
from dmcnn.images.sparse import sparse
from dmcnn.training.batches import AUGMENT, CHARGE, ROTATE, Batches
from dmcnn.training.ranks import Ranks


@pytest.fixture(scope="module")
def images():
    toys = toy_images(10, seed=3, side=32 + 60)
    return replace(toys, label=np.arange(10))


def test_an_epoch_holds_every_image_once(images) -> None:
    batches = list(Batches(images, 4, epochs=3, seed=5))
    assert len(batches) == 9
    orders = []
    for epoch in range(3):
        labels = torch.cat([label for _, label in batches[3 * epoch : 3 * epoch + 3]]).tolist()
        assert sorted(labels) == list(range(10))
        orders.append(labels)
    assert orders[0] != orders[1] != orders[2]


@pytest.mark.parametrize("augment", [False, True])
def test_starting_late_gives_the_same_batches(images, augment: bool) -> None:
    whole = list(Batches(images, 4, epochs=2, seed=5, augment=augment))
    late = Batches(images, 4, epochs=2, seed=5, augment=augment, first=4)
    assert len(late) == 2
    for (a, b), (c, d) in zip(whole[4:], late, strict=True):
        assert torch.equal(a, c)
        assert torch.equal(b, d)


def test_another_seed_gives_other_batches(images) -> None:
    first, other = (next(iter(Batches(images, 10, epochs=1, seed=seed)))[1] for seed in (1, 2))
    assert not torch.equal(first, other)


def test_augmentation_happens_and_keeps_the_charge(images) -> None:
    """Over many steps an image appears in all eight orientations of the square, as NumPy makes them."""
    one = images.take([0])
    original = one.dense()[0, 0]
    wanted = {np.rot90(turned, k).tobytes() for turned in (original, original.T) for k in range(4)}
    assert len(wanted) == 8
    found = {
        Batches(one, 1, epochs=200, seed=1, augment=True).batch(step)[0][0, 0].numpy().tobytes()
        for step in range(200)
    }
    assert found == wanted


def test_oblong_images_are_flipped_but_not_transposed(images) -> None:
    dense = np.zeros((1, 1, 4, 6), np.float32)
    dense[0, 0, 0, 1] = 1
    oblong = sparse(dense, label=np.zeros(1, np.int64))
    found = {
        Batches(oblong, 1, epochs=60, seed=1, augment=True).batch(step)[0].numpy().tobytes()
        for step in range(60)
    }
    flips = {np.flip(dense, axes).tobytes() for axes in ((), 2, 3, (2, 3))}
    assert found == flips


def test_shift_moves_every_image_within_its_bounds(images) -> None:
    one = images.take([0])
    original = one.dense()
    found = {
        Batches(one, 1, epochs=99, seed=1, shift=(1, 1)).batch(step)[0].numpy().tobytes()
        for step in range(99)
    }
    moved = np.pad(original, ((0, 0), (0, 0), (1, 1), (1, 1)))
    side = original.shape[-1]
    assert found == {moved[:, :, y : y + side, x : x + side].tobytes() for y in range(3) for x in range(3)}


def test_noise_and_mask_touch_active_pixels_and_change_with_the_epoch(images) -> None:
    one = images.take([0])
    original = one.dense()
    batches = Batches(one, 1, epochs=2, seed=1, noise=5.0, mask=0.25)
    first, second = (batch.numpy() for batch, _ in batches)
    for batch in (first, second):
        assert not batch[original == 0].any()
        assert 0 < (batch[original != 0] == 0).mean() < 0.5
        difference = (batch - original)[batch != 0]
        assert 3 < difference.std() < 7
    assert not np.array_equal(first, second)


def test_unlabelled_images_are_refused(images) -> None:
    with pytest.raises(ValueError, match="labelled"):
        Batches(replace(images, label=None), 4, epochs=1, seed=1)


def test_a_turned_line_lies_where_it_should() -> None:
    """A horizontal line in an oblong image, rotated by 10 degrees, has a slope of tan(10 degrees) in pixels."""
    image = np.zeros((1, 1, 60, 100), np.float32)
    image[0, 0, 30, 20:80] = 1
    found = rotate(sparse(image), 10.0).dense()[0, 0]
    columns = np.arange(30, 70)
    heights = (found[:, columns] * np.arange(60)[:, None]).sum(0) / found[:, columns].sum(0)
    assert np.polyfit(columns, heights, 1)[0] == pytest.approx(-np.tan(np.deg2rad(10)), rel=0.02)
    assert found.sum() == pytest.approx(60, rel=1e-5)


def test_quarter_turns_alone_mirror_nothing(images) -> None:
    one = images.take([0])
    original = one.dense()[0, 0]
    batches = Batches(one, 1, epochs=100, seed=1, rot90=True)
    found = {batches.batch(step)[0][0, 0].numpy().tobytes() for step in range(100)}
    assert found == {np.rot90(original, k).tobytes() for k in range(4)}
    oblong = sparse(np.arange(24, dtype=np.float32).reshape(1, 1, 4, 6), label=np.zeros(1, np.int64))
    batches = Batches(oblong, 1, epochs=30, seed=1, rot90=True)
    found = {batches.batch(step)[0][0, 0].numpy().tobytes() for step in range(30)}
    assert found == {np.rot90(oblong.dense()[0, 0], k).tobytes() for k in (0, 2)}


def test_pixels_change_before_orientation_shift_and_noise(images) -> None:
    """A batch is what the functions on sparse images make of it, for the same draws."""
    change = {"rotation": 25.0, "charge": 0.3, "dead_wires": 0.2}
    batches = Batches(images, 4, epochs=2, seed=3, augment=True, **change)
    found, _ = batches.batch(3)
    which, key = batches.numbers(3), 3 * 4 + np.arange(4, dtype=np.uint64)
    angles = np.random.default_rng([3, ROTATE, 3]).uniform(-25, 25, 4)
    factors = 1 + np.random.default_rng([3, CHARGE, 3]).uniform(-0.3, 0.3, 4)
    moved = scale_charge(rotate(images.take(which), angles), factors)
    alive = drop_wires(moved, 0.2, seed=3, key=key)
    turns = np.random.default_rng([3, AUGMENT, 3]).integers(0, 8, 4, np.uint8)
    assert torch.equal(found, to_tensor(alive, turns))
    assert 0.7 < len(alive.index) / len(moved.index) < 0.9


def test_every_augmentation_is_a_function_of_the_step(images) -> None:
    for change in ({"rot90": True}, {"charge": 0.5}, {"dead_wires": 0.3}):
        batches = Batches(images, 5, epochs=2, seed=1, **change)
        late = Batches(images, 5, epochs=2, seed=1, first=3, **change)
        assert torch.equal(batches.batch(3)[0], late.batch(3)[0])
        assert not torch.equal(batches.batch(3)[0], Batches(images, 5, epochs=2, seed=1).batch(3)[0])


def test_rotation_is_a_function_of_the_step(images) -> None:
    batches = Batches(images, 5, epochs=2, seed=1, rotation=10.0)
    assert torch.equal(
        batches.batch(3)[0], Batches(images, 5, epochs=2, seed=1, rotation=10.0, first=3).batch(3)[0]
    )
    assert not torch.equal(batches.batch(0)[0], Batches(images, 5, epochs=2, seed=1).batch(0)[0])


@pytest.mark.parametrize("scaling", ["none", "minmax"])
@pytest.mark.parametrize("ranks", [Ranks(), Ranks(1, 2)])
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"augment": True, "shift": (7, 50)},
        {"rot90": True, "noise": 3.0, "mask": 0.2},
        {
            "augment": True,
            "shift": (0, 9),
            "rotation": 30.0,
            "charge": 0.1,
            "dead_wires": 0.1,
            "noise": 2.0,
            "mask": 0.1,
        },
    ],
)
def test_active_pixels_become_the_images_of_dense_batches(images, change, ranks: Ranks, scaling: str) -> None:
    dense, sparse = (
        Batches(images, 7, epochs=1, seed=5, ranks=ranks, part=4, scaling=scaling, sparse=sparse, **change)
        for sparse in (False, True)
    )
    for (one, labels), (pixels, same) in zip(dense, sparse, strict=True):
        assert torch.equal(labels, same)
        assert len(pixels) == len(one)
        for part in (slice(0, len(one)), slice(1, 3)):
            assert torch.equal(pixels[part].to(torch.device("cpu")), one[part])
