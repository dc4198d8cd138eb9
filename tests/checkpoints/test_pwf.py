"""Bare state dicts of DM-CNN and its users: which network they are, and that it is the same."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import dmcnn
from dmcnn._common.errors import InputError
from dmcnn.checkpoints.load import load
from dmcnn.checkpoints.pwf import Hints, recognise
from dmcnn.models.mpid import MPID
from dmcnn.models.resnet import ResNet18, ResNet34
from dmcnn.settings import COMMANDS
from dmcnn.training.fine_tuning import start_from


class Users(nn.Module):
    """Residual network as users wrap it: ``net.``, and dropout before the linear layer, which becomes ``fc.1``."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net: Any = net
        self.net.fc = nn.Sequential(nn.Dropout(), self.net.fc)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.net(images)
        return logits


def state_of(net: type[nn.Module], **arguments: Any) -> dict[str, torch.Tensor]:
    """Names and shapes of the tensors of a network, without memory for them."""
    with torch.device("meta"):
        return net(**arguments).state_dict()


@pytest.mark.slow
def test_users_residual_networks_give_their_own_logits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """16 groups are not in the file: with another number the same tensors are another network."""
    torch.manual_seed(5)
    net = Users(ResNet18(num_class=3, channels=2, norm="group", gn_groups=16)).eval()
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.2)
    path, images = tmp_path / "users.pwf", torch.rand(2, 2, 64, 96)
    torch.save({"model": net.state_dict()}, path)
    with torch.no_grad():
        expected = net(images)
        found, card = load(path, "resnet18", Hints(norm="group", gn_groups=16, xdim=96, ydim=64))
        torch.testing.assert_close(found(images), expected)
        assert card.shape == (2, 64, 96)
        assert (card.reading["xdim"], card.reading["ydim"]) == (96, 64)
        assert card.classes == ["class0", "class1", "class2"]
        begun = card.build()
        start_from(begun, card, str(path))  # a training knows its number of groups
        torch.testing.assert_close(begun.eval()(images), expected)
        assert not any("assumed" in line for line in caplog.messages)
        other, _ = load(path)
        assert "gn_groups = 32 is assumed" in caplog.text
        assert (other(images) - expected).abs().max() > 0.01
    predictor = dmcnn.load(path, gn_groups=16, xdim=96, ydim=64, device="cpu")
    assert predictor.card.arguments["gn_groups"] == 16
    for own, hints, said in (
        ("mpid", Hints(), "its network is resnet18, but model = 'mpid'"),
        (None, Hints(norm="batch"), "resnet18 with norm = 'group', expected 'batch'"),
        (None, Hints(gn_groups=24), "gn_groups = 24, expected a divisor of 64"),
    ):
        with pytest.raises(InputError, match=said):
            load(path, own, hints)
    dmcnn.save(found, tmp_path / "with_card.ckpt", card)
    with pytest.raises(InputError, match=r"gn_groups of its network \(resnet18\) is 16, but 32 is given"):
        load(tmp_path / "with_card.ckpt", None, Hints(gn_groups=32))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [ResNet18, ResNet34])
@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize(("channels", "classes"), [(1, 2), (3, 5)])
def test_residual_networks_are_recognised(
    kind: type[nn.Module], norm: str, channels: int, classes: int, caplog: pytest.LogCaptureFixture
) -> None:
    state = state_of(kind, num_class=classes, channels=channels, norm=norm)
    with caplog.at_level(logging.INFO):
        card, named = recognise(
            {name.replace("fc.", "fc.1."): tensor for name, tensor in state.items()}, "a", Hints()
        )
    assert card.model == kind.__name__.lower()
    groups = {"gn_groups": 32} if norm == "group" else {}
    size = {"height": 512, "width": 512}
    assert card.arguments == {"num_class": classes, "channels": channels, **size, "norm": norm, **groups}
    assert card.signal == ("signal" if classes == 2 else None)
    assert named.keys() == state.keys()
    assert f"state dict of {card.model}: num_class = {classes}, channels = {channels}" in caplog.text


@pytest.mark.parametrize(("hints", "shape"), [({}, (512, 512)), ({"xdim": 320, "ydim": 192}, (192, 320))])
def test_mpid_of_any_number_of_classes_is_recognised(hints: dict[str, int], shape: tuple[int, int]) -> None:
    state = state_of(MPID, num_class=3, channels=3, height=shape[0], width=shape[1])
    card, _ = recognise(state, "a", Hints(**hints))
    assert (card.model, card.shape, len(card.classes)) == ("mpid", (3, *shape), 3)
    with pytest.raises(
        InputError, match=r"a: MPID with .* not that of images of 640 x 64 pixels: give the xdim"
    ):
        recognise(state, "a", Hints(xdim=64, ydim=640))


def test_other_networks_are_refused_with_what_was_expected() -> None:
    deeper = state_of(ResNet18) | {"layer3.2.conv1.weight": torch.zeros(1)}
    with pytest.raises(
        InputError, match=r"blocks, expected 2, 2, 2, 2 \(resnet18\) or 3, 4, 6, 3 \(resnet34\)"
    ):
        recognise(deeper, "a", Hints())
    bottleneck = state_of(ResNet34) | {"layer1.0.conv3.weight": torch.zeros(1)}
    with pytest.raises(InputError, match="3, 4, 6, 3 bottleneck blocks"):
        recognise(bottleneck, "a", Hints())
    with pytest.raises(
        InputError, match="a: expected weights of MPID, or of resnet18 or resnet34 with the names"
    ):
        recognise({"blocks.0.weight": torch.zeros(1)}, "a", Hints())
    headless = {name: tensor for name, tensor in state_of(ResNet18).items() if not name.startswith("fc")}
    with pytest.raises(InputError, match="a: expected weights"):
        recognise(headless, "a", Hints())


GIVEN = {"input_train": "a.root", "input_test": "b.root", "learning_rate": 0.1, "EPOCHS": 1}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"model": "resnet34", "resnet_norm": "gn", "gn_groups": 16}, {"norm": "group", "gn_groups": 16}),
        ({"model": "resnet34", "norm": "group"}, {"norm": "group"}),
        ({"model": "resnet34", "resnet_norm": "bn", "gn_groups": 32}, {"norm": "batch"}),
        ({"model": "mpid", "resnet_norm": "gn", "gn_groups": 32}, {}),
        ({"model": "mpid", "norm": "group"}, {"norm": "group"}),  # which the network refuses
    ],
)
def test_keys_of_users_cfg_files(
    keys: dict[str, Any], expected: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Users keep one cfg for several networks; what has no effect on one is said."""
    settings: Any = COMMANDS["train"](**GIVEN, **keys)
    assert settings.architecture() == expected
    given = {"norm" if "norm" in name else name for name in keys.keys() - {"model"}}
    for name in given - expected.keys():
        assert f"{name} = " in caplog.text
        assert "has no effect" in caplog.text
    faults = COMMANDS["train"](**GIVEN, norm="batch", resnet_norm="gn", resnet_pretrained=True).conflicts()
    assert [name for names, _ in faults for name in names if "norm" in name or "resnet" in name] == [
        "norm", "resnet_norm", "resnet_pretrained",
    ]  # fmt: skip
