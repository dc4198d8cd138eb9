"""LArCV2 and LArCV1 files against reference numbers of three readers and uproot's own interpretation."""

from __future__ import annotations

import hashlib
import json
import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

from dmcnn._common.errors import InputError
from dmcnn.images.sparse import NO_IMAGE, UNIT_WIRE_TICK, UNSET
from dmcnn.readers.larcv2.reader import LArCV2

COMPRESSIONS = ("c101", "c404", "c505")


def slow(path: Path, producer: str) -> list[list[dict[str, Any]]]:
    """Read every image of a file with uproot's interpretation of the branches: a[r, c] = flat[c * rows + r]."""
    with uproot.open(path) as root:
        tree = root[f"image2d_{producer}_tree"]
        names = ("_img", "_meta._id", "_meta._row_count", "_meta._col_count")
        if "_image_v._meta._plane" in {name.rpartition("/")[2] for name in tree.keys()}:  # noqa: SIM118
            names = ("_img", "_meta._plane", "_meta._row_count", "_meta._col_count")
        columns = [tree[f"_image_v.{name}"].array(library="ak").to_list() for name in names]
    return [
        [
            {"plane": plane, "pixels": np.array(flat, np.float32).reshape(int(cols), int(rows)).T}
            for flat, plane, rows, cols in zip(*entry, strict=True)
        ]
        for entry in zip(*columns, strict=True)
    ]


def centred(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Centre an image in (height, width) by padding with zeros or cropping; odd differences go to the end."""
    out = np.zeros((height, width), image.dtype)
    where = []
    for size, n in ((height, image.shape[0]), (width, image.shape[1])):
        inner, outer = (slice(0, n), slice((size - n) // 2, (size - n) // 2 + n))
        if n > size:
            inner, outer = slice((n - size) // 2, (n - size) // 2 + size), slice(0, size)
        where.append((inner, outer))
    out[where[0][1], where[1][1]] = image[where[0][0], where[1][0]]
    return out


@pytest.mark.slow
@pytest.mark.parametrize("particle", ["electron", "proton"])
@pytest.mark.parametrize("plane", [0, 1, 2])
def test_every_reference_figure_is_reproduced(shared_data: Path, particle: str, plane: int) -> None:
    reference = json.loads((shared_data / "larcv" / f"larcv_reference_{particle}.json").read_text())
    path = shared_data / "larcv" / f"{particle}.root"
    whole, cut = LArCV2(path, plane=plane), LArCV2(path, plane=plane, adc_lo=10, adc_hi=500)
    assert whole.producer == "data"
    assert len(whole) == reference["entries"] == len(reference["events"])
    images, clipped = whole.read(), cut.read()
    for entry, event in enumerate(reference["events"]):
        (expected,) = [image for image in event["images"] if image["projection"] == plane]
        assert images.events[entry].item() == (event["run"], event["subrun"], event["event"], entry, 0)
        pixels = images.take([entry]).dense()[0, 0]
        wide = pixels.astype(np.float64)
        assert pixels.shape == (expected["rows"], expected["cols"])
        assert hashlib.sha256(pixels.T.astype("<f4").tobytes()).hexdigest() == expected["sha256_flat"]
        assert wide.T.ravel().sum() == expected["sum"]
        assert np.count_nonzero(pixels) == images.n_pixels[entry] == expected["nonzero"]
        assert (pixels.max(), pixels.min()) == (expected["max"], expected["min"])
        assert list(np.unravel_index(pixels.argmax(), pixels.shape)) == expected["argmax_row_col"]
        rows, cols = np.indices(pixels.shape)
        assert (wide * rows).sum() == pytest.approx(expected["weighted_row"], rel=1e-12)
        assert (wide * cols).sum() == pytest.approx(expected["weighted_col"], rel=1e-12)
        kept = clipped.take([entry]).dense().astype(np.float64)
        assert clipped.n_pixels[entry] == expected["n_ge_10"] == expected["clip10_500_nonzero"]
        assert kept[0, 0].T.ravel().sum() == expected["clip10_500_sum"]
        meta, edges = images.meta[entry, 0], expected["meta"]
        assert meta["unit"] == edges["unit"]
        assert [meta[k] for k in ("x_min", "y_min", "x_max", "y_max")] == [
            edges[k] for k in ("p1x", "p1y", "p2x", "p2y")
        ]


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize(("producer", "ydim", "xdim"), [("wire", 11, 6), ("image2d_binary", None, None)])
def test_other_compressions_producers_and_sizes(
    shared_data: Path, compression: str, producer: str, ydim: int | None, xdim: int | None
) -> None:
    path = shared_data / "larcv" / f"larcv2_v200_root640_{compression}.root"
    expected = slow(path, producer)
    planes = (0, 1, 2) if producer == "wire" else (2,)
    reader = LArCV2(path, producer=producer, plane=planes, ydim=ydim, xdim=xdim)
    _, height, width = reader.shape
    found = reader.read().dense()
    assert found.any()
    for entry, images in enumerate(expected):
        there = {image["plane"]: image["pixels"] for image in images}
        for channel, plane in enumerate(planes):
            image = there.get(plane, np.zeros((1, 1), np.float32))
            np.testing.assert_array_equal(found[entry, channel], centred(image, height, width))
            assert reader.meta[entry, channel]["plane"] == (plane if plane in there else NO_IMAGE)


def test_slices_that_begin_and_end_inside_baskets(shared_data: Path) -> None:
    reader = LArCV2(shared_data / "larcv" / "larcv2_v200_root640_c404.root", producer="image2d_binary")
    whole = reader.read()
    for start in range(8):
        for stop in range(start, 8):
            part = reader.read(start, stop)
            expected = whole.take(slice(start, stop))
            np.testing.assert_array_equal(part.offsets, expected.offsets)
            np.testing.assert_array_equal(part.index, expected.index)
            np.testing.assert_array_equal(part.value, expected.value)
            np.testing.assert_array_equal(part.events, expected.events)
    with pytest.raises(ValueError, match=r"entries 3\.\.9"):
        reader.read(3, 9)


def test_an_event_without_the_image_is_kept_and_reported(shared_data: Path) -> None:
    path = shared_data / "larcv" / "larcv2_v200_root640_c101.root"
    reader = LArCV2(path, producer="wire", plane=2, xdim=8, ydim=10)
    images = reader.read()
    assert images.has_image.tolist() == [True, True, True, False, False, True, True]
    assert images.n_pixels[3:5].tolist() == [0, 0]
    reader.read(0, 2)
    report = reader.report
    assert (report.entries, report.read, report.without_image) == (7, 7, 2)
    assert report.resized == {(8, 8): 1, (9, 8): 1, (13, 8): 1, (14, 8): 1}
    lost = sum(
        np.count_nonzero(image["pixels"]) - np.count_nonzero(centred(image["pixels"], 10, 8))
        for event in slow(path, "wire")
        for image in event
        if image["plane"] == 2
    )
    assert report.lost_pixels == lost > 0
    assert any("2 entries lack an image" in line for line in report.lines())
    assert any("4 images fitted to 10x8" in line for line in report.lines())


def test_edges_follow_the_window(shared_data: Path) -> None:
    """electron.root, plane 0: x 129..257, y -62.5..65.5 cm in 256 pixels of 0.5 cm."""
    path = shared_data / "larcv" / "electron.root"
    padded = LArCV2(path, plane=0, xdim=512, ydim=512).meta[0, 0]
    assert [padded[k] for k in ("x_min", "x_max", "y_min", "y_max")] == [65.0, 321.0, -126.5, 129.5]
    cropped = LArCV2(path, plane=0, xdim=101, ydim=256).meta[0, 0]
    assert [cropped[k] for k in ("x_min", "x_max")] == [129 + 77 * 0.5, 129 + 178 * 0.5]
    assert [cropped[k] for k in ("y_min", "y_max")] == [-62.5, 65.5]


def test_channels_come_in_the_order_asked_for(shared_data: Path) -> None:
    path = shared_data / "larcv" / "electron.root"
    together = LArCV2(path, plane=(2, 0)).read().dense()
    np.testing.assert_array_equal(together[:, :1], LArCV2(path, plane=2).read().dense())
    np.testing.assert_array_equal(together[:, 1:], LArCV2(path, image_index=0, plane=0).read().dense())


def test_larcv1_is_turned_over(shared_data: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = shared_data / "larcv" / "larcv1_v06_26_root640.root"
    expected = np.stack([[image["pixels"] for image in event] for event in slow(path, "tpc")])
    with caplog.at_level(logging.WARNING, "dmcnn"):
        reader = LArCV2(path, plane=(0, 1, 2))
    assert "ticks taken as descending" in caplog.text
    images = reader.read()
    np.testing.assert_array_equal(images.dense(), expected[:, :, ::-1])
    assert (images.events["run"] == UNSET).all()
    # origin (100, 8448) top left, 40 wires, 60 ticks
    assert images.meta[0, 1].item() == (1, UNIT_WIRE_TICK, 100.0, 8388.0, 140.0, 8448.0)
    caplog.clear()
    ascending = LArCV2(path, plane=1, tick_order="ascending")
    assert not caplog.text
    np.testing.assert_array_equal(ascending.read().dense()[:, 0], expected[:, 1])
    assert ascending.meta[0, 0].item() == (1, UNIT_WIRE_TICK, 100.0, 8448.0, 140.0, 8508.0)
    descending = LArCV2(path, plane=1, tick_order="descending").read()
    np.testing.assert_array_equal(descending.dense(), images.dense()[:, 1:2])


def test_primary_particles(shared_data: Path) -> None:
    for name, code in (("electron", 11), ("proton", 2212)):
        counts, codes = LArCV2(shared_data / "larcv" / f"{name}.root", plane=0).pdg()
        assert counts.tolist() == [1] * 10
        assert codes.tolist() == [code] * 10
    path = shared_data / "larcv" / "larcv2_v200_root640_c505.root"
    counts, codes = LArCV2(path, producer="image2d_binary").pdg()
    assert counts.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert codes.tolist() == [2212, 2212, 11, 2212, 2212, 11]


def test_a_reader_travels_to_worker_processes_and_reopens(shared_data: Path) -> None:
    reader = LArCV2(shared_data / "larcv" / "electron.root", plane=0)
    before = reader.read(2, 4)
    for again in (pickle.loads(pickle.dumps(reader)), reader):
        again.close()
        np.testing.assert_array_equal(again.read(2, 4).value, before.value)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("elektron.root", {}, "no such file (did you mean 'electron.root'?)"),
        ("electron.root", {}, "several images in an event, choose one with plane (there are 0, 1, 2)"),
        ("electron.root", {"plane": 3}, "no image of plane 3, the planes there are 0, 1, 2"),
        ("electron.root", {"image_index": 3}, "no entry has an image at image_index 3 (at most 3 images)"),
        (
            "electron.root",
            {"plane": 1, "image_index": 0},
            "the image at image_index 0 is of plane 0, expected 1",
        ),
        ("electron.root", {"plane": (0, 1), "image_index": 0}, "must name the same channels"),
        ("electron.root", {"plane": 0, "producer": "dota"}, "no producer 'dota' (did you mean 'data'?)"),
        ("electron.root", {"plane": 0, "tick_order": "down"}, "expected 'auto', 'descending' or 'ascending'"),
        ("electron.root", {"plane": 0, "adc_lo": 5, "adc_hi": 4}, "adc_lo = 5 is above adc_hi = 4"),
        ("electron.root", {"plane": 0, "xdim": 10**6, "ydim": 10**6}, "pixels are too many"),
        ("larcv2_v200_root640_c101.root", {}, "several producers ('image2d_binary', 'wire')"),
        ("larcv2_v200_root640_c101.root", {"producer": "wire", "plane": 0}, "images of several sizes 8x6 (1"),
        ("larcv2_unsplit_level1.root", {}, "tree image2d_wire_tree: unsplit branch"),
        ("larcv2_v200_cluster2d.root", {}, "no image2d tree, the file holds cluster2d_a_tree"),
        ("larcv3_351.h5", {}, "not a ROOT file"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    shared_data: Path, name: str, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError) as error:
        LArCV2(shared_data / "larcv" / name, **arguments)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    if "channels" not in words and not words.startswith(("adc_lo", "expected 'auto'")):
        assert str(shared_data / "larcv" / name) in str(error.value)
