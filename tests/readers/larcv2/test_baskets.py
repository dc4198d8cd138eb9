"""Compressed blocks and basket records: every method of ROOT, several blocks, and damaged bytes."""

from __future__ import annotations

import itertools
import lzma
import pickle
import struct
import zlib
from pathlib import Path

import cramjam
import numpy as np
import pytest
import uproot
import xxhash

from dmcnn._common.errors import InputError
from dmcnn.readers.larcv2 import baskets
from dmcnn.readers.larcv2.compression import decompress
from dmcnn.readers.larcv2.reader import LArCV2

CONTENT = np.random.default_rng(3).integers(0, 9, 5000).astype(np.uint8).tobytes()


def raw_deflate(data: bytes) -> bytes:
    squeeze = zlib.compressobj(6, zlib.DEFLATED, -15)
    return squeeze.compress(data) + squeeze.flush()


def lz4(data: bytes) -> bytes:
    block = bytes(cramjam.lz4.compress_block(data, store_size=False))
    return struct.pack(">Q", xxhash.xxh64(block).intdigest()) + block


METHODS = {
    b"ZL": zlib.compress,
    b"CS": raw_deflate,
    b"XZ": lzma.compress,
    b"L4": lz4,
    b"ZS": lambda data: bytes(cramjam.zstd.compress(data)),
}


def block(tag: bytes, packed: bytes, size: int) -> bytes:
    return tag + b"\x08" + len(packed).to_bytes(3, "little") + size.to_bytes(3, "little") + packed


def unpack(stored: bytes, size: int = len(CONTENT)) -> bytes:
    return decompress("file: entry 3", memoryview(stored), size).tobytes()


@pytest.mark.parametrize("tag", METHODS)
@pytest.mark.parametrize("pieces", [1, 3])
def test_every_method_in_one_block_or_several(tag: bytes, pieces: int) -> None:
    cuts = np.linspace(0, len(CONTENT), pieces + 1).astype(int).tolist()
    parts = [CONTENT[a:b] for a, b in itertools.pairwise(cuts)]
    assert unpack(b"".join(block(tag, METHODS[tag](part), len(part)) for part in parts)) == CONTENT
    assert unpack(CONTENT) == CONTENT


def test_methods_may_change_between_blocks() -> None:
    half = len(CONTENT) // 2
    first, second = CONTENT[:half], CONTENT[half:]
    assert unpack(block(b"ZL", zlib.compress(first), half) + block(b"L4", lz4(second), half)) == CONTENT


@pytest.mark.parametrize("tag", METHODS)
@pytest.mark.parametrize("size", [0, 1, len(CONTENT) - 1, len(CONTENT) + 1, 2**24 - 1])
def test_blocks_that_inflate_to_another_size(tag: bytes, size: int) -> None:
    with pytest.raises(InputError, match=r"^file: entry 3: "):
        unpack(block(tag, METHODS[tag](CONTENT), size), size)


@pytest.mark.parametrize("tag", METHODS)
def test_wrong_bytes_inside_a_block(tag: bytes) -> None:
    """Every method but raw deflate and ROOT's ZSTD has a checksum; those two may decompress to other bytes."""
    random = np.random.default_rng(4)
    whole = block(tag, METHODS[tag](CONTENT), len(CONTENT))
    refused = 0
    for _ in range(50):
        broken = bytearray(whole)
        broken[int(random.integers(9, len(whole)))] ^= int(random.integers(1, 256))
        try:
            other = unpack(bytes(broken))
        except InputError:
            refused += 1
        else:
            assert len(other) == len(CONTENT)
    assert refused > 0
    if tag in (b"ZL", b"XZ", b"L4"):
        assert refused >= 45  # the rest are fields without meaning here


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        (b"", "blocks of 0 bytes in all, expected 5000"),
        (b"ZL", "begins a block with b'ZL'"),
        (block(b"QQ", b"", 5000), "expected one of ZL, CS, XZ, L4, ZS"),
        (block(b"ZL", b"abc", 5000)[:-1], "begins a block with"),
        (block(b"ZL", b"abc", 5000), "cannot be read, damaged or truncated"),
        (block(b"ZL", zlib.compress(CONTENT), 5000) + b"\0", "begins a block with"),
        (block(b"ZL", zlib.compress(CONTENT), 5000) * 2, "blocks of 10000 bytes in all"),
        (block(b"L4", b"short", 5000), "cannot be read, damaged or truncated"),
        (block(b"ZL", b"", 2**24 - 1) * 200, "blocks of 3355443000 bytes in all, expected 5000"),
    ],
)
def test_hostile_blocks(stored: bytes, said: str) -> None:
    with pytest.raises(InputError, match=r"^file: entry 3: ") as error:
        unpack(stored)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.fixture
def electron(shared_data: Path) -> Path:
    return shared_data / "larcv" / "electron.root"


def changed(source: Path, target: Path, at: int, text: bytes) -> Path:
    """Copy ``source`` with ``text`` at byte ``at`` of the record of the pixels' basket 4."""
    data = bytearray(source.read_bytes())
    with uproot.open(source) as root:
        seek = int(root["image2d_data_tree"]["_image_v._img"].member("fBasketSeek")[4])
    data[seek + at : seek + at + len(text)] = text
    target.write_bytes(data)
    return target


FIELDS = {
    "length": (0, 4),
    "inflated size": (6, 4),
    "length of the key": (14, 2),
    "position": (18, 8),
    "class": (34, 8),
    "branch": (42, 14),
    "number of entries": (-11, 4),
    "last byte": (-7, 4),
}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("byte", [0x00, 0x7F, 0xFF])
def test_hostile_keys(electron: Path, tmp_path: Path, field: str, byte: int) -> None:
    at, size = FIELDS[field]
    if at < 0:
        with uproot.open(electron) as root:
            seek = int(root["image2d_data_tree"]["_image_v._img"].member("fBasketSeek")[4])
        at += struct.unpack_from(">h", electron.read_bytes(), seek + 14)[0] + 2
    path = changed(electron, tmp_path / "x.root", at, bytes([byte]) * size)
    with pytest.raises(InputError) as error:
        LArCV2(path, plane=0).read()
    assert str(error.value).startswith(f"{path}: branch _image_v._img: entries 4..4: ")
    assert "\n" not in str(error.value)
    assert len(LArCV2(path, plane=0).read(0, 4)) == 4


@pytest.mark.parametrize("n_threads", [1, 2, 3, 8])
def test_the_first_faulty_basket_is_named_with_any_number_of_threads(
    electron: Path, tmp_path: Path, n_threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baskets, "WORTH_A_THREAD", 1)
    path = changed(electron, tmp_path / "x.root", 34, b"\7TBakset")
    data = bytearray(path.read_bytes())
    with uproot.open(electron) as root:
        seek = root["image2d_data_tree"]["_image_v._img"].member("fBasketSeek")
    data[int(seek[8]) + 34] = 0
    path.write_bytes(data)
    for _ in range(5):
        with pytest.raises(InputError, match=r"entries 4\.\.4: not the basket that the tree describes"):
            LArCV2(path, plane=0, n_threads=n_threads).read()


def test_threads_by_argument_or_environment(electron: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baskets, "WORTH_A_THREAD", 1)
    one = LArCV2(electron, plane=(0, 1, 2), adc_lo=10, n_threads=1).read()
    for n_threads in ("2", "7"):
        monkeypatch.setenv("DMCNN_NUM_THREADS", n_threads)
        found = LArCV2(electron, plane=(0, 1, 2), adc_lo=10).read()
        assert found.offsets.tobytes() == one.offsets.tobytes()
        assert found.index.tobytes() == one.index.tobytes()
        assert found.value.tobytes() == one.value.tobytes()
    monkeypatch.setenv("DMCNN_NUM_THREADS", "none")
    with pytest.raises(InputError, match="DMCNN_NUM_THREADS"):
        LArCV2(electron, plane=0).read()


def test_baskets_are_read_without_uproot_and_travel(electron: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = LArCV2(electron, plane=1)
    expected = reader.read()
    reader.close()
    monkeypatch.setattr(uproot, "open", None)
    for again in (reader, pickle.loads(pickle.dumps(reader))):
        np.testing.assert_array_equal(again.read().value, expected.value)


def test_baskets_inside_the_tree_come_through_uproot(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A branch that states embedded baskets needs no position of a basket."""
    path = shared_data / "larcv" / "larcv2_v200_root640_c404.root"
    expected = LArCV2(path, producer="image2d_binary").read()
    reader = LArCV2(path, producer="image2d_binary")
    branch_type = type(reader._root.tree("image2d_image2d_binary_tree")["_image_v._img"])
    some = type("Some", (list,), {"__bool__": lambda _: True})()
    monkeypatch.setattr(branch_type, "embedded_baskets", property(lambda _: some))
    embedded = LArCV2(path, producer="image2d_binary")
    embedded._content._seek[:] = 0
    found = embedded.read()
    np.testing.assert_array_equal(found.index, expected.index)
    np.testing.assert_array_equal(found.value, expected.value)
    again = pickle.loads(pickle.dumps(embedded))
    np.testing.assert_array_equal(again.read(2, 5).value, expected.take(slice(2, 5)).value)
