"""Class activation maps against the formulas of their papers and against captum."""

from __future__ import annotations

import warnings

import captum.attr
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from attribution.nets import FRAMES, SHAPE, TARGET, Frames, images, plain
from dmcnn._common.errors import InputError
from dmcnn.attribution.base import Explained, Method
from dmcnn.attribution.methods.cam import (
    GradCam,
    GradCamBox,
    GradCamPlusPlus,
    GuidedGradCam,
    LayerCam,
    ScoreCam,
    enlarge_to_images,
)
from dmcnn.attribution.methods.relu import GuidedBackprop


def head() -> nn.Sequential:
    """Return a network with a layer of 3 maps as large as the image; their gradients are the weights."""
    torch.manual_seed(7)
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 12 * 16, 2)
    ).eval()


def known(inputs: torch.Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the (n, 3, 12, 16) activations and (3, 12, 16) gradients of ``head``."""
    net = head()
    with torch.no_grad():
        activations = net[:2](inputs).double().numpy()
    return activations, net[3].weight[1].detach().double().numpy().reshape(3, 12, 16)


def grad_cam(a: NDArray[np.float64], g: NDArray[np.float64]) -> NDArray[np.float64]:
    return sum(g[k].sum() / g[k].size * a[k] for k in range(3))


def grad_cam_pp(a: NDArray[np.float64], g: NDArray[np.float64]) -> NDArray[np.float64]:
    total = np.zeros_like(a[0])
    for k in range(3):
        alpha = g[k] ** 2 / (2 * g[k] ** 2 + a[k].sum() * g[k] ** 3)
        total += (alpha * np.maximum(g[k], 0)).sum() * a[k]
    return total


def layer_cam(a: NDArray[np.float64], g: NDArray[np.float64]) -> NDArray[np.float64]:
    return sum(np.maximum(g[k], 0) * a[k] for k in range(3))


@pytest.mark.parametrize(
    ("method", "formula"), [(GradCam(), grad_cam), (GradCamPlusPlus(), grad_cam_pp), (LayerCam(), layer_cam)]
)
def test_formulas(method: Method, formula: object) -> None:
    inputs = images(2)
    activations, gradients = known(inputs)
    assert callable(formula)
    for found, a in zip(method(head(), inputs, TARGET).numpy(), activations, strict=True):
        expected = np.maximum(formula(a, gradients), 0)
        assert expected.max() > 0
        for channel in found:
            np.testing.assert_allclose(channel, expected, atol=1e-6 * expected.max(), rtol=1e-4)


def test_score_cam_sees_the_image_through_every_map() -> None:
    inputs, net = images(2), head()
    activations, _ = known(inputs)
    for found, image, a in zip(
        ScoreCam(internal_batch=2)(net, inputs, TARGET), inputs, activations, strict=True
    ):
        increases = []
        for map_ in a:
            mask = torch.from_numpy((map_ - map_.min()) / (map_.max() - map_.min())).float()
            with torch.no_grad():
                increases.append(float(net((image * mask)[None])[0, 1] - net(torch.zeros(1, *SHAPE))[0, 1]))
        weights = np.exp(increases) / np.exp(increases).sum()
        expected = np.maximum(np.tensordot(weights, a, axes=1), 0)
        np.testing.assert_allclose(found[0].numpy(), expected, atol=1e-4 * expected.max(), rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("net", "shape", "layer", "mode"),
    [(plain(), SHAPE, "4", "bilinear"), (Frames(), FRAMES, "activation", "trilinear")],
    ids=["2-D", "3-D"],
)
def test_equals_captum(net: nn.Module, shape: tuple[int, int, int], layer: str, mode: str) -> None:
    net.eval()
    inputs = images(2, shape)
    theirs = captum.attr.LayerGradCam(Explained(net, TARGET), net.get_submodule(layer))
    for module in net.modules():  # captum needs activations that nobody overwrites
        if isinstance(module, nn.ReLU):
            module.inplace = False
    coarse = theirs.attribute(inputs, relu_attributions=True)
    size = shape if mode == "trilinear" else shape[1:]
    expected = captum.attr.LayerAttribution.interpolate(coarse, size, interpolate_mode=mode)
    expected = expected[:, 0] if mode == "trilinear" else expected.expand(inputs.shape)
    found = GradCam(layer=layer)(net, inputs, TARGET)
    torch.testing.assert_close(found, expected, atol=1e-7, rtol=1e-5)


@pytest.mark.slow
def test_guided_grad_cam_is_the_product_of_both() -> None:
    net, inputs = plain().eval(), images(2)
    found = GuidedGradCam(cam=GradCam(layer="4"))(net, inputs, TARGET)
    cam, guided = GradCam(layer="4")(net, inputs, TARGET), GuidedBackprop()(net, inputs, TARGET)
    torch.testing.assert_close(found, cam * guided)
    assert not torch.equal(found, guided)
    for module in net.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    theirs = captum.attr.GuidedGradCam(net, net[4])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = theirs.attribute(inputs.requires_grad_(), target=1, interpolate_mode="bilinear")
    torch.testing.assert_close(found, expected.detach(), atol=1e-7, rtol=1e-4)


def test_maps_are_enlarged_linearly() -> None:
    columns = torch.arange(4.0).expand(1, 1, 3, 4)
    large = enlarge_to_images(columns, torch.Size((1, 2, 6, 8)))
    assert large.shape == (1, 2, 6, 8)
    assert large[0, 1, 3].tolist() == [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3]
    frames = torch.arange(2.0).view(1, 1, 2, 1, 1).expand(1, 1, 2, 3, 4)
    large = enlarge_to_images(frames, torch.Size((1, 4, 6, 8)))
    assert large.shape == (1, 4, 6, 8)
    assert large[0, :, 2, 5].tolist() == [0, 0.25, 0.75, 1]


@pytest.mark.slow
def test_the_box_holds_what_is_above_the_threshold() -> None:
    found = torch.zeros(2, 9, 7)
    found[0, 3, 2], found[1, 6, 4], found[0, 8, 6] = 1.0, 0.2, 0.1
    assert GradCamBox().box(found) == (3, 7, 2, 5)
    assert GradCamBox(threshold=0.5).box(found) == (3, 4, 2, 3)
    assert GradCamBox(threshold=0.05).box(found) == (3, 9, 2, 7)
    assert GradCamBox().box(torch.zeros(2, 9, 7)) == (0, 0, 0, 0)
    net, inputs = plain(), images(1)
    torch.testing.assert_close(GradCamBox()(net, inputs, TARGET), GradCam()(net, inputs, TARGET))


def test_a_layer_that_does_not_exist() -> None:
    with pytest.raises(InputError, match=r"layer = '7x8': Sequential has none .did you mean '6x8'"):
        GradCam(layer="7x8")(plain(), images(1), TARGET)
