"""Gradient methods on networks whose gradients are known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from captum.attr import IntegratedGradients as CaptumIntegratedGradients
from torch import nn

from attribution.nets import FRAMES, SHAPE, TARGET, Frames, Twice, images, linear, plain, weights
from dmcnn._common.errors import InputError
from dmcnn.attribution import Method, Target, build
from dmcnn.attribution.base import Explained
from dmcnn.attribution.methods.gradients import DeepLift, ExpectedGradients, InputXGradient, Saliency
from dmcnn.attribution.methods.integrated_gradients import IntegratedGradients
from dmcnn.attribution.methods.noise import SmoothGrad, VarGrad

BASELINE = 3 * torch.rand(SHAPE, generator=torch.Generator().manual_seed(4))
REFERENCES = images(5, seed=6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "factor"),
    [
        (Saliency(), None),
        (SmoothGrad(n_samples=3), None),
        (InputXGradient(), images()),
        (SmoothGrad(method=IntegratedGradients(), noise=0.0), images()),
        (IntegratedGradients(), images()),
        (IntegratedGradients(baseline="zero"), images()),
        (IntegratedGradients(baseline=2), images() - 2),
        (IntegratedGradients(baseline=BASELINE), images() - BASELINE),
        (DeepLift(baseline=BASELINE), images() - BASELINE),
        (ExpectedGradients(), images()),
        (ExpectedGradients(baselines=REFERENCES, n_samples=10), images() - REFERENCES.mean(dim=0)),
    ],
    ids=lambda value: value.name if isinstance(value, Method) else "",
)
def test_linear_networks(method: Method, factor: torch.Tensor | None) -> None:
    net = linear()
    expected = weights(net).abs().expand(3, *SHAPE) if factor is None else weights(net) * factor
    torch.testing.assert_close(method(net, images(), TARGET), expected, atol=1e-5, rtol=1e-4)


def test_the_variance_of_a_constant_gradient_is_zero() -> None:
    assert not VarGrad(n_samples=4)(linear(), images(), TARGET).any()


@pytest.mark.slow
def test_a_score_is_differentiated_through_its_activation() -> None:
    net, inputs = linear(), images() / 50
    for activation in ("sigmoid", "softmax"):
        target = Target(1, "score", activation)
        outputs = net(inputs).detach()
        if activation == "sigmoid":
            p = outputs.sigmoid()[:, 1]
            expected = (p * (1 - p)).view(-1, 1, 1, 1) * weights(net)
        else:
            p = outputs.softmax(dim=1)[:, 1]
            expected = (p * (1 - p)).view(-1, 1, 1, 1) * (weights(net) - weights(net, 0))
        torch.testing.assert_close(Saliency()(net, inputs, target), expected.abs(), atol=1e-7, rtol=1e-4)


class Power(nn.Module):
    """sum(w x^p): the integrated gradient from 0 is w x^p, pixel by pixel."""

    def __init__(self, power: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(SHAPE, generator=torch.Generator().manual_seed(1)))
        self.power = power

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return (self.weight * values**self.power).flatten(1).sum(dim=1, keepdim=True).expand(-1, 2)


@pytest.mark.slow
@pytest.mark.parametrize("power", [1, 2, 3, 6])
def test_integrated_gradients_of_powers(power: int) -> None:
    net, inputs = Power(power), images() / 100
    maps = IntegratedGradients()(net, inputs, TARGET)
    expected = (net.weight * inputs**power).detach()
    assert float((maps - expected).abs().sum() / expected.abs().sum()) < 4e-3
    error = IntegratedGradients().completeness(net, inputs, maps, TARGET)
    assert error.shape == (3,)
    assert float(error.max()) < 4e-3
    wrong = IntegratedGradients().completeness(net, inputs, 1.5 * maps, TARGET)
    torch.testing.assert_close(wrong, torch.full((3,), 0.5).double(), atol=6e-3, rtol=0)


@pytest.mark.parametrize(
    ("net", "shape"), [(Frames().eval(), FRAMES), (Twice().eval(), SHAPE)], ids=["3-D", "twice"]
)
def test_integrated_gradients_are_those_of_many_fixed_steps(
    net: nn.Module, shape: tuple[int, int, int]
) -> None:
    inputs = images(2, shape)
    method = IntegratedGradients()
    maps = method(net, inputs, TARGET)
    fixed = CaptumIntegratedGradients(Explained(net, TARGET)).attribute(inputs, n_steps=400)
    assert float((maps - fixed).abs().sum() / fixed.abs().sum()) < 0.02
    assert float(method.completeness(net, inputs, maps, TARGET).max()) < 0.02


def test_expected_gradients_without_references_are_integrated_gradients() -> None:
    net, inputs = plain().eval(), images(2)
    maps = ExpectedGradients(n_samples=32)(net, inputs, TARGET)
    torch.testing.assert_close(maps, IntegratedGradients(n_steps=32)(net, inputs, TARGET), atol=0, rtol=0)
    expected = IntegratedGradients(n_steps=500)(net, inputs, TARGET)
    assert float((maps - expected).norm() / expected.norm()) < 0.06


@pytest.mark.parametrize("method", [IntegratedGradients, ExpectedGradients])
def test_as_many_gradients_as_asked_for(method: type[IntegratedGradients | ExpectedGradients]) -> None:
    word = "n_steps" if method is IntegratedGradients else "n_samples"
    for n_steps in (1, 2, 9, 50):
        passed: list[int] = []
        net = plain()
        hook = net[0].register_forward_hook(
            lambda module, inputs, output, note=passed: note.append(len(output))
        )
        build([method.name], internal_batch=3, **{word: n_steps})[0](net, images(1), TARGET)
        hook.remove()
        assert sum(passed) == n_steps
        assert max(passed) <= 3


class Functional(nn.Module):
    """Network whose activation or pooling is a function."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function, self.before, self.relu = function, nn.Conv2d(2, 3, 3), nn.ReLU()
        self.classifier = nn.LazyLinear(2)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.classifier(self.relu(self.function(self.before(values))).flatten(1))
        return out


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (F.relu, "relu"), (torch.tanh, "tanh"), (lambda x: x.relu_(), "relu"),
        (lambda x: F.max_pool2d(x, 2), "max_pool2d"), (lambda x: x.sigmoid(), "sigmoid"),
        (nn.GELU(), "gelu"), (nn.ReLU6(), "hardtanh"),
    ],
)  # fmt: skip
def test_deep_lift_refuses_functions_that_it_cannot_see(
    function: Callable[[torch.Tensor], torch.Tensor], name: str
) -> None:
    """Their gradient took the place of the rule: 5 % off, and not complete, in silence."""
    net = Functional(function)
    net(images(1))
    with pytest.raises(InputError, match=f"Functional calls {name} elsewhere than in .*ReLU, ELU"):
        DeepLift()(net, images(1), Target(0))


@pytest.mark.parametrize("scale", [0.01, 1.0])
def test_deep_lift_of_a_score_is_complete(scale: float) -> None:
    """The sigmoid of a target was no module: where it saturates, maps were zero."""
    torch.manual_seed(3)
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(420, 2)).eval()
    inputs, target = scale * images(3), Target(1, "score", "sigmoid")
    with torch.no_grad():
        change = target(net(inputs)) - target(net(0 * inputs))
    maps = DeepLift()(net, inputs, target)
    torch.testing.assert_close(maps.sum(dim=(1, 2, 3)), change, atol=1e-4, rtol=1e-3)


def test_deep_lift_is_complete_where_only_activations_bend() -> None:
    net, inputs = Frames().eval(), images(2, FRAMES)
    maps = DeepLift(baseline=1.0)(net, inputs, TARGET)
    with torch.no_grad():
        change = net(inputs)[:, 1] - net(torch.ones_like(inputs))[:, 1]
    torch.testing.assert_close(maps.sum(dim=(1, 2, 3)), change, atol=1e-4, rtol=1e-3)


def test_expected_gradients_add_up_on_average() -> None:
    net, inputs = Twice().eval(), images(2)
    method = ExpectedGradients(baselines=REFERENCES, n_samples=100)
    with torch.no_grad():
        change = net(inputs)[:, 1] - net(REFERENCES)[:, 1].mean()
    torch.testing.assert_close(method(net, inputs, TARGET).sum(dim=(1, 2, 3)), change, atol=0.2, rtol=0.1)
    other = ExpectedGradients(baselines=REFERENCES, n_samples=100, seed=2)
    assert not torch.equal(other(net, inputs, TARGET), method(net, inputs, TARGET))
