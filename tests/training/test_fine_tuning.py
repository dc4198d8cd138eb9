"""Weights to start from: which tensors are taken, which are new, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from dmcnn._common.errors import InputError
from dmcnn._common.files import sha256
from dmcnn.checkpoints.card import KEY, Card
from dmcnn.checkpoints.save import save
from dmcnn.training.fine_tuning import start_from

SIZE = {"channels": 1, "height": 32, "width": 32}


def network(classes: list[str], seed: int, **more: Any) -> tuple[nn.Module, Card]:
    torch.manual_seed(seed)
    reading = {"adc_lo": 10.0, "xdim": 32}
    signal = "signal" if "signal" in classes else None
    card = Card("resnet18", {"num_class": len(classes), **SIZE, **more}, classes, signal, "softmax", reading)
    return card.build(), card


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("start") / "start.ckpt"
    net, card = network(["signal", "background"], 1)
    save(path, {KEY: card.as_dict(), "state_dict": net.state_dict()})
    return path


@pytest.mark.slow
def test_all_tensors_of_the_same_classes_are_taken(start: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "dmcnn")
    (given, _), (net, card) = network(["signal", "background"], 1), network(["signal", "background"], 2)
    about = start_from(net, card, str(start))
    assert all(torch.equal(one, given.state_dict()[name]) for name, one in net.state_dict().items())
    assert about == {"file": "start.ckpt", "sha256": sha256(start), "new": []}
    (line,) = caplog.messages
    assert line.endswith(f"starting from {len(given.state_dict())} tensors of resnet18")


@pytest.mark.slow
@pytest.mark.parametrize("classes", [["a", "b", "c"], ["background", "signal"]])
def test_the_last_layer_is_new_for_other_classes(
    classes: list[str], start: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "dmcnn")
    (given, _), (net, card) = network(["signal", "background"], 1), network(classes, 2)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    about = start_from(net, card, str(start))
    assert about["new"] == ["fc.weight", "fc.bias"]
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name] if name in about["new"] else given.state_dict()[name]), name
    (line,) = caplog.messages
    assert line.endswith(f"tensors of resnet18; new for {', '.join(classes)}: fc.weight, fc.bias")


@pytest.mark.slow
def test_another_network_is_refused_in_one_line(start: Path) -> None:
    net, card = network(["signal", "background"], 2, norm="group")
    with pytest.raises(
        InputError, match=r"start.ckpt: norm of its network \(resnet18\) is batch, but group is given"
    ) as error:
        start_from(net, card, str(start))
    assert len(error.value.faults) == 1


def test_other_preprocessing_is_said(start: Path, caplog: pytest.LogCaptureFixture) -> None:
    net, card = network(["signal", "background"], 2)
    card.reading["adc_lo"] = 0.0
    start_from(net, card, str(start))
    assert caplog.messages[-1:] == [f"warning: {start}: made with adc_lo = 10.0, now 0.0"]
