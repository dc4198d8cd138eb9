"""Occlusion maps against one forward pass per pixel, and against DM-CNN's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dmcnn.models.mpid import MPID
from dmcnn.occlusion.scan import centres, scan, score_map
from dmcnn.readers import open_images
from dmcnn.scoring import forward
from models.test_mpid import recipe


@pytest.mark.parametrize("name", ["proton_e0_i0_k4", "proton_e1_i1_k2", "electron_e3_i2_k4"])
def test_reproduces_the_maps_of_dm_cnn(shared_data: Path, name: str) -> None:
    particle, entry, plane, _ = name.split("_")
    oracle = np.load(shared_data / "mpid" / f"occ_{name}.npz")
    half = int(oracle["k"])
    reader = open_images(
        shared_data / "larcv" / f"{particle}.root",
        plane=int(plane[1:]), xdim=512, ydim=512, adc_lo=10.0, adc_hi=500.0,
    )  # fmt: skip
    image = reader.read(int(entry[1:]), int(entry[1:]) + 1).dense()[0]
    rows, columns = centres(image, half, "skip")
    order = np.lexsort((oracle["cols"], oracle["rows"]))
    kept = [
        i for i in order if half <= oracle["rows"][i] < 512 - half and half <= oracle["cols"][i] < 512 - half
    ]
    np.testing.assert_array_equal(rows, oracle["rows"][kept])
    np.testing.assert_array_equal(columns, oracle["cols"][kept])
    some = slice(None, None, max(1, len(rows) // 24))  # every n-th window: a whole map takes a minute
    net = recipe(MPID())
    logits = np.concatenate(list(scan(net, image, rows[some], columns[some], half, batch_size=5)))
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), oracle["scores"][kept][some], atol=2e-6, rtol=0)
    base = 1 / (1 + np.exp(-forward(net, torch.from_numpy(image)[None])[0]))
    np.testing.assert_allclose(base, oracle["base"], atol=2e-6, rtol=0)


@pytest.fixture(scope="module")
def small() -> MPID:
    torch.manual_seed(1)
    return MPID(height=128, width=128, channels=2).eval()


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_equals_one_forward_per_window(small: MPID, batch_size: int) -> None:
    random = np.random.default_rng(4)
    image = np.zeros((2, 128, 128), np.float32)
    rows, columns = np.array([0, 0, 5, 64, 127, 127]), np.array([0, 127, 6, 64, 0, 127])
    image[0, rows, columns] = 50
    image[:, 60:68, 60:68] = random.uniform(20, 200, (2, 8, 8))
    found = np.concatenate(list(scan(small, image, rows, columns, 3, batch_size=batch_size)))
    for i, (row, column) in enumerate(zip(rows, columns, strict=True)):
        masked = image.copy()
        masked[:, max(0, row - 3) : row + 4, max(0, column - 3) : column + 4] = 0
        alone = forward(small, torch.from_numpy(masked)[None])[0]
        np.testing.assert_allclose(found[i], alone, atol=2e-6, rtol=0)


def test_centres_are_where_charge_is() -> None:
    image = np.zeros((2, 6, 7), np.float32)
    image[0, 1, 5] = image[1, 3, 2] = image[0, 3, 2] = -1.0
    image[0, 0, 0] = 2
    assert [list(map(int, axis)) for axis in centres(image, 1)] == [[0, 1, 3], [0, 5, 2]]
    assert [list(map(int, axis)) for axis in centres(image, 1, "skip")] == [[1, 3], [5, 2]]
    assert [list(map(int, axis)) for axis in centres(image, 3, "skip")] == [[], []]


def test_nothing_to_scan(small: MPID) -> None:
    none = np.zeros(0, np.int64)
    assert list(scan(small, np.zeros((2, 128, 128), np.float32), none, none, 2, batch_size=4)) == []


def test_the_rest_of_the_map_keeps_the_untouched_score() -> None:
    drawn = score_map((2, 3), np.array([0, 1]), np.array([2, 0]), np.array([0.1, 0.2]), 0.5)
    np.testing.assert_array_equal(drawn, [[0.5, 0.5, 0.1], [0.2, 0.5, 0.5]])
