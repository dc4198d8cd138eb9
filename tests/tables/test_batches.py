"""Batches of wide tables: the same from CSV and parquet, in any number of batches, and clear errors."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from dmcnn._common.errors import InputError
from dmcnn.tables import batches as module
from dmcnn.tables import parquet
from dmcnn.tables.batches import batches, column_names

RANDOM = np.random.default_rng(6)
COUNT = 50


@pytest.fixture
def columns() -> dict[str, np.ndarray]:
    ids = {name: RANDOM.integers(0, 2**63, COUNT) for name in ("run_number", "subrun_number", "event_number")}
    return ids | {"a": RANDOM.normal(size=COUNT), "flux_1": RANDOM.normal(size=COUNT)}


def write_csv(path: Path, columns: dict[str, np.ndarray], word=str) -> Path:
    rows = [",".join(map(word, row)) for row in zip(*columns.values(), strict=True)]
    path.write_text("\n".join([",".join(columns), *rows]) + "\n")
    return path


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_ids_and_values_are_those_of_the_file(kind, columns, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 1000)
    monkeypatch.setattr(module, "VALUES", 14)
    path = tmp_path / f"a.{kind}"
    if kind == "csv":
        write_csv(path, columns)
    else:
        parquet.write(path, columns)
    assert column_names(path) == list(columns)
    parts = list(batches(path, ["flux_1", "a"]))
    assert len(parts) > 3
    assert (
        np.concatenate([keys.number for keys, _ in parts]).tolist()
        == np.stack(list(columns.values())[:3], 1).tolist()
    )
    assert all(keys is None for keys, _ in batches(path, ["a"], ids=False))
    values = np.concatenate([np.stack(values) for _, values in parts], axis=1)
    assert values.tolist() == [columns["flux_1"].tolist(), columns["a"].tolist()]


def test_columns_of_float32_stay_so_and_others_become_float64(tmp_path):
    ids = {name: np.arange(3) for name in ("run_number", "subrun_number", "event_number")}
    values = {"single": np.float32([0.1, 2, 3]), "whole": np.arange(3)}
    parquet.write(tmp_path / "a.parquet", ids | values)
    ((_, (single, whole)),) = batches(tmp_path / "a.parquet", ["single", "whole"])
    assert (single.dtype, whole.dtype) == (np.float32, np.float64)
    assert single.tolist() == values["single"].tolist()
    assert whole.tolist() == [0, 1, 2]


def test_empty_and_odd_texts_are_read_as_everywhere(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("run_number,subrun_number,event_number,w\n7.0,1,2,1.5\n,1,2,\n7,1,3,nan\n7,1,4,inf\n")
    ((keys, values),) = batches(path, ["w"])
    assert keys.number[[0, 2, 3]].tolist() == [[7, 1, 2], [7, 1, 3], [7, 1, 4]]
    assert keys.known.tolist() == [True, False, True, True]
    assert values[0].tolist() == pytest.approx([1.5, np.nan, np.nan, np.inf], nan_ok=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "run_number,subrun_number,event_number,w\n7,1,2,abc\n",
            r"a\.csv: cannot be read as a table \(.*abc",
        ),
        (
            "run_number,subrun_number,event_number,w\n7,1.5,2,1\n",
            r"subrun_number is '1\.5', expected an integer",
        ),
        ("run_number,event_number,w\n7,2,1\n", r"a\.csv: no column 'subrun_number'"),
        ("run_number,subrun_number,event_number,v\n7,1,2,1\n", r"a\.csv: no column 'w'"),
        ("run_number,subrun_number,event_number,w\n7,1\n", r"a\.csv: cannot be read as a table"),
        ("", r"a\.csv: no column 'run_number'"),
    ],
)
def test_a_bad_file_is_one_line(text, message, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        list(batches(path, ["w"]))


def test_a_missing_or_broken_file_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"b\.csv: cannot be read"):
        list(batches(tmp_path / "b.csv", ["w"]))
    (tmp_path / "c.parquet").write_text("no parquet")
    with pytest.raises(InputError, match=r"c\.parquet: cannot be read"):
        list(batches(tmp_path / "c.parquet", ["w"]))


def test_memory_holds_a_batch_and_not_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "VALUES", 2**15)
    count, wide = 4000, 100
    ids = {name: np.arange(count) for name in ("run_number", "subrun_number", "event_number")}
    names = [f"u_{nth}" for nth in range(wide)]
    parquet.write(tmp_path / "a.parquet", ids | {name: RANDOM.normal(size=count) for name in names})
    tracemalloc.start()
    rows = sum(len(keys.known) for keys, _ in batches(tmp_path / "a.parquet", names))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rows == count
    assert peak < 8 * count * wide / 4
