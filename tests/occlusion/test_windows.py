"""Occlusion: windows, fills and maps against one forward pass per window, and against maps of DM-CNN."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dmcnn._common.errors import InputError
from dmcnn.engines.dense import forward
from dmcnn.images.sparse import SparseImages, sparse
from dmcnn.models.mpid import MPID
from dmcnn.occlusion.engines import Dense, occluded_batches
from dmcnn.occlusion.fills import FILLS, fill_values
from dmcnn.occlusion.windows import Boxes, list_windows
from dmcnn.readers import open_images
from models.test_mpid import recipe


@pytest.mark.slow
@pytest.mark.parametrize("name", ["proton_e0_i0_k4", "proton_e1_i1_k2", "electron_e3_i2_k4"])
def test_reproduces_the_maps_of_dm_cnn(shared_data: Path, name: str) -> None:
    particle, entry, plane, _ = name.split("_")
    oracle = np.load(shared_data / "mpid" / f"occ_{name}.npz")
    half = int(oracle["k"])
    reader = open_images(
        shared_data / "larcv" / f"{particle}.root",
        plane=int(plane[1:]), xdim=512, ydim=512, adc_lo=10.0, adc_hi=500.0,
    )  # fmt: skip
    event = reader.read(int(entry[1:]), int(entry[1:]) + 1)
    image = event.dense()[0]
    windows = list_windows(event, half, border="skip")
    rows, columns = windows.rows, windows.columns
    assert len(windows) < len(rows)  # some windows cover the same charge
    order = np.lexsort((oracle["cols"], oracle["rows"]))
    inside = [
        i for i in order if half <= oracle["rows"][i] < 512 - half and half <= oracle["cols"][i] < 512 - half
    ]
    np.testing.assert_array_equal(rows, oracle["rows"][inside])
    np.testing.assert_array_equal(columns, oracle["cols"][inside])
    some = slice(None, None, max(1, len(rows) // 24))  # a whole map takes a minute
    net = recipe(MPID())
    which, place = np.unique(windows.number[some], return_inverse=True)
    logits = np.concatenate(list(Dense(batch_size=5).scores(net, event, windows, which)))[place]
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), oracle["scores"][inside][some], atol=2e-6, rtol=0)
    base = 1 / (1 + np.exp(-forward(net, torch.from_numpy(image)[None])[0]))
    np.testing.assert_allclose(base, oracle["base"], atol=2e-6, rtol=0)


@pytest.fixture(scope="module")
def net() -> nn.Module:
    torch.manual_seed(1)
    layers = nn.Conv2d(2, 4, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 19 * 19, 2)
    return nn.Sequential(*layers).eval()


def event() -> SparseImages:
    """Return an event of two channels: isolated pixels in corners, on a border and elsewhere, and a block."""
    random = np.random.default_rng(4)
    image = np.zeros((2, 40, 40), np.float32)
    rows, columns = np.array([0, 0, 5, 39, 39, 30]), np.array([0, 39, 6, 0, 39, 30])
    image[0, rows, columns] = 50
    image[1, 31, 31] = 70
    image[:, 18:22, 18:21] = random.uniform(20, 200, (2, 4, 3))
    return sparse(image[np.newaxis])


@pytest.mark.parametrize("batch_size", [1, 4, 100])
@pytest.mark.parametrize(("border", "stride"), [("clip", 1), ("skip", 1), ("clip", 5)])
def test_equals_one_forward_per_window(net: nn.Module, batch_size: int, border: str, stride: int) -> None:
    images = event()
    windows = list_windows(images, 3, border=border, stride=stride)
    assert 0 < len(windows) < len(windows.rows)
    logits = np.concatenate(list(Dense(batch_size=batch_size).scores(net, images, windows)))
    assert len(logits) == len(windows)
    for row, column, one in zip(windows.rows, windows.columns, logits[windows.number], strict=True):
        masked = images.dense()[0]
        masked[:, max(0, row - 3) : row + 4, max(0, column - 3) : column + 4] = 0
        alone = forward(net, torch.from_numpy(masked)[None])[0]
        np.testing.assert_allclose(one, alone, atol=2e-6, rtol=0)


@pytest.mark.parametrize(("border", "stride", "depth"), [("clip", 1, 0), ("skip", 1, 1), ("clip", 3, 1)])
def test_boxes_equal_one_forward_per_box(border: str, stride: int, depth: int) -> None:
    torch.manual_seed(1)
    net = nn.Sequential(nn.Flatten(), nn.Linear(5 * 9 * 8, 2)).eval()
    random = np.random.default_rng(2)
    dense = np.where(random.random((1, 5, 9, 8)) < 0.06, random.uniform(5, 50, (1, 5, 9, 8)), 0)
    images = sparse(dense.astype(np.float32))
    windows = list_windows(images, 1, depth=depth, border=border, stride=stride)
    assert isinstance(windows, Boxes)
    logits = np.concatenate(list(Dense(batch_size=4).scores(net, images, windows)))[windows.number]
    base = forward(net, torch.from_numpy(images.dense()))[0]
    expected = np.full(images.shape, base[1])
    for frame, row, column, one in zip(windows.frames, windows.rows, windows.columns, logits, strict=True):
        masked = images.dense()[0]
        masked[max(0, frame - depth) : frame + depth + 1, max(0, row - 1) : row + 2,
               max(0, column - 1) : column + 2] = 0  # fmt: skip
        alone = forward(net, torch.from_numpy(masked)[None])[0]
        np.testing.assert_allclose(one, alone, atol=2e-5, rtol=0)
        cell = np.s_[frame, row // stride * stride : (row // stride + 1) * stride,
                     column // stride * stride : (column // stride + 1) * stride]  # fmt: skip
        expected[cell] = one[1]
    scores = windows.score_map(logits[:, 1], base[1])
    np.testing.assert_array_equal(scores, expected)
    with pytest.raises(InputError, match="half depth -1"):
        list_windows(images, 1, depth=-1)


@pytest.mark.parametrize("fill", FILLS)
def test_every_image_has_its_window_filled_and_nothing_else(fill: str) -> None:
    images = event()
    windows = list_windows(images, 3)
    values = fill_values(images, fill, seed=5, half=2)
    whole = images.dense()[0]
    filled = replace(images, value=values).dense()[0]
    first = [windows.number.tolist().index(window) for window in range(len(windows))]
    for size in (1, 7, 1000):
        numbers = np.arange(len(windows))
        batches = occluded_batches(images, windows, numbers, values, size)
        made = [image.numpy().copy() for batch in batches for image in batch]
        for image, centre in zip(made, first, strict=True):
            row, column = windows.rows[centre], windows.columns[centre]
            box = np.s_[:, max(0, row - 3) : row + 4, max(0, column - 3) : column + 4]
            expected = whole.copy()
            expected[box] = filled[box]
            np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("half", [0, 1, 3])
def test_the_local_mean_is_that_of_uncovered_pixels(half: int) -> None:
    """By loops over pixels: no pixel of a window that covers a pixel has a part in its charge."""
    random = np.random.default_rng(half)
    dense = random.uniform(1, 9, (1, 2, 20, 17)) * (random.random((1, 2, 20, 17)) < 0.2)
    dense[0, 1] = 0
    dense[0, 1, 0, 0], dense[0, 1, 19, 16] = 3, 5  # nothing is near
    images = sparse(dense.astype(np.float32))
    values = fill_values(images, "local_mean", half=half)
    places = list(zip(*np.unravel_index(images.index, images.shape), strict=True))
    for (plane, row, column), value in zip(places, values, strict=True):
        others = [
            (max(abs(row - r), abs(column - c)), charge)
            for (p, r, c), charge in zip(places, images.value, strict=True)
            if p == plane
        ]
        near = [charge for distance, charge in others if 2 * half < distance <= 3 * half + 1]
        expected = np.mean(near or [charge for _, charge in others], dtype=np.float64)
        assert value == pytest.approx(expected, rel=1e-5)
    assert values[-2:].tolist() == [4, 4]
    with pytest.raises(ValueError, match="needs the half width"):
        fill_values(images, "local_mean")


def test_fills() -> None:
    image = np.zeros((3, 4, 5), np.float32)
    image[0, 1, 1:4], image[2, 0, 0], image[2, 3, 4] = (1, 2, 6), 5, 8
    images = sparse(image[np.newaxis])
    assert fill_values(images).tolist() == [0, 0, 0, 0, 0]
    assert fill_values(images, "mean").tolist() == [3, 3, 3, 6.5, 6.5]
    draws = np.array([fill_values(images, "noise", seed) for seed in range(300)])
    np.testing.assert_array_equal(draws[7], fill_values(images, "noise", 7))
    assert set(draws[:, :3].ravel()) == {1, 2, 6}
    assert set(draws[:, 3:].ravel()) == {5, 8}
    assert fill_values(images.take([]), "noise").tolist() == []
    with pytest.raises(InputError, match="did you mean 'noise'"):
        fill_values(images, "nois")


def test_centres_are_where_charge_is() -> None:
    image = np.zeros((2, 6, 7), np.float32)
    image[0, 1, 5] = image[1, 3, 2] = image[0, 3, 2] = -1.0
    image[0, 0, 0] = 2
    images = sparse(image[np.newaxis])

    def centres(half: int, border: str = "clip", stride: int = 1) -> list[list[int]]:
        """Return rows and columns of all centres."""
        windows = list_windows(images, half, border=border, stride=stride)
        return [windows.rows.tolist(), windows.columns.tolist()]

    assert centres(1) == [[0, 1, 3], [0, 5, 2]]
    assert centres(1, "skip") == [[1, 3], [5, 2]]
    assert centres(3, "skip") == [[], []]
    assert centres(0, stride=4) == [[1], [5]]
    assert centres(1, stride=4) == [[1, 1, 4], [1, 5, 1]]
    with pytest.raises(ValueError, match="2 events, expected one"):
        list_windows(images.take([0, 0]), 1)
    with pytest.raises(InputError, match="stride of 0"):
        list_windows(images, 1, stride=0)


def test_nothing_to_scan(net: nn.Module) -> None:
    empty = sparse(np.zeros((1, 2, 40, 40), np.float32))
    assert list(Dense(batch_size=4).scores(net, empty, list_windows(empty, 2))) == []


def test_the_rest_of_the_map_keeps_the_untouched_score() -> None:
    image = np.zeros((1, 1, 2, 3), np.float32)
    image[0, 0, 0, 2] = image[0, 0, 1, 0] = 1
    scores = list_windows(sparse(image), 0).score_map(np.array([0.1, 0.2]), 0.5)
    np.testing.assert_array_equal(scores, [[0.5, 0.5, 0.1], [0.2, 0.5, 0.5]])


def test_a_stride_draws_cells() -> None:
    image = np.ones((1, 5, 7), np.float32)
    windows = list_windows(sparse(image[np.newaxis]), 0, stride=3)
    scores = windows.score_map(np.arange(6.0), 9.0)
    expected = np.arange(6.0).reshape(2, 3).repeat(3, axis=0).repeat(3, axis=1)[:5, :7]
    np.testing.assert_array_equal(scores, expected)
    np.testing.assert_array_equal(scores[windows.rows, windows.columns], np.arange(6.0))
