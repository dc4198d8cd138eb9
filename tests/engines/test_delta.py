"""Differences to the untouched image against dense float64, with float32-like products and with bfloat16 ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from dmcnn._common.errors import InputError
from dmcnn.engines import rows
from dmcnn.engines.delta import Delta
from dmcnn.engines.normalise import image_norms
from dmcnn.engines.sparse import sparse
from dmcnn.engines.variants import PixelChanges
from dmcnn.models import MODELS
from engines.nets import KINDS, Gate, Heads, Skip, images, random_net
from engines.test_variants import drawn_changes

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")


def outputs(net, image, changes, **options):
    """Outputs of variants by way of differences."""
    fast = sparse(net)
    with torch.inference_mode():
        return Delta(fast, fast.images(image, image != 0), **options).outputs(changes)


def prepared(net):
    """The network in float64, with running statistics of its own."""
    for module in net.double().eval().modules():
        if isinstance(module, nn.modules.batchnorm._NormBase) and module.running_mean is not None:
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return net


def compare(net, image, seed):
    """Without rounding the outputs are those of dense images."""
    net, image = prepared(net), image[:1]
    changes, dense = drawn_changes(image, seed)
    with torch.inference_mode():
        expected = net(dense)
    found = outputs(net, image, changes, rounds=False)
    assert float((found - expected).abs().max()) <= 1e-9 * max(float(expected.abs().max()), 1e-3)


def normed(seed, axes, sides, channels):
    """A random network, with a normalisation by the statistics of an image at its beginning if it has none."""
    net = random_net(seed, axes, sides, channels)
    if image_norms(sparse(net.eval()).layers()):
        return net
    return nn.Sequential(nn.GroupNorm(1, channels), net)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(12))
def test_random_networks_in_two_dimensions(seed, kind):
    compare(normed(seed, 2, (19, 22), 2), images(kind, (2, 2, 19, 22), seed), seed)


@pytest.mark.parametrize("seed", range(100, 105))
@pytest.mark.parametrize("kind", ["sparse", "full", "background"])
def test_random_networks_in_three_dimensions(seed, kind):
    compare(normed(seed, 3, (9, 10, 11), 1), images(kind, (2, 1, 9, 10, 11), seed), seed)


def test_branches_gates_and_what_rows_cannot_follow():
    branch = nn.Sequential(nn.GroupNorm(2, 4), nn.ReLU())
    for layer in (
        Skip(branch, nn.Identity(), "add"),
        Skip(nn.Identity(), branch, "cat"),
        nn.Sequential(branch, Gate(4, 2), nn.MaxPool2d(2)),
        nn.Sequential(branch, nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular"), nn.ReLU()),
        nn.Sequential(branch, nn.Upsample(scale_factor=2), nn.Conv2d(4, 4, 3), nn.ReLU()),
    ):
        net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), layer, Heads(2, "flatten"))
        compare(net, images("sparse", (1, 1, 20, 21)), 2)


def test_the_same_on_torch_operations(monkeypatch):
    monkeypatch.setattr(rows, "on_host", lambda tensor: False)
    compare(normed(3, 2, (19, 22), 2), images("sparse", (1, 2, 19, 22)), 1)


class Chunks(nn.Module):
    """Two halves of the channels of a vector, one of which weights the other."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        left, right = maps.flatten(1).chunk(2, 1)
        return left.view(left.size(0), -1) * right.tanh()


def test_pieces_of_tensors():
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2), nn.ReLU(), nn.GroupNorm(4, 4), Chunks(), nn.LazyLinear(2)
    )
    image = images("sparse", (1, 1, 20, 21))
    net.double()(image)
    compare(net, image, 2)


def mpid(seed=1):
    torch.manual_seed(seed)
    return MODELS["mpid"](height=128, width=130).eval()


@pytest.mark.parametrize("in_hardware", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_rounding_to_bfloat16_is_a_share_of_the_difference(seed, in_hardware, monkeypatch):
    """As torch multiplies bfloat16, and with rounded factors in float32; a plain pass in bfloat16 is far worse."""
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: in_hardware)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for before, after in ((1, 16), (16, 32), (32, 32)):
        layers += [nn.Conv2d(before, after, 3), nn.ReLU(), nn.GroupNorm(after, after), nn.AvgPool2d(2)]
    net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * 4, 2)).eval()
    image = images("sparse", (1, 1, 30, 30), seed).float().abs() * 100
    changes, dense = drawn_changes(image, seed, size=0.05)
    found = outputs(net, image, changes)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        plain = net(dense).double()
    with torch.inference_mode():
        exact = net.double()(dense.double())
    spread = (exact - exact[0]).abs().max()
    error, plain_error = ((x - exact).abs().max() / spread for x in (found, plain))
    assert 1e-6 < error < 0.02  # of numbers with 8 bits; some are rounded
    assert error < 0.2 * plain_error


@pytest.mark.slow
def test_without_rounding_float32_is_as_near_to_float64_as_the_exact_engine():
    net, image = mpid(), images("sparse", (1, 1, 128, 130)).float().abs() * 100
    changes, dense = drawn_changes(image, 1)
    found = outputs(net, image, changes, rounds=False)
    with torch.inference_mode():
        fast = sparse(net)
        rows_alone = fast.vary(fast.images(image, image != 0), changes, whole=True).double()
        exact = net.double()(dense.double())
    ours, theirs = ((x - exact).abs().max() for x in (found, rows_alone))
    assert ours <= 3 * theirs + 1e-7 * exact.abs().max()


def test_statistics_are_those_of_the_variant():
    """A convolution by powers of 2 rounds nothing that has 8 bits, and the normalisation is exact."""
    layers = nn.Conv2d(1, 1, 1, bias=False), nn.Conv2d(1, 2, 1), nn.GroupNorm(2, 2), nn.Flatten()
    net = nn.Sequential(*layers).eval()
    with torch.no_grad():
        net[0].weight.fill_(1.0)
        net[1].weight.copy_(torch.tensor([2.0, -0.5]).view(2, 1, 1, 1))
        net[1].bias.copy_(torch.tensor([1000.3, -77.7]))
    random = np.random.default_rng(1)
    image = torch.from_numpy(random.integers(0, 128, (1, 1, 12, 13)).astype(np.float32))
    changes, dense = drawn_changes(image, 1)
    changes.value.round_()
    changed = dense.round()
    found = outputs(net, image, changes)
    with torch.inference_mode():
        exact = net.double()(changed.double())
    assert found[1:].std() > 0.1
    np.testing.assert_allclose(found, exact, rtol=0, atol=3e-5)  # of means of 1000 in float32


def test_a_window_that_takes_the_whole_charge_of_a_channel_leaves_no_rounding_behind():
    """The normalisation would blow up to 1 whatever is left in a channel without charge."""
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.GroupNorm(2, 2), nn.Flatten()).eval()
    with torch.no_grad():
        net[0].weight.copy_(torch.rand(2, 1, 3, 3) + 0.1)
        net[0].bias.fill_(-1e-3)
    image = torch.zeros(1, 1, 12, 12)
    image[0, 0, 5, 6:8] = torch.tensor([123.45, 67.891])
    found = outputs(net, image, PixelChanges(np.array([0, 2]), np.array([66, 67]), torch.zeros(2)))
    np.testing.assert_allclose(found, net(0 * image).detach(), rtol=0, atol=1e-6)


def test_nothing_changes_where_no_pixel_does():
    net, image = mpid(), images("sparse", (1, 1, 128, 130)).float()
    changes, _ = drawn_changes(image, 1)
    with torch.inference_mode():
        fast = sparse(net)
        delta = Delta(fast, fast.images(image, image != 0))
        np.testing.assert_allclose(delta.outputs(changes)[0], delta.base, rtol=0, atol=1e-6)


def test_weights_stay_as_they_are():
    net, image = mpid(), images("sparse", (1, 1, 128, 130)).float()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    outputs(net, image, drawn_changes(image, 1)[0])
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(parameter.requires_grad for parameter in net.parameters())


def test_networks_with_fixed_statistics_are_refused():
    for layer in (nn.BatchNorm2d(2), nn.InstanceNorm2d(2, track_running_stats=True), nn.Identity()):
        fast = sparse(nn.Sequential(nn.Conv2d(1, 2, 3), layer, nn.Flatten()).eval())
        image = images("sparse", (1, 1, 8, 8)).float()
        with pytest.raises(
            InputError, match=r"delta: no layer normalises .* incremental is exact and cheaper"
        ):
            Delta(fast, fast.images(image, image != 0))
