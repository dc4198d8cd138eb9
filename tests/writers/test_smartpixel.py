"""Files of pixel frames: published layout, whole or absent, and equal frames when read back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from dmcnn._common.errors import InputError
from dmcnn.datasets.dataset import Dataset
from dmcnn.datasets.targets import Targets
from dmcnn.images.sparse import SparseImages, join, sparse
from dmcnn.simulate import main
from dmcnn.simulation import SAMPLES, addresses
from dmcnn.simulation.smartpixel import LABELS
from dmcnn.writers import smartpixel

COLUMNS = ("cotAlpha", "pt")


def batch(n: int, seed: int, slices: int = 2) -> SparseImages:
    random = np.random.default_rng(seed)
    dense = random.normal(0, 900, (n, slices, 13, 21)).astype(np.float32)
    dense[random.random(dense.shape) < 0.9] = 0
    return sparse(dense, label=random.normal(0, 1, (n, 2)))


@pytest.mark.slow
@pytest.mark.parametrize("rows", [4, 5, 100])
def test_one_table_or_pairs_of_files(tmp_path: Path, rows: int) -> None:
    parts = [batch(7, 1), batch(1, 2), batch(3, 3)]
    whole = join(parts)
    pixels = whole.dense().reshape(11, -1).astype(np.float64)
    how = {"columns": COLUMNS, "rows_per_file": rows, "attributes": {"seed": 3}}
    assert smartpixel.write(tmp_path / "all.parquet", iter(parts), **how) == 11
    found = parquet.ParquetFile(tmp_path / "all.parquet")
    assert found.schema.names == [*map(str, range(546)), *COLUMNS]
    assert {str(column) for column in found.schema_arrow.types} == {"double"}
    assert found.num_row_groups == -(-11 // rows)
    assert json.loads(found.schema_arrow.metadata[b"dmcnn"]) == {"seed": 3}
    read = np.stack([column.to_numpy() for column in found.read().columns], axis=1)
    np.testing.assert_array_equal(read, np.concatenate([pixels, whole.label], axis=1))

    assert smartpixel.write(tmp_path / "pairs", iter(parts), **how) == 11
    names = [f"d{number + 1}.parquet" for number in range(-(-11 // rows))]
    for word in ("recon3D", "labels"):
        assert sorted(path.name for path in (tmp_path / "pairs" / word).iterdir()) == [
            f"{word}_{n}" for n in names
        ]
    assert parquet.read_schema(tmp_path / "pairs" / "labels" / "labels_d1.parquet").names == list(COLUMNS)
    for path in ("all.parquet", "pairs/recon3D/*.parquet"):
        data = Dataset(str(tmp_path / path), targets=Targets(COLUMNS, (1.0, 1.0)))
        images = data.load(progress=False)
        for name in ("offsets", "index", "value"):
            np.testing.assert_array_equal(getattr(images, name), getattr(whole, name))
        np.testing.assert_array_equal(images.label, whole.label.astype(np.float32))


def test_one_slice_is_recon2d(tmp_path: Path) -> None:
    smartpixel.write(tmp_path / "x", [batch(3, 1, slices=1)], columns=COLUMNS)
    assert (tmp_path / "x" / "recon2D" / "recon2D_d1.parquet").exists()
    assert Dataset(str(tmp_path / "x" / "recon2D" / "*")).shape == (1, 13, 21)


def test_a_failure_leaves_the_old_files(tmp_path: Path) -> None:
    def broken():
        yield batch(5, 1)
        raise OSError("power cut")

    for target in (tmp_path / "x", tmp_path / "x.parquet"):
        smartpixel.write(target, [batch(4, 1)], columns=COLUMNS)
        with pytest.raises(OSError, match="power cut"):
            smartpixel.write(target, broken(), columns=COLUMNS, rows_per_file=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x", "x.parquet"]
    assert len(Dataset([str(tmp_path / "x/recon3D/recon3D_d1.parquet"), str(tmp_path / "x.parquet")])) == 8
    (tmp_path / "y.parquet").mkdir()
    with pytest.raises(InputError, match="is a folder, expected a file"):
        smartpixel.write(tmp_path / "y.parquet", [], columns=COLUMNS)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="mine"):
        smartpixel.write(tmp_path / "mine", [batch(2, 1)], columns=COLUMNS)
    for labels in (None, np.zeros((2, 3))):
        bad = sparse(np.ones((2, 1, 13, 21), np.float32), label=labels)
        with pytest.raises(ValueError, match=r"expected \(2, 2\): cotAlpha, pt"):
            smartpixel.write(tmp_path / "z.parquet", [bad], columns=COLUMNS)


@pytest.mark.slow
def test_samples_by_address_and_by_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DMCNN_CACHE", str(tmp_path / "cache"))
    usual = Targets(("x-midplane", "cotBeta"), (75.0, 0.5))
    thick = Dataset("sample://smartpixel/train?events=30&geometry=t7", targets=usual)
    thin = Dataset("sample://smartpixel/train?events=30", targets=usual)
    assert thin.shape == thick.shape == (20, 13, 21)
    assert [path.name for path in thick.files + thin.files] == [
        "smartpixel-t7-train-30-1-2.parquet", "smartpixel-train-30-1-2.parquet",
    ]  # fmt: skip
    assert (thick.stored_targets(["z-entry"]) == 150).all()
    assert (thin.stored_targets(["z-entry"]) == 100).all()
    made = join(list(SAMPLES["smartpixel"](events=30, seed=addresses.split_seed(1, "train"), geometry="t7")))
    images = thick.read()
    np.testing.assert_array_equal(images.dense(), made.dense())
    np.testing.assert_array_equal(thick.stored_targets(LABELS), made.label)
    for words, text in (
        ("geometry=t8", "geometry = 't8', expected one of t1, t2, t3"),
        ("geometri=t1", "unknown parameter 'geometri' (did you mean 'geometry'?)"),
    ):
        with pytest.raises(InputError) as error:
            addresses.sample_path(f"sample://smartpixel/train?{words}")
        assert text in str(error.value)
    with pytest.raises(InputError, match="unknown parameter 'geometry'"):
        addresses.sample_path("sample://calorimeter/train?geometry=t1")
    words = ["kind=smartpixel", "events=30", "geometry=t5", "rows_per_file=20", "zero_suppression=400"]
    assert main([*words, f"output={tmp_path / 'pairs'}"]) == 0
    data = Dataset(str(tmp_path / "pairs" / "recon3D" / "*.parquet"), targets=usual)
    assert [len(data), len(data.files)] == [30, 2]
    assert np.abs(data.read().value).min() >= 200
    assert main([*words, f"output={tmp_path / 'one.parquet'}"]) == 0
    np.testing.assert_array_equal(Dataset(str(tmp_path / "one.parquet")).read().dense(), data.read().dense())
