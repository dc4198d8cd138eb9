"""Constraints: quantities against NumPy, gradients, multipliers against analytic solutions, and error messages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from dmcnn._common.errors import InputError
from dmcnn.losses.gaussian import nll
from dmcnn.metrics.gaussian import Gaussian
from dmcnn.models.smartpixel import SmartPixel
from dmcnn.quantisation.cost import costs
from dmcnn.quantisation.quantisers import (
    QLinear,
    QuantisedBits,
    Quantiser,
    deployed_parameters,
    zero_fraction,
)
from dmcnn.training.constraints.multipliers import Constraints, parse
from exports.own_network import OwnNetwork

TARGETS = ("x-midplane", "y-midplane")
SIZES = ((16, 24), (24, 2))
"""Inputs and outputs of the layers of a small network."""
NOTHING = torch.zeros(1, 0)
"""Outputs and targets for constraints that do not use them."""


class Values(nn.Module):
    """Network whose only parameter is a vector of weights."""

    def __init__(self, values: Sequence[float], quantiser: Quantiser | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(values))
        self.weight_quantiser = quantiser


def distance(text: str, net: nn.Module, outputs: Any = NOTHING, truth: Any = NOTHING, **more: Any) -> float:
    """Return the signed distance of one constraint."""
    (result,) = Constraints([text], net, rate=1.0, **more).distances(net, outputs, truth).values()
    return result


def descend(net: nn.Module, loss: Any, constraints: Constraints, steps: int, rate: float) -> None:
    """Train ``net`` by gradient descent under constraints."""
    optimizer = torch.optim.SGD(net.parameters(), lr=rate)
    for _ in range(steps):
        total = loss() + constraints.penalty(net, NOTHING, NOTHING)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        constraints.ascend()


@pytest.fixture(scope="module")
def network() -> SmartPixel:
    torch.manual_seed(3)
    return SmartPixel()


def integer_weights(net: nn.Module) -> list[tuple[str, np.ndarray[Any, Any], int]]:
    """Return (name, integers, bits) of every tensor, rounded by NumPy."""
    return [
        (
            name,
            np.clip(
                np.rint(np.float64(weight.detach().numpy()) / quantiser.step), quantiser.low, quantiser.high
            ).ravel(),
            quantiser.bits,
        )
        for name, weight, quantiser in deployed_parameters(net)
        if quantiser is not None
    ]


def test_weight_quantities_are_those_of_the_deployed_integers(network: SmartPixel) -> None:
    parts = integer_weights(network)
    values = np.concatenate([codes * 2.0 ** (1 - bits) for _, codes, bits in parts])
    assert len(values) == 2029
    zeros = float((values == 0).mean())
    assert 0.01 < zeros < 0.2
    lengths = sum(
        min(bits, 1 + int(abs(code)).bit_length()) for _, codes, bits in parts for code in codes if code
    )
    expected = {
        "zeros >= 0.75": 0.75 - zeros,
        "zeros == 0": zeros,
        "l1 <= 200": np.abs(values).sum() / 200 - 1,
        "l2 <= 7": math.sqrt((values**2).sum()) / 7 - 1,
        "quantile(0.5) <= 0.004": np.sort(np.abs(values))[1014] / 0.004 - 1,
        "bits <= 9000": lengths / 9000 - 1,
    }
    constraints = Constraints(list(expected), network, rate=1.0)
    assert constraints.names == list(expected)
    distances = constraints.distances(network, NOTHING, NOTHING)
    assert distances == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert distances["zeros == 0"] == pytest.approx(zero_fraction(network), abs=1e-7)


def test_multiplications_are_those_of_the_cost_table(network: SmartPixel) -> None:
    plain = nn.Sequential(nn.Conv2d(2, 3, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(180, 2))
    for net in (network, OwnNetwork(height=13, width=21), plain):
        shape = (2, 13, 21)
        used = sum(row.used_macs for row in costs(net, shape))
        assert used > 3000
        assert distance("macs <= 50000", net, shape=shape) == pytest.approx(used / 50000 - 1, rel=1e-6)


def test_ties_are_zeros_as_deployed() -> None:
    """Half a step rounds to even, that is to zero; a weight that nothing rounds is zero up to 1e-3."""
    values = [1 / 256, -1 / 256, np.nextafter(np.float32(1 / 256), 1), 0.5]
    net = Values(values, QuantisedBits(8))
    assert distance("zeros == 0.5", net) == 0
    assert zero_fraction(net) == 0.5
    assert distance("zeros == 0.25", Values([1e-3, 0.0011, 0.1, -0.2])) == 0


def test_quantities_of_estimates() -> None:
    random = torch.Generator().manual_seed(1)
    outputs, truth = torch.randn(200, 5, generator=random), torch.randn(200, 2, generator=random)
    raw = outputs.double().numpy()
    width = np.log1p(np.exp(raw[:, [1, 3]])) + 1e-4
    sigma = np.stack([width[:, 0], np.hypot(raw[:, 4], width[:, 1])], axis=1)
    residual = raw[:, [0, 2]] - truth.numpy()
    constraints = Constraints(
        ["pull_width == 1", "bias(y-midplane) == 0.25"], Values([1.0]), rate=1.0, targets=TARGETS
    )
    distances = constraints.distances(Values([1.0]), outputs, truth)
    assert distances == pytest.approx(
        {
            "pull_width(x-midplane) == 1": (residual / sigma)[:, 0].std() - 1,
            "pull_width(y-midplane) == 1": (residual / sigma)[:, 1].std() - 1,
            "bias(y-midplane) == 0.25": residual[:, 1].mean() - 0.25,
        }
    )
    assert constraints.violation(Values([1.0]), outputs, truth) == max(map(abs, distances.values()))


@pytest.mark.parametrize(
    ("texts", "violation"),
    [
        (["zeros >= 0.5", "l1 <= 0.996"], 0.0),
        (["zeros >= 0.5", "l1 <= 0.8"], 0.25),
        (["zeros >= 0.9", "l1 <= 0.8"], 0.25),
        (["zeros >= 0.9", "l1 <= 0.95"], 0.15),
        (["zeros == 0.5"], 0.25),
        (["zeros == 0.754"], 0.0),
    ],
)
def test_the_violation_is_that_of_the_worst_constraint(texts: list[str], violation: float) -> None:
    """It is 0 where inequalities hold, and within the tolerance."""
    net = Values([0.0, 0.0, 0.0, 1.0])
    result = Constraints(texts, net, rate=1.0).violation(net, NOTHING, NOTHING)
    assert result == pytest.approx(violation, abs=1e-6)


@pytest.mark.parametrize(("errors", "met"), [(1.5, True), (-1.5, True), (2.5, False), (-2.5, False)])
@pytest.mark.parametrize("text", ["pull_width(x-midplane) == 1", "bias(x-midplane) == 0"])
def test_a_constraint_on_estimates_is_met_within_its_standard_error(
    text: str, errors: float, met: bool
) -> None:
    events, net = 800, Values([1.0])
    outputs, residual = torch.zeros(events, 5), torch.ones(events)
    residual[::2] = -1
    if text.startswith("bias"):
        residual += errors / math.sqrt(events)
    else:  # the width that lies this many of its own standard errors from 1
        residual *= 1 / (1 - errors / math.sqrt(2 * events))
    outputs[:, 0], outputs[:, 1], outputs[:, 3] = residual, 1, 1
    constraints = Constraints([text], net, rate=1.0, targets=TARGETS, gaussian=Gaussian(diagonal="relu"))
    violation = constraints.violation(net, outputs, torch.zeros(events, 2))
    assert (violation == 0) == met
    assert constraints.violation(net, outputs * math.nan, torch.zeros(events, 2)) == math.inf


@pytest.mark.parametrize(
    "text", ["zeros >= 0.9", "l1 <= 0.1", "l2 <= 0.1", "quantile(0.9) <= 0.01", "bits <= 6", "macs <= 1"]
)
def test_gradient_points_to_zero(text: str) -> None:
    """Weights have either sign, with and without quantiser; the gradient of zeros falls with a weight's size."""
    for quantiser in (QuantisedBits(8), None):
        net = QLinear(5, 1, bias=False, weight_quantiser=quantiser)
        with torch.no_grad():
            net.weight.copy_(torch.tensor([[-0.5, 0.25, 0.0005, -0.002, 0.0]]))
        constraints = Constraints([text], net, rate=1.0, shape=(1, 1, 5))
        constraints.penalty(net, NOTHING, NOTHING).backward()
        assert net.weight.grad is not None
        pull = net.weight.grad[0] * net.weight.detach()[0].sign()
        assert bool((pull >= 0).all())
        assert bool(pull[:4].any())
        if text.startswith("zeros"):
            assert bool((pull[:4].sort().values == pull[[0, 1, 3, 2]]).all())
            assert float(pull[0]) > 0


def test_equality_has_a_signed_multiplier() -> None:
    """min |w|^2 / 2 over 4 weights with |w|_1 = 2 gives w = 1/2; distances are shares of 2, so that l / 2 + w = 0."""
    net = Values([0.9, 0.1, 0.4, 0.05])
    constraints = Constraints(["l1 == 2"], net, rate=1.0, damping=4.0, warmup=20)
    descend(net, lambda: net.weight.square().sum() / 2, constraints, 300, 0.1)
    assert net.weight.tolist() == pytest.approx([0.5] * 4, abs=1e-4)
    assert constraints.multipliers.tolist() == pytest.approx([-1], abs=1e-3)


@pytest.mark.parametrize(("limit", "weight", "multiplier"), [(1, 0.5, 0.5), (3, 1.0, 0.0)])
def test_inequality_acts_only_where_it_would_be_violated(
    limit: float, weight: float, multiplier: float
) -> None:
    """min sum (w - 1)^2 / 2 over two weights: |w|_1 <= 1 gives w = 1/2 and l = 1/2; |w|_1 <= 3 changes nothing."""
    net = Values([0.2, 1.4])
    constraints = Constraints([f"l1 <= {limit}"], net, rate=1.0, damping=4.0)
    descend(net, lambda: (net.weight - 1).square().sum() / 2, constraints, 300, 0.1)
    assert net.weight.tolist() == pytest.approx([weight] * 2, abs=1e-4)
    assert constraints.multipliers.tolist() == pytest.approx([multiplier], abs=1e-3)


def test_without_damping_the_penalty_is_linear() -> None:
    net = Values([1.0, 2.0])
    constraints = Constraints(["l1 <= 2"], net, rate=0.25, damping=0.0)
    assert float(constraints.penalty(net, NOTHING, NOTHING).detach()) == 0
    constraints.ascend()
    assert constraints.multipliers.tolist() == [0.125]
    assert float(constraints.penalty(net, NOTHING, NOTHING).detach()) == 0.0625


def test_bounds_move_during_the_warmup() -> None:
    """For constant weights, the violation that moves the multiplier grows from 0 to its full size."""
    net = Values([1.0, 2.0])
    constraints = Constraints(["l1 <= 2", "l1 <= 6"], net, rate=1.0, warmup=4)
    growth = []
    for _ in range(6):
        before = constraints.multipliers.clone()
        constraints.penalty(net, NOTHING, NOTHING)
        constraints.ascend()
        growth.append((constraints.multipliers - before).tolist())
    assert growth == [[0.5 * min(1, i / 4), 0] for i in range(6)]
    constraints.ascend()
    assert int(constraints.steps) == 6  # without a penalty since, a step does not count


def regression(target: float, steps: int) -> tuple[float, float, float]:
    """Train a small quantised network; return (zeros, largest deviation in the last fifth of the steps, NLL)."""
    torch.manual_seed(1)
    layers = [
        QLinear(*ends, weight_quantiser=QuantisedBits(8), bias_quantiser=QuantisedBits(8)) for ends in SIZES
    ]
    net = nn.Sequential(layers[0], nn.Hardtanh(), layers[1])
    events = torch.randn(2000, SIZES[0][0])
    truth = (events[:, :1] - 0.5 * events[:, 1:2]).tanh() + 0.1 * torch.randn(2000, 1)
    constraints = Constraints([f"zeros == {target}"], net, rate=0.01, warmup=round(0.4 * steps))
    optimizer = torch.optim.NAdam(net.parameters(), lr=0.005)
    late = []
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 0.0025 * (1 + math.cos(math.pi * step / steps))
        which = torch.randint(0, 2000, (64,))
        outputs = net(events[which])
        loss = nll(outputs, truth[which]).mean() + constraints.penalty(net, outputs, truth[which])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        constraints.ascend()
        if step >= 0.8 * steps:
            late.append(abs(zero_fraction(net) - target))
    with torch.no_grad():
        return zero_fraction(net), max(late), float(nll(net(events), truth).mean())


@pytest.mark.slow
@pytest.mark.parametrize("target", [0.5, 0.9])
def test_reaches_its_share_of_zeros_and_stays(target: float) -> None:
    zeros, deviation, loss = regression(target, 800)
    assert zeros == pytest.approx(target, abs=0.01)  # 4 of the 458 weights
    assert deviation < 0.03
    assert loss < 0.2  # 1.0 for estimates that do not depend on the event


def test_state_resumes() -> None:
    texts = ["zeros >= 0.75", "l1 == 5"]

    def steps(net: nn.Module, constraints: Constraints, count: int) -> None:
        """Make ``count`` steps towards weights of 0.7."""
        descend(net, lambda: (net.weight - 0.7).square().sum(), constraints, count, 0.02)

    torch.manual_seed(0)
    first = torch.randn(40).tolist()
    whole = Values(first, QuantisedBits(8))
    multipliers = Constraints(texts, whole, rate=0.01, warmup=40)
    steps(whole, multipliers, 60)
    half = Values(first, QuantisedBits(8))
    before = Constraints(texts, half, rate=0.01, warmup=40)
    steps(half, before, 25)
    after = Constraints(texts, half, rate=0.01, warmup=40)
    after.load_state_dict(before.state_dict())
    steps(half, after, 35)
    assert torch.equal(half.weight, whole.weight)
    assert torch.equal(after.multipliers, multipliers.multipliers)
    assert float(after.multipliers.abs().sum()) > 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("zeroes >= 0.5", "unknown quantity 'zeroes' (did you mean 'zeros'?); known: zeros, l1"),
        ("zeros => 0.5", "unknown relation '=>' (did you mean '>='?); known: ==, >=, <="),
        ("zeros >= half", "'half' is not a finite number"),
        ("zeros >= inf", "'inf' is not a finite number"),
        ("zeros >= 1", "bound 1 of zeros, expected a number at least 0 and below 1"),
        ("l1 <= -3", "bound -3 of l1, expected a number above 0"),
        ("zeros", "expected a quantity, a relation and a number, such as 'zeros >= 0.75'"),
        ("zeros(2) >= 0.5", "zeros takes no argument in brackets"),
        ("quantile <= 0.004", "quantile needs a share of the weights between 0 and 1, such as quantile(0.5)"),
        ("quantile(1.5) <= 0.004", "quantile needs a share"),
        ("pull_width(x-midplan) == 1", "unknown target 'x-midplan' (did you mean 'x-midplane'?)"),
        ("__import__('os').system('id') == 1", "expected a quantity"),
    ],
)
def test_an_invalid_text_gives_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text, TARGETS)
    assert len(caught.value.faults) == 1
    assert caught.value.faults[0].startswith(f"constraint {text!r}: {message}")


def test_all_faults_at_once() -> None:
    with pytest.raises(InputError) as caught:
        Constraints(["l3 <= 1", "bias == 0", "zeros>=0.5", "zeros >= 0.50"], Values([1.0]), rate=1.0)
    assert caught.value.faults == (
        "constraint 'l3 <= 1': unknown quantity 'l3'; known: "
        "zeros, l1, l2, quantile, bits, macs, pull_width, bias",
        "constraint 'bias == 0': bias needs a network that estimates targets",
        "constraint 'zeros >= 0.5' occurs twice",
    )
    with pytest.raises(InputError, match="macs needs the shape"):
        Constraints(["macs <= 10"], Values([1.0]), rate=1.0)
