"""Integrated gradients against converged integrals, of small networks and of MPID."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients as CaptumIntegratedGradients
from torch import nn

from attribution.nets import FRAMES, SHAPE, Frames, Twice, images, linear, plain
from conftest import toy_images
from dmcnn.attribution import Target
from dmcnn.attribution.base import Explained, gradient
from dmcnn.attribution.methods.gradients import ExpectedGradients
from dmcnn.attribution.methods.integrated_gradients import IntegratedGradients
from dmcnn.attribution.methods.path_integral import _errors, _spread, _trapezoid
from dmcnn.engines.dense import to_tensor
from dmcnn.models.mpid import MPID
from dmcnn.readers import open_images
from models.test_mpid import recipe

TARGET = Target(0)
RULES = ("gausslegendre", "riemann_middle")


@pytest.fixture(scope="module")
def trained() -> MPID:
    """MPID after a few steps on toy images: it tells blocks from lines, mostly."""
    torch.manual_seed(1)
    net = MPID(height=128, width=128)
    images = toy_images(16, seed=3)
    classes = torch.tensor([0, 1] * 2)
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-4)
    for start in range(0, 16, 4):
        optimiser.zero_grad()
        outputs = net(to_tensor(images.take(slice(start, start + 4))))
        torch.nn.functional.cross_entropy(outputs, classes).backward()
        optimiser.step()
    optimiser.zero_grad()
    return net.eval()


def off(maps: torch.Tensor, expected: torch.Tensor) -> float:
    """||maps - expected|| / ||expected||."""
    return float((maps - expected).double().norm() / expected.double().norm())


def by_captum(net: nn.Module, inputs: torch.Tensor, target: Target, rule: str) -> torch.Tensor:
    """captum's map of as many gradients as ours."""
    method = CaptumIntegratedGradients(Explained(net.eval(), target))
    maps: torch.Tensor = method.attribute(inputs, n_steps=50, method=rule, internal_batch_size=8)
    return maps


def assert_converges(net: MPID, inputs: torch.Tensor) -> None:
    """A few times as many gradients confirm the map, as well as its estimate says, and better than fixed nodes."""
    method, many = IntegratedGradients(), IntegratedGradients(n_steps=160)
    maps, expected = method(net, inputs, TARGET), many(net, inputs, TARGET)
    assert float(many.halving_change(net, inputs, expected, TARGET)) < 0.15
    error, estimate = off(maps, expected), float(method.halving_change(net, inputs, maps, TARGET))
    assert error < 0.5
    assert 0.5 * error < estimate < 4 * error
    for rule in RULES:
        assert error < 0.8 * off(by_captum(net, inputs, TARGET, rule), expected)


@pytest.mark.slow
def test_converges_when_trained(trained: MPID) -> None:
    assert_converges(trained, to_tensor(toy_images(1, seed=9)))


@pytest.mark.slow
def test_converges_on_real_images(shared_data: Path) -> None:
    net = recipe(MPID(height=128, width=128))
    file = shared_data / "larcv" / "electron.root"
    reader = open_images(file, plane=0, xdim=128, ydim=128, adc_lo=10.0, adc_hi=500.0)
    images = [to_tensor(reader.read(entry, entry + 1)) for entry in range(8)]
    inputs = torch.cat([image for image in images if image.count_nonzero() > 20][:1])
    assert len(inputs) == 1
    assert_converges(net, inputs)


@pytest.mark.slow
def test_a_map_of_mpid_does_not_depend_on_its_batch(trained: MPID) -> None:
    """MPID multiplies rounding by 1e5 near the empty image; that must stay below what the map is off by."""
    inputs = to_tensor(toy_images(2, seed=9))[:1]
    maps = IntegratedGradients()(trained, inputs, TARGET)
    estimate = float(IntegratedGradients().halving_change(trained, inputs, maps, TARGET))
    assert off(IntegratedGradients(internal_batch=1)(trained, inputs, TARGET), maps) < estimate
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2 if threads == 1 else 1)
        assert off(IntegratedGradients()(trained, inputs, TARGET), maps) < estimate
    finally:
        torch.set_num_threads(threads)


def by_many(net: nn.Module, inputs: torch.Tensor, target: Target) -> torch.Tensor:
    """(B, C, H, W) float64 maps by midpoints, 20 in each of 200 intervals that grow towards the image."""
    ends = torch.linspace(0, 1, 201).double() ** 6
    lengths = ends.diff() / 20
    nodes = (ends[:-1, None] + lengths[:, None] * (torch.arange(20) + 0.5)).flatten()
    explained = Explained(copy.deepcopy(net).double().eval(), target)
    maps = []
    for image in inputs.double():
        slopes = torch.cat([gradient(explained, t.view(-1, 1, 1, 1) * image) for t in nodes.split(500)])
        maps.append(image * torch.tensordot(lengths.repeat_interleave(20), slopes, dims=1))
    return torch.stack(maps)


@pytest.mark.parametrize(
    ("net", "shape", "scale"),
    [(plain(), SHAPE, 1), (plain(), SHAPE, 0.02), (Frames(), FRAMES, 1), (Twice(), SHAPE, 1)],
    ids=["GroupNorm", "GroupNorm, faint", "3-D", "skip"],
)
def test_as_close_as_fixed_nodes_on_plain_networks(
    net: nn.Module, shape: tuple[int, int, int], scale: float
) -> None:
    inputs, target = scale * images(6, shape), Target(1)
    expected = by_many(net, inputs, target)
    method = IntegratedGradients()
    maps = method(net, inputs, target)
    errors = torch.tensor([off(*pair) for pair in zip(maps, expected, strict=True)])
    for rule in RULES:
        theirs = by_captum(net, inputs, target, rule)
        fixed = torch.tensor([off(*pair) for pair in zip(theirs, expected, strict=True)])
        assert float(errors.mean()) < float(fixed.mean())
    ratios = method.halving_change(net, inputs, maps, target) / errors
    assert 0.8 < float(ratios.mean()) < 4


@pytest.mark.parametrize(
    ("net", "shape"),
    [(plain(), SHAPE), (Frames(), FRAMES), (Twice(), SHAPE)],
    ids=["GroupNorm", "3-D", "skip"],
)
def test_rounding_moves_a_map_by_as_little(net: nn.Module, shape: tuple[int, int, int]) -> None:
    """A last bit of float32 may switch a unit at one of 50 nodes, and move the map by 1/50 of what the unit adds."""
    inputs, target = images(8, shape), Target(1)
    maps = IntegratedGradients()(net, inputs, target)
    largest = maps.abs().amax(dim=(1, 2, 3), keepdim=True)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2 if threads == 1 else 1)
        others = [IntegratedGradients(internal_batch=size)(net, inputs, target) for size in (1, 3, 8)]
    finally:
        torch.set_num_threads(threads)
    others.append(IntegratedGradients()(net, inputs * (1 + torch.finfo(torch.float32).eps), target))
    for other in others:
        off = (other - maps).abs() / largest
        assert float(off.max()) < 5e-3
        assert (
            float(off.amax(dim=(1, 2, 3)).median()) < 1e-4
        )  # float32 rounds gradients to 1e-6, nodes to 1e-5


def test_halving_tells_what_half_the_gradients_give() -> None:
    inputs, target = images(3), Target(1)
    method = IntegratedGradients(n_steps=1)
    maps = method(linear(), inputs, target)
    assert method.halving_change(linear(), inputs, maps, target).isnan().all()
    method = IntegratedGradients(n_steps=7)
    assert float(method.halving_change(linear(), inputs, maps, target).max()) < 1e-5
    twice = method.halving_change(linear(), inputs, 2 * maps, target)
    torch.testing.assert_close(twice, torch.full((3,), 0.5).double(), atol=1e-5, rtol=0)
    assert method.halving_change(linear(), inputs[:0], maps[:0], target).shape == (0,)
    references = ExpectedGradients(baselines=images(5, seed=6), n_samples=20)
    maps = references(plain(), inputs, target)
    half = ExpectedGradients(baselines=images(5, seed=6), n_samples=10)(plain(), inputs, target)
    found = references.halving_change(plain(), inputs, maps, target).tolist()
    assert found == pytest.approx([off(*pair) for pair in zip(half, maps, strict=True)], rel=1e-4)


def test_nodes_and_weights() -> None:
    nodes = np.array([0.25, 1.0, 0.5])
    np.testing.assert_allclose(_trapezoid(nodes, 1), [0.25 + 0.125, 0.25, 0.125 + 0.25])
    np.testing.assert_allclose(_trapezoid(nodes, 2), [0.25 + 0.375, 0.375, 0])
    np.testing.assert_allclose(_trapezoid(np.array([1.0]), 2), [1])
    first = np.array([1e-6, 0.01, 1.0])
    above = _spread(first, np.array([0, 0, 5.0]), 40)
    assert above.min() > 0.01
    assert above.max() < 1
    for errors in ([0.0, 0, 0], [np.nan, 1, 1], [np.inf, 1, 1]):
        assert np.isfinite(_spread(first, np.array(errors), 40)).all()
    assert _spread(first, np.array([1.0, 1, 1]), 0).shape == (0,)
    moved, spread = (_spread(first, np.array([1, 2, last]), 40) for last in (3 + 1e-9, 3))
    np.testing.assert_allclose(moved, spread, rtol=1e-7)
    moved, spread = (_spread(first, np.array([little, 2, 3]), 40) for little in (1e-4, 1e-3))
    np.testing.assert_allclose(moved, spread, rtol=1e-2)  # worth less than half a node: only the sum feels it
    assert spread.min() > first[0]


def test_errors_are_jumps_times_lengths_and_no_more_than_is_there() -> None:
    nodes = np.array([0.01, 0.1, 1.0])
    one = torch.tensor([3.0, 4.0])
    np.testing.assert_allclose(_errors(nodes, [one, one, one]), [0.05, 0, 0], atol=1e-6)
    np.testing.assert_allclose(_errors(nodes, [one, 2 * one, 3 * one]), [0.05, 0.09 * 5, 0.9 * 5], atol=1e-6)
    np.testing.assert_allclose(_errors(nodes, [100 * one, one, one]), [5, 5 * np.log(10), 0], atol=1e-5)
