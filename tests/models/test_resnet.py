"""ResNet18 and ResNet34: torchvision's parameters, and a computation of their own in plain functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dmcnn import infer, train
from dmcnn.checkpoints.load import load
from dmcnn.models import MODELS
from dmcnn.models.resnet import ResNet18, ResNet34

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
BLOCK = ["conv1.weight", *(f"bn1.{end}" for end in NORM), "conv2.weight", *(f"bn2.{end}" for end in NORM)]
DOWNSAMPLE = ["downsample.0.weight", *(f"downsample.1.{end}" for end in NORM)]

NAMES: dict[str, list[tuple[str, list[str]]]] = {
    "resnet18": [
        ("", ["conv1.weight", *(f"bn1.{end}" for end in NORM)]),
        ("layer1.0", BLOCK), ("layer1.1", BLOCK),
        ("layer2.0", BLOCK + DOWNSAMPLE), ("layer2.1", BLOCK),
        ("layer3.0", BLOCK + DOWNSAMPLE), ("layer3.1", BLOCK),
        ("layer4.0", BLOCK + DOWNSAMPLE), ("layer4.1", BLOCK),
        ("", ["fc.weight", "fc.bias"]),
    ],
    "resnet34": [
        ("", ["conv1.weight", *(f"bn1.{end}" for end in NORM)]),
        ("layer1.0", BLOCK), ("layer1.1", BLOCK), ("layer1.2", BLOCK),
        ("layer2.0", BLOCK + DOWNSAMPLE), ("layer2.1", BLOCK), ("layer2.2", BLOCK), ("layer2.3", BLOCK),
        ("layer3.0", BLOCK + DOWNSAMPLE), ("layer3.1", BLOCK), ("layer3.2", BLOCK), ("layer3.3", BLOCK),
        ("layer3.4", BLOCK), ("layer3.5", BLOCK),
        ("layer4.0", BLOCK + DOWNSAMPLE), ("layer4.1", BLOCK), ("layer4.2", BLOCK),
        ("", ["fc.weight", "fc.bias"]),
    ],
}  # fmt: skip
"""Keys of torchvision's state dicts, in their order, as (block, names within it)."""

PARAMETERS = {"resnet18": 11_689_512, "resnet34": 21_797_672}
"""Of torchvision's networks, with three planes and 1,000 classes, as its documentation gives them."""


def keys(name: str) -> list[str]:
    """Return the keys of torchvision's state dict."""
    return [f"{block}.{end}".lstrip(".") for block, ends in NAMES[name] for end in ends]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_those_of_torchvision(name: str) -> None:
    net = MODELS[name](num_class=1000, channels=3)
    assert list(net.state_dict()) == keys(name)
    assert sum(parameter.numel() for parameter in net.parameters()) == PARAMETERS[name]
    grouped = MODELS[name](num_class=1000, channels=3, norm="group")
    expected = [key for key in keys(name) if not key.endswith(NORM[2:])]
    assert list(grouped.state_dict()) == expected
    assert sum(parameter.numel() for parameter in grouped.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_those_of_torchvision(name: str) -> None:
    torchvision = pytest.importorskip("torchvision", reason="SKIPPED FOR WANT OF torchvision")
    torch.manual_seed(3)
    given = torch.rand(2, 3, 65, 70)
    for norm, layer in (("batch", nn.BatchNorm2d), ("group", lambda filters: nn.GroupNorm(32, filters))):
        theirs = getattr(torchvision.models, name)(num_classes=5, norm_layer=layer)
        ours = MODELS[name](num_class=5, channels=3, norm=norm)
        ours.load_state_dict(theirs.state_dict())
        for mode in (True, False):
            torch.testing.assert_close(ours.train(mode)(given), theirs.train(mode)(given))
        for key, value in ours.state_dict().items():
            torch.testing.assert_close(value, theirs.state_dict()[key])


def functional(
    blocks: tuple[int, ...], weights: dict[str, torch.Tensor], images: torch.Tensor
) -> torch.Tensor:
    """Compute the logits in evaluation from a state dict alone; He et al., table 1."""

    def norm(maps: torch.Tensor, name: str) -> torch.Tensor:
        scale, shift = weights[f"{name}.weight"], weights[f"{name}.bias"]
        if f"{name}.running_mean" in weights:
            mean, variance = weights[f"{name}.running_mean"], weights[f"{name}.running_var"]
            mean, variance = mean[None, :, None, None], variance[None, :, None, None]
        else:
            groups = maps.unflatten(1, (32, -1))
            mean = groups.mean((2, 3, 4), keepdim=True).expand_as(groups).flatten(1, 2)
            variance = groups.var((2, 3, 4), correction=0, keepdim=True).expand_as(groups).flatten(1, 2)
        return (maps - mean) / (variance + 1e-5).sqrt() * scale[:, None, None] + shift[:, None, None]

    def conv(maps: torch.Tensor, name: str, stride: int) -> torch.Tensor:
        kernel = weights[f"{name}.weight"]
        return F.conv2d(maps, kernel, stride=stride, padding=kernel.shape[2] // 2)

    maps = F.max_pool2d(norm(conv(images, "conv1", 2), "bn1").clamp(min=0), 3, 2, 1)
    for stage, count in enumerate(blocks, start=1):
        for block in range(count):
            at, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            body = norm(conv(maps, f"{at}.conv1", stride), f"{at}.bn1").clamp(min=0)
            body = norm(conv(body, f"{at}.conv2", 1), f"{at}.bn2")
            if f"{at}.downsample.0.weight" in weights:
                maps = norm(conv(maps, f"{at}.downsample.0", stride), f"{at}.downsample.1")
            maps = (body + maps).clamp(min=0)
    return maps.mean((2, 3)) @ weights["fc.weight"].T + weights["fc.bias"]


@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize("kind", [ResNet18, pytest.param(ResNet34, marks=pytest.mark.slow)])
@pytest.mark.parametrize("shape", [(3, 1, 65, 38), (2, 4, 33, 64)])
def test_logits_are_those_of_the_formulas(kind: Any, norm: str, shape: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    net = kind(num_class=3, channels=shape[1], height=shape[2], width=shape[3], norm=norm).double()
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if "bn" in name or "downsample.1" in name:
                tensor.add_(0.2 * torch.rand(tensor.shape) if tensor.is_floating_point() else 0)
        net.eval()
        images = torch.rand(shape, dtype=torch.float64)
        expected = functional(kind.BLOCKS, net.state_dict(), images)
        torch.testing.assert_close(net(images), expected, rtol=1e-9, atol=1e-9)


def test_a_single_pixel_is_an_image_and_no_pixel_is_none() -> None:
    net = ResNet18(height=1, width=1).eval()
    assert net(torch.ones(2, 1, 1, 1)).shape == (2, 2)
    with pytest.raises(ValueError, match="ResNet34 cannot take images of 0 x 3 pixels"):
        ResNet34(height=0, width=3)


def test_an_unknown_norm_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"norm = 'grup' \(did you mean 'group'\?\), expected 'batch' or"):
        ResNet18(norm="grup")


def test_dropout_comes_before_the_linear_layer_alone() -> None:
    net, given = ResNet18(drop_out=0.5, height=33, width=33).train(), torch.rand(2, 1, 33, 33)
    assert not torch.equal(net(given), net(given))
    assert [name for name, module in net.named_modules() if isinstance(module, nn.Dropout)] == ["dropout"]


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["batch", "group"])
def test_trains_and_infers(
    norm: str, train_words: list[str], toy_files: dict[str, Path], tmp_path: Path
) -> None:
    assert train.main([*train_words, "model=resnet18", f"norm={norm}"]) == 0
    checkpoint = tmp_path / "weights" / "DM-CNN_model_toy_best.ckpt"
    net, card = load(checkpoint)
    assert isinstance(net, ResNet18)
    assert card.arguments["norm"] == norm
    words = [f"weight_file={checkpoint}", f"input_file={toy_files['test']}", f"output_dir={tmp_path}"]
    assert infer.main([*words, "GPUID=cpu"]) == 0
    (table,) = tmp_path.glob("*scores*.csv")
    assert len(table.read_text().splitlines()) == 1 + 11


@pytest.mark.parametrize(
    ("word", "said"), [("norm=layer", "norm"), ("model=lariat norm=group", "takes no norm")]
)
def test_a_norm_that_cannot_be(
    word: str, said: str, train_words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main([*train_words, *word.split()]) == 2
    assert said in capsys.readouterr().err
