"""Command report: one page of a training, from the files in its folder."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import pytest

from dmcnn import report
from dmcnn._common.errors import InputError
from dmcnn._common.files import sha256
from dmcnn.reports.training import TrainingFolder, training_page


def made(folder: Path, *words: str) -> str:
    assert report.main([str(folder), *words]) == 0
    (page,) = folder.glob("*.html")
    return unescape(page.read_text())


@pytest.mark.slow
def test_a_page_of_a_training_holds_all_and_tells_no_path(toy_weights: Path, tmp_path: Path) -> None:
    folder = toy_weights.parent
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert report.main(["--folder", str(folder), f"output_dir={tmp_path}"]) == 0
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    (page,) = tmp_path.glob("*.html")
    text = unescape(page.read_text())
    card = json.loads((folder / "DM-CNN_training_card.json").read_text())
    assert f"{card['metrics']['auc']['value']:.5g}" in text
    assert f"{card['metrics']['accuracy']['error']:.2g}" in text
    for path in (toy_weights, folder / "DM-CNN_training_metrics.csv"):
        assert f"<td>{path.name}</td><td>{sha256(path)}</td>" in text
    assert all(each["fingerprint"] in text for each in card["files"])
    assert text.count("<img ") == 4  # curves, ROC, scores, confusion
    assert "learning_rate = 0.0003" in text
    assert str(folder.parents[1]) not in text
    assert not re.search(r"https?://|<script|@import", text)


def fake_card(folder: Path, name: str, **more: object) -> None:
    card = {
        "name": name, "state": "training", "origin": [{"sample": "lariat", "dmcnn": "1"}], "reading": {"adc_lo": 1.0},
        "model": {"name": "mpid", "arguments": {}, "outputs": ["a", "b", "c"], "signal": None, "parameters": 1,
                  "task": "classification", "units": ["", "", ""]},
        "training": {"loss": "bce"}, "samples": {"test": {"role": "judge", "events": 3, "content": "3 <a>"}},
        "data": {}, "files": [{"file": "x.root", "fingerprint": "0f"}], "metrics": {}, "remarks": ["too few"],
        "environment": {"dmcnn": "1"}, "curves": {"Loss": {"training": "train_loss"}}, "settings": {}, **more,
    }  # fmt: skip
    path = folder / "_".join(filter(None, ["DM-CNN_training_card", name]))
    path.with_name(path.name + ".json").write_text(json.dumps(card))


def test_a_training_that_goes_on_has_a_page(tmp_path: Path) -> None:
    fake_card(tmp_path, "run")
    (tmp_path / "DM-CNN_training_metrics_run.csv").write_text("train_loss,step\n0.7,1\n,2\n")
    (tmp_path / "DM-CNN_training_config_run.cfg").write_text("input_train = '/home/me/x.root'\n")
    text = made(tmp_path)
    assert "the training has not ended" in text
    assert "dmcnn simulation: lariat" in text
    assert "input_train = 'x.root'" in text
    assert "Remark: too few." in text
    assert text.count("<img ") == 1
    assert "Test events" not in text


def test_no_page_mixes_two_trainings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_card(tmp_path, "run")

    def page(training: TrainingFolder) -> str:
        fake_card(tmp_path, "run", state="finished")  # another process trains anew
        return training_page(training)

    monkeypatch.setattr("dmcnn.reports.training.training_page", page)
    assert report.main([str(tmp_path)]) == 2
    assert "a training began or ended meanwhile: run this command again" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.html"))
    monkeypatch.undo()
    made(tmp_path)


@pytest.mark.slow
def test_classes_without_signal_and_targets_have_their_figures(tmp_path: Path) -> None:
    fake_card(tmp_path, "run")
    header, scores = "label,p_a,p_b,p_c", ("a,0.7,0.2,0.1", "b,0.3,0.5,0.2", "c,0.1,0.1,0.8", "a,,,")
    (tmp_path / "DM-CNN_training_test_scores_run.csv").write_text("\n".join([header, *scores]) + "\n")
    assert made(tmp_path).count("<img ") == 4  # ROC, and the scores of three classes
    model = {"name": "smartpixel", "outputs": ["x"], "task": "regression", "units": ["um"], "signal": None}
    fake_card(tmp_path, "run", model=model)
    rows = "".join(f"{0.1 * n},{0.1 * n + 0.01 * (n % 3)},0.1\n" for n in range(20))
    (tmp_path / "DM-CNN_training_test_scores_run.csv").write_text("x,true_x,sigma_x\n" + rows)
    assert made(tmp_path).count("<img ") == 2  # residuals, pulls


def test_trainings_of_one_folder_are_told_apart(tmp_path: Path) -> None:
    for name in ("", "toy", "big_toy"):
        fake_card(tmp_path, name)
        tag = f"_{name}" if name else ""
        for file in (f"model{tag}_best.ckpt", f"training_metrics{tag}.csv", f"training_report{tag}.html"):
            (tmp_path / f"DM-CNN_{file}").write_text("train_loss,step\n")
    for name, tag in (("", ""), ("toy", "_toy"), ("big_toy", "_big_toy")):
        listed = [path.name for path in TrainingFolder.open(tmp_path, name).files()]
        assert listed == [f"DM-CNN_model{tag}_best.ckpt", f"DM-CNN_training_card{tag}.json",
                          f"DM-CNN_training_metrics{tag}.csv"]  # fmt: skip
    with pytest.raises(InputError, match=r"several trainings, choose one: name=.*name=big_toy"):
        TrainingFolder.open(tmp_path)
    with pytest.raises(InputError, match=r"no training called 'big_to' \(did you mean 'big_toy'\?\)"):
        TrainingFolder.open(tmp_path, "big_to")


def test_folders_without_a_training_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main([str(tmp_path)]) == 2
    assert f"{tmp_path}: no DM-CNN_training_card*.json" in capsys.readouterr().err
    card = tmp_path / "DM-CNN_training_card.json"
    for content in ("{", "[]", '{"model": 1}'):
        card.write_text(content)
        assert report.main([str(tmp_path)]) == 2
        assert capsys.readouterr().err.startswith(f"{card}: not the model card of a training")
    assert report.main(["folder=nowhere"]) == 2
    assert "nowhere: no such file" in capsys.readouterr().err
    fake_card(tmp_path, "")
    (tmp_path / "DM-CNN_training_metrics.csv").write_text("train_loss,step\nmany,1\n")
    with pytest.raises(InputError, match=r"metrics\.csv:2: train_loss is 'many'"):
        training_page(TrainingFolder.open(tmp_path))
