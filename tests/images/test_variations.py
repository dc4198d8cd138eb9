"""Variations of sparse images against the same on dense arrays, and their random numbers."""

from __future__ import annotations

import numpy as np
import pytest

from dmcnn._common.errors import InputError
from dmcnn.images.sparse import SparseImages, sparse
from dmcnn.images.variations import Variation


def images(n: int = 6, shape: tuple[int, int, int] = (2, 12, 12), seed: int = 3) -> SparseImages:
    random = np.random.default_rng(seed)
    dense = random.uniform(10, 90, (n, *shape)) * (random.random((n, *shape)) < 0.3)
    batch = sparse(dense.astype(np.float32))
    batch.events["run"] = 7
    return batch


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turns_are_those_of_numpy(turns: int) -> None:
    batch = images()
    np.testing.assert_array_equal(
        Variation.parse(f"rotate{90 * turns}")(batch).dense(), np.rot90(batch.dense(), turns, axes=(2, 3))
    )


def test_flips_mirror_one_axis() -> None:
    batch = images(shape=(1, 5, 9))
    np.testing.assert_array_equal(Variation.parse("flip_x")(batch).dense(), batch.dense()[..., ::-1])
    np.testing.assert_array_equal(Variation.parse("flip_y")(batch).dense(), batch.dense()[:, :, ::-1])
    with pytest.raises(InputError, match="transpose of images of 5 x 9 pixels, expected square ones"):
        Variation.parse("rotate90")(batch)


def test_charge_meets_threshold_and_clip_again() -> None:
    batch = images()
    dense = batch.dense() * np.float32(1.5)
    wanted = np.where(dense < 20, 0, np.minimum(dense, 80)).astype(np.float32)
    np.testing.assert_array_equal(Variation.parse("charge*1.5")(batch, low=20, high=80).dense(), wanted)


def test_random_variations_have_their_size() -> None:
    batch = images(40, (1, 64, 64))
    lost = Variation.parse("dropout 0.25")(batch)
    share = 1 - len(lost.value) / len(batch.value)
    assert abs(share - 0.25) < 5 * (0.25 * 0.75 / len(batch.value)) ** 0.5
    shift = Variation.parse("noise 2")(batch).value - batch.value
    assert abs(shift.mean()) < 5 * 2 / len(shift) ** 0.5
    assert abs(shift.std() / 2 - 1) < 5 / (2 * len(shift)) ** 0.5
    dead = Variation.parse("dead_wires 10")(batch)
    assert (dead.dense().any(axis=(1, 2)).sum(axis=1) == 54).all()
    kept = dead.dense().any(axis=(1, 2))[:, None, None]
    np.testing.assert_array_equal(dead.dense(), batch.dense() * kept)
    assert len({tuple(row) for row in kept.reshape(40, -1).tolist()}) == 40


@pytest.mark.parametrize("text", ["dropout 0.3", "noise 2", "dead_wires 3"])
def test_an_event_varies_the_same_in_any_batch(text: str) -> None:
    batch, vary = images(), Variation.parse(text)
    whole = vary(batch).dense()
    order = [4, 1, 5]
    np.testing.assert_array_equal(vary(batch.take(order)).dense(), whole[order])
    assert (vary(batch, seed=2).dense() != whole).any()
    empty = batch.take([]) if len(batch) else batch
    assert len(vary(empty)) == 0


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("rotate45", r"'rotate45' \(did you mean 'rotate90'\?\), expected one like rotate90"),
        ("charge 1.05", "expected one like rotate90, rotate180"),
        ("dropout 1.5", r"'dropout 1.5': expected a number from 0.0 to 1.0"),
        ("dead_wires 2.5", "expected a whole number from 1 to 65536"),
        ("noise -1", "expected one like"),
    ],
)
def test_other_words_are_refused(text: str, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        Variation.parse(text)


def test_more_dead_wires_than_there_are() -> None:
    with pytest.raises(InputError, match="the images have 12 columns"):
        Variation.parse("dead_wires 13")(images())


def test_names_are_parts_of_columns() -> None:
    texts = ("rotate90", "flip_x", "charge*1.05", "dropout 0.05", "noise 2", "dead_wires 10")
    names = ["rotate90", "flip_x", "charge_1.05", "dropout_0.05", "noise_2", "dead_wires_10"]
    assert [Variation.parse(text).name for text in texts] == names
