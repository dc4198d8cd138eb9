"""Files of an earlier dmcnn: what was finished is not done again, what was interrupted goes on, numbers are the same.

Everything goes through the commands, with the cfg files that they wrote. See README.md for how the files were made.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

import dmcnn

FILES = Path(__file__).parent / "files"
VERSION = "0.1.0"
"""Of the dmcnn that made the files."""

CHANGED = 1_700_000_000
"""[s] Time of the last change of the input files when the cache was made, which it remembers."""
LONG_AGO = 1_000_000_000
"""[s] Time of the last change of files that must not be written again."""

INPUTS = {"cells": "cells.hdf5", "pixels": "frames.parquet", "wires": "wires.h5"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of all finished work, which is the working directory; figures are empty files, to save time."""

    def write(_: Figure, path: Path, *__: Any) -> None:
        path.write_bytes(b"figure")

    monkeypatch.setattr("dmcnn.figures.save._print", write)
    torch.use_deterministic_algorithms(
        False
    )  # a training in the same process leaves it on, and attribute warns then
    copy = tmp_path / "copy"
    shutil.copytree(FILES / "finished", copy)
    for name in INPUTS.values():
        os.utime(copy / name, (CHANGED, CHANGED))
    monkeypatch.chdir(copy)
    return copy


def run(command: str, *words: str) -> None:
    """Run a command in this process."""
    assert import_module(f"dmcnn.{command}").main(list(words)) == 0


def rerun(command: str, cfg: str) -> None:
    """Run a command on the cfg that it wrote; it must understand every line, and write the same lines."""
    before = lines_of(Path(cfg))
    run(command, cfg)
    assert before <= lines_of(Path(cfg))


def lines_of(cfg: Path) -> set[str]:
    """The settings in a cfg."""
    return {line for line in cfg.read_text().splitlines() if not line.startswith("#")}


def date_back(*paths: str) -> Callable[[], list[str]]:
    """Give files an old date; the result tells which of them have been written since."""
    for path in paths:
        os.utime(path, (LONG_AGO, LONG_AGO))
    return lambda: [path for path in paths if Path(path).stat().st_mtime != LONG_AGO]


def interrupt(*patterns: str) -> None:
    """Put back what stood in the working directory when the work was interrupted."""
    for pattern in patterns:
        found = [path for path in (FILES / "interrupted").glob(pattern) if path.is_file()]
        assert found, pattern
        for path in found:
            target = path.relative_to(FILES / "interrupted")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)


def remove(*patterns: str) -> None:
    """Remove files from the working directory."""
    for pattern in patterns:
        found = [path for path in Path().glob(pattern) if path.is_file()]
        assert found, pattern
        for path in found:
            path.unlink()


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


LIMITS = {
    f"{name}_{end}" if name else end
    for name in ("auc", "test_auc", "difference", "")
    for end in ("low", "high")
}
"""Columns of limits that have another rule since: DeLong's and the bootstrap's did not cover."""


def assert_same_rows(found: list[dict[str, str]], expected: list[dict[str, str]], **tolerance: float) -> None:
    """The same columns in order, which new ones may follow, the same texts, and the same numbers up to rounding."""
    assert len(found) == len(expected)
    assert list(found[0])[: len(expected[0])] == list(expected[0])
    for line, (new, old) in enumerate(zip(found, expected, strict=True), start=2):
        for column, text in old.items():
            value = number(text)
            if column in LIMITS:
                continue
            if value is None:
                assert new[column] == text, f"line {line}, {column}"
            else:
                assert float(new[column]) == pytest.approx(value, nan_ok=True, **tolerance), (
                    f"line {line}, {column}"
                )


def assert_same_json(found: Any, expected: Any, where: str = "", **tolerance: float) -> None:
    """All that was there is there, with the same numbers up to rounding."""
    if isinstance(expected, dict):
        assert expected.keys() <= found.keys(), where
        for key, value in expected.items():
            if key in LIMITS:
                continue
            assert_same_json(found[key], value, f"{where}/{key}", **tolerance)
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for i, value in enumerate(expected):
            assert_same_json(found[i], value, f"{where}/{i}", **tolerance)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, nan_ok=True, **tolerance), where
    else:
        assert found == expected, where


def mark_first_row(journal: Path) -> None:
    """Add 1 to the first number of the first finished row, which no command computes."""
    head, end, rows = journal.read_bytes().partition(b"\n")
    width = json.loads(head)["width"]
    assert len(rows) >= 8 * width
    numbers = np.frombuffer(rows, np.float64).copy()
    numbers[0] += 1
    journal.write_bytes(head + end + numbers.tobytes())


@pytest.mark.slow
@pytest.mark.parametrize("cfg", ["cells.cfg", "wires.cfg", "frames20.cfg"])
def test_a_simulation_is_repeated(cfg: str, folder: Path) -> None:
    output = {"cells.cfg": "cells.hdf5", "wires.cfg": "wires.h5", "frames20.cfg": "frames20.parquet"}[cfg]
    expected = arrays_in(folder / output.replace("frames20", "frames"))
    (folder / output).unlink(missing_ok=True)
    rerun("simulate", cfg)
    found = arrays_in(folder / output)
    for name, array in expected.items():
        assert found[name].shape == array.shape
        same = found[name] == array
        if array.dtype.kind == "f":  # another processor may round a charge across a threshold
            same = np.isclose(found[name], array, rtol=1e-5, atol=1e-6)
        assert same.mean() > 0.999, name


def arrays_in(path: Path) -> dict[str, NDArray[Any]]:
    """Images and labels of a sample, pixel frames only of the first and the last slice."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        charges = [name for name in table.column_names if name.isdecimal()]
        slices = np.array([table[name] for name in charges[:273] + charges[-273:]])
        labels = np.array([table[name] for name in table.column_names if not name.isdecimal()])
        return {"charges": slices, "labels": labels}
    with h5py.File(path) as file:
        if "X" in file:
            return {name: file[name][:] for name in ("X", "y")}
        ids = file["Events/event_id"][:]
        return {name: ids[name] for name in ids.dtype.names} | {
            name: found[:][column]
            for name, found in datasets_of(file)
            for column in found.dtype.names or ()
            if name.endswith(("image_meta", "extents"))
        }


def datasets_of(file: h5py.File) -> Iterable[tuple[str, h5py.Dataset]]:
    found: list[tuple[str, h5py.Dataset]] = []
    file.visititems(lambda name, item: found.append((name, item)) if isinstance(item, h5py.Dataset) else None)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cells", "pixels"])
def test_an_interrupted_training_ends_as_if_it_had_not_been(name: str, folder: Path, tmp_path: Path) -> None:
    """It drew its seed: begun anew it would become another network."""
    pattern = f"out/*_{name}*"
    expected = tmp_path / "expected"
    shutil.copytree(folder / "out", expected)
    remove(pattern)
    interrupt(pattern)
    metrics = f"DM-CNN_training_metrics_{name}.csv"
    assert 0 < len(rows_of(folder / "out" / metrics)) < len(rows_of(expected / metrics))
    rerun("train", f"out/DM-CNN_training_config_{name}.cfg")
    close = {"rel": 1e-3, "abs": 1e-4}
    assert_same_rows(rows_of(folder / "out" / metrics), rows_of(expected / metrics), **close)
    summary = f"DM-CNN_training_summary_{name}.json"
    assert_same_json(
        *(json.loads((place / summary).read_text()) for place in (folder / "out", expected)), **close
    )
    for kind in ("best", "last"):
        scores = []
        for place in (folder / "out", expected):
            weights = place / f"DM-CNN_model_{name}_{kind}.ckpt"
            words = [f"input_file={INPUTS[name]}", f"weight_file={weights}", "GPUID=cpu", f"name={kind}"]
            run("infer", *words, f"output_dir={place}")
            (table,) = place.glob(f"*_DM-CNN_scores_{kind}.csv")
            scores.append(rows_of(table))
        assert_same_rows(*scores, **close)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cells", "pixels"])
def test_a_finished_training_is_not_repeated(name: str, folder: Path) -> None:
    summary = folder / f"out/DM-CNN_training_summary_{name}.json"
    expected = json.loads(summary.read_text())
    kept = [f"out/DM-CNN_model_{name}_{kind}.ckpt" for kind in ("best", "last")]
    written = date_back(*kept, f"out/DM-CNN_training_metrics_{name}.csv")
    summary.unlink()
    rerun("train", f"out/DM-CNN_training_config_{name}.cfg")
    assert written() == []
    assert_same_json(json.loads(summary.read_text()), expected, rel=1e-5, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", INPUTS)
def test_old_weights_give_the_same_scores(name: str, folder: Path) -> None:
    table = next((folder / "out").glob(f"*_DM-CNN_scores_{name}.csv"))
    expected = rows_of(table)
    table.unlink()
    rerun("infer", str(table.relative_to(folder).with_suffix(".cfg")))
    assert_same_rows(rows_of(table), expected, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(("name", "first"), [("cells", "logit_photon"), ("pixels", "x-midplane")])
def test_an_interrupted_inference_goes_on(name: str, first: str, folder: Path) -> None:
    table = next((folder / "out").glob(f"*_DM-CNN_scores_{name}.csv"))
    expected = rows_of(table)
    table.unlink()
    journal = folder / "out" / f".{table.stem}.journal"
    interrupt(f"out/{journal.name}")
    mark_first_row(journal)
    rerun("infer", str(table.relative_to(folder).with_suffix(".cfg")))
    found = rows_of(table)
    assert abs(float(found[0][first]) - float(expected[0][first])) > 0.99
    assert_same_rows(found[1:], expected[1:], rel=1e-5, abs=1e-5)
    assert not journal.exists()


SCANS = ["cells_ENTRY_0_cells", "cells_ENTRY_7_cells", "wires_ENTRY_3_wires"]


@pytest.mark.slow
@pytest.mark.parametrize("scan", SCANS)
def test_a_finished_occlusion_is_not_repeated(scan: str, folder: Path) -> None:
    maps = f"out/occlusion_test_{scan}.npz"
    written = date_back(maps)
    cfg = f"out/occlusion_test_{scan}.cfg"
    rerun("occlude", cfg)
    assert written() == []
    run("occlude", cfg, "occlusion_size=3")
    assert maps in written()


@pytest.mark.slow
@pytest.mark.parametrize("scan", SCANS)
def test_an_occlusion_gives_the_same_maps(scan: str, folder: Path) -> None:
    maps = folder / f"out/occlusion_test_{scan}.npz"
    expected = arrays_of(maps)
    maps.unlink()
    rerun("occlude", f"out/occlusion_test_{scan}.cfg")
    assert_same_arrays(arrays_of(maps), expected)


def test_an_interrupted_occlusion_goes_on(folder: Path) -> None:
    stem = "occlusion_test_wires_ENTRY_3_wires"
    maps, journal = folder / f"out/{stem}.npz", folder / f"out/.{stem}.journal"
    expected = arrays_of(maps)
    maps.unlink()
    interrupt(f"out/{journal.name}")
    mark_first_row(journal)
    rerun("occlude", f"out/{stem}.cfg")
    found = arrays_of(maps)
    changed = found["logits"] - expected["logits"]
    marked = np.abs(changed[:, 0] - 1) < 1e-4
    assert 0 < marked.sum() < len(marked)
    changed[marked, 0] -= 1
    np.testing.assert_allclose(changed, 0, atol=1e-5)
    np.testing.assert_allclose(found["scores"][~marked], expected["scores"][~marked], atol=1e-5)
    assert not journal.exists()


def arrays_of(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file, the key without the engine, which the rates of the processor decide."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    if "key" in arrays:
        key = json.loads(str(arrays["key"]))
        key.pop("engine", None)
        arrays["key"] = np.array(json.dumps(key, sort_keys=True))
    return arrays


def assert_same_arrays(found: dict[str, NDArray[Any]], expected: dict[str, NDArray[Any]]) -> None:
    """All that was there is there; numbers within 1e-5."""
    assert expected.keys() <= found.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype, name
        if array.dtype.kind == "f":
            np.testing.assert_allclose(found[name], array, rtol=1e-5, atol=1e-5, err_msg=name)
        else:
            np.testing.assert_array_equal(found[name], array, err_msg=name)


def of_today(archive: Path) -> None:
    """Let the archive say that its path integrals are by today's rule: those of then are made again on purpose."""
    arrays = arrays_of(archive)
    key = json.loads(str(arrays["key"]))
    key["methods"] = [text.replace(", tolerance=0.001", "") for text in key["methods"]]
    key["revisions"] = {"integrated_gradients": 3, "expected_gradients": 3}
    np.savez_compressed(archive, **arrays | {"key": np.array(json.dumps(key, sort_keys=True))})


@pytest.mark.slow
def test_finished_attributions_are_not_made_again(folder: Path) -> None:
    archives = [f"out/attribution_wires_ENTRY_{entry}_wires.npz" for entry in (3, 4)]
    for archive in archives:
        of_today(folder / archive)
    tables = [folder / f"out/DM-CNN_attribution_wires_{what}.csv"
              for what in ("quality", "quality_summary", "agreement")]  # fmt: skip
    expected = [rows_of(table) for table in tables]
    written = date_back(*archives)
    remove("out/DM-CNN_attribution_wires_*.csv")
    rerun("attribute", "out/DM-CNN_attribution_wires.cfg")
    assert written() == []
    for table, rows in zip(tables, expected, strict=True):
        found = [row for row in rows_of(table) if row.get("measure") != "halving_change"]  # new since
        assert_same_rows(found, rows, rel=1e-9)


@pytest.mark.slow
def test_attributions_give_the_same_maps(folder: Path) -> None:
    """Each up to 1e-4 of its largest value, but for a few pixels where processors rank or gate another way.

    Path integrals have another rule since.
    """
    archive = folder / "out/attribution_wires_ENTRY_3_wires.npz"
    expected = arrays_of(archive)
    archive.unlink()
    rerun("attribute", "out/DM-CNN_attribution_wires.cfg")
    found = arrays_of(archive)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        if name.startswith("map_") and name not in ("map_integrated_gradients", "map_expected_gradients"):
            close = np.isclose(found[name], array, rtol=0, atol=1e-4 * np.abs(array).max())
            assert close.mean() > 0.99, name


@pytest.mark.slow
def test_images_come_from_an_old_cache(folder: Path, tmp_path: Path) -> None:
    """Its name is made from absolute paths: it takes the name of the one that is made here."""
    cfg = "out/DM-CNN_training_config_wires.cfg"
    assert "cache = 'cache'" in lines_of(folder / cfg)
    (old,) = (FILES / "finished" / "cache").iterdir()
    (folder / "cache" / old.name).unlink()
    words = ["EPOCHS=1", "run_test=False", f"weights_directory={tmp_path}", f"output_directory={tmp_path}"]

    def summary() -> Any:
        run("train", cfg, *words, "resume=False")
        return json.loads((tmp_path / "DM-CNN_training_summary_wires.json").read_text())

    expected = summary()
    (new,) = (folder / "cache").iterdir()
    new.write_bytes(old.read_bytes())
    written = date_back(f"cache/{new.name}")
    assert summary() == expected
    assert bool(written()) == (dmcnn.__version__ != VERSION)  # another version makes it again
    assert list((folder / "cache").iterdir()) == [new]

    content = bytearray(old.read_bytes())
    content[100] ^= 1
    new.write_bytes(content)
    written = date_back(f"cache/{new.name}")
    assert summary() == expected
    assert written() == [f"cache/{new.name}"]


@pytest.mark.slow
def test_an_interrupted_search_goes_on(folder: Path) -> None:
    table = folder / "out/tune_cells/trials.csv"
    expected = {row["trial"]: row for row in rows_of(table)}
    shutil.rmtree(folder / "out/tune_cells")
    interrupt("out/tune_cells/*", "out/tune_cells/*/*")
    assert not table.exists()
    shutil.copy(FILES / "finished/out/tune_cells/tune.cfg", folder / "out/tune_cells")
    rerun("tune", "out/tune_cells/tune.cfg")
    found = {row["trial"]: row for row in rows_of(table)}
    assert sorted(found) == sorted(expected) == ["0", "1", "2"]
    for finished in ("0", "1"):
        assert found[finished] == expected[finished]
    own = {"end": "", "duration": ""}
    assert_same_rows([found["2"] | own], [expected["2"] | own], rel=1e-3, abs=1e-4)
    metrics = "out/tune_cells/trial_2/DM-CNN_training_metrics.csv"
    assert_same_rows(rows_of(folder / metrics), rows_of(FILES / "finished" / metrics), rel=1e-3, abs=1e-4)


@pytest.mark.slow
def test_a_finished_search_is_extended(folder: Path) -> None:
    table = folder / "out/tune_cells/trials.csv"
    expected = rows_of(table)
    table.unlink()
    rerun("tune", "out/tune_cells/tune.cfg")
    assert rows_of(table) == expected
    run("tune", "out/tune_cells/tune.cfg", "trials=4")
    found = rows_of(table)
    assert [row for row in found if row["trial"] != "3"] == expected
    (new,) = (row for row in found if row["trial"] == "3")
    assert (new["state"], new["filters_1"], new["dense_1"]) == ("complete", "3", "4")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["two", "cells", "pixels"])
def test_old_score_tables_are_judged_the_same(name: str, folder: Path) -> None:
    stem = f"out/DM-CNN_evaluation_{name}"
    expected = json.loads(Path(f"{stem}.json").read_text())
    tables = {path: rows_of(path) for path in Path("out").glob(f"DM-CNN_evaluation_{name}_*.csv")}
    assert len(tables) == (2 if name == "pixels" else 0)
    remove(f"{stem}*.json", *([f"{stem}_*.csv"] if tables else []))
    rerun("evaluate", f"{stem}.cfg")
    assert_same_json(json.loads(Path(f"{stem}.json").read_text()), expected, rel=1e-5, abs=1e-7)
    for path, rows in tables.items():
        assert_same_rows(rows_of(path), rows, rel=1e-5, abs=1e-7)


def test_old_weights_are_exported_the_same(folder: Path) -> None:
    stem = "out/DM-CNN_model_pixels_best"
    integers, layers = (
        json.loads(Path(f"{stem}_integers.json").read_text()),
        rows_of(Path(f"{stem}_layers.csv")),
    )
    remove(f"{stem}_integers.json", f"{stem}_layers.csv")
    rerun("export", f"{stem}_export.cfg")
    assert_same_json(json.loads(Path(f"{stem}_integers.json").read_text()), integers, rel=1e-6)
    assert_same_rows(rows_of(Path(f"{stem}_layers.csv")), layers, rel=1e-6)


def test_old_weights_are_displayed(folder: Path) -> None:
    rerun("display", "out/DM-CNN_display_wires.cfg")
    for entry in (3, 4):
        assert (folder / f"out/wires_ENTRY_{entry}_wires.png").exists()
