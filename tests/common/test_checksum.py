"""Checksums of zip files, and results that are made again where they are damaged."""

from __future__ import annotations

import logging
import zipfile
from pathlib import Path

import numpy as np
import pytest
import xxhash

from dmcnn._common import checksum, npz
from dmcnn._common.errors import InputError


def test_other_programs_read_a_file_with_a_checksum(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    npz.write(path, {"k": 1}, a=np.arange(5))
    assert checksum.check(path)
    assert np.load(path)["a"].tolist() == [0, 1, 2, 3, 4]
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        mark, digits = archive.comment[:-16], archive.comment[-16:]
    assert mark == b"dmcnn xxh3 "
    assert digits.decode() == xxhash.xxh3_64_hexdigest(path.read_bytes()[:-16])


def test_every_bit_counts(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    npz.write(path, {"k": 1}, a=np.zeros(3, np.uint8))
    data = path.read_bytes()
    for at in range(len(data) - 27):
        path.write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
        with pytest.raises(InputError, match="damaged: its checksum does not fit"):
            checksum.check(path)


def test_without_a_checksum_those_of_the_parts_count(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, a=np.arange(100))
    assert not checksum.check(path)
    data = bytearray(path.read_bytes())
    data[300] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"the checksum of its part a\.npy does not fit"):
        checksum.check(path)


def test_damaged_results_are_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "x.npz"
    assert npz.read(path, {"k": 1}) is None
    npz.write(path, {"k": 1}, a=np.arange(5))
    assert npz.read(path, {"k": 2}) is None
    result = npz.read(path, {"k": 1})
    assert result is not None
    assert result["a"].tolist() == [0, 1, 2, 3, 4]
    whole = path.read_bytes()
    for data in (whole[:-1], whole[:50], b"", b"PK", whole[:40] + b"x" + whole[41:]):
        path.write_bytes(data)
        with caplog.at_level(logging.WARNING):
            assert npz.read(path, {"k": 1}) is None or data == whole[:-1]
    assert caplog.text.count("it is made again") == 4


def test_the_checksum_of_a_folder_is_that_of_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / "a").write_text("1")
    before = checksum.digest(folder)
    (folder / "a").rename(folder / "b")
    assert checksum.digest(folder) != before
    (folder / "b").rename(folder / "a")
    assert checksum.digest(folder) == before
    (folder / "a").write_text("2")
    assert checksum.digest(folder) != before
    (folder / "a").write_text("")
    assert checksum.digest(folder)
