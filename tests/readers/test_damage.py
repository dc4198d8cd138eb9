"""Damaged and hostile files end in one clear line."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import h5py
import numpy as np
import pytest
import uproot

from dmcnn._common.errors import InputError
from dmcnn.images.sparse import UNSET
from dmcnn.readers import open_images
from dmcnn.readers.larcv2.reader import LArCV2
from readers.broken import rewritten, without_keys

TREE = "image2d_data_tree"


@pytest.fixture
def electron(shared_data: Path) -> Path:
    return shared_data / "larcv" / "electron.root"


def fails(path: Path, words: str, **arguments: object) -> None:
    with pytest.raises(InputError) as error:
        open_images(path, **arguments).read()
    assert words in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("size", [0, 3, 10, 19, 99, 1000, 100_000, 152_147])
def test_truncated(electron: Path, tmp_path: Path, size: int) -> None:
    path = tmp_path / "short.root"
    path.write_bytes(electron.read_bytes()[:size])
    fails(path, {0: "is empty", 3: "expected a ROOT file"}.get(size, "truncated"), plane=0)


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    fails(tmp_path, "is a folder")
    fails(tmp_path / "none" / "x.root", "nor a folder")


def test_directory_without_keys(electron: Path, tmp_path: Path) -> None:
    fails(
        without_keys(electron, tmp_path / "killed.root"), "holds nothing (was it closed properly?)", plane=0
    )


def test_trees_without_entries_or_images(tmp_path: Path) -> None:
    path = tmp_path / "empty.root"
    with uproot.recreate(path) as root:
        root.mktree("image2d_none_tree", {"x": "f8"})
    fails(path, "tree image2d_none_tree has no entries")
    path = tmp_path / "other.root"
    with uproot.recreate(path) as root:
        root.mktree("events", {"x": "f8"})
    fails(path, "no image2d tree, the file holds events")


def test_basket_that_does_not_decompress(electron: Path, tmp_path: Path) -> None:
    data = bytearray(electron.read_bytes())
    with uproot.open(electron) as root:
        seek = int(root[TREE]["_image_v._img"].member("fBasketSeek")[4])
    data[seek + 200 : seek + 260] = bytes(range(60))
    path = tmp_path / "flipped.root"
    path.write_bytes(data)
    fails(path, "entries 4..4: cannot be read, damaged or truncated", plane=0)
    assert len(LArCV2(path, plane=0).read(0, 4)) == 4


@pytest.mark.parametrize(
    ("at", "value", "words"),
    [(0, 0x40000010, "entry 3: damaged pixels"), (6, 65535, "entry 3: damaged pixels"),
     (6, 2**31 - 1, "entry 3: damaged pixels"), (6, -1, "entry 3: damaged pixels")],
)  # fmt: skip
def test_wrong_counts_inside_a_basket(
    electron: Path, tmp_path: Path, at: int, value: int, words: str
) -> None:
    def change(content: bytearray) -> None:
        content[at : at + 4] = struct.pack(">I", value & 0xFFFFFFFF)

    fails(rewritten(electron, tmp_path / "x.root", TREE, "_image_v._img", 3, change), words, plane=1)


def test_nan_and_infinity_are_counted_or_stop(electron: Path, tmp_path: Path) -> None:
    def change(content: bytearray) -> None:
        content[10:22] = struct.pack(">fff", np.nan, np.inf, -np.inf)

    path = rewritten(electron, tmp_path / "nan.root", TREE, "_image_v._img", 3, change)
    reader = LArCV2(path, plane=0, adc_hi=500)
    found, expected = reader.read(), LArCV2(electron, plane=0, adc_hi=500).read()
    np.testing.assert_array_equal(found.index, expected.index)
    np.testing.assert_array_equal(found.value, expected.value)
    assert reader.report.bad_pixels == 3
    assert any("3 pixels were NaN or infinite" in line for line in reader.report.lines())
    fails(path, "entry 3: 3 pixels are NaN or infinite", plane=0, bad_pixels="stop")
    with pytest.raises(InputError, match="expected 'zero' or 'stop'"):
        LArCV2(path, plane=0, bad_pixels="ignore")  # type: ignore[arg-type]


def test_ids_that_differ_between_trees(electron: Path, tmp_path: Path) -> None:
    def change(content: bytearray) -> None:
        content[8:16] = struct.pack(">Q", 77)

    path = rewritten(electron, tmp_path / "ids.root", "particle_mctruth_tree", "_event", 0, change)
    with pytest.raises(
        InputError, match=r"entry 1: \(run, subrun, event\) = \(1, 0, 77\), expected \(1, 0, 2\)"
    ):
        LArCV2(path, plane=0).pdg()


def test_two_images_of_one_plane(shared_data: Path, tmp_path: Path) -> None:
    def change(content: bytearray) -> None:
        content[:4] = struct.pack(">HH", 2, 2)

    source = shared_data / "larcv" / "larcv2_v200_root640_c101.root"
    path = rewritten(source, tmp_path / "x.root", "image2d_wire_tree", "_image_v._meta._id", 0, change)
    size = {"producer": "wire", "xdim": 8, "ydim": 8}
    fails(path, "entry 0: 3 images of plane 2, choose one with image_index", plane=2, **size)
    assert open_images(path, image_index=2, **size).read(0, 1).n_pixels[0] > 0


def test_sizes_no_image_can_have(shared_data: Path, tmp_path: Path) -> None:
    def change(content: bytearray) -> None:
        content[:8] = struct.pack(">Q", 2**63)

    source = shared_data / "larcv" / "larcv2_v200_root640_c101.root"
    branch = "_image_v._meta._row_count"
    path = rewritten(source, tmp_path / "x.root", "image2d_image2d_binary_tree", branch, 0, change)
    fails(path, "entry 0: image of 9223372036854775808x64", producer="image2d_binary")


@pytest.mark.slow
def test_random_damage_to_root_never_crashes(electron: Path, tmp_path: Path) -> None:
    """A wrong byte anywhere gives the same images, other images, or an InputError; nothing else."""
    random = np.random.default_rng(5)
    path = tmp_path / "noise.root"
    whole = electron.read_bytes()
    outcomes = set()
    for _ in range(40):
        data = bytearray(whole)
        data[int(random.integers(len(data)))] ^= int(random.integers(1, 256))
        path.write_bytes(data)
        try:
            outcomes.add(len(open_images(path, plane=0).read()))
        except InputError as error:
            outcomes.add(f"error in {len(error.faults[0].splitlines())} line")
    assert outcomes == {10, "error in 1 line"}


@pytest.mark.slow
def test_random_damage_to_hdf5_never_crashes(shared_data: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(6)
    path = tmp_path / "noise.h5"
    whole = (shared_data / "larcv" / "larcv3_351.h5").read_bytes()
    outcomes = set()
    for _ in range(60):
        data = bytearray(whole)
        for at in random.integers(len(data), size=20):
            data[int(at)] ^= int(random.integers(1, 256))
        path.write_bytes(data)
        for product in ("image2d", "sparse2d"):
            try:
                outcomes.add(len(open_images(path, product=product, plane=1, xdim=8, ydim=8).read()))
            except InputError as error:
                outcomes.add(f"error in {len(error.faults[0].splitlines())} line")
    assert outcomes == {4, "error in 1 line"}


HDF5_FAULTS = {
    "a slice beyond the table": ("extents", 1, ("first", 2**64 - 1), "there are 9"),
    "more images than there are": ("extents", 3, ("N", 2**32 - 1), "there are 9"),
    "pixels beyond the dataset": ("image_extents", 2, ("first", 480), "there are 486"),
    "pixels that are not rows x columns": ("image_extents", 2, ("N", 7), "image of 10x6 has 7 pixels"),
    "a size beyond counting": (
        "image_meta",
        2,
        ("number_of_voxels", (2**40, 2**40)),
        "which no file can hold",
    ),
}


@pytest.mark.parametrize("fault", HDF5_FAULTS)
def test_hostile_tables(shared_data: Path, tmp_path: Path, fault: str) -> None:
    table, row, (column, value), words = HDF5_FAULTS[fault]
    path = tmp_path / "x.h5"
    shutil.copy(shared_data / "larcv" / "larcv3_351.h5", path)
    path.chmod(0o644)
    with h5py.File(path, "r+") as file:
        rows = file[f"Data/image2d_wire_group/{table}"][:]
        rows[row][column] = value
        file[f"Data/image2d_wire_group/{table}"][:] = rows
    fails(path, words, product="image2d", plane=2)


@pytest.mark.parametrize(
    ("value", "words"), [(90, "voxel id 90 in an image of 10x6"), (11, "a voxel id occurs twice")]
)
def test_hostile_voxels(shared_data: Path, tmp_path: Path, value: int, words: str) -> None:
    path = tmp_path / "x.h5"
    shutil.copy(shared_data / "larcv" / "larcv3_351.h5", path)
    path.chmod(0o644)
    with h5py.File(path, "r+") as file:
        voxels = file["Data/sparse2d_wire_group/voxels"]
        rows = voxels[:]
        rows["id"][4] = value
        voxels[:] = rows
    fails(path, f"entry 0: {words}", product="sparse2d", plane=2)


def test_other_hdf5_files(shared_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["Events/event_id"] = np.zeros(3)
    fails(path, "holds Events/event_id (3,); expected images X (n, H, W, 2)")
    with h5py.File(path, "a") as file:
        file.create_group("Data/image2d_wire_group")
    fails(path, "no column 'run', not a LArCV3 table")
    short = tmp_path / "short.h5"
    short.write_bytes((shared_data / "larcv" / "larcv3_351.h5").read_bytes()[:30_000])
    fails(short, "truncated", product="image2d")
    text = tmp_path / "text.h5"
    text.write_text("not at all")
    fails(text, "begins with b'not at a', expected a ROOT file (LArCV2, LArCV1) or an HDF5 file (LArCV3)")


def test_unset_and_negative_ids(shared_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    shutil.copy(shared_data / "larcv" / "larcv3_351.h5", path)
    path.chmod(0o644)
    with h5py.File(path, "r+") as file:
        ids = file["Events/event_id"][:]
        ids["run"][1], ids["run"][2] = 2**63 - 1, -5
        file["Events/event_id"][:] = ids
    events = open_images(path, product="image2d", plane=0).events
    assert events["run"].tolist() == [100, UNSET, UNSET, 100]


def test_column_types_that_no_larcv_writes(shared_data: Path, tmp_path: Path) -> None:
    """libhdf5 writes beyond its buffers for damaged nested types: such columns must not be read."""
    path = tmp_path / "x.h5"
    shutil.copy(shared_data / "larcv" / "larcv3_351.h5", path)
    path.chmod(0o644)
    for kind in ([("x", "<i8"), ("y", "<i8")], "S8", "<f8"):
        with h5py.File(path, "r+") as file:
            del file["Events/event_id"]
            file["Events/event_id"] = np.zeros(4, [("run", kind), ("subrun", "<i8"), ("event", "<i8")])
        fails(path, "'run' is of type", product="image2d", plane=0)


def test_tables_larger_than_their_file(shared_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    shutil.copy(shared_data / "larcv" / "larcv3_351.h5", path)
    path.chmod(0o644)
    with h5py.File(path, "r+") as file:
        file["Events/event_id"].resize(2**33, axis=0)
    fails(path, "8589934592 rows, more than the file can hold", product="image2d", plane=0)
