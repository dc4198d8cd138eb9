"""sparse2d, sparse3d and cluster2d of LArCV2 files against struct and uproot's own columns."""

from __future__ import annotations

import itertools
import struct
from pathlib import Path

import numpy as np
import pytest
import uproot

from dmcnn._common.errors import InputError
from dmcnn.readers.larcv2 import baskets
from dmcnn.readers.larcv2.clusters import read_clusters
from dmcnn.readers.larcv2.reader import LArCV2
from dmcnn.readers.larcv2.uproot_voxels import AsVoxels
from readers.broken import rewritten

COMPRESSIONS = ("c101", "c404", "c505")
SPARSE2D, SPARSE3D, VOXELS = "sparse2d_wire_tree", "sparse3d_pts_tree", "_tensor_v._voxel_v"


def fixture(shared_data: Path, compression: str) -> Path:
    return shared_data / "larcv" / f"larcv2_v200_root640_{compression}.root"


def entry_bytes(path: Path, tree: str, branch: str) -> list[bytes]:
    """Return the bytes of every entry of a branch, through uproot."""
    entries = []
    with uproot.open(path) as root:
        for number in range(root[tree][branch].num_baskets):
            basket = root[tree][branch].basket(number)
            ends = basket.byte_offsets.tolist()
            entries += [basket.data[a:b].tobytes() for a, b in itertools.pairwise(ends)]
    return entries


def voxels(raw: bytes, at: int) -> tuple[list[tuple[int, float]], int]:
    """Parse a set of voxels at byte ``at``; return it and the byte where it ends."""
    (n,) = struct.unpack_from(">i", raw, at)
    ids = struct.unpack_from(f">{n}Q", raw, at + 4)
    values = struct.unpack_from(f">{n}f", raw, at + 4 + 8 * n)
    return list(zip(ids, values, strict=True)), at + 4 + 12 * n


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_sparse2d_as_struct_reads_it(shared_data: Path, compression: str) -> None:
    """Three tensors of 16 rows x 12 columns: id = col * 16 + row."""
    path = fixture(shared_data, compression)
    reader = LArCV2(path, product="sparse2d", plane=(0, 1, 2))
    assert reader.shape == (3, 16, 12)
    dense = reader.read().dense()
    expected = np.zeros((7, 3, 16, 12), np.float32)
    for entry, raw in enumerate(entry_bytes(path, SPARSE2D, VOXELS)):
        at = 12
        for plane in range(3 if at < len(raw) else 0):
            stored, at = voxels(raw, at)
            for number, value in stored:
                expected[entry, plane, number % 16, number // 16] = value
        assert at == len(raw)
    np.testing.assert_array_equal(dense, expected)
    assert dense.any(axis=(1, 2, 3)).tolist() == [True] * 3 + [False] + [True] * 3
    assert reader.meta["plane"].tolist() == [[0, 1, 2]] * 3 + [[-1, -1, -1]] + [[0, 1, 2]] * 3
    assert reader.meta[0, 1].item() == (1, 2, 0.0, 0.0, 12.0, 16.0)
    assert reader.events["event"].tolist() == [0, 10, 20, 30, 40, 50, 1099511627782]


@pytest.mark.slow
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_sparse3d_as_uproot_reads_it(shared_data: Path, compression: str) -> None:
    """10 x 20 x 30 voxels (x, y, z) become (C, H, W) = (30, 20, 10): index is larcv's id."""
    path = fixture(shared_data, compression)
    reader = LArCV2(path, product="sparse3d")
    assert reader.shape == (30, 20, 10)
    images = reader.read()
    with uproot.open(path) as root:
        ids = root[SPARSE3D]["_voxel_v._id"].array(library="np")
        values = root[SPARSE3D]["_voxel_v._value"].array(library="np")
    for entry, (number, value) in enumerate(zip(ids, values, strict=True)):
        own = images.take([entry])
        assert own.index.tolist() == number.tolist()
        assert own.value.tolist() == value.tolist()
    assert reader.meta.shape == (7, 30)
    assert reader.meta[6, 29].item() == (29, 1, -1.0, -2.0, 9.0, 18.0)
    one = LArCV2(path, product="sparse3d", plane=(3, 9))
    np.testing.assert_array_equal(one.read().dense(), images.dense()[:, [3, 9]])
    padded = LArCV2(path, product="sparse3d", xdim=12, ydim=20, adc_lo=1, adc_hi=2).read().dense()
    whole = images.dense()
    kept = np.where(whole >= 1, np.minimum(whole, 2), 0)
    np.testing.assert_array_equal(padded[..., 1:-1], kept)
    assert not padded[..., [0, -1]].any()


@pytest.mark.parametrize("product", ["image2d", "sparse2d", "sparse3d"])
@pytest.mark.parametrize("n_threads", [2, 5])
def test_any_number_of_threads_and_any_slices(
    shared_data: Path, product: str, n_threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baskets, "WORTH_A_THREAD", 1)
    path, choice = fixture(shared_data, "c404"), {"sparse2d": {"plane": 1}}.get(product, {})
    if product == "image2d":
        choice = {"producer": "image2d_binary"}
    one = LArCV2(path, product=product, n_threads=1, **choice)
    several = LArCV2(path, product=product, n_threads=n_threads, **choice)
    whole = one.read()
    for start, stop in ((0, 7), (1, 5), (3, 3), (2, 3)):
        part, expected = several.read(start, stop), whole.take(slice(start, stop))
        for name in ("offsets", "index", "value", "events", "meta"):
            np.testing.assert_array_equal(getattr(part, name), getattr(expected, name))


def test_cluster2d_as_struct_reads_it(shared_data: Path) -> None:
    path = shared_data / "larcv" / "larcv2_v200_cluster2d.root"
    clusters = read_clusters(path)
    expected: list[list[tuple[int, list[tuple[int, float]]]]] = []
    for raw in entry_bytes(path, "cluster2d_a_tree", "_cluster_v._voxel_vv"):
        at = 12
        while at < len(raw):
            (n,) = struct.unpack_from(">i", raw, at)
            ids = struct.unpack_from(f">{n}H", raw, at + 4)
            at += 4 + 2 * n + (12 if n else 0)
            expected.append([])
            for number in ids:
                stored, at = voxels(raw, at)
                expected[-1].append((number, stored))
    assert clusters.counts.tolist() == [3, 3, 3, 0]
    assert clusters.meta["plane"].tolist() == [0, 1, 2] * 3
    assert clusters.rows.tolist() == [4] * 9
    assert clusters.cols.tolist() == [8] * 9
    assert clusters.events["event"].tolist() == [0, 1, 2, 3]
    found = [
        [
            (
                int(clusters.id[k]),
                [
                    (int(clusters.voxel_id[v]), float(clusters.value[v]))
                    for v in range(*clusters.voxel_offsets[k : k + 2])
                ],
            )
            for k in range(*clusters.offsets[p : p + 2])
        ]
        for p in range(9)
    ]
    assert found == expected
    assert sum(map(len, expected)) == 9


@pytest.mark.parametrize(
    ("at", "text", "said"),
    [
        (15, b"\x09", "entry 0: damaged voxels: count of voxels 9"),
        (11, b"\x00", "entry 0: damaged voxels: checksum"),
        (7, b"\x01", "entry 0: damaged voxels: class version 1"),
        (31, b"\xff", "entry 0: voxel id 255 in an image of 16x12 pixels"),
        (31, b"\x00", "entry 0: a voxel id occurs twice"),
    ],
)
def test_hostile_sparse2d(shared_data: Path, tmp_path: Path, at: int, text: bytes, said: str) -> None:
    def change(content: bytearray) -> None:
        content[at : at + len(text)] = text

    path = rewritten(fixture(shared_data, "c101"), tmp_path / "x.root", SPARSE2D, VOXELS, 0, change)
    with pytest.raises(InputError) as error:
        LArCV2(path, product="sparse2d", plane=0).read()
    assert said in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("branch", "text", "said"),
    [
        ("_voxel_v._id", struct.pack(">Q", 6000), "entry 0: a voxel id beyond 30x20x10 (z, y, x)"),
        ("_voxel_v._id", struct.pack(">QQ", 3, 3), "entry 0: a voxel id occurs twice"),
        ("_meta._xnum", struct.pack(">Q", 2**40), "entry 0: volume of 1099511627776x20x30"),
        ("_meta._znum", struct.pack(">Q", 2**15), "entry 0: volume of 10x20x32768 (x, y, z) is too large"),
        ("_meta._znum", struct.pack(">QQ", 30, 31), "entry 1: volume (10.0, 20.0, 31.0,"),
    ],
)
def test_hostile_sparse3d(shared_data: Path, tmp_path: Path, branch: str, text: bytes, said: str) -> None:
    def change(content: bytearray) -> None:
        content[: len(text)] = text

    path = rewritten(fixture(shared_data, "c101"), tmp_path / "x.root", SPARSE3D, branch, 0, change)
    with pytest.raises(InputError) as error:
        LArCV2(path, product="sparse3d").read()
    assert said in str(error.value)
    assert str(path) in str(error.value)


def test_volumes_never_set_are_passed_over(shared_data: Path, tmp_path: Path) -> None:
    """Entry 3 has no voxels; larcv leaves the volume of such an event unset."""

    def change(content: bytearray) -> None:
        content[24:32] = bytes(8)

    path = rewritten(fixture(shared_data, "c101"), tmp_path / "x.root", SPARSE3D, "_meta._xnum", 0, change)
    expected = LArCV2(fixture(shared_data, "c101"), product="sparse3d").read()
    np.testing.assert_array_equal(LArCV2(path, product="sparse3d").read().index, expected.index)


@pytest.mark.parametrize(
    ("at", "text", "said"),
    [
        (15, b"\x7f", "entry 0: damaged clusters: "),
        (11, b"\x00", "entry 0: damaged clusters: checksum"),
        (45, b"\x20", "entry 0: voxel id 32 in an image of 32 pixels"),
    ],
)
def test_hostile_cluster2d(shared_data: Path, tmp_path: Path, at: int, text: bytes, said: str) -> None:
    def change(content: bytearray) -> None:
        content[at : at + len(text)] = text

    source = shared_data / "larcv" / "larcv2_v200_cluster2d.root"
    path = rewritten(source, tmp_path / "x.root", "cluster2d_a_tree", "_cluster_v._voxel_vv", 0, change)
    with pytest.raises(InputError) as error:
        read_clusters(path)
    assert said in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("name", "choice", "said"),
    [
        ("electron.root", {"product": "sparse2d"}, "no sparse2d tree, the file holds image2d_data_tree"),
        ("electron.root", {"product": "cluster2d"}, "expected 'image2d', 'sparse2d' or 'sparse3d'"),
        ("larcv2_v200_root640_c101.root", {"product": "sparse2d"}, "several images in an event"),
        ("larcv2_v200_root640_c101.root", {"product": "sparse3d", "plane": 30}, "no image of plane 30"),
        ("larcv2_v200_root640_c101.root", {"product": "sparse3d", "producer": "pt"}, "did you mean 'pts'?"),
    ],
)
def test_what_is_wrong_with_a_choice(
    shared_data: Path, name: str, choice: dict[str, object], said: str
) -> None:
    with pytest.raises(InputError) as error:
        LArCV2(shared_data / "larcv" / name, **choice)
    assert said in str(error.value)


def test_the_product_is_image2d_or_the_only_other(shared_data: Path, tmp_path: Path) -> None:
    """The same file with its trees renamed in the directory, to names of equal length."""
    raw = fixture(shared_data, "c404").read_bytes()
    without_images = raw.replace(b"image2d_wire_tree", b"bmage2d_wire_tree").replace(
        b"image2d_image2d_binary_tree", b"bmage2d_image2d_binary_tree"
    )
    path = tmp_path / "x.root"
    path.write_bytes(without_images)
    with pytest.raises(InputError, match="holds sparse2d and sparse3d, choose one with product"):
        LArCV2(path)
    path.write_bytes(without_images.replace(b"sparse3d_pts_tree", b"bparse3d_pts_tree"))
    assert LArCV2(path, plane=0).shape == (1, 16, 12)
    with pytest.raises(InputError, match="no cluster2d tree"):
        read_clusters(path)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_uproot_reads_voxels_once_it_knows_how(shared_data: Path, compression: str) -> None:
    path = fixture(shared_data, compression)
    uproot.register_interpretation(AsVoxels)
    try:
        with uproot.open(path) as root:
            found = root[SPARSE2D][VOXELS].array().to_list()
            some = root[SPARSE2D][VOXELS].array(entry_start=2, entry_stop=5).to_list()
    finally:
        uproot.unregister_interpretation(AsVoxels)
    expected = []
    for raw in entry_bytes(path, SPARSE2D, VOXELS):
        tensors, at = [], 12
        while at < len(raw):
            stored, at = voxels(raw, at)
            tensors.append([{"id": number, "value": value} for number, value in stored])
        expected.append(tensors)
    assert found == expected
    assert some == expected[2:5]
