"""TensorBoard of a training, read by tensorboard itself: every step once, also after an interrupt."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

from dmcnn import train
from dmcnn.training.board import Board

ROWS = [{"step": 2.0, "epoch": 0.0, "train_loss": 0.7, "validation_auc": math.nan},
        {"step": 4.0, "epoch": 1.0, "train_loss": 0.6, "validation_auc": 0.8}]  # fmt: skip


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(folder), purge_orphaned_data=False)
    events.Reload()
    names = events.Tags()["scalars"]
    return {name: [(event.step, event.value) for event in events.Scalars(name)] for name in names}


def test_a_step_stands_once_also_if_the_training_goes_on_from_an_earlier_one(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    (tmp_path / "mine.txt").write_text("kept")
    with Board(tmp_path) as board:
        for count in (1, 2):
            board.write(ROWS[:count])
    with Board(tmp_path) as board:  # killed after the second row, with a checkpoint of the first
        board.write(ROWS[:1])
        board.write(ROWS)
    found = scalars(tmp_path)
    assert found["train_loss"] == [(2, pytest.approx(0.7)), (4, pytest.approx(0.6))]
    assert found["validation_auc"] == [(4, pytest.approx(0.8))]
    assert found.keys() == {"train_loss", "validation_auc"}
    assert (tmp_path / "mine.txt").read_text() == "kept"


@pytest.mark.slow
def test_a_training_writes_what_its_table_holds(train_words: list[str], tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    assert train.main([*train_words, "tensorboard=True", "test_every_step=2", "EPOCHS=1"]) == 0
    found = scalars(tmp_path / "out" / "DM-CNN_training_tensorboard_toy")
    lines = (tmp_path / "out" / "DM-CNN_training_metrics_toy.csv").read_text().splitlines()
    column = lines[0].split(",").index("validation_loss")
    losses = [float(line.split(",")[column]) for line in lines[1:]]
    assert [value for _, value in found["validation_loss"]] == pytest.approx(losses)
    assert len(losses) == 2


def test_without_tensorboard_an_error_says_what_to_install(
    train_words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    assert train.main([*train_words, "tensorboard=True"]) == 2
    assert "pip install 'dmcnn[tensorboard]'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert train.main([*train_words, "tensorboard=True", "run_test=False"]) == 2
    assert "run_test = False leaves out" in capsys.readouterr().err
