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
from dmcnn.models.resnet import ResNet18
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
def test_another_network_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "group.ckpt"
    net, card = network(["signal", "background"], 1, norm="group")
    save(path, {KEY: card.as_dict(), "state_dict": net.state_dict()})
    net, card = network(["signal", "background"], 2)
    with pytest.raises(
        InputError, match=r"does not fit resnet18: no tensor 'bn1.running_mean' \(and 59"
    ) as error:
        start_from(net, card, str(path))
    assert len(error.value.faults) == 1


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    """Return a network for 3 channels and 1,000 classes, and the file of its state dict, as torchvision has them."""
    torch.manual_seed(1)
    net = ResNet18(num_class=1000, channels=3)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.1)
    path = tmp_path_factory.mktemp("colours") / "resnet18.pth"
    torch.save(net.state_dict(), path)
    return net.eval(), path


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 2])
def test_grey_images_give_the_maps_of_a_network_for_colours(
    channels: int, colours: tuple[nn.Module, Path], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "dmcnn")
    given, path = colours
    net, card = network(["signal", "background"], 2, channels=channels)
    about = start_from(net, card, str(path))
    assert about["new"] == ["fc.weight", "fc.bias"]
    said = f"conv1.weight: 3 channels become {channels}, with the same sum"
    assert about["adapted"] == [said]
    assert f"tensors of resnet18; {said}; new for signal, background: fc.weight, fc.bias" in caplog.text
    given.fc, net.fc = nn.Identity(), nn.Identity()
    grey = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        expected, found = given(grey.repeat(1, 3, 1, 1)), net.eval()(grey.repeat(1, channels, 1, 1))
    assert expected.std() > 0.01
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_a_network_with_group_norm_starts_from_one_with_batch_norm(
    colours: tuple[nn.Module, Path],
) -> None:
    given, path = colours
    net, card = network(["signal", "background"], 2, norm="group", gn_groups=16)
    about = start_from(net, card, str(path))
    assert about["adapted"][1:] == ["BatchNorm becomes GroupNorm, without 60 statistics"]
    for name, value in net.state_dict().items():
        if name != "conv1.weight" and name not in about["new"]:
            assert torch.equal(value, given.state_dict()[name]), name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("groups", "expected"), [(32, []), (16, ["GroupNorm of 32 groups becomes one of 16"])]
)
def test_another_number_of_groups_is_said(groups: int, expected: list[str], tmp_path: Path) -> None:
    path = tmp_path / "group.ckpt"
    net, card = network(["signal", "background"], 1, norm="group")
    save(path, {KEY: card.as_dict(), "state_dict": net.state_dict()})
    net, card = network(["signal", "background"], 2, norm="group", gn_groups=groups)
    assert start_from(net, card, str(path)).get("adapted", []) == expected


def test_other_preprocessing_is_said(start: Path, caplog: pytest.LogCaptureFixture) -> None:
    net, card = network(["signal", "background"], 2)
    card.reading["adc_lo"] = 0.0
    start_from(net, card, str(start))
    assert caplog.messages[-1:] == [f"warning: {start}: made with adc_lo = 10.0, now 0.0"]
