"""Energy and time files: published layout, whole or absent, and equal images when read back."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from dmcnn._common.errors import InputError
from dmcnn.datasets.dataset import Dataset
from dmcnn.datasets.labels import LabelRule
from dmcnn.images.sparse import SparseImages, sparse
from dmcnn.readers import open_images
from dmcnn.simulate import main
from dmcnn.simulation.addresses import sample_path
from dmcnn.writers import calorimeter


def batch(n: int, seed: int) -> SparseImages:
    random = np.random.default_rng(seed)
    dense = random.normal(0, 1, (n, 2, 5, 4)).astype(np.float32)
    dense[:, :, random.random((5, 4)) < 0.7] = 0
    return sparse(dense, label=random.integers(0, 2, n))


def test_one_file_or_one_a_class(tmp_path: Path) -> None:
    parts = [batch(200, 1), batch(3, 2)]
    dense = np.concatenate([part.dense() for part in parts]).transpose(0, 2, 3, 1)
    label = np.concatenate([part.label for part in parts])
    assert calorimeter.write(tmp_path / "x.h5", iter(parts), attributes={"seed": 3}) == 203
    with h5py.File(tmp_path / "x.h5") as file:
        np.testing.assert_array_equal(file["X"][:], dense)
        np.testing.assert_array_equal(file["y"][:], label)
        assert (file["X"].dtype, file["y"].dtype, file["y"].shape) == (np.float32, np.float32, (203,))
        assert (file["X"].compression, dict(file.attrs)) == ("gzip", {"seed": 3})
    assert calorimeter.write(tmp_path / "two", iter(parts)) == 203
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["electron.hdf5", "photon.hdf5"]
    for number, name in enumerate(("photon", "electron")):
        with h5py.File(tmp_path / "two" / f"{name}.hdf5") as file:
            np.testing.assert_array_equal(file["X"][:], dense[label == number])
            assert (file["y"][:] == number).all()
    found = open_images(tmp_path / "x.h5", view="energy_time").read()
    energies = np.where(dense[..., :1] != 0, dense, 0).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(found.dense(), energies)


def test_the_same_images_make_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5"):
        calorimeter.write(tmp_path / name, [batch(5, 1)])
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_failure_leaves_the_old_files(tmp_path: Path) -> None:
    def broken():
        yield batch(5, 1)
        raise OSError("power cut")

    (tmp_path / "electron.hdf5").write_text("old")
    for target in (tmp_path, tmp_path / "x.h5"):
        with pytest.raises(OSError, match="power cut"):
            calorimeter.write(target, broken())
    assert [path.name for path in tmp_path.iterdir()] == ["electron.hdf5"]
    assert (tmp_path / "electron.hdf5").read_text() == "old"
    with pytest.raises(ValueError, match="expected labelled images"):
        calorimeter.write(tmp_path / "x.h5", [sparse(np.zeros((1, 1, 2, 2), np.float32))])
    (tmp_path / "plain").write_text("")
    (tmp_path / "folder.h5").mkdir()
    for name, words in (
        ("plain", "is a file, expected a folder"),
        ("folder.h5", "is a folder, expected a file"),
    ):
        with pytest.raises(InputError, match=words):
            calorimeter.write(tmp_path / name, iter([]))


def test_samples_by_address_and_by_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DMCNN_CACHE", str(tmp_path / "cache"))
    rule = LabelRule.parse("y", ["photon", "electron"])
    data = Dataset("sample://calorimeter/train?events=60", rule)
    assert (data.shape, len(data), set(data.labels.tolist())) == ((21, 32, 32), 60, {0, 1})
    assert sample_path("sample://calorimeter/train?events=60").suffix == ".h5"
    assert main(["kind=calorimeter", f"output={tmp_path / 'both'}", "events=30", "seed_number=4"]) == 0
    names = [str(tmp_path / "both" / f"{name}.hdf5") for name in ("electron", "photon")]
    split = Dataset(names, rule)
    assert len(split) == 30
    assert sorted(split.labels.tolist(), reverse=True) == split.labels.tolist()
