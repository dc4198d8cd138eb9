"""Attribution on the sparse engine against the dense network: every method with the flag, and those without."""

from __future__ import annotations

import copy
import logging
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from attribution.nets import FRAMES, SHAPE, TARGET, Frames, Twice, plain, state
from attribution.test_methods import made
from dmcnn.attribution import METHODS, Target
from dmcnn.attribution.base import Explained, gradient
from dmcnn.attribution.explain import explain
from dmcnn.attribution.inputs import shift_input
from dmcnn.attribution.methods.cam import GradCam, GradCamBox, GradCamPlusPlus
from dmcnn.attribution.methods.gradients import ExpectedGradients, InputXGradient, Saliency
from dmcnn.attribution.methods.integrated_gradients import IntegratedGradients
from dmcnn.attribution.methods.noise import SmoothGrad
from dmcnn.engines.sparse import sparse
from dmcnn.models import MODELS

SPARSE = [
    "grad_cam",
    "input_with_grad_cam_box",
    "input_x_gradient",
    "integrated_gradients",
    "expected_gradients",
    "score_cam",
    "occlusion",
]
GRADIENTS = SPARSE[:5]

NETS: dict[str, tuple[tuple[int, int, int], str]] = {
    "own": (SHAPE, "none"),
    "frames": (FRAMES, "none"),
    "mpid": ((1, 128, 130), "none"),
    "lariat": ((1, 60, 62), "minmax"),
    "resnet18": ((1, 66, 70), "none"),
}
"""Network -> shape of an image, scaling. Min-max scaling makes 0.1 of an empty pixel."""


LARGE = ("mpid", "lariat", "resnet18")


LARGE = ("mpid", "lariat", "resnet18")


def network(name: str) -> nn.Module:
    """Return a network with random parameters."""
    torch.manual_seed(3)
    channels, height, width = NETS[name][0]
    if name == "own":
        return plain()
    net = Frames() if name == "frames" else MODELS[name](channels=channels, height=height, width=width)
    for module in net.modules():
        if isinstance(module, nn.GroupNorm):
            # of a faint image it multiplies rounding by 1 / sqrt(eps), on the dense network, too
            module.eps = 0.1
    return net


def charge(shape: tuple[int, ...], seed: int = 5) -> torch.Tensor:
    """Return (2, C, H, W) images of which a part in thirty has a charge."""
    random = torch.Generator().manual_seed(seed)
    shape = (2, *shape)
    values = 10 + 90 * torch.rand(shape, generator=random)
    return values * (torch.rand(shape, generator=random) < 0.03)


def maps_of(method: Any, net: nn.Module, images: torch.Tensor, scaling: str) -> torch.Tensor:
    """Return the (n, C, H, W) float64 maps of images that are scaled one by one."""
    maps = []
    for image in images:
        with shift_input(net, image[None], scaling) as inputs:
            maps.append(method(net, inputs, TARGET).double())
    return torch.cat(maps)


def test_the_flag() -> None:
    assert sorted(name for name, method in METHODS.items() if method.sparse) == sorted(SPARSE)


@pytest.mark.parametrize(
    "net_name", ["own", "frames", *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)]
)
@pytest.mark.parametrize("name", GRADIENTS)
def test_sparse_maps_are_the_dense_ones(name: str, net_name: str, caplog: pytest.LogCaptureFixture) -> None:
    net, (shape, scaling) = network(net_name), NETS[net_name]
    images, method = charge(shape), made(name)
    exact_net = copy.deepcopy(net).double()
    exact = maps_of(method, exact_net, images.double(), scaling)
    most = float(exact.abs().max())
    assert most > 0
    with caplog.at_level(logging.INFO, "dmcnn"):
        found = maps_of(method, sparse(exact_net), images.double(), scaling)
        single = maps_of(method, sparse(net), images, scaling)
    assert not caplog.records
    # A path begins where the image is so faint that only rounding tells which of many equal places of a constant
    # background is the largest, and it crosses points where units switch.
    is_path = name in ("integrated_gradients", "expected_gradients")
    tolerance, slack = 1e-2 if is_path and net_name == "lariat" else 1e-9, 1e-2 if is_path else 1e-6
    assert float((found - exact).abs().max()) <= tolerance * most
    dense = maps_of(method, net, images, scaling)
    errors = [float((maps - exact).abs().max()) for maps in (single, dense)]
    assert errors[0] <= 3 * errors[1] + slack * most


@pytest.mark.parametrize("net_name", ["own", "frames", pytest.param("lariat", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["score_cam", "occlusion"])
def test_methods_without_a_gradient(name: str, net_name: str, caplog: pytest.LogCaptureFixture) -> None:
    """In float32, the precision of the scan."""
    net, (shape, scaling) = network(net_name), NETS[net_name]
    with caplog.at_level(logging.INFO, "dmcnn"):
        found = maps_of(made(name), sparse(net), charge(shape), scaling)
    assert not caplog.records
    expected = maps_of(made(name), net, charge(shape), scaling)
    assert float((found - expected).abs().max()) <= 1e-4 * float(expected.abs().max())


@pytest.mark.slow
@pytest.mark.parametrize("net_name", LARGE)
def test_gradients_along_a_path(net_name: str) -> None:
    net, (shape, scaling) = network(net_name).double().eval(), NETS[net_name]
    image = charge(shape)[:1].double()
    shares = torch.tensor([1, 0.3, 0.1, 0.03, 0.01], dtype=torch.float64).view(-1, 1, 1, 1)
    found = []
    for one in (sparse(net), net):
        with shift_input(one, image, scaling) as inputs:
            where = inputs != 0
            found.append(gradient(Explained(one, TARGET), shares * inputs, where).where(where, 0))
    assert float((found[0] - found[1]).abs().max()) <= 1e-9 * float(found[1].abs().max())


@pytest.mark.parametrize("name", [name for name in METHODS if name not in SPARSE])
def test_other_methods_get_the_dense_network(name: str, caplog: pytest.LogCaptureFixture) -> None:
    net, images = plain(), charge(SHAPE)
    with caplog.at_level(logging.INFO, "dmcnn"):
        maps = made(name)(sparse(net), images, TARGET)
    assert not any("sparse engine" in record.message for record in caplog.records)
    torch.testing.assert_close(maps, made(name)(net, images, TARGET), rtol=0, atol=0)


@pytest.mark.parametrize("name", METHODS)
def test_the_network_is_left_as_it_was(name: str) -> None:
    net = plain().train()
    fast, before = sparse(net), state(net)
    made(name)(fast, charge(SHAPE), TARGET)
    assert state(net) == before
    assert fast.training


@pytest.mark.slow
@pytest.mark.parametrize("net_name", ["own", "lariat"])
def test_bfloat16(net_name: str) -> None:
    net, (shape, scaling) = network(net_name), NETS[net_name]
    for name in GRADIENTS:
        exact, *half = (
            maps_of(made(name, precision=precision), one, charge(shape), scaling)
            for precision, one in (("32", net), ("bf16", net), ("bf16", sparse(net)))
        )
        errors = [float((maps - exact).norm()) for maps in half]
        assert errors[1] <= 2 * errors[0] + 0.02 * float(exact.norm()), name


def test_a_path_without_empty_pixels_is_dense() -> None:
    net, images = plain(), charge(SHAPE)
    assert IntegratedGradients(baseline="zero").sparse
    for method in (
        IntegratedGradients(baseline=1.0, n_steps=5),
        IntegratedGradients(baseline=torch.ones(SHAPE), n_steps=5),
        ExpectedGradients(baselines=torch.ones(3, *SHAPE), n_samples=5),
        SmoothGrad(method=InputXGradient(), where="all", n_samples=2),
        SmoothGrad(n_samples=2),
    ):
        assert not method.sparse
        torch.testing.assert_close(
            method(sparse(net), images, TARGET), method(net, images, TARGET), rtol=0, atol=0
        )


def test_noise_on_active_pixels_leaves_a_method_sparse() -> None:
    net, images = plain().double(), charge(SHAPE).double()
    method = SmoothGrad(method=InputXGradient(), n_samples=3)
    assert method.sparse
    expected = method(net, images, TARGET)
    torch.testing.assert_close(method(sparse(net), images, TARGET), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("layer", ["0", "1", "2", "3", "4", "5", "6"])
def test_grad_cam_at_every_layer(layer: str, caplog: pytest.LogCaptureFixture) -> None:
    """Layer 1 is fused with 0, and 5 with 4, unless one of them is asked for."""
    net, images = plain().double(), charge(SHAPE).double()
    with caplog.at_level(logging.INFO, "dmcnn"):
        found = GradCam(layer=layer)(sparse(net), images, TARGET)
    assert not caplog.records
    torch.testing.assert_close(found, GradCam(layer=layer)(net, images, TARGET), rtol=1e-9, atol=1e-9)


@pytest.mark.slow
def test_grad_cam_at_a_block_and_at_a_module_that_is_called_twice(caplog: pytest.LogCaptureFixture) -> None:
    torch.manual_seed(1)
    block = MODELS["resnet18"](height=66, width=70).double()
    with caplog.at_level(logging.INFO, "dmcnn"):
        for net, shape, layers in (
            (block, (1, 66, 70), ("layer2.0", "layer2.0.downsample.1", "layer3.1.conv2", "maxpool")),
            (Twice().double(), SHAPE, ("relu", "first")),
        ):
            images = charge(shape).double()
            for layer in layers:
                found, expected = (GradCam(layer=layer)(one, images, TARGET) for one in (sparse(net), net))
                torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-9, msg=layer)
    assert not caplog.records


def test_grad_cam_behind_a_layer_that_rows_cannot_follow(caplog: pytest.LogCaptureFixture) -> None:
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.ConvTranspose2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(768, 2)
    )
    images = charge(SHAPE)
    with caplog.at_level(logging.INFO, "dmcnn"):
        maps = GradCam(layer="2")(sparse(net), images, TARGET)
    assert [record.message for record in caplog.records] == [
        "sparse engine: dense from 1 (ConvTranspose2d) on, which rows cannot follow"
    ]
    torch.testing.assert_close(maps, GradCam(layer="2")(net, images, TARGET), rtol=0, atol=0)


def test_a_box_around_the_map_of_another_method() -> None:
    net, images = plain(), charge(SHAPE)
    box = GradCamBox(cam=GradCamPlusPlus())
    torch.testing.assert_close(box(sparse(net), images, TARGET), box(net, images, TARGET), rtol=0, atol=0)


@pytest.mark.parametrize("scaling", ["none", "minmax"])
def test_an_explanation_and_its_quality(scaling: str, caplog: pytest.LogCaptureFixture) -> None:
    net, image = plain().eval(), charge(SHAPE)[0].numpy()
    methods = [GradCam(), InputXGradient(), Saliency()]
    judging = {"steps": 4, "n_random": 2, "n_noise": 2, "seed": 1}
    with caplog.at_level(logging.INFO, "dmcnn"):
        ours, theirs = (
            explain(one, image, Target(1), methods, scaling=scaling, judging=judging)
            for one in (sparse(net), net)
        )
    assert not any("sparse engine" in record.message for record in caplog.records)
    assert ours.maps.keys() == theirs.maps.keys()
    for name, values in theirs.maps.items():
        np.testing.assert_allclose(ours.maps[name], values, rtol=1e-4, atol=1e-5 * np.abs(values).max())
    assert len(ours.rows) == len(theirs.rows) > 3
    for mine, other in zip(ours.rows, theirs.rows, strict=True):
        numbers = {key: value for key, value in other.items() if isinstance(value, float)}
        assert {key: mine[key] for key in numbers} == pytest.approx(numbers, rel=1e-3, abs=1e-4, nan_ok=True)
