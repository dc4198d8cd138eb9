"""Noise, completeness and redrawn networks, where the answers are known."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from attribution.quality.fakes import SHAPE, Gradient, Output, curved, image, linear, weights
from dmcnn.attribution.quality.robustness import completeness_error, correlations, redrawn, sensitivity
from dmcnn.attribution.quality.table import Charge, Random

TARGET = Output(1)


def made(method, net, x) -> np.ndarray:
    return method(net, x[None], TARGET)[0].detach().numpy()


def test_sensitivity_of_linear_maps():
    net, x = linear(), image(9)
    plain, product = Gradient(times_input=False), Gradient()
    assert sensitivity(plain, net, x, TARGET, made(plain, net, x)) == 0
    radius, n_noise, seed = 0.1, 7, 5
    random = np.random.default_rng(seed)
    wx = weights(net) * x.numpy()
    changes = [
        np.linalg.norm(radius * random.uniform(-1, 1, SHAPE) * wx) / np.linalg.norm(wx)
        for _ in range(n_noise)
    ]
    found = sensitivity(
        product, net, x, TARGET, made(product, net, x), radius=radius, n_noise=n_noise, seed=seed
    )
    assert found == pytest.approx(max(changes), rel=1e-5)
    assert 0 < found < radius


def test_noise_is_on_active_pixels_and_inside_the_radius():
    net, x = linear(), image(9)
    seen = []

    def watching(net, inputs, target):
        seen.append(inputs)
        return inputs

    sensitivity(watching, net, x, TARGET, x.numpy(), radius=0.03, n_noise=50)
    (noisy,) = seen
    assert noisy.shape == (50, *SHAPE)
    assert ((noisy != 0) == (x != 0)).all()
    change = (noisy / x - 1)[:, x != 0].abs()
    assert 0.029 < change.max() <= 0.0301
    assert noisy.unique(dim=0).shape[0] == 50


def test_completeness():
    net, x = linear(), image(9)
    values = made(Gradient(), net, x)
    assert completeness_error(net, x, TARGET, values) < 1e-5
    assert completeness_error(net, x, TARGET, 1.25 * values) == pytest.approx(0.25, abs=1e-5)
    assert completeness_error(net, x, TARGET, made(Gradient(baseline=3.0), net, x), 3.0) < 1e-5
    assert completeness_error(net, x, TARGET, values, 3.0) > 1e-4
    assert np.isnan(completeness_error(net, torch.zeros(SHAPE), TARGET, np.zeros(SHAPE)))


def test_completeness_of_a_small_change_of_a_large_number():
    """Near 1e6, float32 has multiples of a sixteenth."""
    net, x = linear(), image(9)
    values = made(Gradient(), net, x)
    with torch.no_grad():
        net[-1].bias += 1e6
    assert completeness_error(net, x, TARGET, values) < 1e-5


def state(net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: values.clone() for name, values in net.state_dict().items()}


def test_redrawn_networks():
    net, x = curved(), image(9)
    before, random_state = state(net), torch.random.get_rng_state()
    copies = redrawn(net, x, seed=4)
    assert torch.equal(torch.random.get_rng_state(), random_state)
    assert all(torch.equal(values, before[name]) for name, values in net.state_dict().items())
    changed = {
        name: {key for key, values in state(fresh).items() if not torch.equal(values, before[key])}
        for name, fresh in copies.items()
    }
    assert changed == {"last_layer": {"6.weight", "6.bias"}, "all_layers": set(before)}
    for fresh in [net, *copies.values()]:
        assert not fresh.training
        assert not any(module._forward_pre_hooks for module in fresh.modules())
    again, other = redrawn(net, x, seed=4), redrawn(net, x, seed=5)
    for name, fresh in copies.items():
        assert all(
            torch.equal(a, b) for a, b in zip(fresh.parameters(), again[name].parameters(), strict=True)
        )
        assert not torch.equal(fresh[6].weight, other[name][6].weight)


class Backwards(nn.Module):
    """Its last layer is registered first, one parameter belongs to no layer, and one layer is not used."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 2)
        self.unused = nn.Linear(3, 3)
        self.body = nn.Linear(84, 4)
        self.norm = nn.BatchNorm1d(4)
        self.offset = nn.Parameter(torch.arange(4.0))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.body(images.flatten(1))) + self.offset)


def test_the_last_layer_is_the_last_that_runs():
    net = Backwards().eval()
    copies = redrawn(net, image(9))
    last, every = copies["last_layer"], copies["all_layers"]
    assert not torch.equal(last.head.weight, net.head.weight)
    assert torch.equal(last.body.weight, net.body.weight)
    assert torch.equal(last.offset, net.offset)
    assert not torch.equal(every.body.weight, net.body.weight)
    assert not torch.equal(every.unused.weight, net.unused.weight)
    assert sorted(every.offset.tolist()) == [0, 1, 2, 3]
    assert every.offset.tolist() != [0, 1, 2, 3]


def test_maps_that_heed_no_parameter_correlate_fully():
    net, x = curved(), image(30)
    copies = redrawn(net, x)
    for method in (Charge(), Random()):
        found = correlations(method, copies, x, TARGET, made(method, net, x))
        assert found == {name: pytest.approx((1, 1)) for name in ("last_layer", "all_layers")}


def test_gradients_of_redrawn_linear_networks_are_independent():
    shape = (1, 40, 50)
    net, x = linear(shape), image(1500, shape)  # drawn from the seed that is asked for below
    plain = Gradient(times_input=False)
    found = correlations(plain, redrawn(net, x, seed=1), x, TARGET, made(plain, net, x))
    # A rank correlation of n independent pairs spreads by 1 / sqrt(n).
    assert np.abs([*found.values()]).max() < 4 / np.sqrt(1500)
    # |wx| keeps what it has from x: the correlation shows how much of the map is mere charge.
    product = Gradient()
    here, everywhere = correlations(product, redrawn(net, x), x, TARGET, made(product, net, x))["all_layers"]
    assert 0.1 < here < everywhere


def test_nothing_to_vary():
    net, x, empty = curved(), image(9), torch.zeros(SHAPE)
    assert np.isnan(sensitivity(Charge(), net, empty, TARGET, np.ones(SHAPE)))
    assert np.isnan(sensitivity(Charge(), net, x, TARGET, np.zeros(SHAPE)))
    assert np.isnan(sensitivity(Charge(), net, x, TARGET, np.full(SHAPE, np.nan)))
    assert np.isnan(sensitivity(Charge(), net, x, TARGET, x.numpy(), n_noise=0))
    found = correlations(Charge(), redrawn(net, empty), empty, TARGET, np.ones(SHAPE))
    assert np.isnan([*found.values()]).all()


def test_a_network_that_throws_keeps_no_hook():
    net = copy.deepcopy(curved())
    with pytest.raises(RuntimeError):
        redrawn(net, torch.ones(3, 6, 7))
    assert not any(module._forward_pre_hooks for module in net.modules())
