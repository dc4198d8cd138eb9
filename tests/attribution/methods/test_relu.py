"""Rules at ReLUs on networks small enough for a sheet of paper, and against captum."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import captum.attr
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attribution.nets import TARGET, images, plain
from dmcnn.attribution import Target
from dmcnn.attribution.base import Explained
from dmcnn.attribution.methods.relu import Deconvolution, GuidedBackprop, RectGrad, _warn, _warn_others

IMAGE = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 1, 2, 2)


def paper() -> nn.Module:
    """Hidden units are 2, 4, 6, and -8 (cut to 0); the gradients that reach them 4, -1, 0.5, 7."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 4, bias=False), nn.ReLU(), nn.Linear(4, 1, bias=False))
    with torch.no_grad():
        net[1].weight.copy_(torch.diag(torch.tensor([2.0, 2.0, 2.0, -2.0])))
        net[3].weight.copy_(torch.tensor([[4.0, -1.0, 0.5, 7.0]]))
    return net


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (GuidedBackprop(), [8, 0, 1, 0]),
        (Deconvolution(), [8, 0, 1, -14]),
        # output x gradient is 8, -4, 3, 0: sorted -4, 0, 3, 8
        (RectGrad(percentile=99), [0, 0, 0, 0]),
        (RectGrad(percentile=67), [8, 0, 0, 0]),
        (RectGrad(percentile=33), [8, 0, 3, 0]),
        (RectGrad(percentile=0), [8, 0, 3, -56]),
    ],
)
def test_on_paper(method: GuidedBackprop | Deconvolution | RectGrad, expected: list[float]) -> None:
    found = method(paper(), IMAGE, Target(0))
    torch.testing.assert_close(found.flatten(), torch.tensor(expected).float(), atol=0, rtol=0)


class Bend(nn.Module):
    """Two convolutions with ReLUs, each a module or one of several functions."""

    def __init__(self, *functions: Callable[[torch.Tensor], torch.Tensor] | None) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.convolutions = nn.ModuleList([nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)])
        self.relus = nn.ModuleList([nn.ReLU(), nn.ReLU()])
        self.functions, self.classifier = functions, nn.Linear(4 * 12 * 16, 2)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        for convolution, relu, function in zip(self.convolutions, self.relus, self.functions, strict=True):
            values = (function or relu)(convolution(values))
        out: torch.Tensor = self.classifier(values.flatten(1))
        return out


FUNCTIONS = {
    "F.relu": F.relu,
    "in place": lambda x: F.relu(x, inplace=True),
    "torch.relu": torch.relu,
    "method": lambda x: x.relu(),
    "method in place": lambda x: x.relu_(),
    "clamp": lambda x: x.clamp(min=0),
    "clamp of two words": lambda x: torch.clamp(x, 0.0),
    "clamp_min": lambda x: x.clamp_min(0),
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("method", [GuidedBackprop(), Deconvolution(), RectGrad(percentile=50)])
def test_functions_are_ruled_as_modules_are(
    method: GuidedBackprop | Deconvolution | RectGrad, function: str
) -> None:
    """A network with one nn.ReLU and one F.relu had maps that were off by 1.3 of the largest value."""
    expected = method(Bend(None, None), images(2), TARGET)
    for functions in ((FUNCTIONS[function], None), (None, FUNCTIONS[function]), (FUNCTIONS[function],) * 2):
        torch.testing.assert_close(method(Bend(*functions), images(2), TARGET), expected, atol=0, rtol=0)


def test_other_activations_are_named_once(caplog: pytest.LogCaptureFixture) -> None:
    _warn_others.cache_clear()
    for _ in range(2):
        GuidedBackprop()(Bend(None, F.gelu), images(1), TARGET)
    GuidedBackprop()(Bend(None, lambda x: x.clamp(0, 6)), images(1), TARGET)
    (record,) = caplog.records
    assert record.getMessage() == (
        "warning: Bend also has gelu: only gradients of ReLUs follow the rule of the method"
    )


def test_rect_grad_warns_where_nothing_passes(caplog: pytest.LogCaptureFixture) -> None:
    _warn.cache_clear()
    for _ in range(2):
        assert not RectGrad()(plain(), images(1), TARGET).any()
    (record,) = caplog.records  # once, not for every batch
    assert record.getMessage() == (
        "warning: RectGrad: percentile = 98 lets nothing through a ReLU layer of 8 units, and a map behind it is "
        "zero; expected at most 92.8"
    )
    assert RectGrad(percentile=92.8)(plain(), images(1), TARGET).any()
    RectGrad(percentile=93)(plain(), images(1), TARGET)
    assert len(caplog.records) == 2


def test_rect_grad_of_98_percent_needs_a_layer_of_26_units() -> None:
    ranks = [RectGrad().rank(units) for units in range(1, 40)]
    assert [rank < units for units, rank in enumerate(ranks, start=1)] == [
        units >= 26 for units in range(1, 40)
    ]
    for units in range(2, 40):
        for percentile in (98.0, 50.0, 99.9):
            method = RectGrad(percentile=percentile)
            assert (method.rank(units) < units) == (percentile <= 100 * (units - 1.5) / (units - 1)) or (
                abs(percentile / 100 * (units - 1) - (units - 1.5)) < 1e-9
            )


def test_rect_grad_thresholds_every_layer_and_image_by_itself() -> None:
    net, inputs = plain().eval(), images(2)
    activations: list[torch.Tensor] = []
    values = inputs
    for module in net:  # a forward pass and the backward pass by hand, layer by layer
        values = values.detach().requires_grad_()
        activations.append(values)
        values = module(values.clone())
    passed = torch.zeros_like(values)
    passed[:, 1] = 1
    for module, entered in reversed(list(zip(net, activations, strict=True))):
        left = module(entered.clone())
        if isinstance(module, nn.ReLU):
            importance = (left * passed).detach().flatten(1)
            order = importance.sort(dim=1).values
            threshold = order[:, [round(0.8 * (order.shape[1] - 1))]]
            passed = passed * (importance > threshold).view_as(passed)
        else:
            (passed,) = torch.autograd.grad(left, entered, passed)
    assert bool((passed != 0).any())
    found = RectGrad(percentile=80)(net, inputs, TARGET)
    torch.testing.assert_close(found, inputs * passed, atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("method", [GuidedBackprop(), Deconvolution()])
def test_equals_captum(method: GuidedBackprop | Deconvolution) -> None:
    net, inputs = plain().eval(), images(2).requires_grad_()
    theirs = {"guided_backprop": captum.attr.GuidedBackprop, "deconvolution": captum.attr.Deconvolution}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = theirs[method.name](Explained(net, TARGET)).attribute(inputs)
    torch.testing.assert_close(method(net, inputs, TARGET), expected, atol=1e-7, rtol=1e-5)


class Skip(nn.Module):
    """w (x + ReLU(x)), with a ReLU that reads what the skip connection reads."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.weight = nn.Parameter(torch.tensor([3.0, -3.0, 5.0, -5.0]))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        flat = values.flatten(1) * 1
        return ((flat + self.relu(flat)) * self.weight).sum(dim=1, keepdim=True)


def test_a_skip_connection_keeps_its_gradient() -> None:
    inputs = torch.tensor([1.0, 1.0, -1.0, -1.0]).view(1, 1, 2, 2)
    found = GuidedBackprop()(Skip(), inputs, Target(0)).flatten()
    assert found.tolist() == [6, -3, 5, -5]  # w + ReLU(w) where active, w where not
    assert Deconvolution()(Skip(), inputs, Target(0)).flatten().tolist() == [6, -3, 10, -5]
