"""Course of a training by its keys: all of them resume, a search for the step size, weights to start from."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from dmcnn import train
from dmcnn.checkpoints.load import load
from dmcnn.checkpoints.torch_file import read
from dmcnn.training.session import Run

MODULE = '''
"""A small network with dropout and BatchNorm."""

from torch import nn


class Small(nn.Sequential):
    def __init__(self, num_class: int, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.add_module("conv1", nn.Conv2d(channels, 4, 5, stride=4))
        self.add_module("norm1", nn.BatchNorm2d(4))
        self.add_module("relu", nn.ReLU())
        self.add_module("pool", nn.AdaptiveMaxPool2d(2))
        self.add_module("flat", nn.Flatten())
        self.add_module("drop", nn.Dropout(0.2))
        self.add_module("head", nn.Linear(16, num_class))
'''


@pytest.fixture
def words(train_words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Words of a training of a small network of a user."""
    (tmp_path / "small.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    yield [*train_words, "model=small:Small", "engine=dense"]
    sys.modules.pop("small", None)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def trained(folder: Path) -> dict[str, dict[str, torch.Tensor]]:
    return {what: read(folder / f"DM-CNN_model_toy_{what}.ckpt")["state_dict"] for what in ("best", "last")}


COURSE = [
    "EPOCHS=6", "batch_size_train=3", "accumulate=2", "ema=0.7", "warmup=0.2", "gradient_limit=0.5",
    "loss=cross_entropy", "label_smoothing=0.1", "class_weights=balanced", "event_weight={'toy_*': 3.0}",
    "save_every_step=3", "test_every_step=2", "learning_rate=0.01",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        [
            "optimizer=adamw",
            "weight_decay=0.1",
            "schedule=plateau",
            "schedule_patience=1",
            "schedule_factor=0.5",
        ],
        [
            "optimizer=sgd",
            "momentum=0.9",
            "nesterov=True",
            "schedule=step",
            "schedule_epochs=2",
            "freeze=['conv*']",
        ],
        ["optimizer=adam", "schedule=cosine", "precision=bf16"],
    ],
)
def test_a_training_that_is_killed_goes_on_as_if_it_had_not_been(
    words: list[str], more: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    words = [*words, *COURSE, *more]
    folder, table = tmp_path / "weights", tmp_path / "out" / "DM-CNN_training_metrics_toy.csv"
    assert train.main([*words, f"weights_directory={tmp_path / 'whole'}"]) == 0
    expected = table.read_text()
    after_step, kills = Run.after_step, [7, 14]

    def killed(run: Run, progress: object) -> bool:
        ends = after_step(run, progress)  # type: ignore[arg-type]
        if progress.step == kills[0]:  # type: ignore[attr-defined]
            kills.pop(0)
            raise Killed
        return ends

    monkeypatch.setattr(Run, "after_step", killed)
    for _ in range(2):
        with pytest.raises(Killed):
            train.main(words)
    monkeypatch.setattr(Run, "after_step", after_step)
    assert read(folder / "DM-CNN_model_toy_last.ckpt")["progress"]["step"] == 12
    assert train.main(words) == 0
    assert table.read_text() == expected
    one, two = trained(tmp_path / "whole"), trained(folder)
    assert all(torch.equal(one[what][name], two[what][name]) for what in one for name in one[what])
    rates = [float(row["learning_rate"]) for row in rows_of(table)]
    assert rates[0] == pytest.approx(0.01 * 2 / 5)
    assert rates[-1] < 0.006
    best = one["best"]
    assert any(not torch.equal(best[name], value) for name, value in one["last"].items())


@pytest.mark.slow
def test_a_checkpoint_without_the_new_keys_goes_on(words: list[str], tmp_path: Path) -> None:
    """An earlier dmcnn wrote neither keys nor states of what it did not know."""
    from dmcnn.checkpoints.save import save

    words = [*words, "EPOCHS=1"]
    assert train.main(words) == 0
    path = tmp_path / "weights" / "DM-CNN_model_toy_last.ckpt"
    content = read(path)
    new = ("nesterov", "warmup", "accumulate", "compile", "find_rate", "label_smoothing", "schedule_start")
    lines = content["dmcnn"]["cfg"].splitlines()
    content["dmcnn"]["cfg"] = "\n".join(line for line in lines if not line.startswith(new)) + "\n"
    assert len(content["dmcnn"]["cfg"]) < len("\n".join(lines))
    for key in ("averages", "scaler", "plateaus"):
        del content["progress"][key]
    del content["dmcnn"]["start"]
    save(path, content)
    assert train.main([*words, "EPOCHS=2"]) == 0
    assert train.main([*words, "EPOCHS=2", "accumulate=2"]) == 2


@pytest.mark.slow
def test_a_search_for_the_step_size_trains_nothing(
    words: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "dmcnn")
    assert train.main([*words, "EPOCHS=1"]) == 0
    before = {
        path: path.read_bytes() for folder in ("weights", "out") for path in (tmp_path / folder).iterdir()
    }
    assert train.main([*words, "find_rate=True", "augment=False"]) == 0
    after = {path for folder in ("weights", "out") for path in (tmp_path / folder).iterdir()}
    assert {path.name for path in after - before.keys()} == {
        f"DM-CNN_training_rates_toy.{suffix}" for suffix in ("csv", "png", "pdf")
    }
    assert all(path.read_bytes() == content for path, content in before.items())
    rows = rows_of(tmp_path / "out" / "DM-CNN_training_rates_toy.csv")
    rates = [float(row["learning_rate"]) for row in rows]
    assert rates[0] == 1e-7
    assert all(b / a == pytest.approx((10 / 1e-7) ** (1 / 199)) for a, b in pairwise(rates))
    smoothed = [float(row["smoothed_loss"]) for row in rows]
    expected = rates[smoothed.index(min(smoothed))] / 10
    assert f"suggestion: learning_rate = {expected:.2g}" in caplog.text
    assert 1e-5 < expected < 1


@pytest.mark.slow
def test_a_training_starts_from_given_weights(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main([*words, "EPOCHS=1"]) == 0
    start = tmp_path / "weights" / "DM-CNN_model_toy_best.ckpt"
    begun = [*words, "name=fine", f"start_weights={start}", "freeze=['conv1', 'norm1']", "EPOCHS=1"]
    assert train.main(begun) == 0
    (old, _), (new, card) = (
        load(tmp_path / "weights" / f"DM-CNN_model_{name}_best.ckpt", "small:Small")
        for name in ("toy", "fine")
    )
    for name, value in new.state_dict().items():
        assert torch.equal(value, old.state_dict()[name]) == (not name.startswith("head")), name
    assert (card.start["file"], card.start["new"]) == (start.name, [])
    told = json.loads((tmp_path / "out" / "DM-CNN_training_card_fine.json").read_text())
    assert told["training"]["start"] == card.start
    said = (tmp_path / "out" / "DM-CNN_training_card_fine.md").read_text()
    assert f"{start.name} (SHA-256 {card.start['sha256']})" in said
    start.unlink()
    assert train.main([*begun, "EPOCHS=2"]) == 0  # goes on without them
    assert load(tmp_path / "weights" / "DM-CNN_model_fine_best.ckpt", "small:Small")[1].start == card.start
    capsys.readouterr()
    assert train.main([*begun, "resume=False"]) == 2
    assert "DM-CNN_model_toy_best.ckpt" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ("precision=fp16", "precision = 'fp16' needs a GPU"),
        ("freeze=['convv*']", "freeze: 'convv*' names no module or parameter"),
        ("start_weights=none.ckpt", "none.ckpt"),
        ("event_weight={'signal*': 2.0}", "event_weight: 'signal*' matches none of"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    words: list[str], more: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main([*words, more]) == 2
    error = capsys.readouterr().err
    assert text in error
    assert len(error.splitlines()) == 1
