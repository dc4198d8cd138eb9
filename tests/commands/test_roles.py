"""Roles of samples: what chooses the weights, what judges them, and what is said where the two are one."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from dmcnn import evaluate, infer, train
from dmcnn.checkpoints import save
from dmcnn.checkpoints.card import KEY, Card
from dmcnn.checkpoints.load import load
from dmcnn.checkpoints.torch_file import read
from dmcnn.engines import dense
from dmcnn.figures import classification
from dmcnn.tasks import Classification

pytestmark = pytest.mark.slow
SMALL = ["model=lariat", "EPOCHS=1", "test_every_step=2"]


@pytest.fixture
def words(train_words: list[str]) -> list[str]:
    return [*train_words, *SMALL]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def summary_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "out" / "DM-CNN_training_summary_toy.json").read_text())
    return content


def card_of(folder: Path, kind: str = "best") -> Card:
    return load(folder / "weights" / f"DM-CNN_model_toy_{kind}.ckpt")[1]


def test_validation_events_choose_the_weights_by_default(
    words: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    legends: list[dict[str, Any]] = []
    draw = classification.training

    def training(step: Any, panels: Any) -> Any:
        legends.append(panels)
        return draw(step, panels)

    monkeypatch.setattr(classification, "training", training)
    caplog.set_level("INFO", "dmcnn")
    assert train.main(words) == 0
    assert "2 validation events" in caplog.text
    assert "validation_fraction = 0.1" in (tmp_path / "out" / "DM-CNN_training_config_toy.cfg").read_text()
    (row, *_) = rows_of(tmp_path / "out" / "DM-CNN_training_metrics_toy.csv")
    assert not any(column.startswith("test") for column in row)
    assert [list(series) for series in legends[0].values()] == [
        ["training", "validation"], ["training", "validation"], ["validation"],
    ]  # fmt: skip
    card, summary = card_of(tmp_path), summary_of(tmp_path)
    assert (card.chosen_by, card.remarks, summary["chosen_by"]) == ("validation", [], "validation")
    assert (card.metrics["events"], card.metrics["auc"]) == (11, summary["auc"])
    assert card.evaluation["events"] == 2


def test_test_events_that_choose_the_weights_are_said_to(
    words: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert train.main([*words, "validation_fraction=0"]) == 0
    (remark,) = card_of(tmp_path).remarks
    assert "the test events chose the weights" in remark
    assert summary_of(tmp_path)["remarks"] == [remark]
    assert f"warning: {remark}" in caplog.text
    assert card_of(tmp_path).chosen_by == "test"
    assert "test_auc" in rows_of(tmp_path / "out" / "DM-CNN_training_metrics_toy.csv")[0]


def test_testing_on_training_events_is_said_to(
    words: list[str], toy_files: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = tmp_path / "copy.h5"
    copy.write_bytes(toy_files["train"].read_bytes())
    assert train.main([*words, f"input_test={copy}"]) == 0
    remarks = [
        "22 of 24 test events are training events too",
        "2 of 24 test events are validation events too",
    ]
    assert sorted(card_of(tmp_path).remarks) == sorted(summary_of(tmp_path)["remarks"]) == sorted(remarks)
    assert all(f"warning: {remark}" in caplog.text for remark in remarks)


def test_a_class_without_events_is_said_to(
    words: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert train.main([*words, "label=run == 3"]) == 0
    assert "warning: no training event is signal" in caplog.text
    assert "no training event is signal" in summary_of(tmp_path)["remarks"]


def test_scores_of_the_training_file_are_said_to_be_no_test(
    words: list[str], toy_files: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert train.main(words) == 0
    weights = f"weight_file={tmp_path / 'weights' / 'DM-CNN_model_toy_best.ckpt'}"
    said = "holds the events that the network was trained on"
    for part, expected in (("test", False), ("train", True)):
        caplog.clear()
        assert infer.main([f"input_file={toy_files[part]}", weights, f"output_dir={tmp_path}"]) == 0
        assert (said in caplog.text) == expected


def test_a_training_begun_without_validation_events_goes_on_so(
    words: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The weights are those of the uninterrupted training, whose cfg had no word on validation."""
    assert train.main([*words, "EPOCHS=2", "validation_fraction=0"]) == 0
    whole = read(tmp_path / "weights" / "DM-CNN_model_toy_last.ckpt")["state_dict"]
    for path in (tmp_path / "weights").iterdir():
        path.unlink()
    assert train.main([*words, "validation_fraction=0"]) == 0
    last = tmp_path / "weights" / "DM-CNN_model_toy_last.ckpt"
    content = read(last)
    lines = content[KEY]["cfg"].splitlines()
    content[KEY]["cfg"] = (
        "\n".join(line for line in lines if not line.startswith("validation_fraction")) + "\n"
    )
    for new in ("evaluation", "chosen_by", "remarks", "origin"):
        del content[KEY][new]
    save.save(last, content)
    caplog.set_level("INFO", "dmcnn")
    assert train.main([*words, "EPOCHS=2"]) == 0
    assert "begun without validation events: the test events go on choosing the weights" in caplog.text
    resumed = read(last)["state_dict"]
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert "the test events chose the weights" in str(card_of(tmp_path).remarks)


def test_older_column_names_of_validation_go_on(words: list[str], tmp_path: Path) -> None:
    assert train.main(words) == 0
    last = tmp_path / "weights" / "DM-CNN_model_toy_last.ckpt"
    content = read(last)
    rows = content["progress"]["rows"]
    content["progress"]["rows"] = [
        {name.replace("validation_", "test_"): value for name, value in row.items()} for row in rows
    ]
    save.save(last, content)
    assert train.main([*words, "EPOCHS=2"]) == 0
    table = rows_of(tmp_path / "out" / "DM-CNN_training_metrics_toy.csv")
    assert len(table) == 2 * len(rows)
    assert {row["test_events"] for row in table} == {"2"}
    assert card_of(tmp_path).chosen_by == "validation"


def test_evaluations_on_the_way_have_the_precision_of_inference(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[str] = []
    logits = dense.logits

    def note(*args: Any, **options: Any) -> Any:
        used.append(options["precision"])
        return logits(*args, **options)

    monkeypatch.setattr(dense, "logits", note)
    assert train.main([*words, "precision=bf16"]) == 0
    assert set(used) == {"32"}


def test_training_inference_and_evaluation_agree(
    words: list[str], toy_files: dict[str, Path], tmp_path: Path
) -> None:
    """Every logit has a sigmoid of its own: the larger one is not always the one above 0.5."""
    assert train.main([*words, "EPOCHS=3"]) == 0
    weights = tmp_path / "weights" / "DM-CNN_model_toy_best.ckpt"
    where = [f"output_dir={tmp_path}", "name=toy"]
    assert infer.main([f"input_file={toy_files['test']}", f"weight_file={weights}", *where]) == 0
    assert evaluate.main([f"scores={tmp_path / 'toy_test_DM-CNN_scores_toy.csv'}", *where]) == 0
    judged = json.loads((tmp_path / "DM-CNN_evaluation_toy.json").read_text())
    tested = summary_of(tmp_path)
    assert judged["auc"] == pytest.approx(tested["auc"], abs=1e-9)
    assert judged["accuracy"][0] == pytest.approx(tested["accuracy"])
    (ss, sb), (bs, bb) = tested["confusion"]
    assert judged["confusion"] == [[bb, bs], [sb, ss]]


def test_the_predicted_class_is_that_of_the_cut() -> None:
    card = Card("mpid", {}, ["signal", "background"], "signal", "sigmoid", {})
    logits = torch.tensor([[1.0, 2.0], [-1.0, -2.0], [0.0, 5.0]])
    assert Classification(card).predicted(logits).tolist() == [0, 1, 0]
    softmax = Card("mpid", {}, ["signal", "background"], "signal", "softmax", {})
    assert Classification(softmax).predicted(logits).tolist() == [1, 0, 1]
