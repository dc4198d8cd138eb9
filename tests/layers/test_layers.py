"""Traced layers against torch itself, on networks of these tests and on all models."""

from __future__ import annotations

import operator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dmcnn._common.errors import InputError
from dmcnn.layers import IMAGES, outputs, probe, trace
from dmcnn.models import MODELS
from models.sizes import NAMES, SMALL


class Everything(nn.Module):
    """Network with 2-D and 3-D convolutions, normalisations, poolings, sums and skips, as modules and functions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(2, 4, 3, stride=2, padding=1, dilation=2, groups=2), nn.ReLU(True)
        )
        self.norms = nn.Sequential(
            nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.InstanceNorm2d(4), nn.Dropout2d(0.3)
        )
        self.mix = nn.Conv2d(4, 4, 1)
        self.deep = nn.Sequential(
            nn.Unflatten(1, (1, 4)), nn.Conv3d(1, 2, 3, padding=1), nn.MaxPool3d((2, 1, 1))
        )
        self.pools = nn.ModuleList([nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(2), nn.AdaptiveMaxPool2d((3, 1))])
        self.scale = nn.Parameter(torch.tensor(0.5))
        self.head = nn.Linear(40, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.norms(self.stem(images))
        maps = F.relu(self.mix(self.mix(maps) + maps))
        maps += self.scale * maps
        deep = torch.flatten(self.deep(maps), 1, 2)
        parts = [pool(deep) for pool in self.pools]
        ends = [
            parts[0].amax((2, 3)),
            *(part.flatten(1) for part in parts[1:]),
            maps.mean((2, 3)),
            maps.sum((2, 3)),
        ]
        out: torch.Tensor = self.head(torch.cat(ends, dim=1))
        return out


def image(name: str) -> torch.Tensor:
    sizes = SMALL[name]
    return torch.rand(2, sizes["channels"], sizes["height"], sizes["width"])


@pytest.mark.slow
@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize("name", ["everything", *NAMES])
def test_layers_one_after_another_give_the_outputs_of_the_network(name: str, mode: bool) -> None:
    torch.manual_seed(1)
    net = Everything() if name == "everything" else MODELS[name](**SMALL[name])
    images = torch.rand(2, 2, 16, 20) if name == "everything" else image(name)
    net.train(mode)
    found = {}
    for run in ("layers", "network"):
        torch.manual_seed(2)
        if run == "layers":
            *_, (_, found[run]) = outputs(trace(net), images.clone())
        else:
            found[run] = net(images.clone())
    exact = name == "smartpixel"  # its layers are not those of its shortcuts
    torch.testing.assert_close(*found.values(), rtol=0, atol=1e-6 if exact else 0)


def test_names_kinds_inputs_and_shapes() -> None:
    net = Everything().train()
    state = {name: value.clone() for name, value in net.state_dict().items()}
    layers = {layer.name: layer for layer in probe(net, (2, 16, 20))}
    assert list(layers)[:9] == [
        "stem.0", "stem.1", "norms.0", "norms.1", "norms.2", "norms.3", "mix", "add", "mix#2",
    ]  # fmt: skip
    kinds = [layer.kind for layer in layers.values()]
    for kind in ("conv", "relu", "batchnorm", "groupnorm", "instancenorm", "dropout", "add", "parameter", "mul",
                 "unflatten", "maxpool", "avgpool", "adaptiveavgpool", "adaptivemaxpool", "flatten", "amax", "mean",
                 "sum", "cat", "linear"):  # fmt: skip
        assert kind in kinds, kind
    assert layers["stem.0"].inputs == (IMAGES,)
    assert layers["add"].inputs == ("mix", "norms.3")
    assert (layers["mix#2"].path, layers["mix#2"].module) == ("mix", net.mix)
    assert layers["add#2"].kind == "add"
    assert layers["stem.0"].shape == (1, 4, 7, 9)
    assert layers["deep.2"].shape == (1, 2, 2, 7, 9)
    assert layers["cat"].shape == (1, 40)
    assert len(layers["cat"].inputs) == 5
    assert all(module.training for module in net.modules())
    assert net.stem[1].inplace
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())


def test_what_is_changed_in_place_is_what_later_layers_take() -> None:
    class Hidden(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            maps = images * 2
            maps.relu_()
            return maps + 1

    layers = trace(Hidden())
    assert [(layer.name, layer.inputs) for layer in layers] == [
        ("mul", (IMAGES,)), ("relu_", ("mul",)), ("add", ("relu_",)),
    ]  # fmt: skip
    assert layers[1].kind == "relu"

    class Seen(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            maps = images * 2
            flat = maps.flatten(1)
            maps.relu_()
            return flat

    with pytest.raises(InputError, match="Seen: relu_ changes memory that other layers share"):
        trace(Seen())


def test_what_no_output_depends_on_is_left_out() -> None:
    class Idle(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            images.sum()
            return images.flatten(1)

    assert [layer.kind for layer in trace(Idle())] == ["flatten"]


def test_derived_and_own_layers() -> None:
    class Wide(nn.Conv2d):
        """Class derived from a convolution."""

    class Choice(nn.Module):
        layer_kind = "choice"

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images if images.sum() > 0 else -images

    net = nn.Sequential(Wide(1, 2, 3), Choice())
    assert [layer.kind for layer in trace(net)] == ["conv", "choice"]
    assert [layer.name for layer in trace(Wide(1, 2, 3))] == [""]


FORMS = {
    "F.relu": (lambda x: F.relu(x), "relu", nn.ReLU),
    "F.relu in place": (lambda x: F.relu(x * 1, True), "relu", nn.ReLU),
    "torch.relu": (torch.relu, "relu", nn.ReLU),
    "relu": (lambda x: x.relu(), "relu", nn.ReLU),
    "relu_": (lambda x: (x * 1).relu_(), "relu", nn.ReLU),
    "F.leaky_relu": (lambda x: F.leaky_relu(x, negative_slope=0.3), "leakyrelu", nn.LeakyReLU),
    "F.hardtanh": (lambda x: F.hardtanh(x, -0.5, 0.25), "hardtanh", nn.Hardtanh),
    "F.softplus": (lambda x: F.softplus(x, 2, 0.1), "softplus", nn.Softplus),
    "F.gelu": (lambda x: F.gelu(x, approximate="tanh"), "gelu", nn.GELU),
    "torch.tanh": (torch.tanh, "tanh", nn.Tanh),
    "sigmoid": (lambda x: x.sigmoid(), "sigmoid", nn.Sigmoid),
    "F.max_pool2d": (lambda x: F.max_pool2d(x, 3, 2, 1, 1, True), "maxpool", nn.MaxPool2d),
    "F.avg_pool2d": (lambda x: F.avg_pool2d(x, (2, 3), stride=1, padding=1), "avgpool", nn.AvgPool2d),
    "F.avg_pool3d": (lambda x: F.avg_pool3d(x, 2, 1, 0, True, False, 3), "avgpool", nn.AvgPool3d),
    "F.adaptive_max_pool2d": (
        lambda x: F.adaptive_max_pool2d(input=x, output_size=3), "adaptivemaxpool", nn.AdaptiveMaxPool2d
    ),
    "F.adaptive_avg_pool2d": (
        lambda x: F.adaptive_avg_pool2d(x, (3, None)), "adaptiveavgpool", nn.AdaptiveAvgPool2d
    ),
    "F.dropout": (lambda x: F.dropout(x, 0.4), "dropout", nn.Dropout),
    "F.dropout in evaluation": (lambda x: F.dropout(x, 0.4, False), "dropout", nn.Dropout),
    "F.dropout2d": (lambda x: F.dropout2d(x, 0.4, training=True), "dropout", nn.Dropout2d),
    "F.alpha_dropout": (lambda x: F.alpha_dropout(x, 0.4, True), "alphadropout", nn.AlphaDropout),
    "torch.flatten": (lambda x: torch.flatten(x), "flatten", nn.Flatten),
    "flatten": (lambda x: x.flatten(1, -2), "flatten", nn.Flatten),
    "operator.add": (lambda x: operator.add(x, x), "add", type(None)),
    "operator.iadd": (lambda x: operator.iadd(x * 1, x), "add", type(None)),
    "add_": (lambda x: (x * 1).add_(x, alpha=2), "add", type(None)),
    "torch.cat": (lambda x: torch.cat([x, x], 1), "cat", type(None)),
    "mean": (lambda x: x.mean((2, 3)), "mean", type(None)),
    "computed size": (lambda x: F.adaptive_avg_pool2d(x, x.shape[1]), "adaptiveavgpool", type(None)),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_functional_forms_are_understood(form: str) -> None:
    function, kind, module = FORMS[form]

    class Net(nn.Module):
        def forward(self, images: torch.Tensor) -> Any:
            return function(images)

    *_, last = layers = trace(Net())
    assert (last.kind, type(last.module)) == (kind, module)
    images = torch.randn(2, 4, 7, 9)
    torch.manual_seed(1)
    *_, (_, result) = outputs(layers, images.clone())
    torch.manual_seed(1)
    torch.testing.assert_close(result, Net()(images.clone()), rtol=0, atol=0)


@pytest.mark.slow
def test_operators_whose_names_end_in_an_underscore_change_nothing() -> None:
    class Window(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            positive = images > 0
            return images * (positive & (images < 1)) - 2 * positive

    images = torch.randn(2, 4, 7, 9)
    *_, (_, result) = outputs(trace(Window()), images)
    torch.testing.assert_close(result, Window()(images), rtol=0, atol=0)


class Branch(nn.Module):
    def forward(self, images: torch.Tensor) -> Any:
        return images if images.sum() > 0 else -images


class Pair(nn.Module):
    def forward(self, images: torch.Tensor) -> Any:
        return images, images + 1


class Attribute(nn.Module):
    """Network with modules in an attribute ``layers``, which is the name of a method of other networks."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Flatten(), Branch()))

    def forward(self, images: torch.Tensor) -> Any:
        return self.layers(images)


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (Branch(), r"Branch: forward cannot be traced: symbolically traced variables"),
        (Attribute(), r"Attribute: layer 'layers.1.1' \(Branch\) cannot be traced: symbolically"),
        (Pair(), "Pair takes or gives more than one tensor"),
    ],
)
def test_what_cannot_be_traced_is_named(net: nn.Module, words: str) -> None:
    with pytest.raises(InputError, match=words) as error:
        trace(net)
    assert "\n" not in str(error.value)
