"""Crops of images: placement of windows, and pixels and meta of the crops."""

from __future__ import annotations

import numpy as np
import pytest

from dmcnn._common.errors import InputError
from dmcnn.images import crop
from dmcnn.images.crop import CropWindows
from dmcnn.images.sparse import EVENT, META, NO_IMAGE, SparseImages, sparse


def planes(n: int = 3, shape: tuple[int, int, int] = (2, 60, 40), seed: int = 0) -> SparseImages:
    """Return images from wire 1000 and tick 2400 on, 6 ticks per row; labels 0, 1, ..."""
    rng = np.random.default_rng(seed)
    dense = np.where(rng.random((n, *shape)) < 0.02, rng.uniform(10, 300, (n, *shape)), 0).astype(np.float32)
    events = np.zeros(n, EVENT)
    events["run"], events["event"], events["entry"] = 7, 100 + np.arange(n), 10 + np.arange(n)
    meta = np.zeros((n, shape[0]), META)
    meta["plane"], meta["unit"] = np.arange(shape[0]), 2
    meta["x_min"], meta["x_max"] = 1000, 1000 + shape[2]
    meta["y_min"], meta["y_max"] = 2400, 2400 + 6 * shape[1]
    return sparse(dense, events, meta, np.arange(n))


def test_identity_meta_and_label_come_along():
    images = planes()
    windows = CropWindows(np.array([2, 0]), np.array([-5, 50]), np.array([30, 3]), (20, 15))
    cut = crop.crop(images, windows)
    assert cut.shape == (2, 20, 15)
    np.testing.assert_array_equal(cut.events, images.events[[2, 0]])
    np.testing.assert_array_equal(cut.label, [2, 0])
    for name, low, high in (("x", [1030, 1003], [1045, 1018]), ("y", [2370, 2700], [2490, 2820])):
        np.testing.assert_array_equal(cut.meta[f"{name}_min"], np.transpose([low, low]))
        np.testing.assert_array_equal(cut.meta[f"{name}_max"], np.transpose([high, high]))
    expected = np.pad(images.dense(), ((0, 0), (0, 0), (20, 20), (20, 20)))
    np.testing.assert_array_equal(cut.dense()[0], expected[2, :, 15:35, 50:65])
    np.testing.assert_array_equal(cut.dense()[1], expected[0, :, 70:90, 23:38])


@pytest.mark.parametrize(("merge", "of"), [("sum", np.sum), ("mean", np.mean), ("max", np.max)])
def test_rows_merge_and_keep_their_place(merge, of):
    images = planes()
    cut = crop.crop(images, crop.tiles(images, (10, 40), rows_per_pixel=6), merge)
    rows = images.dense().astype(np.float64).reshape(3, 2, 10, 6, 40)
    np.testing.assert_array_equal(cut.dense(), of(rows, axis=3).astype(np.float32))
    np.testing.assert_array_equal(cut.meta, images.meta)


def test_around_a_pixel():
    images = planes()
    windows = crop.around_pixel(images, [5, 6, 7], 30, (8, 6), rows_per_pixel=2)
    np.testing.assert_array_equal(windows.source, [0, 1, 2])
    np.testing.assert_array_equal(windows.top, [-3, -2, -1])
    np.testing.assert_array_equal(windows.left, 27)
    moved = windows.inside(images)
    np.testing.assert_array_equal(moved.top, 0)
    np.testing.assert_array_equal(moved.left, 27)
    large = crop.around_pixel(images, 0, 39, (80, 41)).inside(images)
    np.testing.assert_array_equal(large.top, -10)
    np.testing.assert_array_equal(large.left, 0)


def test_around_a_wire_and_tick():
    """The pixel that holds the point lies at height // 2, width // 2, whatever the meta of each image."""
    images = planes()
    images.meta["x_min"][1] += 4
    images.meta["x_max"][1] += 4
    windows = crop.around_position(images, 1012.5, [2400, 2411.9, 2760], (9, 8))
    np.testing.assert_array_equal(windows.left + 4, [12, 8, 12])
    np.testing.assert_array_equal(windows.top + 4, [0, 1, 59])  # the upper edge itself is in the last row
    cut = crop.crop(images, windows)
    wire = cut.meta["x_min"] + 4 * (cut.meta["x_max"] - cut.meta["x_min"]) / 8
    np.testing.assert_allclose(wire, 1012)
    far = crop.around_position(images, 900, 10_000, (9, 8))
    assert crop.crop(images, far).n_pixels.sum() == 0


def test_around_the_centroid():
    dense = np.zeros((3, 1, 30, 30), np.float32)
    dense[0, 0, 10, 4], dense[0, 0, 13, 4] = 10, 20
    dense[1, 0, 20, 29], dense[1, 0, 0, 0] = 5, -100
    windows = crop.around_centroid(sparse(dense), (4, 4))
    np.testing.assert_array_equal(windows.top + 2, [12, 20, 15])
    np.testing.assert_array_equal(windows.left + 2, [4, 29, 15])


@pytest.mark.parametrize("rows_per_pixel", [1, 3])
def test_most_charge(rows_per_pixel):
    images = planes(4, (3, 50, 70))
    windows = crop.around_most_charge(images, (7, 20), rows_per_pixel)
    charge = images.dense().astype(np.float64).sum(1)
    rows = 7 * rows_per_pixel
    best = np.lib.stride_tricks.sliding_window_view(charge, (rows, 20), (1, 2)).sum((3, 4)).max((1, 2))
    cut = crop.crop(images, windows)
    np.testing.assert_allclose(cut.dense().sum((1, 2, 3), dtype=np.float64), best, rtol=1e-6)
    assert (windows.top >= 0).all()
    assert (windows.top + rows <= 50).all()


def test_random_windows_depend_on_seed_and_entry_alone():
    images = planes(400, (1, 12, 11))
    windows = crop.random_windows(images, 5, (8, 8))
    some = crop.random_windows(images.take([399, 0, 7]), 5, (8, 8))
    np.testing.assert_array_equal(some.top, windows.top[[399, 0, 7]])
    np.testing.assert_array_equal(some.left, windows.left[[399, 0, 7]])
    other = crop.random_windows(images, 6, (8, 8))
    assert (other.top != windows.top).any()
    counts = np.histogram2d(windows.top, windows.left, [np.arange(6), np.arange(5)])[0]
    assert counts.sum() == 400
    assert counts.min() > 5  # 20 places, 20 expected in each
    wide = crop.random_windows(images, 5, (16, 8))
    np.testing.assert_array_equal(wide.top, -2)


def test_tiles():
    images = planes(3, (2, 25, 33))
    every = crop.tiles(images, (5, 10), rows_per_pixel=2)
    assert len(every) == 3 * 3 * 4
    np.testing.assert_array_equal(every.source, np.repeat([0, 1, 2], 12))
    np.testing.assert_array_equal(every.top[:12], np.repeat([0, 10, 20], 4))
    np.testing.assert_array_equal(every.left[:4], [0, 10, 20, 30])
    parts = crop.crop(images, every, "max").dense().reshape(3, 3, 4, 2, 5, 10)
    whole = parts.transpose(0, 3, 1, 4, 2, 5).reshape(3, 2, 15, 40)
    full = np.pad(images.dense(), ((0, 0), (0, 0), (0, 5), (0, 7)))
    np.testing.assert_array_equal(whole, full.reshape(3, 2, 15, 2, 40).max(3))
    charged = crop.tiles(images, (3, 3), charged=True)
    cut = crop.crop(images, charged)
    assert cut.n_pixels.min() > 0
    assert cut.n_pixels.sum() == images.n_pixels.sum()
    assert len(charged) < len(crop.tiles(images, (3, 3)))


def test_nothing_to_cut():
    images = planes(2).take([])
    for windows in (
        crop.around_centroid(images),
        crop.around_most_charge(images),
        crop.random_windows(images, 0),
        crop.tiles(images, charged=True),
    ):
        assert len(crop.crop(images, windows)) == 0


@pytest.mark.parametrize("n_threads", ["1", "3"])
def test_threads_from_the_environment(monkeypatch, n_threads):
    monkeypatch.setenv("DMCNN_NUM_THREADS", n_threads)
    images = planes(5)
    cut = crop.crop(images, crop.around_most_charge(images, (9, 9)))
    same = crop.crop(images, crop.around_most_charge(images, (9, 9), n_threads=2), n_threads=2)
    np.testing.assert_array_equal(cut.value, same.value)
    monkeypatch.setenv("DMCNN_NUM_THREADS", "none")
    with pytest.raises(InputError, match="DMCNN_NUM_THREADS"):
        crop.around_centroid(images)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda i: crop.tiles(i, (0, 4)), "at least 1"),
        (lambda i: crop.around_most_charge(i, (4, 4), 0), "at least 1"),
        (lambda i: crop.around_pixel(i, 1.5, 2), "row: float64"),
        (lambda i: crop.around_pixel(i, [1, 2], 2), "expected a whole number or 3"),
        (lambda i: crop.around_pixel(i, 1, 2**40), "near the image"),
        (lambda i: crop.around_position(i, [1, 2], 2), "wire of shape"),
        (lambda i: crop.around_position(i, 1000, [2400, np.nan, 2400]), "tick nan in image 1"),
        (lambda i: crop.around_position(i, 1e30, 2400), "near the image"),
        (lambda i: crop.around_position(i, 1000, 2400, channel=2), "channel 2, expected 0 to 1"),
        (lambda i: crop.crop(i, crop.tiles(i), "maxx"), "did you mean 'max'"),
        (lambda i: CropWindows(np.arange(2), np.arange(3), np.arange(3)), "2 sources"),
    ],
)
def test_refuses(call, said):
    with pytest.raises(InputError, match=said):
        call(planes())


def test_refuses_what_is_not_there():
    images = planes()
    images.meta["plane"][1, 0] = NO_IMAGE
    with pytest.raises(InputError, match="entry 11 has no image in channel 0"):
        crop.around_position(images, 1000, 2400)
    with pytest.raises(ValueError, match="window 0: image 3, expected 0 to 2"):
        crop.crop(images, CropWindows(np.array([3]), np.array([0]), np.array([0])))
