"""Folders of .npy files: equal images when read back, whole or absent, and other files stay."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dmcnn._common.errors import InputError
from dmcnn.datasets.dataset import Dataset
from dmcnn.datasets.labels import LabelRule
from dmcnn.images.sparse import SparseImages, sparse
from dmcnn.writers import npy

CLASSES = ("pion", "pion_zero", "kaon")


def labelled(n: int = 6, seed: int = 0) -> SparseImages:
    random = np.random.default_rng(seed)
    dense = np.where(random.random((n, 1, 4, 5)) < 0.4, random.random((n, 1, 4, 5)), 0).astype(np.float32)
    return replace(sparse(dense), label=np.arange(n) % 3)


def test_round_trip(tmp_path: Path) -> None:
    images = labelled()
    folder = tmp_path / "new" / "sample"
    batches = [images.take(slice(0, 4)), images.take(slice(4, 6))]
    assert npy.write(folder, batches, classes=CLASSES, attributes={"seed": 3}) == 6
    assert sorted(path.name for path in folder.glob("*.npy")) == [
        "kaon_000002.npy", "kaon_000005.npy", "pion_000000.npy", "pion_000003.npy",
        "pion_zero_000001.npy", "pion_zero_000004.npy",
    ]  # fmt: skip
    for entry, image in enumerate(images.dense()[:, 0]):
        stored = np.load(folder / f"{CLASSES[entry % 3]}_{entry:06d}.npy")
        assert stored.dtype == np.float32
        np.testing.assert_array_equal(stored, image)
    data = Dataset(str(folder), LabelRule.parse("prefix", CLASSES))
    order = [2, 5, 0, 3, 1, 4]
    np.testing.assert_array_equal(data.read().dense(), images.dense()[order])
    assert data.read().label.tolist() == images.label[order].tolist()
    assert len(data.report_lines()) == 1
    assert json.loads((folder / npy.FOLDER_ORIGIN).read_text()) == {"files": 6, "seed": 3}
    assert [path.name for path in folder.parent.iterdir()] == ["sample"]


def test_own_output_and_empty_folders_are_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "sample"
    folder.mkdir()
    for n in (6, 3):
        npy.write(folder, [labelled(n)], classes=CLASSES)
        assert len(list(folder.glob("*.npy"))) == n
    assert [path.name for path in tmp_path.iterdir()] == ["sample"]


@pytest.mark.parametrize("what", ["other", "more", "fewer", "no list", "file"])
def test_other_folders_are_left_alone(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "sample"
    if what == "file":
        folder.write_text("mine")
    else:
        npy.write(folder, [labelled()], classes=CLASSES)
    if what == "other":
        (folder / "notes.txt").write_text("mine")
    elif what == "more":
        (folder / "pion_9.npy").write_text("mine")
    elif what == "fewer":
        (folder / "pion_000000.npy").unlink()
    elif what == "no list":
        (folder / npy.FOLDER_ORIGIN).write_text("[]")
    before = sorted(folder.iterdir()) if folder.is_dir() else folder.read_text()
    with pytest.raises(InputError, match=r"sample: (holds files that dmcnn has not written|is a file)"):
        npy.write(folder, [labelled()], classes=CLASSES)
    assert (sorted(folder.iterdir()) if folder.is_dir() else folder.read_text()) == before
    assert [path.name for path in tmp_path.iterdir()] == ["sample"]


def test_a_failure_leaves_the_old_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "sample"
    npy.write(folder, [labelled()], classes=CLASSES)
    wide = sparse(np.ones((1, 2, 3, 3), np.float32))
    for wrong in (replace(wide, label=np.zeros(1, np.int64)), sparse(np.ones((1, 1, 3, 3), np.float32))):
        with pytest.raises(ValueError, match="expected labelled images of one channel"):
            npy.write(folder, [labelled(2), wrong], classes=CLASSES)
    with pytest.raises(FileExistsError):
        npy.write(folder, [labelled(2), labelled(2)], classes=CLASSES)
    rename = Path.replace

    def once(self: Path, target: Path) -> Path:
        if self.suffix == ".part":
            raise OSError("no")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", once)
    with pytest.raises(OSError, match="no"):
        npy.write(folder, [labelled(2)], classes=CLASSES)
    assert len(list(folder.glob("*.npy"))) == 6
    assert [path.name for path in tmp_path.iterdir()] == ["sample"]
