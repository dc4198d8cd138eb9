"""Origin of events: what files state, in every format, and for which files a label rule is meant."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

import dmcnn
from dmcnn import simulate
from dmcnn._common.errors import InputError
from dmcnn.datasets.dataset import Dataset
from dmcnn.datasets.labels import LabelRule, check_kinds
from dmcnn.formats.origin import common_text, origin_text, read_origin

CLASSES = ("signal", "background")
KIND = {"origin": "dmcnn simulation", "sample": "dark-trident"}
SAMPLES = {
    "dark-trident": ("events.h5", ["xdim=64", "ydim=64"]),
    "calorimeter": ("cells.hdf5", ["xdim=12", "ydim=12"]),
    "lariat": ("images", []),
    "smartpixel": ("frames.parquet", []),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A simulated file, or folder, of every sample."""
    folder = tmp_path_factory.mktemp("samples")
    for kind, (name, words) in SAMPLES.items():
        assert simulate.main([f"kind={kind}", f"output={folder / name}", "events=4", *words]) == 0
    return {kind: folder / name for kind, (name, _) in SAMPLES.items()}


@pytest.mark.parametrize("kind", SAMPLES)
def test_simulated_files_say_so(kind: str, files: dict[str, Path]) -> None:
    if kind == "smartpixel":
        pytest.importorskip("pyarrow")
    data = Dataset(str(files[kind]))
    assert data.first.origin == {"sample": kind, "dmcnn": dmcnn.__version__}
    assert data.origins == [f"dmcnn simulation: {kind}"] * len(data)
    assert data.kinds == [{"origin": "dmcnn simulation", "sample": kind}]
    assert data[0].origin == f"dmcnn simulation: {kind}"
    assert f"dmcnn simulation: {kind}" in repr(data[0])


def test_files_of_a_simulated_folder_say_so_until_it_changes(files: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "images"
    shutil.copytree(files["lariat"], folder)
    first = sorted(folder.glob("*.npy"))[0]
    assert Dataset(str(first)).file_origins == ["dmcnn simulation: lariat"]
    np.save(folder / "muon_of_mine.npy", np.ones((8, 8), np.float32))
    assert Dataset(str(first)).file_origins == [""]


def test_a_pair_of_pixel_files_says_so(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    assert simulate.main(["kind=smartpixel", f"output={tmp_path / 'frames'}", "events=4"]) == 0
    (path,) = (tmp_path / "frames").glob("recon3D/*.parquet")
    assert Dataset(str(path)).file_origins == ["dmcnn simulation: smartpixel"]


def test_other_files_state_a_detector_or_nothing(tmp_path: Path, toy_files: dict[str, Path]) -> None:
    assert Dataset(str(toy_files["test"])).file_origins == [""]
    named = tmp_path / "named.h5"
    named.write_bytes(toy_files["test"].read_bytes())
    with h5py.File(named, "a") as file:
        file.attrs["detector"] = "SBND"
    data = Dataset([str(named), str(toy_files["test"])])
    assert data.file_origins == ["SBND", ""]
    assert data.kinds == [
        {"format": "LArCV3", "producer": "image2d_binary", "detector": "SBND"},
        {"format": "LArCV3", "producer": "image2d_binary"},
    ]


@pytest.mark.parametrize("stated", [{}, {"sample": "x"}, {"sample": 3, "dmcnn": "1"}, {"detector": "a\nb"}])
def test_what_is_not_stated_is_not_made_up(stated: dict[str, object]) -> None:
    assert read_origin(stated) == {}
    assert origin_text(read_origin(stated)) == ""


def test_texts_of_several_files() -> None:
    sample = {"sample": "lariat", "dmcnn": "1"}
    assert common_text([sample, {}, sample, {"detector": "SBND"}]) == "dmcnn simulation: lariat, SBND"


def test_rules_that_fit_any_file_need_its_kind(files: dict[str, Path], toy_files: dict[str, Path]) -> None:
    toy, simulated = Dataset(str(toy_files["test"])), Dataset(str(files["dark-trident"]))
    condition = LabelRule.parse("run == 100", CLASSES)
    check_kinds(condition, toy, [{"format": "LArCV3", "producer": "image2d_binary"}])
    check_kinds(condition, simulated, [])  # the rule of the sample itself
    for kinds in ([], [KIND], [{"format": "LArCV2", "producer": "image2d_binary"}]):
        with pytest.raises(InputError, match="not of LArCV3 \\(producer image2d_binary\\); give label"):
            check_kinds(condition, toy, kinds)
    with pytest.raises(InputError, match="not of dmcnn simulation: dark-trident"):
        check_kinds(LabelRule.parse("run == 7", CLASSES), simulated, [KIND | {"sample": "lariat"}])
    check_kinds(LabelRule.parse({"toy*": "signal"}, CLASSES), toy, [])  # says itself where it does not fit


def test_rules_have_a_text() -> None:
    assert LabelRule.parse("run == 100", CLASSES).text == "run == 100"
    assert LabelRule.parse("prefix", CLASSES).text == "prefix"
    rule = LabelRule.parse({11: "signal", 2212: 1}, CLASSES)
    assert json.loads(rule.text) == {"11": "signal", "2212": "background"}
