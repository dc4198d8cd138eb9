"""Results are never mixtures: one process per name, files known by their bytes, results of other files kept."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conftest import toy_images
from dmcnn import attribute, display, evaluate, export, infer, occlude, train
from dmcnn._common.journal import Journal
from dmcnn._common.lock import lock
from dmcnn.checkpoints.card import KEY, Card
from dmcnn.writers import larcv3

SIDE = 64


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network of two classes for images of 64 x 64 pixels."""
    torch.manual_seed(3)
    card = Card(
        "lariat", {"num_class": 2, "channels": 1, "height": SIDE, "width": SIDE}, ["electron", "muon"], None,
        "softmax", {"xdim": SIDE, "ydim": SIDE}, scaling="minmax", label="prefix", loss="cross_entropy",
    )  # fmt: skip
    path = tmp_path_factory.mktemp("weights") / "net.ckpt"
    torch.save({KEY: card.as_dict(), "state_dict": card.build().state_dict()}, path)
    return path


def write_images(folder: Path, seed: int, count: int = 140) -> Path:
    """Write .npy images that differ from seed to seed, with equal names, sizes and times."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        image = np.random.default_rng([seed, number]).integers(0, 9, (SIDE, SIDE)).astype(np.float32)
        path = folder / f"{'electron' if number % 2 else 'muon'}_{number:04d}.npy"
        np.save(path, image)
        os.utime(path, (10**9, 10**9))
    return folder


def words(**keys: Any) -> list[str]:
    return [f"{key}={value}" for key, value in {"GPUID": "cpu", **keys}.items()]


def numbers(folder: Path, pattern: str = "*scores*.csv") -> list[list[str]]:
    """The columns of a score table without ids and file."""
    (path,) = folder.glob(pattern)
    with path.open(newline="") as file:
        return [[value for key, value in row.items() if key != "file"] for row in csv.DictReader(file)]


def start(command: str, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", f"dmcnn.{command}", *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
def test_of_two_inferences_of_a_name_one_is_refused_and_no_row_is_wrong(
    weights: Path, tmp_path: Path
) -> None:
    """Both are stopped and a third ends the work: as many and the same rows as without interruption."""
    asked = words(input_file=write_images(tmp_path / "npy", 1, 1200), weight_file=weights, batch_size=1)
    assert infer.main([*asked, f"output_dir={tmp_path / 'whole'}"]) == 0
    out = tmp_path / "out"
    two = [start("infer", *asked, f"output_dir={out}") for _ in range(2)]
    journal = out / ".npy_DM-CNN_scores.journal"
    while all(one.poll() is None for one in two):  # an interrupt before that would meet imports
        time.sleep(0.005)
    assert journal.exists()
    assert journal.stat().st_size > 0
    for one in two:
        one.send_signal(2)
    texts, states = zip(*((one.communicate()[0], one.returncode) for one in two), strict=True)
    assert 2 in states, texts
    assert "is writing these files (process" in texts[states.index(2)]
    assert infer.main([*asked, f"output_dir={out}"]) == 0
    assert numbers(out) == numbers(tmp_path / "whole")
    assert not list(out.glob(".*"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["npy", "larcv3"])
def test_an_inference_of_files_made_again_begins_anew(
    kind: str,
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Their names, sizes, ids and times are those of before."""

    def write(seed: int) -> Path:
        if kind == "npy":
            return write_images(tmp_path / "data", seed)
        path = tmp_path / "data.h5"
        path.unlink(missing_ok=True)
        images = toy_images(140, 1, SIDE)
        value = np.random.default_rng(seed).permutation(images.value)
        larcv3.write(path, [type(images)(**{**vars(images), "value": value})], producer="a")
        os.utime(path, (10**9, 10**9))
        return path

    asked = words(input_file=write(1), weight_file=weights)
    append = Journal.append

    def interrupted(self: Journal, rows: Any) -> None:
        append(self, rows)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", interrupted)
        assert infer.main([*asked, f"output_dir={tmp_path / 'out'}"]) == 130
    write(2)
    assert infer.main([*asked, f"output_dir={tmp_path / 'out'}"]) == 0
    assert "of another file: the work begins anew" in caplog.text
    assert infer.main([*asked, f"output_dir={tmp_path / 'fresh'}"]) == 0
    assert numbers(tmp_path / "out") == numbers(tmp_path / "fresh")


@pytest.mark.slow
def test_a_file_that_changes_while_it_is_scored_leaves_no_result(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_images(tmp_path / "data", 1)
    append = Journal.append

    def changing(self: Journal, rows: Any) -> None:
        append(self, rows)
        write_images(tmp_path / "data", 2)
        os.utime(data / "muon_0000.npy")

    monkeypatch.setattr(Journal, "append", changing)
    assert infer.main(words(input_file=data, weight_file=weights, output_dir=tmp_path / "out")) == 2
    assert "changed since it was opened" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("*.csv"))


@pytest.mark.slow
def test_a_result_of_other_files_is_kept(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    a, b = write_images(tmp_path / "a" / "data", 1, 4), write_images(tmp_path / "b" / "data", 2, 4)
    asked, out = words(weight_file=weights, output_dir=tmp_path / "out"), tmp_path / "out"
    assert infer.main([*asked, f"input_file={a}"]) == 0
    before = numbers(out)
    assert infer.main([*asked, f"input_file={b}"]) == 2
    fault = capsys.readouterr().err
    assert fault.count("\n") == 1
    for text in (str(a), str(b), "choose another name= or output folder", "remove data_DM-CNN_scores.cfg"):
        assert text in fault
    assert numbers(out) == before
    shutil.copytree(a, tmp_path / "c" / "data")  # a copy is the same data
    assert infer.main([*asked, f"input_file={tmp_path / 'c' / 'data'}"]) == 0
    assert numbers(out) == before
    write_images(tmp_path / "c" / "data", 3, 4)
    caplog.clear()
    assert infer.main([*asked, f"input_file={tmp_path / 'c' / 'data'}"]) == 0
    assert "made again, since" in caplog.text
    assert numbers(out) != before
    assert infer.main([*asked, f"input_file={b}", "name=b"]) == 0


@pytest.mark.slow
def test_files_of_one_name_take_their_folders_in(weights: Path, tmp_path: Path) -> None:
    for number, folder in enumerate("ab"):
        write_images(tmp_path / folder / "data", number, 2)
    write_images(tmp_path / "other", 5, 2)
    paths = [str(tmp_path / place) for place in ("a/data", "b/data", "other")]
    out = tmp_path / "out"
    asked = words(input_file=paths, weight_file=weights, output_dir=out)
    assert infer.main(asked) == 0
    names = sorted(path.name for path in out.glob("*.csv"))
    assert names == [f"{name}_DM-CNN_scores.csv" for name in ("a_data", "b_data", "other")]
    assert display.main([*asked, "-n", "0,2", "format=png"]) == 0
    assert {path.name for path in out.glob("*_ENTRY_0.png")} == {"a_data_ENTRY_0.png", "b_data_ENTRY_0.png"}


@pytest.mark.slow
def test_every_command_keeps_the_results_of_other_files(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    a, b = write_images(tmp_path / "a" / "data", 1, 2), write_images(tmp_path / "b" / "data", 2, 2)
    nets = [shutil.copy(weights, tmp_path / folder / "net.ckpt") for folder in "ab"]
    content = torch.load(nets[1], weights_only=True)
    next(iter(content["state_dict"].values())).mul_(2)
    torch.save(content, nets[1])
    for folder in "ab":
        rows = [f"1,{n / 9 if folder == 'a' else 0.5},{'signal' if n % 2 else 'x'}" for n in range(8)]
        (tmp_path / folder / "s.csv").write_text("\n".join(["run_number,signal_score,label", *rows]) + "\n")
    common = words(weight_file=weights, output_dir=out)
    runs = {
        occlude.main: [[*common, f"input_file={data}", "-n", "0", "stride=32"] for data in (a, b)],
        attribute.main: [
            [*common, f"input_file={data}", "-n", "0", "methods=saliency", "judge=False", "format=png"]
            for data in (a, b)
        ],
        display.main: [[*common, f"input_file={data}", "-n", "0", "format=png"] for data in (a, b)],
        export.main: [[f"weight_file={net}", f"output_dir={out}", "format=table"] for net in nets],
        evaluate.main: [[f"scores={tmp_path / folder / 's.csv'}", f"output_dir={out}"] for folder in "ab"],
    }
    for main, (first, second) in runs.items():
        known = set(out.glob("*"))
        assert main(first) == 0
        made = {path: path.read_bytes() for path in set(out.glob("*")) - known}
        assert made
        capsys.readouterr()
        assert main(second) == 2
        assert "holds results of" in capsys.readouterr().err
        assert {path: path.read_bytes() for path in set(out.glob("*")) - known} == made
        assert main(first) == 0
    assert not list(out.glob(".*"))


@pytest.mark.slow
def test_pictures_of_other_names_stay_side_by_side(weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = words(output_dir=out, format="png", score_label=False)
    paths = [write_images(tmp_path / name, seed, 1) for seed, name in enumerate(("one", "two", "b/one"))]
    assert display.main([*asked, f"input_file={paths[0]}", "-n", "0"]) == 0
    assert display.main([*asked, f"input_file={paths[1]}", "-n", "0"]) == 0
    assert display.main([*asked, f"input_file={paths[2]}", "-n", "0"]) == 2
    assert display.main([*asked, f"input_file={paths[0]}", "-n", "0"]) == 0


def settings(folder: Path, files: dict[str, Path], **more: Any) -> dict[str, Any]:
    """Settings of a training that takes a second."""
    return {
        "input_train": str(files["train"]), "input_test": str(files["test"]), "learning_rate": 0.001, "EPOCHS": 2,
        "batch_size_train": 12, "precision": "32", "adc_lo": 10, "adc_hi": 500, "weights_directory": str(folder),
        "output_directory": str(folder), "model": "lariat", "augment": False, "GPUID": "cpu",
        "label": "run == 100", **more,
    }  # fmt: skip


def training(folder: Path, files: dict[str, Path], **more: Any) -> list[str]:
    return words(**settings(folder, files, **more))


@pytest.fixture
def small_files(tmp_path: Path) -> dict[str, Path]:
    """Training and test images of 64 x 64 pixels."""
    files = {part: tmp_path / f"{part}.h5" for part in ("train", "test")}
    for seed, path in enumerate(files.values()):
        larcv3.write(path, [toy_images(24, seed, SIDE)], producer="a")
    return files


@pytest.mark.slow
def test_a_training_of_files_made_again_is_refused(
    small_files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    asked = training(out, small_files)
    assert train.main(asked) == 0
    before = {path: path.read_bytes() for path in out.iterdir()}
    path = small_files["train"]
    moved = {**small_files, "train": tmp_path / "stage" / "in.h5"}
    moved["train"].parent.mkdir()
    shutil.copy(path, moved["train"])
    assert train.main(training(out, moved)) == 0  # the same bytes elsewhere
    images = toy_images(24, 0, SIDE)
    path.unlink()
    larcv3.write(path, [type(images)(**{**vars(images), "value": images.value[::-1].copy()})], producer="a")
    assert train.main(asked) == 2
    assert "made from other data" in capsys.readouterr().err
    for result in out.glob("*.ckpt"):
        assert result.read_bytes() == before[result]
    (out / "DM-CNN_model_last.ckpt").unlink()
    assert train.main(training(out, {**small_files, "train": moved["train"]})) == 0
    (out / "DM-CNN_model_last.ckpt").unlink()
    assert train.main(asked) == 2
    assert "holds results of" in capsys.readouterr().err
    assert train.main([*asked, "resume=False", "EPOCHS=1"]) == 0


@pytest.mark.slow
def test_of_two_trainings_of_a_name_one_is_refused(
    small_files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    first = start("train", *training(out, small_files, name="x", EPOCHS=2000))
    while not (out / "DM-CNN_model_x_best.ckpt").exists() and first.poll() is None:
        time.sleep(0.01)
    assert train.main(training(out, small_files, name="x", seed_number=2)) == 2
    assert f"is writing these files (process {first.pid} on" in capsys.readouterr().err
    elsewhere = {"weights_directory": tmp_path / "w"}  # tables of both would be mixed
    assert train.main(training(out, small_files, name="x", seed_number=2, **elsewhere)) == 2
    first.send_signal(2)
    first.communicate()
    assert first.returncode == 130
    assert not list(out.glob(".*"))


@pytest.mark.slow
def test_two_searches_make_one_study(small_files: dict[str, Path], tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    base = tmp_path / "base.cfg"
    lines = settings(tmp_path, small_files).items()
    base.write_text("".join(f"{key} = {value!r}\n" for key, value in lines if "directory" not in key))
    asked = [f"base={base}", 'space={"learning_rate": [0.001, 0.002, 0.003, 0.004]}', "sampler=grid",
             f"output_dir={tmp_path / 'out'}"]  # fmt: skip
    two = [start("tune", *asked) for _ in range(2)]
    texts = [one.communicate()[0] for one in two]
    assert [one.returncode for one in two] == [0, 0], texts
    with (tmp_path / "out" / "tune" / "trials.csv").open(newline="") as file:
        assert [row["state"] in ("complete", "pruned") for row in csv.DictReader(file)] == [True] * 4
    assert not list((tmp_path / "out" / "tune").glob(".*.lock"))

    images = toy_images(24, 0, SIDE)
    small_files["train"].unlink()
    larcv3.write(
        small_files["train"], [type(images)(**{**vars(images), "value": images.value + 1})], producer="a"
    )
    third = start("tune", *asked, "trials=5")
    text = third.communicate()[0]
    assert third.returncode == 2
    assert "was made with fingerprints of the data" in text


def test_a_locked_name_is_refused_before_any_result(weights: Path, tmp_path: Path) -> None:
    data, out = write_images(tmp_path / "data", 1, 2), tmp_path / "out"
    with lock(out / "data_DM-CNN_scores"):
        assert infer.main(words(input_file=data, weight_file=weights, output_dir=out)) == 2
        assert [path.name for path in out.iterdir()] == [".data_DM-CNN_scores.lock"]


def test_the_cfg_says_from_which_files_a_result_is(weights: Path, tmp_path: Path) -> None:
    data, out = write_images(tmp_path / "da'ta", 1, 2), tmp_path / "out"
    assert infer.main(words(input_file=data, weight_file=weights, output_dir=out)) == 0
    (cfg,) = out.glob("*.cfg")
    first, second, *_ = cfg.read_text().splitlines()
    assert first.startswith("# dmcnn ")
    assert json.loads(second.split(" ", 3)[3]) == str(data)
    assert infer.main([str(cfg)]) == 0
