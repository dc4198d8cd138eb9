"""Weight files: those of dmcnn, bare ones of DM-CNN, and files that must be refused."""

from __future__ import annotations

import math
import os
import pickle
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dmcnn._common.errors import InputError
from dmcnn.checkpoints.card import Card
from dmcnn.checkpoints.load import load
from dmcnn.checkpoints.save import save as save_checkpoint
from dmcnn.checkpoints.torch_file import read
from dmcnn.inference.inputs import open_dataset
from dmcnn.inference.predictor import Predictor
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


@pytest.mark.slow
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
        "other.ckpt": "expected weights of MPID",
    }
    for name, text in expected.items():
        with pytest.raises(InputError, match=text) as error:
            load(tmp_path / name)
        assert len(error.value.faults) == 1


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: {"_orig_mod." + name: value for name, value in s.items()},
        lambda s: {"epoch": 1, "state_dict": {"model." + name: value for name, value in s.items()}},
        lambda s: {"model_state_dict": s, "epoch": 1},
        lambda s: {"state_dict": {"model._orig_mod.module." + name: value for name, value in s.items()}},
        lambda s: {name.replace("features.", "features._orig_mod."): v for name, v in s.items()},
        lambda s: {"state_dict": s, "best": np.float64(0.9), "epoch": np.int32(-3), "done": np.bool_(True)},
    ],
    ids=["compile", "lightning", "loop", "all", "parts", "numpy"],
)
def test_weights_in_the_wrapping_of_other_programs(tmp_path: Path, net: MPID, wrap: Any) -> None:
    loaded, found = load(save(tmp_path / "x.pth", wrap(net.state_dict())))
    assert found.arguments["num_class"] == 3
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name])


def test_scalars_of_numpy_become_numbers(tmp_path: Path) -> None:
    numbers = [
        np.float64(0.9),
        np.float32(1.5),
        np.int64(-7),
        np.uint8(200),
        np.bool_(True),
        np.float64("nan"),
    ]
    found = read(save(tmp_path / "x.pth", {"numbers": numbers}))["numbers"]
    assert found[:5] == [0.9, 1.5, -7, 200, True]
    assert math.isnan(found[5])
    with pytest.raises(
        InputError, match=r"x\.pth: refused .*numpy.*_reconstruct\), which would execute code"
    ):
        read(save(tmp_path / "x.pth", {"array": np.arange(3)}))


def test_states_that_are_none_of_ours_are_one_line_each(tmp_path: Path, net: MPID) -> None:
    state = net.state_dict()
    weight = state["classifier.4.weight"]

    def other(value: Any) -> dict[str, Any]:
        return {**state, "classifier.4.weight": value}

    sparse = other(weight.to_sparse())
    expected: dict[str, tuple[Any, str]] = {
        "none": ({"state_dict": None, "epoch": 1}, "state_dict: expected a dict of tensors, found NoneType"),
        "list": ({"state_dict": [weight]}, "state_dict: expected a dict of tensors, found list"),
        "numbers": (other(0.5), "'classifier.4.weight' is of type float"),
        "complex": (other(weight.to(torch.complex64)), "classifier.4.weight holds complex numbers"),
        "whole": (other(weight.to(torch.int8)), "classifier.4.weight holds whole numbers"),
        "sparse": (sparse, "classifier.4.weight holds a sparse tensor"),
        "two": ({**state, "model.classifier.4.weight": weight}, "holds the tensors of several networks"),
        "empty": ({}, "expected a dict of tensors, found none"),
        "no_state": ({"dmcnn": card().as_dict()}, "has no 'state_dict'"),
    }
    for name, (content, text) in expected.items():
        with pytest.raises(InputError, match=text) as error:
            load(save(tmp_path / f"{name}.pth", content))
        assert len(error.value.faults) == 1
        assert f"{name}.pth: " in str(error.value)


def test_quantised_numbers_are_refused(tmp_path: Path, net: MPID) -> None:
    with pytest.warns(UserWarning, match="deprecated"):
        quantised = torch.quantize_per_tensor(net.state_dict()["classifier.4.weight"], 0.1, 0, torch.qint8)
    save(tmp_path / "x.pth", {**net.state_dict(), "classifier.4.weight": quantised})
    with pytest.raises(InputError, match=r"classifier\.4\.weight holds quantised numbers"):
        load(tmp_path / "x.pth")


@pytest.mark.slow
def test_a_card_with_wrong_types_is_one_line(tmp_path: Path) -> None:
    """Every field with every kind of value: a network, or one line."""
    sizes = {"num_class": 2, "channels": 1, "height": 24, "width": 24}
    good = card(
        model="lariat", arguments=sizes, classes=["a", "b"], reading={"xdim": 24, "ydim": 24}
    ).as_dict()
    state = Card(**good).build().state_dict()
    np.save(tmp_path / "a_1.npy", np.eye(24, dtype=np.float32))
    values = (None, 7, -1, 1.5, math.inf, "x", [], [1], {}, {"x": 1}, [[]], 2**70, True, torch.zeros(2))
    tried: list[dict[str, Any]] = [
        {**good, field.name: value}
        for field in fields(Card)
        for value in values
        if value is not good[field.name]
    ]
    tried += [{**good, "arguments": {**sizes, key: value}} for key in sizes for value in (*values, 0, 2**40)]
    reading = ("xdim", "adc_lo", "reader")
    tried += [{**good, "reading": {"xdim": 24, "ydim": 24, key: v}} for key in reading for v in values]
    tried += [{**good, "reading": 7}, {**good, "classes": None}, {"model": "lariat"}, {**good, "own": 1}]
    faults = []
    for content in tried:
        path = save(tmp_path / "x.ckpt", {"dmcnn": content, "state_dict": state})
        try:
            net, found = load(path)
            Predictor(net, found).all_logits(open_dataset(found, str(tmp_path / "a_1.npy")))
        except InputError as error:
            faults.append(str(error))
    assert len(faults) > len(tried) // 2
    assert not any("\n" in fault for fault in faults)


@pytest.mark.slow
def test_every_byte_of_a_checkpoint_counts(tmp_path: Path) -> None:
    sizes = {"num_class": 2, "channels": 1, "height": 24, "width": 24}
    made = card(model="lariat", arguments=sizes, classes=["a", "b"], reading={})
    path = tmp_path / "x.ckpt"
    save_checkpoint(path, {"dmcnn": made.as_dict(), "state_dict": made.build().state_dict()})
    whole = path.read_bytes()
    assert b".part" not in whole  # no temporary name, and no process number in it
    load(path)
    for at in range(0, len(whole), len(whole) // 50):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(InputError, match=r"x\.ckpt: "):
            load(path)
    path.write_bytes(whole[:-27])  # without the checksum
    with pytest.raises(InputError):
        load(path)


def test_an_old_checkpoint_whose_zip_is_damaged_is_refused(tmp_path: Path, net: MPID) -> None:
    path = save(tmp_path / "x.ckpt", {"dmcnn": card().as_dict(), "state_dict": net.state_dict()})
    data = bytearray(path.read_bytes())
    at = data.index(net.state_dict()["classifier.4.weight"].numpy().tobytes()[:64])
    data[at] ^= 1  # torch.load accepts it
    path.write_bytes(data)
    torch.load(path, weights_only=True)
    with pytest.raises(InputError, match="damaged: the checksum of its part"):
        load(path)
