"""Score tables as CSV, parquet and ROOT trees, of one file and of all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

from dmcnn._common.errors import InputError
from dmcnn.images.sparse import EVENT, UNSET
from dmcnn.inference import merged, outputs
from dmcnn.tables import table
from dmcnn.tables.table import Table

KINDS: dict[str, Any] = {
    **dict.fromkeys(table.IDS, "uint"), "signal_score_a-1": "float", "entry_number": "int", "n_pixels": "int",
    "file": "text", "label": ("signal", "beam off"), "status": "text",
}  # fmt: skip
BIG = 2**63 + 11


def results() -> Table:
    """Entries 1, 2 and 4 of five: with large ids, without image, and with ids that were never set."""
    return Table.from_columns(
        {
            "run_number": [BIG, 7, None],
            "subrun_number": [1, 2, None],
            "event_number": [2**53 + 1, 3, None],
            "signal_score_a-1": [0.1, None, 1e-300],
            "entry_number": [1, 2, 4],
            "n_pixels": [12, 0, 5],
            "file": ["a.root"] * 3,
            "label": ["beam off", None, "signal"],
            "status": ["scored", "no image", "scored"],
        }
    )


def events() -> Any:
    ids = np.zeros(5, EVENT)
    ids["entry"], ids["run"] = np.arange(5), 7
    ids[1] = (BIG, 1, 2**53 + 1, 1, 0)
    ids[4] = (UNSET, UNSET, UNSET, 4, 0)
    return ids


def write(folder: Path, formats: list[str], name: str = "one", **more: Any) -> Path:
    stem = folder / name
    outputs.write(stem, formats, results(), results(), KINDS, events(), {"scores": ["sigmoid"]}, **more)
    return stem


def test_parquet_has_integers_and_nulls(tmp_path: Path) -> None:
    path = write(tmp_path, ["parquet"]).with_suffix(".parquet")
    content = pq.read_table(path)
    assert content["run_number"].to_pylist() == [BIG, 7, None]
    assert content["event_number"].to_pylist() == [2**53 + 1, 3, None]
    assert content["signal_score_a-1"].to_pylist() == [0.1, None, 1e-300]
    assert content["label"].to_pylist() == ["beam off", None, "signal"]
    kinds = [
        content.schema.field(name).type for name in ("run_number", "n_pixels", "signal_score_a-1", "file")
    ]
    assert kinds == [pa.uint64(), pa.int64(), pa.float64(), pa.string()]
    assert json.loads(content.schema.metadata[b"dmcnn"]) == {"scores": ["sigmoid"]}
    assert not list(tmp_path.glob("*.csv"))


def test_columns_of_an_analysis_table_have_the_type_of_their_texts(tmp_path: Path) -> None:
    columns = {
        "a": ["1", "", "-3"],
        "b": ["1.5", "", "nan"],
        "c": ["x", "1", ""],
        "d": ["", "", ""],
        "e": ["\udcff", "", ""],
    }
    rows = Table.from_columns(columns)
    outputs.write_parquet(tmp_path / "x.parquet", rows, {}, {})
    content = pq.read_table(tmp_path / "x.parquet")
    assert content["a"].to_pylist() == [1, None, -3]
    assert content["b"].to_pylist()[:2] == [1.5, None]
    assert content["c"].to_pylist() == ["x", "1", None]
    assert content["d"].null_count == 3
    assert content["e"].to_pylist()[0] == "\ufffd"


def test_a_tree_is_a_friend_of_the_input_file(tmp_path: Path) -> None:
    """One row per entry, in entry order, also of those that have no image or were not chosen."""
    path = write(tmp_path, ["root"]).with_suffix(".root")
    with uproot.open(path) as file:
        tree = file["scores"].arrays(library="np")
        about = json.loads(file["about"])
    assert tree["entry_number"].tolist() == [0, 1, 2, 3, 4]
    assert tree["run_number"].tolist() == [7, BIG, 7, 7, UNSET]
    assert tree["run_number"].dtype == np.uint64
    np.testing.assert_array_equal(tree["signal_score_a_1"], [np.nan, 0.1, np.nan, np.nan, 1e-300])
    assert tree["n_pixels"].tolist() == [-1, 12, 0, -1, 5]
    assert tree["label"].tolist() == [-1, 1, -1, -1, 0]
    assert tree["scored"].tolist() == [False, True, False, False, True]
    assert tree.keys().isdisjoint({"file", "status"})
    assert about == {"scores": ["sigmoid"], "classes": {"label": {"signal": 0, "beam off": 1}}}


def test_two_columns_are_never_one_branch() -> None:
    rows = Table.from_columns({"entry_number": [0], "status": ["scored"], "p_a b": [0.1], "p_a_b": [0.2]})
    kinds: dict[str, Any] = {"entry_number": "int", "p_a b": "float", "p_a_b": "float"}
    with pytest.raises(InputError, match="'p_a_b' and another column would be branch 'p_a_b'"):
        outputs.write_root(Path("unwritten.root"), rows, kinds, events()[:1], {})


def test_legacy_writes_the_numbers_of_dm_cnn(tmp_path: Path) -> None:
    stem = write(tmp_path, ["csv", "parquet", "root"], is_legacy=True)
    assert table.read(stem.with_suffix(".csv")).column("signal_score_a-1") == ["0.1", "-999999.9", "1e-300"]
    assert table.scores(stem.with_suffix(".csv"), "signal_score_a-1")[1].unscored == 1
    assert pq.read_table(stem.with_suffix(".parquet"))["signal_score_a-1"].to_pylist() == [
        0.1,
        -999999.9,
        1e-300,
    ]
    with uproot.open(stem.with_suffix(".root")) as file:
        assert file["scores"]["signal_score_a_1"].array().tolist() == [
            -999999.9,
            0.1,
            -999999.9,
            -999999.9,
            1e-300,
        ]
    assert table.read(stem.with_suffix(".csv")).column("label") == ["beam off", "", "signal"]


def test_tables_of_all_files_are_one(tmp_path: Path) -> None:
    stems = [write(tmp_path, ["csv", "parquet", "root"], name) for name in ("one", "two")]
    more = Table.from_columns({"file": ["c"], "energy": ["5"], "label": ["signal"]})
    table.write(stems[1].with_suffix(".csv"), more)
    outputs.write_parquet(stems[1].with_suffix(".parquet"), more, KINDS, {})
    for suffix in (".csv", ".parquet", ".root"):
        merged.merge({stem.name: stem.with_suffix(suffix) for stem in stems}, tmp_path / f"all{suffix}")
    rows = table.read(tmp_path / "all.csv")
    assert rows.columns == (*results().columns, "energy")
    assert rows.column("file") == ["a.root"] * 3 + ["c"]
    assert rows.column("energy") == ["", "", "", "5"]
    assert rows.column("run_number") == [str(BIG), "7", "", ""]
    content = pq.read_table(tmp_path / "all.parquet")
    assert content["run_number"].to_pylist() == [BIG, 7, None, None]
    assert content["energy"].to_pylist() == [None, None, None, 5]
    with uproot.open(tmp_path / "all.root") as file:
        tree, about = file["scores"].arrays(library="np"), json.loads(file["about"])
    assert tree["file_number"].tolist() == [0] * 5 + [1] * 5
    assert tree["entry_number"].tolist() == [*range(5), *range(5)]
    assert len(about) == 2
    with pytest.raises(InputError, match=r"gone\.csv: no such file"):
        merged.merge({"gone": tmp_path / "gone.csv"}, tmp_path / "all.csv")


@pytest.mark.parametrize("is_legacy", [False, True])
def test_a_file_without_a_table_is_a_row_of_the_table_of_all(is_legacy: bool, tmp_path: Path) -> None:
    """In every format, in its place, with the status, and with what stands for missing numbers there."""
    stem = write(tmp_path, ["csv", "parquet", "root"], is_legacy=is_legacy)
    for suffix in (".csv", ".parquet", ".root"):
        parts: merged.Parts = {"a.root": stem.with_suffix(suffix), "x.root": "no basket", "y.root": "gone"}
        merged.merge(parts, tmp_path / f"all{suffix}", is_legacy)
    rows = table.read(tmp_path / "all.csv")
    assert rows.column("file") == ["a.root"] * 3 + ["x.root", "y.root"]
    assert rows.column("status") == ["scored", "no image", "scored", "file failed", "file failed"]
    numbers = {"signal_score_a-1": "-999999.9", "entry_number": "-1", "n_pixels": "-1"} if is_legacy else {}
    blank = dict.fromkeys(rows.columns, "") | numbers | {"file": "x.root", "status": "file failed"}
    assert {name: rows.column(name)[3] for name in rows.columns} == blank
    (row,) = pq.read_table(tmp_path / "all.parquet").slice(3, 1).to_pylist()
    assert row == dict.fromkeys(rows.columns) | {
        "file": "x.root",
        "status": "file failed",
        **({"signal_score_a-1": -999999.9, "entry_number": -1, "n_pixels": -1} if is_legacy else {}),
    }
    with uproot.open(tmp_path / "all.root") as file:
        tree, about = file["scores"].arrays(library="np"), json.loads(file["about"])
    assert tree["file_number"].tolist() == [0] * 5 + [1, 2]
    assert about[1:] == [
        {"file": "x.root", "failed": "no basket"},
        {"file": "y.root", "failed": "gone"},
    ]
    last = {name: values[-1].item() for name, values in tree.items()}
    score = last.pop("signal_score_a_1")
    assert score == -999999.9 if is_legacy else np.isnan(score)
    assert last == {
        "run_number": UNSET, "subrun_number": UNSET, "event_number": UNSET, "entry_number": -1, "n_pixels": -1,
        "label": -1, "scored": False, "file_number": 2,
    }  # fmt: skip
