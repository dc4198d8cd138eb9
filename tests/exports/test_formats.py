"""Export formats: exactness, comparison of outputs, and costs of layers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dmcnn._common.errors import InputError
from dmcnn.checkpoints.card import Card
from dmcnn.exports import FORMATS, ExportFormat, layer_table
from dmcnn.exports.base import compare, is_exact
from dmcnn.exports.probe_images import random_images
from dmcnn.models import MODELS
from dmcnn.models.smartpixel import SmartPixel
from dmcnn.quantisation.cost import costs
from dmcnn.quantisation.quantisers import deployed_parameters, freeze, is_quantised
from exports import evaluators
from exports.own_network import SHAPE, OwnNetwork
from models.sizes import SMALL


def card(model: str = "smartpixel", **reading: float) -> Card:
    return Card(model, SMALL[model], ["a", "b", "c"], None, "softmax", dict(reading))


def test_settings_name_every_format() -> None:
    from typing import get_args

    from dmcnn.settings.export import FileFormat

    assert get_args(FileFormat) == tuple(FORMATS)
    assert len({one.ending for one in FORMATS.values()}) == len(FORMATS)


def test_a_file_that_gives_other_outputs_gets_no_name(tmp_path: Path) -> None:
    class Wrong(ExportFormat):
        ending = ".txt"

        def __init__(self, error: float) -> None:
            self.error = error

        def write(self, path: Path, net: nn.Module, card: Card) -> None:
            path.write_text("some network")

        def run(self, path: Path, images: np.ndarray) -> np.ndarray:
            outputs = net(torch.from_numpy(images)).detach().numpy()
            outputs[1] += self.error
            return outputs

    images = random_images(SmartPixel(), card(), 10, 1)
    for net in (SmartPixel(**SMALL["smartpixel"]), SmartPixel(**SMALL["smartpixel"], bits_1=0, bits_2=0)):
        net.eval()
        with pytest.raises(InputError, match=r"x\.txt: 1 of 10 images give other outputs .* by up to 0\.01"):
            Wrong(0.01).export(tmp_path / "x.txt", net, card(), images)
        with pytest.raises(InputError, match="by up to inf"):
            Wrong(np.nan).export(tmp_path / "x.txt", net, card(), images)
    assert not list(tmp_path.iterdir())
    assert (
        Wrong(1e-6).export(tmp_path / "x.txt", net, card(), images)
        == "within 1e-06 of the network on 10 images"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["x.txt"]
    with pytest.raises(InputError, match=r"outputs of shape \(10, 2\), the network \(10, 3\)"):
        compare(net, images, np.zeros((10, 2), np.float32), "x")


def test_quantised_networks_may_flip_only_where_sums_are_not_exact() -> None:
    images = random_images(SmartPixel(), card(), 100, 2)
    for bits, differ, fine in ((4, 0, True), (4, 1, False), (12, 2, True), (12, 3, False)):
        net = SmartPixel(**SMALL["smartpixel"], bits_1=bits).eval()
        found = net(images).detach().numpy()
        found[:differ] += 0.25
        if fine:
            compare(net, images, found, "x")
        else:
            with pytest.raises(InputError, match=f"x: {differ} of 100 images"):
                compare(net, images, found, "x")


def test_where_sums_are_exact() -> None:
    torch.manual_seed(3)
    images = random_images(SmartPixel(), card(), 20, 3)
    assert is_exact(SmartPixel(**SMALL["smartpixel"]), images)
    assert not is_exact(SmartPixel(**SMALL["smartpixel"], bits_1=12), images)
    assert not is_exact(SmartPixel(**SMALL["smartpixel"], bits_2=16), images)
    assert not is_exact(SmartPixel(**SMALL["smartpixel"]), images / 3)
    net = SmartPixel(**SMALL["smartpixel"], bits_1=9)
    full = torch.full((2, 2, 8, 12), -1.0)
    with torch.no_grad():
        net.pointwise.weight.fill_(0.9)
        net.depthwise.weight.fill_(0.9)
    assert is_exact(
        net, full + 1 / 8
    )  # 3 + 8 + 8 bits behind the point, and 4 before it for sums of 18 products
    assert not is_exact(net, full + 1 / 64)
    with torch.no_grad():
        net.depthwise.weight.fill_(1 / 256)
    assert is_exact(net, full + 1 / 64)


@pytest.mark.parametrize("name", MODELS)
def test_random_images(name: str) -> None:
    net = MODELS[name](**SMALL[name])
    images = random_images(net, card(name, adc_hi=500), 12, 4)
    assert images.shape == (12, *(SMALL[name][axis] for axis in ("channels", "height", "width")))
    assert images[0].any() == (name != "smartpixel")
    assert (images[1] != 0).float().mean() > 0.9
    assert 0 < (images[2:] != 0).float().mean() < 0.3
    if name == "smartpixel":
        assert images.min() == -1
        assert set((images * 8).unique().tolist()) == {float(code) for code in range(-8, 8)}
        assert not torch.equal(random_images(net, card(name, charge_bits=6), 12, 4), images)
    else:
        assert 480 < images.max() < 500
        assert images.min() == 0
    assert torch.equal(images, random_images(net, card(name, adc_hi=500), 12, 4))
    assert not torch.equal(images, random_images(net, card(name, adc_hi=500), 12, 5))
    assert len(random_images(net, card(name), 1, 1)) == 1


@pytest.mark.slow
def test_frozen_networks_need_no_quantiser() -> None:
    net = SmartPixel()
    copy = freeze(net)
    assert is_quantised(net)
    assert not is_quantised(copy)
    assert not is_quantised(SmartPixel(bits_1=0))
    assert all(quantiser is None for _, _, quantiser in deployed_parameters(copy))
    images = torch.randint(-8, 8, (4, 2, 13, 21)) / 8
    with torch.inference_mode():
        torch.testing.assert_close(copy(images), net(images), rtol=0, atol=0)
    assert net.dense_1.weight_quantiser is not None
    assert not torch.equal(copy.dense_1.weight, net.dense_1.weight)


def own_card(**reading: float) -> Card:
    sizes = dict(zip(("channels", "height", "width"), SHAPE, strict=True))
    return Card("own", sizes, ["a", "b", "c"], None, "softmax", dict(reading))


@pytest.mark.slow
def test_a_network_of_ones_own_in_all_formats(tmp_path: Path) -> None:
    """All formats give the outputs bit for bit, with a skip, strides, padding, dilation, and a layer called twice."""
    onnx = pytest.importorskip("onnx")
    torch.manual_seed(5)
    net = OwnNetwork().eval()
    images = random_images(net, own_card(), 30, 6)
    assert set((images * 8).unique().tolist()) == {float(code) for code in range(-8, 8)}
    assert is_exact(net, images)
    for name, one in FORMATS.items():
        said = one.export(tmp_path / f"own{one.ending}", net, own_card(), images)
        assert said == ("" if name == "table" else "equal to the network on 30 images"), name
    expected = net(images).detach().numpy()
    content = json.loads((tmp_path / "own_integers.json").read_text())
    codes = (images * 8).numpy().astype(np.int64)
    np.testing.assert_array_equal(evaluators.integers(content, codes, 8), expected)
    model = onnx.load(tmp_path / "own_qonnx.onnx")
    np.testing.assert_array_equal(evaluators.qonnx(model, images.numpy()), expected)
    macs = {cost.name: cost.macs for cost in costs(net, SHAPE)}
    assert macs == {"stem": 48 * 48, "mix": 2 * 72 * 48, "dense": 144, "output": 18}
    fine = OwnNetwork(bits=12)
    assert not is_exact(fine, images)


def test_functional_pools_are_those_of_modules(tmp_path: Path) -> None:
    class Functional(OwnNetwork):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            maps = F.avg_pool2d(F.max_pool2d(self.act(self.stem(images)), (1, 2)), 2)
            values = torch.flatten(F.dropout(self.pool[2](maps), 0.5, self.training), 1)
            return self.output(self.act(self.dense(values)).relu())

    net = Functional().eval()
    images = random_images(net, own_card(), 30, 6)
    assert is_exact(net, images)
    said = FORMATS["json"].export(tmp_path / "own.json", net, own_card(), images)
    assert said == "equal to the network on 30 images"


def test_layers_that_files_cannot_hold(tmp_path: Path) -> None:
    """Every format of integers raises an error of one line that names the layer."""

    class Shifted(OwnNetwork):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(images.roll(1, 3))

    net = Shifted().eval()
    images = random_images(net, own_card(), 5, 6)
    assert not is_exact(net, images)
    for kind in ("qonnx", "json"):
        with pytest.raises(
            InputError, match="layer 'roll': found roll, expected one of convolution, dense, "
        ):
            FORMATS[kind].export(tmp_path / "x", net, own_card(), images)
    assert not list(tmp_path.iterdir())
    net = OwnNetwork().eval()
    net.pool[1] = nn.AvgPool2d(2, stride=2, ceil_mode=True)
    with pytest.raises(InputError, match=r"layer 'pool\.1': found AvgPool2d\(.*\), expected one of "):
        FORMATS["json"].export(tmp_path / "x", net, own_card(), images)


def test_what_layers_of_the_pixel_network_cost() -> None:
    net = SmartPixel(channels=3, filters_1=4)
    with torch.no_grad():
        net.depthwise.weight[:, :, 0] = 0.01
        net.dense_2.bias.fill_(0.5)
    found = {cost.name: cost for cost in costs(net, (3, 13, 21))}
    places, dense = 11 * 19, 4 * 3 * 6
    assert [cost.macs for cost in found.values()] == [
        27 * places, 12 * places, 16 * places, dense * 16, 256, 16 * 14,
    ]  # fmt: skip
    first = found["depthwise"]
    assert (first.kind, first.shape, first.weight_bits, first.bias_bits) == ("QConv2d", (3, 1, 3, 3), 4, 0)
    left = int((net.depthwise.weight_quantiser.codes(net.depthwise.weight) == 0).sum())
    assert (first.parameters, first.zeros, first.bits) == (27, left, 27 * 4)
    assert first.used_macs == (27 - left) * places
    assert left >= 9
    assert found["conv"].parameters == 20
    assert found["conv"].bits == 80
    zeros = int((net.dense_2.weight_quantiser.codes(net.dense_2.weight) == 0).sum())
    assert (found["dense_2"].zeros, found["dense_2"].used_macs) == (zeros, 256 - zeros)
    assert found["dense_2"].bits == 272 * 8


@pytest.mark.slow
def test_what_layers_of_other_networks_cost() -> None:
    for name in MODELS:
        sizes = SMALL[name]
        net = MODELS[name](**sizes).train(name == "mpid")
        found = costs(net, (sizes["channels"], sizes["height"], sizes["width"]))
        assert sum(cost.parameters for cost in found) == sum(p.numel() for p in net.parameters())
        assert {module.training for module in net.modules()} == {name == "mpid"}
        assert not any(module._forward_hooks for module in net.modules())
    net = MODELS["cnn3d"](**SMALL["cnn3d"])
    macs = {cost.name: cost.macs for cost in costs(net, (9, 8, 12)) if cost.macs}
    first, second, *dense = macs.values()
    assert first == 9 * 8 * 12 * 64 * 27
    assert second == 4 * 4 * 6 * 32 * 64 * 27
    assert dense == [2 * 2 * 3 * 32 * 64, 64 * 32, 32 * 3]
    assert {cost.weight_bits for cost in costs(net, (9, 8, 12))} == {32}


def test_table_of_layers() -> None:
    net = SmartPixel(**SMALL["smartpixel"])
    table = layer_table.rows(net, card())
    assert table.columns[:3] == ("name", "kind", "shape")
    assert table.column("name") == ["depthwise", "pointwise", "conv", "dense_1", "dense_2", "output", "all"]
    assert table.column("shape")[0] == "2x1x3x3"
    for name in layer_table.SUMS:
        *each, total = (int(word) for word in table.column(name))
        assert sum(each) == total > 0
    lines = layer_table.lines(table)
    assert len({len(line) for line in lines}) == 1
    assert len(lines) == 8
