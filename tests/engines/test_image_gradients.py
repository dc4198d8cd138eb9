"""Gradients of images on rows: at given pixels, up to a layer, and under hooks of the network itself."""

from __future__ import annotations

import copy
import logging
from typing import Any

import pytest
import torch
from torch import nn

from dmcnn.engines.sparse import Cut, dense_network, sparse
from dmcnn.layers import evaluation_mode, trace
from dmcnn.models import MODELS
from engines.nets import KINDS, images, random_net

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")


def gradient(net: Any, given: torch.Tensor, **how: Any) -> torch.Tensor:
    """Gradient of a weighted sum of the outputs with respect to the images."""
    leaf = given.clone().requires_grad_()
    out = net(leaf, **how)
    weight = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)
    (found,) = torch.autograd.grad((out * weight).sum(), leaf)
    return found


def pixels(given: torch.Tensor) -> torch.Tensor:
    """Active pixels of some images, and a few others, among them border pixels."""
    random = torch.Generator().manual_seed(9)
    where = torch.rand(given.shape, generator=random) < 0.03
    where[..., 0, :2] = True
    return where | ((given != 0) & (torch.rand(given.shape, generator=random) < 0.7))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [*range(8), 100, 101])
def test_gradients_at_given_pixels_are_those_of_the_dense_network(seed, kind, caplog):
    sides, channels = ((19, 22), 2) if seed < 100 else ((9, 10, 11), 1)
    net = random_net(seed, len(sides), sides, channels).double().eval()
    given = images(kind, (3, channels, *sides), seed)
    where = pixels(given)
    expected = gradient(net, given)
    with caplog.at_level(logging.INFO, "dmcnn"):
        found = gradient(sparse(net), given, where=where)
    assert not caplog.records
    most = max(float(expected.abs().max()), 1e-3)  # behind a normalisation of a constant map all is rounding
    torch.testing.assert_close(found[where], expected[where], rtol=0, atol=1e-9 * most)
    assert not found[~where].any()


def test_gradients_of_images_whose_channels_become_frames():
    torch.manual_seed(0)
    net = MODELS["cnn3d"](channels=9, height=12, width=12).double().eval()
    given = images("sparse", (2, 9, 12, 12))
    where = given != 0
    torch.testing.assert_close(
        gradient(sparse(net), given, where=where), gradient(net, given) * where, rtol=1e-9, atol=1e-12
    )


def test_gradients_elsewhere_are_zero_where_the_network_is_dense_too():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten()).double()
    given = images("sparse", (2, 1, 9, 9))
    where = pixels(given)
    with_hook = copy.deepcopy(net)
    with_hook[0].register_forward_hook(lambda *_: None)
    torch.testing.assert_close(
        gradient(sparse(with_hook), given, where=where), gradient(net, given) * where, rtol=0, atol=0
    )


def test_frozen_parameters_change_no_gradient_of_the_images():
    """Neither do a kernel and linear layers that were multiplied out before the parameters changed."""
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 2, stride=2), nn.Flatten(),
        nn.Linear(75, 60), nn.Linear(60, 2),
    ).double().eval()  # fmt: skip
    given, fast = images("sparse", (2, 1, 10, 10)), sparse(net)
    where = given != 0
    with torch.inference_mode():
        fast(given)
    for _ in range(2):
        learning = gradient(fast, given, where=where)
        fast.requires_grad_(False)
        for _ in range(2):
            frozen = gradient(fast, given, where=where)
            torch.testing.assert_close(frozen, learning, rtol=1e-10, atol=1e-12)
        fast.requires_grad_(True)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.mul_(1.5)


@pytest.mark.parametrize("module", ["0", "1", "2", "3", "4"])
def test_a_cut_gives_the_maps_of_a_module_and_their_gradients(module):
    torch.manual_seed(2)
    body = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.GroupNorm(1, 3))
    net = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(inplace=True), body, nn.AvgPool2d(2), nn.ReLU(), nn.Flatten()
    ).double()  # fmt: skip
    given, cut, kept = images("sparse", (2, 1, 12, 13)), Cut(module), []
    values = sparse(net)(given, cut=cut)
    assert cut.maps is not None
    (slopes,) = torch.autograd.grad(values.square().sum(), cut.maps.rows)
    with evaluation_mode(net):
        handle = net.get_submodule(module).register_forward_hook(lambda *args: kept.append(args[2]))
        expected = net(given)
        handle.remove()
        (dense,) = torch.autograd.grad(expected.square().sum(), kept[0])
    torch.testing.assert_close(values, expected)
    torch.testing.assert_close(cut.maps.dense(), kept[0])
    sums = torch.zeros_like(slopes).index_add(
        0,
        torch.from_numpy(cut.maps.places.number).long().flatten(),
        dense.movedim(1, -1).reshape(-1, dense.shape[1]),
    )
    torch.testing.assert_close(slopes, sums)


def test_an_axis_of_one_channel_and_copies_are_rows(caplog):
    class Frames(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv3d(1, 2, 3)

        def forward(self, frames: torch.Tensor) -> torch.Tensor:
            return self.conv(frames[:, None]).clone().flatten(1) * frames.shape[0]

    net, given = Frames().double(), images("sparse", (2, 4, 8, 8))
    with caplog.at_level(logging.INFO, "dmcnn"):
        torch.testing.assert_close(sparse(net)(given), net(given))
    assert not caplog.records


def test_a_cut_in_dense_layers_gives_no_maps():
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Flatten(), nn.Linear(108, 2))
    for module in ("1", "2", "nonsense"):
        cut = Cut(module)
        sparse(net)(images("sparse", (2, 1, 8, 8)).float(), cut=cut)
        assert cut.maps is None


def test_layers_know_the_modules_that_end_with_them():
    ends = {layer.name: layer.ends for layer in trace(MODELS["resnet18"](height=33, width=33))}
    assert ends["conv1"] == ("conv1",)
    assert ends["layer2.0.downsample.1"] == ("layer2.0.downsample.1", "layer2.0.downsample")
    assert ends["layer3.1.relu2"] == ("layer3.1.relu2", "layer3.1", "layer3")


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
def test_hooks_of_the_network_itself_leave_it_sparse(caplog):
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten()).double()
    given, seen = images("sparse", (2, 1, 8, 8)), []
    expected = net(given + 1) * 2
    fast = sparse(net)
    handles = [
        fast.register_forward_pre_hook(lambda module, inputs: (inputs[0] + 1,)),
        net.register_forward_hook(lambda module, inputs, output: output * 2),
        net.register_full_backward_hook(lambda module, *slopes: seen.append(slopes[1][0].shape)),
    ]
    with caplog.at_level(logging.INFO, "dmcnn"):
        torch.testing.assert_close(fast(given), expected)
        torch.testing.assert_close(net(given), expected)
        fast(given).sum().backward()
    assert seen == [(2, 108)]
    assert not caplog.records
    handles.append(net[0].register_forward_hook(lambda *_: None))
    torch.testing.assert_close(fast(given), expected)  # dense, and each hook of the network is called once
    for handle in handles:
        handle.remove()
    torch.testing.assert_close(fast(given), net(given))


def test_both_networks_have_one_mode():
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Dropout())
    fast = sparse(net)
    with evaluation_mode(fast):
        assert not any(module.training for module in (fast, net, net[1]))
    assert fast.training
    assert net.training
    net.eval()
    assert not fast.training
    assert dense_network(fast) is dense_network(net) is net
