"""Keys of train for the augmentation: they reach the batches, and a training goes on with its own rule."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dmcnn import train
from dmcnn.checkpoints.save import save
from dmcnn.checkpoints.torch_file import read

MODULE = """
from torch import nn

class Small(nn.Sequential):
    def __init__(self, num_class: int, channels: int, height: int, width: int) -> None:
        super().__init__(nn.AdaptiveMaxPool2d(4), nn.Flatten(), nn.Linear(16 * channels, num_class))
"""


@pytest.fixture
def words(train_words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Words of a training of a small network of a user."""
    (tmp_path / "tiny.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    yield [*train_words, "model=tiny:Small", "engine=dense", "EPOCHS=1"]
    sys.modules.pop("tiny", None)


def age(path: Path) -> None:
    """Take from a checkpoint what an earlier dmcnn did not write."""
    content = read(path)
    lines = content["dmcnn"]["cfg"].splitlines()
    old = [
        line
        for line in lines
        if not line.startswith(("augment_rot90", "augment_charge", "augment_dead_wires"))
    ]
    assert len(old) == len(lines) - 3
    content["dmcnn"]["cfg"] = "\n".join(old) + "\n"
    assert content["dmcnn"]["environment"].pop("rotation") == "shares"
    save(path, content)


@pytest.mark.slow
def test_a_training_with_the_old_rule_of_rotation_is_not_continued_with_the_new_one(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last = tmp_path / "weights" / "DM-CNN_model_toy_last.ckpt"
    turned = [*words, "augment_rotation=20", "augment_charge=0.1", "augment_dead_wires=0.05"]
    assert train.main(turned) == 0
    assert train.main([*turned, "EPOCHS=2"]) == 0  # with its own rule it goes on
    content = read(last)
    content["dmcnn"]["environment"].pop("rotation")
    save(last, content)
    before = last.read_bytes()
    capsys.readouterr()
    assert train.main([*turned, "EPOCHS=3"]) == 2
    assert "augment_rotation interpolated dense images; choose another name" in capsys.readouterr().err
    assert last.read_bytes() == before


@pytest.mark.slow
def test_a_training_of_an_earlier_dmcnn_without_rotation_goes_on(words: list[str], tmp_path: Path) -> None:
    assert train.main(words) == 0
    age(tmp_path / "weights" / "DM-CNN_model_toy_last.ckpt")
    assert train.main([*words, "EPOCHS=2"]) == 0


def test_quarter_turns_beside_mirror_images_are_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main([*words, "augment_rot90=True"]) == 2
    assert "augment_rot90 turns images without mirroring them" in capsys.readouterr().err
