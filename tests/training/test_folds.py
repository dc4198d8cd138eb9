"""Cross-validation: folds that share no event, their merged scores, and a training of all of them."""

from __future__ import annotations

import csv
import json
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from conftest import toy_images
from dmcnn import report, train
from dmcnn._common.errors import InputError
from dmcnn._common.lock import lock
from dmcnn.images.sparse import SparseImages
from dmcnn.settings import TrainSettings
from dmcnn.training import folds, parts


def labelled(counts: dict[int, int]) -> SparseImages:
    label = np.repeat(list(counts), list(counts.values())).astype(np.int64)
    images = toy_images(len(label), 3, side=64)
    return type(images)(**{**vars(images), "label": label})


@pytest.mark.parametrize("shares", [{}, {"test": 0.25}])
def test_every_event_is_in_one_fold_and_every_class_in_each(shares: dict[str, float]) -> None:
    images = labelled({0: 41, 1: 12})
    rest = images if shares else None
    seen: list[int] = []
    for number in range(5):
        split = parts.split({"train": images, **({} if shares else {"test": images})}, shares, 7, (number, 5))
        numbers = {name: set(part.events["entry"].tolist()) for name, part in split.items()}
        assert not numbers["train"] & numbers["validation"]
        if shares:
            assert not numbers["test"] & (numbers["train"] | numbers["validation"])
            assert len(numbers["test"]) == 13
        share = len(images) - (13 if rest is not None else 0)
        assert len(numbers["train"] | numbers["validation"]) == share
        for name, whole in ((0, 41), (1, 12)):
            count = int((split["validation"].label == name).sum())
            assert abs(count - whole * (0.75 if shares else 1) / 5) <= 1
        seen += sorted(numbers["validation"])
    assert len(seen) == len(set(seen)) == 40 if shares else 53
    assert parts.split({"train": images}, {"test": 0.25}, 7, (0, 5))["test"].events["entry"].tolist() == (
        parts.split({"train": images}, {"test": 0.25}, 7, (4, 5))["test"].events["entry"].tolist()
    )


def test_more_folds_than_events_are_refused() -> None:
    with pytest.raises(InputError, match="none is left for validation of fold 0 of 9"):
        parts.split({"train": labelled({0: 4})}, {}, 1, (0, 9))


def scores(path: Path, rows: list[str], head: str = "file,entry_number,signal_score,label") -> Path:
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


def test_scores_of_folds_are_merged_unless_they_share_an_event(tmp_path: Path) -> None:
    first = scores(tmp_path / "a.csv", ["x.root,0,0.9,s", "x.root,2,0.2,b"])
    second = scores(tmp_path / "b.csv", ["x.root,1,0.4,b", "y.root,0,0.6,s"])
    merged = folds.out_of_fold([first, second])
    assert merged.column("fold") == ["0", "0", "1", "1"]
    model = {"task": "classification", "outputs": ["s", "b"], "signal": "s"}
    numbers = folds.overall(model, merged)
    assert (numbers["events"], numbers["auc"]) == (4, 1.0)
    assert numbers["auc_low"] < 1
    other = scores(tmp_path / "c.csv", ["x.root,2,0.4,b"])
    with pytest.raises(InputError, match=r"c\.csv: entry 2 of x\.root is in a\.csv too"):
        folds.out_of_fold([first, other])
    with pytest.raises(InputError, match=r"d\.csv: other columns"):
        folds.out_of_fold([first, scores(tmp_path / "d.csv", ["x.root,7"], "file,entry_number")])


def test_spread_of_the_folds() -> None:
    cards = [
        {"evaluation": {"auc": auc}, "metrics": {"loss": {"value": loss}}}
        for auc, loss in ((0.8, 0.5), (0.9, None), (1.0, 0.7))
    ]
    found = folds.spread(cards)
    assert found["validation_auc"]["mean"] == pytest.approx(0.9)
    assert found["validation_auc"]["spread"] == pytest.approx(0.1)
    assert np.isnan(found["test_loss"]["mean"])
    (_, line) = folds.lines({"auc": 0.9}, found, 3)
    assert line.strip() == "validation_auc: 0.90 ± 0.10"


def test_numbers_of_classes_and_of_targets(tmp_path: Path) -> None:
    rows = scores(tmp_path / "a.csv", ["x,0,a,a", "x,1,a,b"], "file,entry_number,predicted,label")
    model = {"task": "classification", "outputs": ["a", "b", "c"], "signal": None}
    assert folds.overall(model, folds.out_of_fold([rows])) == {"events": 2, "accuracy": 0.5}
    rows = scores(tmp_path / "b.csv", ["x,0,1.0,4.0", "x,1,2.0,6.0"], "file,entry_number,y,true_y")
    numbers = folds.overall({"task": "regression", "outputs": ["y"]}, folds.out_of_fold([rows]))
    assert numbers == {"events": 2, "rms_y": pytest.approx(12.5**0.5), "bias_y": -3.5}


def test_names_and_contradictions(capsys: pytest.CaptureFixture[str]) -> None:
    settings = TrainSettings(
        input_train="x", test_fraction=0.1, learning_rate=0.1, EPOCHS=1, folds=3, name="a"
    )
    assert [each.name for each in settings.trainings] == ["a_fold0of3", "a_fold1of3", "a_fold2of3"]
    again = settings.trainings[1]  # the cfg that the fold has left
    assert [(each.name, each.fold) for each in again.trainings] == [("a_fold1of3", 1)]
    assert settings.model_copy(update={"name": ""}).trainings[0].name == "fold0of3"
    for words, fault in (
        (["folds=3", "validation_fraction=0.1"], "folds and validation_fraction both select"),
        (["folds=3", "fold=3"], "fold = 3 needs folds above it"),
        (["fold=0"], "fold = 0 needs folds above it, found folds = None"),
    ):
        assert train.main(["input_train=sample://lartpc/train", "learning_rate=0.1", "EPOCHS=1", *words]) == 2
        assert fault in capsys.readouterr().err


@pytest.mark.slow
def test_all_folds_after_one_of_them(train_words: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = [*train_words, "EPOCHS=1", "folds=2", "batch_size_train=12", "name=toy1.5"]
    assert train.main([*words, "fold=1"]) == 0
    last = tmp_path / "weights" / "DM-CNN_model_toy1.5_fold1of2_last.ckpt"
    stamp = last.stat().st_mtime_ns
    assert not (out / "DM-CNN_training_folds_toy1.5.json").exists()
    assert train.main(words) == 0
    assert last.stat().st_mtime_ns == stamp  # not trained again
    with lock(out / "DM-CNN_training_toy1.5_fold1of2"):  # another process trains it anew
        assert train.main(words) == 2
    with lock(out / "DM-CNN_training_toy1.5"):  # or puts the folds together
        assert train.main(words) == 2
    with (out / "DM-CNN_training_out_of_fold_scores_toy1.5.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sorted(int(row["entry_number"]) for row in rows) == list(range(24))
    assert {row["fold"] for row in rows} == {"0", "1"}
    found = json.loads((out / "DM-CNN_training_folds_toy1.5.json").read_text())
    assert found["out_of_fold"]["events"] == 24
    assert "chose the step" in found["remarks"][0]
    values = found["spread"]["validation_loss"]["values"]
    cards = [json.loads((out / f"DM-CNN_training_card_toy1.5_fold{n}of2.json").read_text()) for n in range(2)]
    assert values == [card["evaluation"]["loss"] for card in cards]
    assert [card["samples"]["validation"]["events"] for card in cards] == [12, 12]
    assert report.main([str(out)]) == 0  # the folder holds nothing else
    page = unescape((out / "DM-CNN_training_report_toy1.5.html").read_text())
    assert "Cross-validation toy1.5" in page
    assert page.count("<img ") == 2  # ROC and scores of all events
    assert "name=toy1.5_fold0of2" in page
    assert str(tmp_path) not in page
