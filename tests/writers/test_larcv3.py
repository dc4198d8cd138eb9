"""LArCV3 files: equal events when read back, in the layout of larcv 3.5.1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from dmcnn.images.sparse import NO_IMAGE, UNSET, sparse
from dmcnn.readers import open_images
from dmcnn.readers.larcv2.reader import LArCV2
from dmcnn.readers.larcv3.reader import LArCV3
from dmcnn.writers import larcv3

PRODUCTS = ("sparse2d", "image2d")
FIELDS = ("offsets", "index", "value", "events", "meta")


@pytest.mark.slow
@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("chunk", [1, 3, 100])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("electron.root", {"plane": (0, 1, 2)}),
        ("larcv2_v200_root640_c505.root", {"plane": (0, 2), "producer": "wire", "xdim": 8, "ydim": 10}),
        ("larcv1_v06_26_root640.root", {"plane": 2, "tick_order": "descending"}),
    ],
)
def test_round_trip(
    shared_data: Path, tmp_path: Path, product: Any, chunk: int, name: str, arguments: dict[str, Any]
) -> None:
    source = LArCV2(shared_data / "larcv" / name, **arguments)
    batches = (source.read(i, min(i + chunk, len(source))) for i in range(0, len(source), chunk))
    path = tmp_path / "new" / "out.h5"
    assert larcv3.write(path, batches, producer="image2d_binary", product=product) == len(source)
    reader = open_images(path, plane=arguments["plane"])
    assert reader.producer == "image2d_binary"
    expected, found = source.read(), reader.read()
    assert found.shape == expected.shape
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(found, field), getattr(expected, field))
    assert [p.name for p in path.parent.iterdir()] == ["out.h5"]


def test_layout_is_that_of_larcv(shared_data: Path, tmp_path: Path) -> None:
    images = sparse(np.ones((2, 1, 3, 4), np.float32))
    with h5py.File(shared_data / "larcv" / "larcv3_351.h5") as real:
        for product in PRODUCTS:
            path = tmp_path / f"{product}.h5"
            larcv3.write(path, [images], producer="wire", product=product)
            group = f"Data/{product}_wire_group"
            with h5py.File(path) as ours:
                assert list(ours) == list(real) == ["Data", "Events"]
                assert list(ours["Data"]) == [f"{product}_wire_group"]
                assert list(ours[group]) == list(real[group])
                for name in ("Events/event_id", *(f"{group}/{table}" for table in real[group])):
                    a, b = ours[name], real[name]
                    assert (a.dtype, a.maxshape, a.compression, a.compression_opts) == (
                        b.dtype, b.maxshape, b.compression, b.compression_opts,
                    )  # fmt: skip
                    assert a.id.get_type().get_size() == b.id.get_type().get_size()


def test_axis_0_is_the_row_and_the_images_of_an_entry_are_contiguous(tmp_path: Path) -> None:
    dense = np.random.default_rng(0).random((5, 2, 3, 4)).astype(np.float32)
    images = sparse(dense)
    images.meta["y_min"], images.meta["y_max"] = -3, 15
    larcv3.write(tmp_path / "x.h5", [images], producer="a_b", product="image2d")
    with h5py.File(tmp_path / "x.h5") as file:
        group = file["Data/image2d_a_b_group"]
        np.testing.assert_array_equal(group["images"][:].reshape(dense.shape), dense)
        assert group["image_meta"][0].item()[:2] == (1, 0)
        assert group["image_meta"]["number_of_voxels"][0].tolist() == [3, 4]
        assert group["image_meta"]["origin"][0].tolist() == [-3, 0]
        assert group["image_meta"]["image_sizes"][0].tolist() == [18, 4]
        assert group["image_extents"]["first"].tolist() == [12 * i for i in range(10)]
        assert group["extents"][:].tolist() == [(2 * i, 2) for i in range(5)]


def test_events_without_pixels_or_images(tmp_path: Path) -> None:
    for product in PRODUCTS:
        images = sparse(np.zeros((3, 1, 3, 4), np.float32))
        images.meta[1] = np.zeros((), images.meta.dtype)
        images.meta["plane"][1] = NO_IMAGE
        path = tmp_path / f"{product}.h5"
        larcv3.write(path, [images.take([]), images], producer="x", product=product)
        found = LArCV3(path).read()
        assert found.has_image.tolist() == [True, False, True]
        for field in FIELDS:
            np.testing.assert_array_equal(getattr(found, field), getattr(images, field))


def test_ids(tmp_path: Path) -> None:
    images = sparse(np.ones((3, 1, 2, 2), np.float32))
    images.events["run"] = [UNSET, 2**63 - 2, 0]
    larcv3.write(tmp_path / "x.h5", [images], producer="x")
    np.testing.assert_array_equal(LArCV3(tmp_path / "x.h5").events, images.events)
    images.events["run"][0] = 2**63 - 1
    with pytest.raises(ValueError, match="run = 9223372036854775807 is beyond"):
        larcv3.write(tmp_path / "y.h5", [images], producer="x")


def test_attributes_and_unit(tmp_path: Path) -> None:
    images = sparse(np.ones((1, 1, 2, 2), np.float32))
    images.meta["unit"] = 2
    larcv3.write(
        tmp_path / "x.h5", [images], producer="x", attributes={"sample": "muons", "seed": 3, "mass": 0.5}
    )
    with h5py.File(tmp_path / "x.h5") as file:
        assert dict(file.attrs) == {"sample": "muons", "seed": 3, "mass": 0.5}
        assert file["Data/sparse2d_x_group"].attrs["unit"] == 2
    assert LArCV3(tmp_path / "x.h5").meta["unit"][0, 0] == 2


def test_the_same_images_make_the_same_bytes(tmp_path: Path) -> None:
    images = sparse(np.ones((4, 1, 5, 5), np.float32))
    for name in ("a.h5", "b.h5"):
        larcv3.write(tmp_path / name, [images], producer="x")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    path.write_text("old")
    small, large = (sparse(np.ones((1, 1, n, n), np.float32)) for n in (2, 3))
    with pytest.raises(ValueError, match="cannot share a file"):
        larcv3.write(path, [small, large], producer="x")
    other = sparse(np.ones((1, 1, 2, 2), np.float32))
    other.meta["unit"] = 1
    with pytest.raises(ValueError, match=r"different units \[0, 1\]"):
        larcv3.write(path, [small, other], producer="x")
    for product in PRODUCTS:
        empty = sparse(np.ones((1, 1, 2, 2), np.float32))
        empty.meta["plane"] = NO_IMAGE
        with pytest.raises(ValueError, match="pixels in a channel that has no image"):
            larcv3.write(path, [empty], producer="x", product=product)
    for producer in ("", "a/b", "x" * 120):
        with pytest.raises(ValueError, match="expected a name"):
            larcv3.write(path, [small], producer=producer)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.h5"]
