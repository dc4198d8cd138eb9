"""Variants of one image, with all rows and with changed ones alone, against dense images; and to first order."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from torch import nn

from dmcnn._common.errors import InputError
from dmcnn.engines import rows
from dmcnn.engines.first_order import FirstOrder, last_activation
from dmcnn.engines.maps import Maps
from dmcnn.engines.sparse import sparse
from dmcnn.engines.variants import PixelChanges, Variants, VariedImages
from dmcnn.models import MODELS
from engines.nets import KINDS, Gate, Heads, Skip, images, random_net

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")

COUNT = 5


def drawn_changes(image, seed, size=1.0):
    """Random changes of COUNT variants at active pixels, none in the first; and the dense variants."""
    rng = np.random.default_rng(seed)
    active = np.flatnonzero(image.numpy().reshape(-1))
    pixels = [rng.permutation(active)[: v * len(active) // COUNT] for v in range(COUNT)]
    start = np.cumsum([0, *map(len, pixels)])
    pixel = np.concatenate(pixels).astype(np.int64)
    before = image.reshape(-1)[torch.from_numpy(pixel)]
    value = before * (1 - size * torch.from_numpy(rng.random(len(pixel)).round(1))).to(
        image.dtype
    )  # some become 0, some stay
    dense = image.repeat(COUNT, *(1,) * (image.ndim - 1)).reshape(COUNT, -1)
    dense[torch.from_numpy(np.repeat(np.arange(COUNT), np.diff(start))), torch.from_numpy(pixel)] = value
    return PixelChanges(start, pixel, value), dense.view(COUNT, *image.shape[1:])


def compare(net, image, seed):
    """Variants with all and with changed rows against dense images, in float64 and evaluation mode."""
    net, image = net.double().eval(), image[:1]
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._NormBase) and module.running_mean is not None:
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    changes, dense = drawn_changes(image, seed)
    with torch.inference_mode():
        expected = net(dense)
        fast = sparse(net)
        given = fast.images(image, image != 0)
        for whole in (True, False):
            found = fast.vary(given, changes, whole=whole)
            most = max(float(expected.abs().max()), 1e-3)
            assert float((found - expected).abs().max()) <= 1e-9 * most, whole


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(12))
def test_random_networks_in_two_dimensions(seed, kind, caplog):
    with caplog.at_level(logging.INFO, "dmcnn"):
        compare(random_net(seed, 2, (19, 22), 2), images(kind, (2, 2, 19, 22), seed), seed)
    assert not caplog.records


@pytest.mark.parametrize("seed", range(100, 105))
@pytest.mark.parametrize("kind", ["sparse", "full", "background"])
def test_random_networks_in_three_dimensions(seed, kind):
    compare(random_net(seed, 3, (9, 10, 11), 1), images(kind, (2, 1, 9, 10, 11), seed), seed)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mpid", "lariat", "cnn3d", "calorimeter_resnet", "smartpixel"])
def test_networks_of_the_package(name):
    torch.manual_seed(1)
    shapes = {"mpid": (2, 1, 128, 130), "lariat": (2, 1, 60, 62), "smartpixel": (2, 2, 13, 21)}
    shape = shapes.get(name, (2, 7, 16, 17))
    net = MODELS[name](channels=shape[1], height=shape[2], width=shape[3])
    compare(net, images("sparse", shape), 1)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.3, 0.65])
@pytest.mark.parametrize("seed", range(6))
def test_variants_go_on_dense_from_crowded_maps_on(seed, share, monkeypatch):
    """How many maps are crowded does not depend on the number of variants."""
    asked = []

    def is_crowded(maps):
        """Whether the maps are crowded, in any dtype."""
        places = maps.places.number.size * maps.places.images
        asked.append(maps.places.rows >= share * places // len(maps.places.number))
        return asked[-1]

    monkeypatch.setattr(Maps, "is_crowded", property(is_crowded))
    for kind in ("sparse", "full"):
        compare(random_net(seed, 2, (19, 22), 2), images(kind, (2, 2, 19, 22), seed), seed)
    assert any(asked)


def test_crowded_variants_are_those_of_a_crowded_image():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.GroupNorm(2, 2), nn.Conv2d(2, 2, 3))
    fast = sparse(net.eval())
    for kind, is_crowded in (("full", True), ("one pixel", False)):
        image = images(kind, (1, 1, 19, 22)).float()
        changes, _ = drawn_changes(image, 1)
        given = fast.images(image, image != 0)
        for count in (1, COUNT):
            end = changes.start[count]
            some = PixelChanges(changes.start[: count + 1], changes.pixel[:end], changes.value[:end])
            varied = VariedImages.make(given, some, whole=True)
            assert varied.maps.is_crowded == is_crowded
            assert varied.maps.dense().shape == (count, 1, 19, 22)


def test_the_same_on_torch_operations(monkeypatch):
    monkeypatch.setattr(rows, "on_host", lambda tensor: False)
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3), Heads(2, "flatten")
    )
    compare(net, images("sparse", (1, 2, 19, 22)), 1)


def test_what_is_beside_a_changed_map_is_changed_too():
    branches = nn.Sequential(nn.GroupNorm(2, 4), nn.ReLU())
    for how in ("add", "cat"):
        for body, shortcut in ((branches, nn.Identity()), (nn.Identity(), branches)):
            net = nn.Sequential(nn.Conv2d(1, 4, 3), Skip(body, shortcut, how), Heads(2, "reduce"))
            compare(net, images("sparse", (1, 1, 20, 21)), 2)
    gated = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), Gate(4, 2), nn.MaxPool2d(2), Heads(2, "flatten"))
    compare(gated, images("sparse", (1, 1, 20, 21)), 3)


def test_rows_that_no_changed_pixel_reaches_are_not_evaluated():
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2)).eval()
    image = torch.zeros(1, 1, 40, 40)
    image[0, 0, 5, 5:35] = torch.rand(30) + 1
    fast = sparse(net)
    start, pixel = np.array([0, 1, 2]), np.array([5 * 40 + 10, 5 * 40 + 20])
    sizes = []

    def observe(layer, args, output):
        """Keep the number of changed rows."""
        assert isinstance(output.places, Variants)
        sizes.append(np.diff(output.places.start).tolist())

    from dmcnn.engines.variants import VariedImages

    changes = PixelChanges(start, pixel, torch.zeros(2))
    fast.run(VariedImages.make(fast.images(image, image != 0), changes, whole=False), observe)
    assert sizes[0] == [9, 9]  # 3 x 3 places, then the pools over them
    assert sizes[-1] == [4, 4]


@pytest.mark.parametrize(
    "middle",
    [
        lambda: [nn.GroupNorm(4, 4), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.GroupNorm(2, 6), nn.Conv2d(6, 4, 3)],
        lambda: [nn.InstanceNorm2d(4, affine=True), nn.MaxPool2d(2), nn.BatchNorm2d(4)],
        lambda: [
            Skip(
                nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.Tanh(), nn.GroupNorm(1, 4)),
                nn.Identity(),
                "add",
            )
        ],
    ],
)
def test_first_order_errs_by_the_square_of_the_change(middle):
    torch.manual_seed(3)
    net = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.Tanh(), *middle(), nn.AvgPool2d(2, padding=1),
                        nn.Flatten(), nn.LazyLinear(2)).double().eval()  # fmt: skip
    image = images("sparse", (1, 1, 30, 31), 1)
    net(image)
    errors, spread = [], []
    for size in (1e-3, 1e-4):
        changes, dense = drawn_changes(image, 1, size)
        fast = sparse(net)
        first = FirstOrder(fast, fast.images(image, image != 0))
        with torch.inference_mode():
            outputs, relative = first.outputs(changes)
            exact = net(dense)
        assert relative[0] == 0
        assert (relative[1:] > 0).all()
        errors.append(float((outputs - exact).abs().max()))
        spread.append(float((exact - exact[0]).abs().max()))
    assert errors[0] < 0.02 * spread[0]
    assert 50 < errors[0] / errors[1] < 200 or errors[1] < 1e-12  # ten times smaller, a hundred times nearer


@pytest.mark.slow
def test_first_order_is_exact_without_charge_under_the_window_and_leaves_the_weights_alone():
    net = MODELS["mpid"](height=128, width=128).double().eval().requires_grad_(False)
    image = images("sparse", (1, 1, 128, 128), 2)
    fast = sparse(net)
    first = FirstOrder(fast, fast.images(image, image != 0))
    assert not any(weight.requires_grad for weight in net.parameters())
    changes, _ = drawn_changes(image, 2)
    outputs, _ = first.outputs(changes)
    np.testing.assert_allclose(outputs[0], net(image)[0], rtol=0, atol=1e-12)


def test_the_last_activation_ends_what_is_not_linear():
    def last(*layers):
        """Name of the last activation."""
        return last_activation(sparse(nn.Sequential(*layers).eval()).layers())

    body = [nn.Conv2d(1, 2, 3), nn.ReLU(), nn.GroupNorm(2, 2)]
    assert last(*body, nn.Conv2d(2, 2, 3), nn.Flatten()) == "0"  # fused with its ReLU
    assert last(*body, nn.Tanh(), nn.AvgPool2d(2)) == "3"
    assert last(nn.Conv2d(1, 2, 3), nn.Flatten()) == ""
    around = Skip(nn.Sequential(nn.Tanh(), nn.Conv2d(2, 2, 1)), nn.Identity(), "add")
    assert last(nn.Conv2d(1, 2, 3), around) == "add"  # where the branches meet


@pytest.mark.parametrize(
    ("layers", "line"),
    [
        ([nn.BatchNorm2d(2)], "no layer normalises by the statistics of an image; incremental is exact"),
        ([nn.GroupNorm(2, 2, affine=False)], "1 \\(GroupNorm\\) has no weights"),
    ],
)
def test_networks_without_a_first_order_are_refused(layers, line):
    fast = sparse(nn.Sequential(nn.Conv2d(1, 2, 3), *layers, nn.Flatten()).eval())
    image = images("sparse", (1, 1, 8, 8)).float()
    with pytest.raises(InputError, match=line):
        FirstOrder(fast, fast.images(image, image != 0))
