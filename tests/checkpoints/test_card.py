"""Weight files: those of dmcnn, bare ones of DM-CNN, and files that must be refused."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from dmcnn._common.errors import InputError
from dmcnn.checkpoints.card import Card
from dmcnn.checkpoints.load import load
from dmcnn.models.mpid import MPID


@pytest.fixture(scope="module")
def net() -> MPID:
    torch.manual_seed(0)
    return MPID(height=128, width=128, num_class=3)


def card(**changes: Any) -> Card:
    values: dict[str, Any] = {
        "model": "mpid",
        "arguments": {"num_class": 3, "channels": 1, "height": 128, "width": 128},
        "classes": ["a", "b", "c"],
        "signal": None,
        "activation": "softmax",
        "reading": {"xdim": 128, "ydim": 128},
    }
    return Card(**{**values, **changes})


def save(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def test_own_checkpoint_round_trip(net: MPID, tmp_path: Path) -> None:
    path = save(tmp_path / "x.ckpt", {"dmcnn": card().as_dict(), "state_dict": net.state_dict()})
    loaded, found = load(path)
    assert found == card()
    assert not loaded.training
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name])


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrap", [lambda s: s, lambda s: {"state_dict": s}, lambda s: {f"module.{k}": v for k, v in s.items()}]
)
def test_bare_weights_of_dm_cnn(tmp_path: Path, wrap: Any) -> None:
    state = MPID().state_dict()
    loaded, found = load(save(tmp_path / "x.pwf", wrap(state)))
    assert found.classes == ["signal", "background"]
    assert found.signal == "signal"
    assert found.activation == "sigmoid"
    assert found.reading == {"adc_lo": 10.0, "adc_hi": 500.0, "xdim": 512, "ydim": 512}
    assert torch.equal(loaded.state_dict()["classifier.4.bias"], state["classifier.4.bias"])


def test_number_of_classes_is_read_from_bare_weights(tmp_path: Path) -> None:
    _, found = load(save(tmp_path / "x.pwf", MPID(num_class=5).state_dict()))
    assert found.arguments["num_class"] == 5
    assert found.signal is None


class Bomb:
    """Object whose unpickling would run a command."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        """Return the command for the unpickler."""
        return os.system, ("touch exploded",)


def test_nothing_in_a_weight_file_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "bomb.pwf", {"features.0.weight": Bomb()})
    (tmp_path / "raw.pwf").write_bytes(pickle.dumps(Bomb()))
    for name in ("bomb.pwf", "raw.pwf"):
        with pytest.raises(InputError, match=f"{name}: "):
            load(tmp_path / name)
    assert not (tmp_path / "exploded").exists()


def test_faults_are_one_line_each(net: MPID, tmp_path: Path) -> None:
    good = {"dmcnn": card().as_dict(), "state_dict": dict(net.state_dict())}
    whole = save(tmp_path / "whole.ckpt", good).read_bytes()
    (tmp_path / "cut.ckpt").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.ckpt").write_text("hello")
    (tmp_path / "empty.ckpt").write_bytes(b"")
    renamed = {**good["state_dict"], "features.0.wight": good["state_dict"]["features.0.weight"]}
    del renamed["features.0.weight"]
    save(tmp_path / "renamed.ckpt", {**good, "state_dict": renamed})
    bad = {**good["state_dict"], "classifier.4.bias": torch.tensor([0.0, float("nan"), 1.0])}
    save(tmp_path / "nan.ckpt", {**good, "state_dict": bad})
    save(tmp_path / "model.ckpt", {**good, "dmcnn": card(model="mpd").as_dict()})
    save(tmp_path / "list.ckpt", [1, 2])
    save(tmp_path / "other.ckpt", {"layer.weight": torch.zeros(3)})
    expected = {
        "absent.ckpt": "no such file",
        "cut.ckpt": "not a weight file",
        "text.ckpt": "refused|not a weight file",
        "empty.ckpt": "not a weight file",
        "renamed.ckpt": r"no tensor 'features.0.weight' \(and 1 more",
        "nan.ckpt": "classifier.4.bias holds NaN",
        "model.ckpt": "did you mean 'mpid'",
        "list.ckpt": "found list",
        "other.ckpt": "not weights of MPID",
    }
    for name, text in expected.items():
        with pytest.raises(InputError, match=text) as error:
            load(tmp_path / name)
        assert len(error.value.faults) == 1
