"""Parquet tables, compared with what pyarrow reads back."""

from __future__ import annotations

import numpy as np
import pytest

from dmcnn._common.errors import InputError
from dmcnn.tables import parquet

COLUMNS = {
    "file": ["a.root", "größe.root", ""],
    "run_number": [7, None, 2**40],
    "entry": np.array([0, 1, 2], np.int64),
    "deletion_auc": [0.25, float("nan"), None],
    "score": np.array([0.5, 1.5, np.nan], np.float32),
}


def test_columns_come_back_with_their_types(tmp_path):
    reader = pytest.importorskip("pyarrow.parquet")
    parquet.write(tmp_path / "new" / "q.parquet", COLUMNS)
    found = reader.read_table(tmp_path / "new" / "q.parquet")
    assert found.column_names == list(COLUMNS)
    types = ["string", "int64", "int64", "double", "float"]
    assert [str(field.type) for field in found.schema] == types
    for name, values in COLUMNS.items():
        np.testing.assert_equal(found[name].to_pylist(), list(values))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["q.parquet"]


def test_no_rows(tmp_path):
    reader = pytest.importorskip("pyarrow.parquet")
    parquet.write(tmp_path / "q.parquet", {"a": [], "b": []})
    assert reader.read_table(tmp_path / "q.parquet").num_rows == 0


def test_refusals_leave_the_old_file(tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "q.parquet"
    path.write_bytes(b"old")
    with pytest.raises(InputError, match="columns of different lengths"):
        parquet.write(path, {"a": [1], "b": [1, 2]})
    with pytest.raises(InputError, match="column 'a' cannot be stored"):
        parquet.write(path, {"a": [1, "text"]})
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(InputError, match="pyarrow is not installed"):
        parquet.write(tmp_path / "q.parquet", COLUMNS)
