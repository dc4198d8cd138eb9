"""Command train: it learns, logs and saves, and a killed training resumes with the same result."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from dmcnn import train
from dmcnn._common.files import sha256
from dmcnn.checkpoints.load import load
from dmcnn.checkpoints.torch_file import read
from dmcnn.settings.cfg import literal


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def weights_of(path: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = read(path)["state_dict"]
    return state


@pytest.mark.slow
def test_trains_every_epoch_and_explains_itself(
    train_words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main([*train_words, "EPOCHS=3", "test_every_step=2"]) == 0
    rows = rows_of(tmp_path / "out" / "DM-CNN_training_metrics_toy.csv")
    columns = ["train_accu", "validation_accu", "train_loss", "validation_loss", "epoch", "step"]
    assert list(rows[0])[:6] == columns
    assert [int(row["step"]) for row in rows] == [2, 4, 6, 8, 10, 12]
    assert [int(row["epoch"]) for row in rows] == [0, 0, 1, 1, 2, 2]
    assert all(row["validation_events"] == "2" for row in rows)
    _, card = load(tmp_path / "weights" / "DM-CNN_model_toy_best.ckpt")
    assert card.classes == ["signal", "background"]
    assert card.arguments == {"num_class": 2, "drop_out": 0.5, "channels": 1, "height": 128, "width": 128}
    assert card.reading["adc_lo"] == 10.0
    assert card.reading["adc_hi"] == 500.0
    assert card.seed == 1
    assert card.data["training"]["events"] == 24
    versions = {"dmcnn", "torch", "numpy", "python", "device", "precision", "engine", "rotation"}
    assert versions | {"system", "cpu", "threads"} == set(card.environment) - {"git", "gpu"}
    assert literal(dict(line.split(" = ") for line in card.cfg.splitlines()[1:])["learning_rate"]) == 0.0003
    cfg = (tmp_path / "out" / "DM-CNN_training_config_toy.cfg").read_text()
    assert cfg.startswith(card.cfg)
    assert all(line.startswith("# from ") for line in cfg.removeprefix(card.cfg).splitlines())
    summary = json.loads((tmp_path / "out" / "DM-CNN_training_summary_toy.json").read_text())
    best = max(rows, key=lambda row: (float(row["validation_auc"]), -float(row["validation_loss"])))
    assert summary["step"] == card.step == int(best["step"])
    assert (summary["events"], summary["chosen_by"], summary["remarks"]) == (11, "validation", [])
    assert card.metrics == {key: summary[key] for key in card.metrics}
    assert card.evaluation["loss"] == float(best["validation_loss"])
    assert (card.chosen_by, card.remarks) == ("validation", [])
    assert card.origin == [{"format": "LArCV3", "producer": "image2d_binary"}]
    about = json.loads((tmp_path / "out" / "DM-CNN_training_card_toy.json").read_text())
    assert about["state"] == "finished"
    assert about["metrics"]["auc"]["value"] == summary["auc"]
    assert about["metrics"]["auc"]["low"] == summary["auc_low"]
    best_weights = tmp_path / "weights" / "DM-CNN_model_toy_best.ckpt"
    assert about["weights"] == {"file": best_weights.name, "sha256": sha256(best_weights)}
    assert {name: each["events"] for name, each in about["samples"].items()} == {
        "training": 22, "validation": 2, "test": 11,
    }  # fmt: skip
    assert [each["file"] for each in about["files"]] == ["toy_train.h5", "toy_test.h5"]
    for suffix in ("json", "md"):  # they may be published
        text = (tmp_path / "out" / f"DM-CNN_training_card_toy.{suffix}").read_text()
        assert str(tmp_path.parent) not in text
    scores = rows_of(tmp_path / "out" / "DM-CNN_training_test_scores_toy.csv")
    right = sum((float(row["signal_score"]) >= 0.5) == (row["label"] == "signal") for row in scores)
    assert right / 11 == pytest.approx(summary["accuracy"])
    assert {row["file"] for row in scores} == {"toy_test.h5"}
    chosen = rows_of(tmp_path / "out" / "DM-CNN_training_validation_scores_toy.csv")
    assert [row["file"] for row in chosen] == ["toy_train.h5"] * 2
    for suffix in ("png", "pdf"):
        assert (tmp_path / "out" / f"DM-CNN_training_curves_toy.{suffix}").stat().st_size > 1000
    assert not list(tmp_path.rglob("*.part*"))


@pytest.mark.slow
def test_learns_to_tell_blocks_from_lines(
    train_words: list[str], toy_files: dict[str, Path], tmp_path: Path
) -> None:
    words = ["EPOCHS=8", "drop_out=0", "augment=False", f"input_test={toy_files['train']}"]
    assert train.main([*train_words, *words]) == 0
    summary = json.loads((tmp_path / "out" / "DM-CNN_training_summary_toy.json").read_text())
    assert summary["auc"] > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("words", [["loss=cross_entropy"], ["loss=focal", "focal_gamma=1.5"]])
def test_other_losses(train_words: list[str], tmp_path: Path, words: list[str]) -> None:
    assert train.main([*train_words, "EPOCHS=1", *words]) == 0
    _, card = load(tmp_path / "weights" / "DM-CNN_model_toy_best.ckpt")
    assert card.activation == ("softmax" if "cross" in words[0] else "sigmoid")


@pytest.mark.slow
def test_bf16_on_the_cpu(train_words: list[str], tmp_path: Path) -> None:
    assert train.main([*train_words, "EPOCHS=1", "precision=bf16"]) == 0
    _, card = load(tmp_path / "weights" / "DM-CNN_model_toy_best.ckpt")
    assert card.environment["precision"] == "bf16"


@pytest.mark.slow
def test_test_events_nums_and_switches(
    train_words: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "dmcnn")
    assert train.main([*train_words, "EPOCHS=1", "validation_fraction=0.5", "test_events_nums=5"]) == 0
    assert "on 5 of 12 validation events (test_events_nums = 5)" in caplog.text
    assert rows_of(tmp_path / "out" / "DM-CNN_training_metrics_toy.csv")[0]["validation_events"] == "5"
    assert json.loads((tmp_path / "out" / "DM-CNN_training_summary_toy.json").read_text())["events"] == 11
    words = [*train_words, "EPOCHS=1", "name=bare", "run_test=False", "save_weights=False", "seed=False"]
    assert train.main(words) == 0
    assert not list((tmp_path / "weights").glob("*bare*"))
    assert not (tmp_path / "out" / "DM-CNN_training_metrics_bare.csv").exists()
    assert (tmp_path / "out" / "DM-CNN_training_summary_bare.json").exists()


@pytest.mark.slow
def test_resuming_after_kill_9_equals_the_uninterrupted_run(train_words: list[str], tmp_path: Path) -> None:
    words = [*train_words, "EPOCHS=3", "save_every_step=3", "test_every_step=5"]
    assert train.main([*words, f"weights_directory={tmp_path / 'whole'}"]) == 0
    whole = (tmp_path / "out" / "DM-CNN_training_metrics_toy.csv").read_text()
    last = tmp_path / "weights" / "DM-CNN_model_toy_last.ckpt"
    killed = subprocess.Popen(
        [sys.executable, "-m", "dmcnn.train", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 120
        while not last.exists() and killed.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    assert last.exists(), "the run ended or hung before its first checkpoint"
    at = read(last)["progress"]["step"]
    assert 0 < at < 12, f"killed too late to test anything: after step {at}"
    assert train.main(words) == 0
    assert (tmp_path / "out" / "DM-CNN_training_metrics_toy.csv").read_text() == whole
    for name in ("last", "best"):
        one = weights_of(tmp_path / "whole" / f"DM-CNN_model_toy_{name}.ckpt")
        two = weights_of(tmp_path / "weights" / f"DM-CNN_model_toy_{name}.ckpt")
        assert all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.slow
def test_ctrl_c_saves_and_the_same_command_goes_on(train_words: list[str], tmp_path: Path) -> None:
    words = [*train_words, "EPOCHS=400"]
    log = tmp_path / "log"
    with log.open("w") as out:
        run = subprocess.Popen(
            [sys.executable, "-m", "dmcnn.train", *words], stdout=out, stderr=out, env={**os.environ}
        )
    deadline = time.monotonic() + 120
    while (
        not re.search(r"[1-9]\d*/1600", log.read_text())
        and run.poll() is None
        and time.monotonic() < deadline
    ):
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    assert run.wait(60) == 130, log.read_text()
    assert "Traceback" not in log.read_text()
    step = read(tmp_path / "weights" / "DM-CNN_model_toy_last.ckpt")["progress"]["step"]
    assert step >= 1
    assert train.main([*train_words, f"EPOCHS={-(-step // 4)}"]) == 0


@pytest.mark.slow
def test_cached_images_train_the_same_network(
    train_words: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "dmcnn")
    assert train.main([*train_words, "EPOCHS=1"]) == 0
    last = tmp_path / "weights" / "DM-CNN_model_toy_last.ckpt"
    first = weights_of(last)
    cached = [*train_words, "EPOCHS=1", f"cache={tmp_path / 'cache'}"]
    for said in ("toy_train.h5", "images from the cache"):
        last.unlink()
        caplog.clear()
        assert train.main(cached) == 0
        assert said in caplog.text
        again = weights_of(last)
        assert all(torch.equal(first[key], again[key]) for key in first)
    assert len(list((tmp_path / "cache").iterdir())) == 2


@pytest.mark.slow
def test_a_finished_run_is_reported_again_and_can_be_extended(
    train_words: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert train.main([*train_words, "EPOCHS=1"]) == 0
    first = weights_of(tmp_path / "weights" / "DM-CNN_model_toy_last.ckpt")
    caplog.set_level("INFO", "dmcnn")
    assert train.main([*train_words, "EPOCHS=1"]) == 0
    assert "resuming after step 4" in caplog.text
    again = weights_of(tmp_path / "weights" / "DM-CNN_model_toy_last.ckpt")
    assert all(torch.equal(first[key], again[key]) for key in first)
    card, scores = (
        tmp_path / "out" / f"DM-CNN_training_{name}" for name in ("card_toy.json", "test_scores_toy.csv")
    )
    text, rows = card.read_text(), scores.read_bytes()
    card.write_text(text.replace('"finished"', '"training"'))  # as if killed after the last step
    scores.unlink()
    assert train.main([*train_words, "EPOCHS=1"]) == 0
    assert (json.loads(card.read_text())["state"], scores.read_bytes()) == ("finished", rows)
    assert train.main([*train_words, "EPOCHS=2"]) == 0
    extended = weights_of(tmp_path / "weights" / "DM-CNN_model_toy_last.ckpt")
    assert train.main([*train_words, "EPOCHS=2", "resume=False"]) == 0
    anew = weights_of(tmp_path / "weights" / "DM-CNN_model_toy_last.ckpt")
    assert all(torch.equal(extended[key], anew[key]) for key in anew)


@pytest.mark.slow
def test_another_run_of_that_name_is_not_overwritten(
    train_words: list[str], toy_files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main([*train_words, "EPOCHS=1"]) == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*toy*") if path.is_file()}
    assert train.main([*train_words, "learning_rate=0.1", "drop_out=0.2"]) == 2
    assert "made with drop_out = its default, now 0.2 (and 1 more: learning_rate)" in capsys.readouterr().err
    assert train.main([*train_words, f"input_train={toy_files['test']}"]) == 2
    assert "made from other data" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*toy*") if path.is_file()}


def test_bad_choices(train_words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for words, text in [
        (["model=mpidd"], "did you mean 'mpid'"),
        (["xdim=64", "ydim=64"], "64 x 64"),
        (["producer=image2d_binry"], "did you mean 'image2d_binary'"),
        (["label=event > 2000", "plane=7"], "7"),
        (["GPUID=zero"], 'must be the number of one GPU, like "0", or "cpu"'),
    ]:
        assert train.main([*train_words, *words]) == 2
        error = capsys.readouterr().err
        assert text in error
        assert len(error.splitlines()) == 1
