"""Integrated gradients against converged integrals, of small networks and of MPID."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients as CaptumIntegratedGradients
from torch import nn

from attribution.nets import FRAMES, SHAPE, Frames, Twice, images, linear, plain, weights
from conftest import toy_images
from dmcnn.attribution import Target
from dmcnn.attribution.base import Explained, gradient
from dmcnn.attribution.methods.gradients import ExpectedGradients
from dmcnn.attribution.methods.integrated_gradients import IntegratedGradients
from dmcnn.attribution.methods.path_integral import FAINTEST, path_nodes, trapezoid
from dmcnn.engines.dense import to_tensor
from dmcnn.models import MODELS, mpid
from dmcnn.models.mpid import MPID
from dmcnn.readers import open_images
from models.sizes import SMALL
from models.test_mpid import recipe

TARGET = Target(0)
RULES = ("gausslegendre", "riemann_middle")


@pytest.fixture(scope="module")
def trained() -> MPID:
    """MPID with an eighth of the feature maps, after a few steps on toy images: blocks from lines."""
    torch.manual_seed(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mpid, "FILTERS", (8, 12, 16, 20, 24))
        net = MPID(height=128, width=128)
    images = toy_images(32, seed=3)
    classes = torch.tensor([0, 1] * 4)
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    for start in [*range(0, 32, 8)] * 2:
        optimiser.zero_grad()
        outputs = net(to_tensor(images.take(slice(start, start + 8))))
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


def errors_of(maps: torch.Tensor, expected: torch.Tensor) -> torch.Tensor:
    """(B,) float64 relative distances of maps."""
    return torch.tensor([off(*pair) for pair in zip(maps, expected, strict=True)], dtype=torch.float64)


@pytest.mark.slow
def test_converges_when_every_image_is_normalised(trained: MPID) -> None:
    """Maps close in on the integral in float64, as their estimate says, and are closer than those of fixed nodes."""
    inputs = to_tensor(toy_images(2, seed=9))
    expected = by_decades(trained, inputs, TARGET)
    previous = torch.ones(2).double()
    for n_steps, most in ((50, 0.6), (120, 0.3)):
        method = IntegratedGradients(n_steps=n_steps)
        maps = method(trained, inputs, TARGET)
        errors = errors_of(maps, expected)
        assert float(errors.max()) < most
        assert bool((errors < previous).all())
        ratio = method.halving_change(trained, inputs, maps, TARGET) / errors
        assert 0.8 < float(ratio.mean()) < 4
        if n_steps == 50:
            for rule in RULES:
                assert float(errors.mean()) < 0.8 * float(
                    errors_of(by_captum(trained, inputs, TARGET, rule), expected).mean()
                )
        previous = errors / 2


def assert_alone_as_in_a_batch(net: nn.Module, inputs: torch.Tensor, n_steps: int) -> None:
    """The batch moves a map by less than a fifth of its own error, and by less than 2 % of its maximum."""
    method = IntegratedGradients(n_steps=n_steps)
    maps = method(net, inputs, TARGET)
    estimate = method.halving_change(net, inputs, maps, TARGET)
    largest = maps.abs().amax(dim=(1, 2, 3))
    threads = torch.get_num_threads()
    others = [IntegratedGradients(n_steps=n_steps, internal_batch=1)(net, inputs, TARGET)]
    try:
        torch.set_num_threads(2 if threads == 1 else 1)
        others.append(method(net, inputs, TARGET))
    finally:
        torch.set_num_threads(threads)
    for other in others:
        assert bool((errors_of(other, maps) < 0.2 * estimate).all())
        assert bool(((other - maps).abs().amax(dim=(1, 2, 3)) < 0.02 * largest).all())


@pytest.mark.slow
def test_a_map_of_mpid_does_not_depend_on_its_batch(trained: MPID) -> None:
    """Float32 rounds the gradients of faint images to noise: all but a few of the nodes of MPID are faint."""
    assert_alone_as_in_a_batch(trained, to_tensor(toy_images(2, seed=9)), 50)


@pytest.mark.slow
def test_a_map_of_a_real_image_does_not_depend_on_its_batch(shared_data: Path) -> None:
    file = shared_data / "larcv" / "electron.root"
    reader = open_images(file, plane=0, xdim=128, ydim=128, adc_lo=10.0, adc_hi=500.0)
    images = [to_tensor(reader.read(entry, entry + 1)) for entry in range(8)]
    inputs = torch.cat([image for image in images if image.count_nonzero() > 20][:1])
    assert len(inputs) == 1
    assert_alone_as_in_a_batch(recipe(MPID(height=128, width=128)), inputs, 9)


def by_decades(net: nn.Module, inputs: torch.Tensor, target: Target) -> torch.Tensor:
    """(B, C, H, W) float64 maps by midpoints, 25 in each decade from 1e-12 to 1."""
    ends = 10 ** torch.linspace(-12, 0, 301, dtype=torch.float64)
    nodes, lengths = (ends[1:] * ends[:-1]).sqrt(), ends.diff()
    explained = Explained(copy.deepcopy(net).double().eval(), target)
    maps = []
    for image in inputs.double():
        slopes = torch.cat([gradient(explained, t.view(-1, 1, 1, 1) * image) for t in nodes.split(60)])
        maps.append(image * torch.tensordot(lengths, slopes, dims=1))
    return torch.stack(maps)


def by_many(net: nn.Module, inputs: torch.Tensor, target: Target) -> torch.Tensor:
    """(B, C, H, W) float64 maps by midpoints, 10 in each of 200 intervals that grow towards the image."""
    ends = torch.linspace(0, 1, 201).double() ** 6
    lengths = ends.diff() / 10
    nodes = (ends[:-1, None] + lengths[:, None] * (torch.arange(10) + 0.5)).flatten()
    explained = Explained(copy.deepcopy(net).double().eval(), target)
    maps = []
    for image in inputs.double():
        slopes = torch.cat([gradient(explained, t.view(-1, 1, 1, 1) * image) for t in nodes.split(500)])
        maps.append(image * torch.tensordot(lengths.repeat_interleave(10), slopes, dims=1))
    return torch.stack(maps)


@pytest.mark.parametrize(
    ("net", "shape", "scale"),
    [
        pytest.param(plain(), SHAPE, 1, id="GroupNorm"),
        pytest.param(plain(), SHAPE, 0.02, id="GroupNorm, faint", marks=pytest.mark.slow),
        pytest.param(Frames(), FRAMES, 1, id="3-D", marks=pytest.mark.slow),
        pytest.param(Twice(), SHAPE, 1, id="skip"),
    ],
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
    inputs, target = images(4, shape), Target(1)
    maps = IntegratedGradients()(net, inputs, target)
    largest = maps.abs().amax(dim=(1, 2, 3), keepdim=True)
    others = [IntegratedGradients(internal_batch=size)(net, inputs, target) for size in (1, 3)]
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


def test_weights_are_those_of_the_trapezoid_rule() -> None:
    nodes = np.array([0.25, 0.5, 1.0])
    np.testing.assert_allclose(trapezoid(nodes), [0.25 + 0.125, 0.125 + 0.25, 0.25])
    np.testing.assert_allclose(trapezoid(nodes, 2), [0.25 + 0.375, 0, 0.375])
    np.testing.assert_allclose(trapezoid(np.append(0.1, nodes), 2), [0, 0.25 + 0.375, 0, 0.375])
    np.testing.assert_allclose(trapezoid(np.array([1.0]), 2), [1])


def test_nodes_suit_the_onset() -> None:
    """Without normalisation as even in the root as can be; with it, as many in a decade near the image as far off."""
    even = path_nodes(51, 1e6)
    np.testing.assert_allclose(even[1:] ** (2 / 3), np.linspace(0, 1, 51)[1:], atol=1e-3)
    nodes = path_nodes(101, 1e-10)
    per_decade = np.histogram(np.log10(nodes), range(-9, 1))[0]
    assert per_decade.max() - per_decade.min() <= 1
    for count, onset in ((1, 1.0), (2, 0.1), (50, 0.0), (50, np.inf), (50, 1e-300)):
        nodes = path_nodes(count, onset)
        assert nodes[-1] == 1
        assert bool((np.diff(nodes) > 0).all())
        assert count == 1 or nodes[0] == FAINTEST
        assert trapezoid(nodes).sum() == pytest.approx(1)


def test_a_score_that_saturates() -> None:
    """Of the sigmoid of a sum, the integral is known; the gradient at the image is 0 where the score is 1."""
    net, inputs = linear(), images(3)
    with torch.no_grad():
        sums, empty = net(inputs)[:, 1], net(0 * inputs[:1])[0, 1]
        scale = 30 / (sums - empty)
        change = (empty + 30).sigmoid() - empty.sigmoid()
    inputs = inputs * scale.view(-1, 1, 1, 1)
    maps = IntegratedGradients()(net, inputs, Target(1, "score", "sigmoid"))
    expected = weights(net) * inputs / 30 * change
    assert off(maps, expected) < 0.01


class Single(nn.Module):
    """Network that casts to float32 by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.net = plain()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.net(images.float())
        return out


def test_a_network_of_float32_alone_is_explained_in_it() -> None:
    inputs, net = images(2), Single().eval()
    maps = IntegratedGradients()(net, inputs, TARGET)
    assert (
        off(maps, IntegratedGradients()(net.net, inputs, TARGET)) < 0.05
    )  # the onset is known to float32 alone


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_every_network_is_evaluated_in_float64(name: str) -> None:
    """Where that failed, faint images would be explained in float32 without a word."""
    size = SMALL[name]
    net = MODELS[name](**size).eval().double()
    inputs = images(1, (size["channels"], size["height"], size["width"])).double()
    assert gradient(Explained(net, TARGET), 1e-12 * inputs).dtype == torch.float64
