"""Disk cache: equal images when read back; stale and damaged files are written again."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conftest import toy_images
from dmcnn.datasets import disk_cache
from dmcnn.datasets.dataset import Dataset
from dmcnn.datasets.disk_cache import UnusableError
from dmcnn.datasets.labels import LabelRule
from dmcnn.images.sparse import NO_IMAGE, SparseImages, join
from dmcnn.writers import larcv3

RULE = LabelRule.parse("run == 100", ("signal", "background"), "signal")
FIELDS = ("offsets", "index", "value", "events", "meta", "label")


def assert_same(found: SparseImages, expected: SparseImages) -> None:
    assert found.shape == expected.shape
    for field in FIELDS:
        a, b = getattr(found, field), getattr(expected, field)
        assert (a is None) == (b is None)
        if a is not None:
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


def mapped(array: np.ndarray) -> bool:
    while array is not None and not isinstance(array, np.memmap):
        array = array.base
    return array is not None


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    paths = [tmp_path / "a.h5", tmp_path / "b.h5"]
    for path, events, seed in zip(paths, (7, 4), (1, 2), strict=True):
        larcv3.write(path, [toy_images(events, seed)], producer="p")
    return [str(path) for path in paths]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Return a list that records every later read of the files."""
    seen: list[tuple[int, int]] = []
    read = Dataset.read

    def noting(self: Dataset, start: int = 0, stop: int | None = None) -> SparseImages:
        seen.append((start, len(self) if stop is None else stop))
        return read(self, start, stop)

    monkeypatch.setattr(Dataset, "read", noting)
    return seen


def test_files_are_decoded_once(files: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"adc_lo": 40.0, "adc_hi": 200.0}
    expected = Dataset(files, RULE, **asked).load(progress=False)
    seen = reads(monkeypatch)
    first, report = disk_cache.load(Dataset(files, RULE, **asked), folder, asked)
    assert seen == [(0, 11)]
    second, again = disk_cache.load(Dataset(files, RULE, **asked), folder, asked)
    assert seen == [(0, 11)]
    for found in (first, second):
        assert_same(found, expected)
        assert mapped(found.index)
        assert mapped(found.value)
        assert not found.value.flags.writeable
        np.testing.assert_array_equal(found.dense(), expected.dense())
    assert report == again
    assert len(report) == 2
    assert [path.suffix for path in folder.iterdir()] == [".sparse"]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_any_chunks_make_the_same_file(tmp_path: Path, size: int) -> None:
    whole = replace(toy_images(10, seed=1), label=np.arange(10))
    chunks = [whole.take(slice(start, start + size)) for start in range(0, 10, size)]
    disk_cache.write(tmp_path / "c", chunks, "k", lambda: ["said"])
    found, report = disk_cache.read(tmp_path / "c", ["k"])
    assert_same(found, whole)
    assert report == ["said"]
    disk_cache.write(tmp_path / "whole", [whole], "k", lambda: ["said"])
    assert (tmp_path / "c").read_bytes() == (tmp_path / "whole").read_bytes()


def test_empty_and_unlabelled(tmp_path: Path) -> None:
    images = toy_images(3, seed=1)
    targets = replace(images, label=np.arange(6, dtype=np.float32).reshape(3, 2))
    for what in (images, images.take([]), replace(images, label=None), targets):
        disk_cache.write(tmp_path / "c", [what], "k")
        assert_same(disk_cache.read(tmp_path / "c", ["k"])[0], what)
    with pytest.raises(ValueError, match="cannot share a cache"):
        disk_cache.write(tmp_path / "d", [images, toy_images(2, 1, side=90)], "k")
    with pytest.raises(ValueError, match="label of float32, the cache holds int64"):
        disk_cache.write(tmp_path / "d", [replace(images, label=np.zeros(3, np.float32))], "k")
    with pytest.raises(FileNotFoundError):
        disk_cache.read(tmp_path / "d", ["k"])
    assert not list(tmp_path.glob(".*"))


def test_events_without_image_are_left_out(
    files: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, read = Dataset(files, RULE), Dataset.read

    def holey(self: Dataset, start: int = 0, stop: int | None = None) -> SparseImages:
        images = read(self, start, stop)
        images.meta["plane"][images.events["entry"] == 2] = NO_IMAGE
        return images

    monkeypatch.setattr(Dataset, "read", holey)
    found, _ = disk_cache.load(dataset, folder, {})
    assert found.events["entry"].tolist() == [0, 1, 3, 4, 5, 6, 0, 1, 3]
    assert found.label.tolist() == [0, 1, 1, 0, 1, 0, 0, 1, 1]


def test_other_readings_have_other_files(files: list[str], folder: Path) -> None:
    for inputs, rule, asked in (
        (files, RULE, {}),
        (files, RULE, {"adc_lo": 50.0}),
        (files[:1], RULE, {}),
        (files[::-1], RULE, {}),
    ):
        found, _ = disk_cache.load(Dataset(inputs, rule, **asked), folder, asked)
        assert_same(found, Dataset(inputs, rule, **asked).load(progress=False))
    assert len(list(folder.iterdir())) == 4


def test_stale_files_are_made_again(
    files: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk_cache.load(Dataset(files, RULE), folder, {})
    seen = reads(monkeypatch)
    changed = toy_images(7, seed=1)
    larcv3.write(Path(files[0]), [replace(changed, value=changed.value + 1)], producer="p")
    os.utime(files[0], ns=(1, 1))
    expected = join([replace(changed, value=changed.value + 1), toy_images(4, seed=2)])
    found, _ = disk_cache.load(Dataset(files, RULE), folder, {})
    np.testing.assert_array_equal(found.value, expected.value)
    assert "have changed" in caplog.text
    other = LabelRule.parse("event > 1002", ("signal", "background"), "signal")
    found, _ = disk_cache.load(Dataset(files, other), folder, {})
    assert found.label.tolist() == [1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 0]
    monkeypatch.setattr(disk_cache, "__version__", "other")
    disk_cache.load(Dataset(files, other), folder, {})
    assert len(seen) == 3
    assert len(list(folder.iterdir())) == 1


def test_damaged_files_are_reported_and_made_again(
    files: list[str], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected, _ = disk_cache.load(Dataset(files, RULE), folder, {})
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    key = disk_cache.key(Dataset(files, RULE), {})
    places = [*range(0, len(whole), max(1, len(whole) // 60)), *range(len(whole) - 30, len(whole))]
    for place in places:
        path.unlink()
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            found, _ = disk_cache.read(path, [key])
        except UnusableError:
            continue
        assert_same(found, expected)  # the byte lies between two columns
    for length in (0, 5, 24, len(whole) // 2, len(whole) - 1):
        path.unlink()
        path.write_bytes(whole[:length])
        with pytest.raises(UnusableError):
            disk_cache.read(path, [key])
    assert_same(disk_cache.load(Dataset(files, RULE), folder, {})[0], expected)
    assert "cut short" in caplog.text
    assert path.read_bytes() == whole


def test_interrupted_while_made(files: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(self: Dataset, start: int = 0, stop: int | None = None) -> SparseImages:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Dataset, "read", stop)
        with pytest.raises(KeyboardInterrupt):
            disk_cache.load(Dataset(files, RULE), folder, {})
    assert list(folder.iterdir()) == []


def test_a_map_outlives_its_file(files: list[str], folder: Path) -> None:
    found, _ = disk_cache.load(Dataset(files, RULE), folder, {})
    expected = found.value.copy()
    shutil.rmtree(folder)
    np.testing.assert_array_equal(found.value, expected)
