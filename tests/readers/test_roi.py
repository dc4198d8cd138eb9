"""Regions of interest of whole images, against windows that NumPy cuts out of dense arrays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import uproot

from dmcnn._common.errors import InputError
from dmcnn.datasets.dataset import Dataset
from dmcnn.images.sparse import META, NO_IMAGE, UNIT_WIRE_TICK, SparseImages, sparse, unset_events
from dmcnn.readers import open_images
from dmcnn.writers import larcv3

H, W = 20, 30
SIZE = {"ydim": 6, "xdim": 9}


def whole(planes: int = 1, seed: int = 5) -> SparseImages:
    """Four events of tracks on empty images in wires and ticks; the last one has no charge."""
    rng = np.random.default_rng(seed)
    dense = np.zeros((4, planes, H, W), np.float32)
    for image in dense[:3].reshape(-1, H, W):
        for row, column in zip(rng.integers(0, H, 25), rng.integers(0, W, 25), strict=True):
            image[row, column] = rng.integers(1, 60)
    meta = np.zeros((4, planes), META)
    meta["plane"], meta["unit"] = np.arange(planes), UNIT_WIRE_TICK
    meta["x_min"], meta["x_max"], meta["y_min"], meta["y_max"] = 100, 100 + 2 * W, 3000, 3000 + 6 * H
    events = unset_events(4)
    events["run"], events["subrun"], events["event"] = 7, 1, np.arange(10, 14)
    return sparse(dense, events, meta)


def cut_out(image: np.ndarray, top: int, left: int, height: int, width: int) -> np.ndarray:
    """The window of an image whose first row and column are ``top`` and ``left``; zeros beyond its border."""
    wide = np.pad(image, 2 * max(H, W))
    return wide[top + 2 * max(H, W) :, left + 2 * max(H, W) :][:height, :width]


def largest(image: np.ndarray, height: int, width: int) -> tuple[int, int]:
    """First row and column of the window with the largest sum, the first of equal ones."""
    sums = np.lib.stride_tricks.sliding_window_view(image.astype(np.float64), (height, width)).sum(
        axis=(2, 3)
    )
    return tuple(map(int, np.unravel_index(sums.argmax(), sums.shape)))  # type: ignore[return-value]


def mean_pixel(image: np.ndarray, height: int, width: int) -> tuple[int, int]:
    """First row and column of the window around the mean charged pixel, moved inside the image."""
    rows, columns = np.indices(image.shape)
    total = image.sum(dtype=np.float64)
    if not total:
        return (H - 1) // 2 - height // 2, (W - 1) // 2 - width // 2
    row, column = ((image * axis).sum(dtype=np.float64) / total for axis in (rows, columns))
    top, left = int(np.floor(row + 0.5)) - height // 2, int(np.floor(column + 0.5)) - width // 2
    return min(max(top, 0), H - height), min(max(left, 0), W - width)


@pytest.fixture(params=["larcv3", "npy"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Any]:
    """Opens the events of one plane, from a file of either format."""
    images = whole()
    if request.param == "larcv3":
        path = tmp_path / "whole.h5"
        larcv3.write(path, [images], producer="wire")
    else:
        path = tmp_path / "whole"
        path.mkdir()
        for number, image in enumerate(images.dense()[:, 0]):
            np.save(path / f"{number}.npy", image)
    return lambda **given: open_images(path, **{**SIZE, **given})


@pytest.mark.parametrize(("roi", "place"), [("most_charge", largest), ("centroid", mean_pixel)])
@pytest.mark.parametrize("size", [(6, 9), (25, 9)])
def test_windows_by_charge(opened: Callable[..., Any], roi: str, place: Any, size: tuple[int, int]) -> None:
    file = opened(roi=roi, ydim=size[0], xdim=size[1], adc_lo=4)
    found, images = file.read(), whole().limited(4).dense()[:, 0]
    inner = min(size[0], H), min(size[1], W)
    cut = 0
    for number, image in enumerate(images[:3]):
        top, left = place(image, *inner)
        top -= (size[0] - inner[0]) // 2
        expected = cut_out(image, top, left, *size)
        np.testing.assert_array_equal(found.dense()[number, 0], expected)
        cut += np.count_nonzero(image) - np.count_nonzero(expected)
        meta, stored = found.meta[number, 0], open_images(file.path).read().meta[number, 0]
        pitch = [(stored[f"{axis}_max"] - stored[f"{axis}_min"]) / n for axis, n in (("x", W), ("y", H))]
        assert meta["x_min"] == pytest.approx(stored["x_min"] + left * pitch[0])
        assert meta["y_max"] == pytest.approx(stored["y_min"] + (top + size[0]) * pitch[1])
        assert file.windows(number, number + 1)[0, 0].tolist() == [meta["x_min"], meta["y_min"]]
    assert found.has_image.all()
    assert not found.n_pixels[3]
    assert (file.report.lost_pixels, file.report.active_pixels) == (cut, np.count_nonzero(images))
    assert (
        cut == 0
        or f"{cut} active pixels cropped away, {100 * cut / np.count_nonzero(images):.2g} %"
        in str(file.report_lines())
    )
    assert file.read(1, 3).dense().tolist() == found.dense()[1:3].tolist()


def test_the_best_tile_stands_for_its_entry(opened: Callable[..., Any]) -> None:
    """Without a score it is that with the largest charge; tiles without charge never are."""
    file, images = opened(roi="tiles"), whole().dense()[:, 0]

    def tiles(image: np.ndarray) -> list[np.ndarray]:
        corners = [(top, left) for top in range(0, H, 6) for left in range(0, W, 9)]
        return [cut_out(image, *corner, 6, 9) for corner in corners]

    found = file.read()
    for number, image in enumerate(images):
        expected = max(tiles(image), key=lambda tile: tile.sum(dtype=np.float64))  # the first of equal ones
        np.testing.assert_array_equal(found.dense()[number, 0], expected)
    assert file.report.tiles == sum(bool(tile.any()) for image in images for tile in tiles(image))
    assert file.report.lost_pixels == 0

    file.tile_score = lambda batch: -batch.dense().reshape(len(batch), -1).max(axis=1).astype(np.float64)
    for number, image in enumerate(images[:3]):
        expected = min(filter(np.any, tiles(image)), key=np.max)
        np.testing.assert_array_equal(file.read(number, number + 1).dense()[0, 0], expected)
    assert not file.read(3, 4).n_pixels[0]


def test_every_plane_has_a_window_of_its_own(tmp_path: Path) -> None:
    """Planes of different sizes in one file; one plane is missing in the second event."""
    small, large = whole(1, 3), whole(2, 4)
    meta, dense = large.meta.copy(), large.dense()
    meta["plane"] = [0, 2]
    meta["plane"][1, 1] = NO_IMAGE
    meta["x_min"][:, 1], meta["x_max"][:, 1] = 500, 500 + 2 * W
    dense[1, 1] = 0
    path = tmp_path / "planes.h5"
    larcv3.write(path, [sparse(dense, large.events, meta)], producer="wire")
    file = open_images(path, plane=[0, 2], roi="most_charge", **SIZE)
    found = file.read()
    assert found.shape == (2, 6, 9)
    for number, channel in [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1)]:
        top, left = largest(dense[number, channel], 6, 9)
        expected = cut_out(dense[number, channel], top, left, 6, 9)
        np.testing.assert_array_equal(found.dense()[number, channel], expected)
        assert found.meta[number, channel]["x_min"] == (500 if channel else 100) + 2 * left
        assert found.meta[number, channel]["y_min"] == 3000 + 6 * top
    assert found.meta["plane"].tolist() == [[0, 2], [0, NO_IMAGE], [0, 2], [0, 2]]
    assert not found.dense()[1, 1].any()
    assert file.report.without_image == 1
    assert "1 entries lack an image" in str(file.report_lines())
    assert np.isnan(file.windows(1, 2)).tolist() == [[[False, False], [True, True]]]
    assert small.shape == (1, H, W)


@pytest.mark.slow
def test_the_vertex_of_particles_is_in_the_middle_of_its_window(shared_data: Path) -> None:
    """Files of larcv with images in cm: the first pixels of a proton are at its vertex, in all three projections."""
    path = shared_data / "larcv" / "proton.root"
    with uproot.open(path) as root:
        tree = root["particle_mctruth_tree"]
        points = np.stack([tree[f"_part_v._vtx._{axis}"].array(library="np") for axis in "xyz"], axis=1)
    file = open_images(path, plane=(0, 1, 2), roi="vertex", xdim=9, ydim=7)
    found, centred = file.read(), open_images(path, plane=(0, 1, 2)).read()
    for entry, point in enumerate(points):
        xyz = [float(coordinate[0]) for coordinate in point]
        for channel, (x, y) in enumerate([(xyz[0], xyz[1]), (xyz[1], xyz[2]), (xyz[2], xyz[0])]):
            meta, stored = found.meta[entry, channel], centred.meta[entry, channel]
            column, row = int((x - stored["x_min"]) / 0.5), int((y - stored["y_min"]) / 0.5)
            image = centred.take([entry]).dense()[0, channel]
            expected = np.pad(image, 16)[row + 16 - 3 :, column + 16 - 4 :][:7, :9]
            np.testing.assert_array_equal(found.take([entry]).dense()[0, channel], expected)
            assert meta["x_min"] <= x - 4 * 0.5 < meta["x_min"] + 0.5
            assert meta["y_min"] <= y - 3 * 0.5 < meta["y_min"] + 0.5
    assert found.dense()[:, :, 2:5, 3:6].any(axis=(2, 3)).mean() > 0.9  # charge next to the vertex
    assert not file.report.without_vertex


def test_vertices_of_larcv3_files(shared_data: Path) -> None:
    """LArCV3 stores no unit, so that points need a projection; the values are those that h5py reads."""
    path = shared_data / "larcv" / "larcv3_351.h5"
    with h5py.File(path) as file:
        extents, particles = (file[f"Data/particle_mc_group/{name}"][:] for name in ("extents", "particles"))
    first = particles["vtx"][extents["first"][extents["N"] > 0].astype(int)]
    given = {"product": "image2d", "image_index": 0, "xdim": 3, "ydim": 3, "roi": "vertex"}
    with pytest.raises(InputError, match=r"are not in cm.*give vertex_projection = \{\d+:"):
        open_images(path, **given)
    plane = int(
        open_images(path, product="image2d", image_index=0, xdim=3, ydim=3).read().meta["plane"].max()
    )
    reader = open_images(path, **given, vertex_projection={plane: [[2, 0, 0, 5], [0, 0, 1, -1]]})
    found = reader._vertices[extents["N"] > 0][:, 0]
    known = np.isfinite(found[:, 0])
    np.testing.assert_allclose(found[known, 0], 2 * first["x"][known] + 5)
    np.testing.assert_allclose(found[known, 1], first["z"][known] - 1)


CSV = "run_number,subrun_number,event_number,wire,tick\n"


@pytest.fixture
def planes(tmp_path: Path) -> Path:
    """File of one plane in wires and ticks."""
    path = tmp_path / "planes.h5"
    larcv3.write(path, [whole()], producer="wire")
    return path


def test_vertices_of_a_table(planes: Path, tmp_path: Path) -> None:
    """Ids in any order; events without a row have no image, and a vertex far away has an empty one."""
    table = tmp_path / "vertices.csv"
    table.write_text(CSV + "7,1,12,111,3050\n7.0,1,10,158.5,3119\n7,1,11,-9999,0\n7,2,10,0,0\n")
    file = open_images(planes, roi="vertex", vertex_csv=str(table), **SIZE)
    found, images = file.read(), whole().dense()[:, 0]
    np.testing.assert_array_equal(found.dense()[2, 0], cut_out(images[2], 8 - 3, 5 - 4, 6, 9))
    np.testing.assert_array_equal(found.dense()[0, 0], cut_out(images[0], 19 - 3, 29 - 4, 6, 9))
    assert found.meta[2, 0].item()[2:] == (102, 3030, 120, 3066)
    assert found.has_image.tolist() == [True, True, True, False]
    assert not found.n_pixels[1]
    lines = str(file.report_lines())
    assert "1 entries lack a vertex" in lines
    assert "1 entries have their vertex outside the image" in lines
    lost = (
        np.count_nonzero(images[:3]) - found.n_pixels.sum()
    )  # the event without vertex has no image to lose
    assert file.report.lost_pixels == lost


def test_points_of_a_table_are_projected(planes: Path, tmp_path: Path) -> None:
    table = tmp_path / "vertices.csv"
    table.write_text("run_number,subrun_number,event_number,vx,vy,vz\n7,1,12,5,99,55.5\n")
    file = open_images(
        planes, roi="vertex", vertex_csv=[str(table)], vertex_columns=["vx", "vy", "vz"],
        vertex_projection={0: [[0, 0, 2, 0], [10, 0, 0, 3000]]}, **SIZE,
    )  # fmt: skip
    np.testing.assert_array_equal(
        file.read().dense()[2, 0], cut_out(whole().dense()[2, 0], 8 - 3, 5 - 4, 6, 9)
    )
    before = Dataset(str(planes)).fingerprint()
    given = {"roi": "vertex", "vertex_csv": str(table), "vertex_columns": ("vx", "vy", "vz"),
             "vertex_projection": {0: [[0, 0, 2, 0], [10, 0, 0, 3000]]}, **SIZE}  # fmt: skip
    first = Dataset(str(planes), **given).fingerprint()
    table.write_text("run_number,subrun_number,event_number,vx,vy,vz\n7,1,12,5,99,58.5\n")
    assert len({before, first, Dataset(str(planes), **given).fingerprint()}) == 3  # so that no cache is stale


@pytest.mark.parametrize(
    ("rows", "given", "expected"),
    [
        ("7,1,12,a,3", {}, r"vertices.csv:2: wire is 'a', expected a number"),
        ("x,1,12,1,3", {}, r"vertices.csv:2: run_number is 'x', expected an integer"),
        (
            "7,1,12,1,3\n7,1,12,1,4",
            {},
            r"vertices.csv:3: event \(7, 1, 12\) has another vertex in a row before",
        ),
        (",1,12,1,3", {}, "vertices.csv: no vertex of any of the 4 entries"),
        ("8,1,12,1,3", {}, "vertices.csv: no vertex of any of the 4 entries"),
        ("7,1,12,1,3", {"vertex_columns": ["wires", "tick"]}, "no column 'wires' .did you mean 'wire'"),
        (
            "7,1,12,1,3",
            {"vertex_columns": ["wire"]},
            "expected the 3 columns of x, y and z, or the 2 of wire",
        ),
        (None, {}, "holds no|no .*particle"),
    ],
)
def test_bad_vertices(planes: Path, tmp_path: Path, rows: str | None, given: Any, expected: str) -> None:
    table = tmp_path / "vertices.csv"
    table.write_text(CSV + (rows or "") + "\n")
    csv = {} if rows is None else {"vertex_csv": str(table)}
    with pytest.raises(InputError, match=expected):
        open_images(planes, roi="vertex", **csv, **given, **SIZE)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"roi": "most_charge", "xdim": None, "ydim": None}, "roi = 'most_charge' needs xdim and ydim"),
        ({"roi": "most_charged"}, "roi = 'most_charged', expected .*did you mean 'most_charge'"),
        ({"vertex_csv": "a.csv"}, "need roi = 'vertex'"),
        ({"roi": "vertex", "vertex_columns": ["a", "b"]}, "vertex_columns needs vertex_csv"),
        ({"row_merge": "max"}, "row_merge = 'max' needs rows_per_pixel"),
        ({"rows_per_pixel": 0}, "rows_per_pixel = 0, expected at least 1"),
        ({"roi": "vertex", "vertex_projection": {0: [[1, 2, 3]]}}, "expected two rows of 4 numbers"),
    ],
)
def test_bad_options(planes: Path, given: Any, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        open_images(planes, **{**SIZE, **given})


def test_npy_files_have_no_vertex(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((H, W), np.float32))
    with pytest.raises(InputError, match="roi = 'vertex' needs the ids of events"):
        open_images(tmp_path, roi="vertex", **SIZE)


@pytest.mark.parametrize(("rows_per_pixel", "merge"), [(4, "sum"), (6, "mean"), (5, "max")])
@pytest.mark.parametrize(
    "given", [{"roi": "most_charge", "ydim": 3, "xdim": 9}, {"ydim": None, "xdim": None}]
)
def test_rows_are_merged_before_the_threshold(
    opened: Callable[..., Any], rows_per_pixel: int, merge: str, given: dict[str, Any]
) -> None:
    """As in files of every tick, for networks of images of merged ticks; 20 rows are padded to 24 of 6 each."""
    file = opened(rows_per_pixel=rows_per_pixel, row_merge=merge, adc_lo=6, adc_hi=50, **given)
    found = file.read()
    before = -(-H // rows_per_pixel) * rows_per_pixel - H
    for number, image in enumerate(whole().dense()[:3, 0]):
        padded = np.pad(image, ((before // 2, before - before // 2), (0, 0))).astype(np.float64)
        rows = getattr(padded.reshape(-1, rows_per_pixel, W), merge)(axis=1)
        rows = np.where(rows < 6, 0, np.minimum(rows, 50)).astype(np.float32)
        top, left = (0, 0) if given["ydim"] is None else largest(rows, 3, 9)
        expected = rows if given["ydim"] is None else cut_out(rows, top, left, 3, 9)
        np.testing.assert_allclose(found.dense()[number, 0], expected, rtol=1e-6)
        meta, stored = found.meta[number, 0], open_images(file.path).read().meta[number, 0]
        tick = (stored["y_max"] - stored["y_min"]) / H
        low = stored["y_min"] + (top * rows_per_pixel - before // 2) * tick
        assert meta["y_min"] == pytest.approx(low)
        assert meta["y_max"] == pytest.approx(low + len(expected) * rows_per_pixel * tick)
    assert file.report.active_pixels - file.report.lost_pixels == found.n_pixels.sum()
