"""LArCV3 files: a real one against h5py, and the two products against each other."""

from __future__ import annotations

import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

from dmcnn._common.errors import InputError
from dmcnn.images.sparse import NO_IMAGE, UNIT_UNKNOWN, sparse
from dmcnn.readers import open_images, reader_class, reader_of
from dmcnn.readers.larcv2.reader import LArCV2
from dmcnn.readers.larcv3.reader import LArCV3
from dmcnn.writers import larcv3


@pytest.fixture
def real(shared_data: Path) -> Path:
    """Return a file of 4 events, 3 planes of 8..10 x 6 pixels, both products; event 2 has no dense image."""
    return shared_data / "larcv" / "larcv3_351.h5"


@pytest.mark.parametrize("axis0", ["row", "col"])
@pytest.mark.parametrize("plane", [0, 1, 2])
def test_dense_images_as_h5py_reads_them(real: Path, plane: int, axis0: str) -> None:
    images = LArCV3(real, product="image2d", plane=plane, axis0=axis0).read()
    with h5py.File(real) as file:
        group = file["Data/image2d_wire_group"]
        for entry, (first, n) in enumerate(group["extents"][:].tolist()):
            rows = [r for r in range(first, first + n) if group["image_meta"][r]["projection_id"] == plane]
            found = images.take([entry])
            assert len(rows) == (0 if entry == 2 else 1)
            if not rows:
                assert not found.has_image[0]
                continue
            begin, size, _ = group["image_extents"][rows[0]]
            meta = group["image_meta"][rows[0]]
            stored = group["images"][begin : begin + size].reshape(meta["number_of_voxels"])
            np.testing.assert_array_equal(found.dense()[0, 0], stored if axis0 == "row" else stored.T)
            (y, x), (height, width) = (
                (values if axis0 == "row" else values[::-1])
                for values in (meta["origin"], meta["image_sizes"])
            )
            assert found.meta[0, 0].item() == (plane, UNIT_UNKNOWN, x, y, x + width, y + height)
    assert images.events["run"].tolist() == [100] * 4
    assert images.events["event"].tolist() == [1, 2, 3, 4]


def test_voxels_as_h5py_reads_them(real: Path) -> None:
    images = LArCV3(real, product="sparse2d", plane=(1, 2), xdim=6, ydim=9).read()
    assert images.has_image.all()
    with h5py.File(real) as file:
        voxels = file["Data/sparse2d_wire_group/voxels"][:]
    dense = images.dense()
    for entry in range(4):
        own = voxels[6 * entry : 6 * entry + 6]  # 2 voxels for each of 3 planes
        expected = np.zeros(9 * 6, np.float32)
        expected[own["id"][2:4]] = own["value"][2:4]
        np.testing.assert_array_equal(dense[entry, 0], expected.reshape(9, 6))
        expected = np.zeros(10 * 6, np.float32)
        expected[own["id"][4:]] = own["value"][4:]
        np.testing.assert_array_equal(dense[entry, 1], expected.reshape(10, 6)[:9])


@pytest.mark.parametrize("axis0", ["row", "col"])
@pytest.mark.parametrize(("ydim", "xdim"), [(None, None), (20, 31), (8, 9), (5, 40)])
def test_voxels_are_treated_as_dense_pixels_are(
    tmp_path: Path, axis0: str, ydim: int | None, xdim: int | None
) -> None:
    """Threshold, clip, NaN, padding and cropping in NumPy agree with the C++ kernel."""
    random = np.random.default_rng(1)
    dense = np.where(random.random((7, 2, 13, 18)) < 0.3, random.normal(20, 30, (7, 2, 13, 18)), 0)
    dense = dense.astype(np.float32)
    dense[random.random(dense.shape) < 0.02] = np.nan
    dense[2, 1, 3, 4], dense[2, 1, 3, 5] = np.inf, -np.inf
    images = sparse(dense)
    images.meta["plane"][3, 0] = NO_IMAGE
    images.meta["plane"][5] = NO_IMAGE
    images = sparse(np.where((images.meta["plane"] == NO_IMAGE)[..., None, None], 0, dense), meta=images.meta)
    found = []
    for product in ("sparse2d", "image2d"):
        path = tmp_path / f"{product}.h5"
        larcv3.write(
            path, [images.take(slice(0, 4)), images.take(slice(4, 7))], producer="x", product=product
        )
        reader = LArCV3(path, plane=(0, 1), axis0=axis0, xdim=xdim, ydim=ydim, adc_lo=-10, adc_hi=30)
        found.append((reader.read(), reader.report))
    (a, report), (b, expected) = found
    for field in ("offsets", "index", "value", "events", "meta"):
        np.testing.assert_array_equal(getattr(a, field), getattr(b, field))
        assert getattr(a, field).dtype == getattr(b, field).dtype
    for field in ("without_image", "resized", "lost_pixels", "bad_pixels"):
        assert getattr(report, field) == getattr(expected, field)
    assert report.without_image == 2
    assert report.bad_pixels > 2
    assert (report.lost_pixels > 0) == (ydim is not None and ydim < 13)


def test_slices_and_pickling(real: Path) -> None:
    for product in ("image2d", "sparse2d"):
        reader = pickle.loads(pickle.dumps(LArCV3(real, product=product, plane=0)))
        whole = reader.read()
        for start in range(5):
            for stop in range(start, 5):
                part, expected = reader.read(start, stop), whole.take(slice(start, stop))
                for field in ("offsets", "index", "value", "events", "meta"):
                    np.testing.assert_array_equal(getattr(part, field), getattr(expected, field))


def test_images_that_lie_far_apart_or_backwards(tmp_path: Path) -> None:
    """Images in reverse order of the entries are valid, though no writer stores them so."""
    dense = np.random.default_rng(2).random((20, 1, 4, 5)).astype(np.float32)
    path = tmp_path / "x.h5"
    larcv3.write(path, [sparse(dense)], producer="x", product="image2d")
    with h5py.File(path, "r+") as file:
        extents = file["Data/image2d_x_group/image_extents"]
        rows = extents[:]
        rows["first"] = rows["first"][::-1]
        extents[:] = rows
    reader = LArCV3(path)
    np.testing.assert_array_equal(reader.read().dense(), dense[::-1])
    np.testing.assert_array_equal(reader.read(0, 1).dense(), dense[19:])


def test_particles(real: Path) -> None:
    counts, codes = LArCV3(real, product="sparse2d", plane=0).pdg()
    assert counts.tolist() == [1] * 4
    assert codes.tolist() == [11] * 4


def test_what_is_wrong_is_said(real: Path, tmp_path: Path) -> None:
    for arguments, words in (
        ({}, "holds both image2d and sparse2d, choose one with product"),
        ({"product": "sparse3d"}, "expected 'image2d' or 'sparse2d'"),
        ({"product": "image2d", "axis0": "wire"}, "axis0 = 'wire', expected 'row' or 'col'"),
        ({"product": "image2d", "producer": "wires"}, "no producer 'wires' (did you mean 'wire'?)"),
        ({"product": "image2d"}, "several images in an event, choose one with plane (there are 0, 1, 2)"),
    ):
        with pytest.raises(InputError) as error:
            LArCV3(real, **arguments)
        assert words in str(error.value)
    larcv3.write(tmp_path / "x.h5", [sparse(np.ones((2, 1, 3, 3), np.float32))], producer="x")
    with pytest.raises(InputError, match=r"no particle group in /Data, which holds sparse2d_x_group"):
        LArCV3(tmp_path / "x.h5").pdg()


def test_the_reader_is_chosen_by_the_first_bytes(shared_data: Path, tmp_path: Path, real: Path) -> None:
    disguised = tmp_path / "electron.h5"
    disguised.write_bytes((shared_data / "larcv" / "electron.root").read_bytes())
    assert reader_of(disguised) is LArCV2 is reader_class("larcv2")
    assert reader_of(real) is LArCV3 is reader_class("larcv3")
    assert len(open_images(disguised, plane=1, axis0="col")) == 10  # axis0 is for other files
    assert len(open_images(real, plane=1, product="sparse2d", tick_order="auto")) == 4
    with pytest.raises(InputError, match=r"no reader has an argument 'plan' \(did you mean 'plane'\?\)"):
        open_images(real, plan=1)
