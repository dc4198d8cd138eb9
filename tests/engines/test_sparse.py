"""The sparse engine against the dense network: outputs, gradients, statistics, random numbers, and what it says."""

from __future__ import annotations

import copy
import logging
import operator
import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dmcnn.engines import convolution, normalise, rows
from dmcnn.engines.convolution import matrix_dtype, multiplies_first
from dmcnn.engines.maps import Maps
from dmcnn.engines.places import Stencil, input_places
from dmcnn.engines.sparse import SparseNet, sparse
from dmcnn.images.sparse import sparse as sparse_images
from dmcnn.models import MODELS
from engines.nets import KINDS, Skip, images, random_net

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")


def run(net, given, seed=5):
    """Outputs, gradients of all parameters and buffers of one step."""
    torch.manual_seed(seed)
    net.zero_grad()
    out = net(given)
    weight = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)
    (out * weight).sum().backward()
    gradients = {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}
    return out.detach(), gradients, {name: b.clone() for name, b in net.named_buffers()}


def flat(result):
    """All tensors of a result by name."""
    out, gradients, buffers = result
    return {"output": out, **gradients, **{f"buffer {name}": b for name, b in buffers.items()}}


def assert_close(found, expected, tolerance):
    """Every tensor within ``tolerance`` of its largest number, but at least of a hundredth of the largest of all."""
    assert found.keys() == expected.keys()
    floor = max(float(value.abs().max()) for value in expected.values() if value.numel()) / 100
    for name, value in expected.items():
        most = max(float(value.abs().max()) if value.numel() else 0.0, floor)
        worst = float((found[name].double() - value.double()).abs().max()) if value.numel() else 0.0
        assert worst <= tolerance * most, f"{name}: {worst} of {most}"


def compare(net, given):
    """Sparse and dense in float64, in evaluation and training, from the same state."""
    for mode in (False, True):
        dense = copy.deepcopy(net).double().train(mode)
        fast = sparse(copy.deepcopy(net).double().train(mode))
        assert_close(flat(run(fast, given)), flat(run(dense, given)), 1e-9)


SEEDS = [*range(6), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(6, 12))]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_random_networks_in_two_dimensions(seed, kind, caplog):
    net = random_net(seed, 2, (19, 22), 2)
    with caplog.at_level(logging.INFO, "dmcnn"):
        compare(net, images(kind, (3, 2, 19, 22), seed))
    assert not caplog.records


@pytest.mark.parametrize("seed", [*SEEDS, 100, 101])
def test_the_same_on_torch_operations(seed, monkeypatch):
    """What a device without our kernels does, done on the host."""
    monkeypatch.setattr(rows, "on_host", lambda tensor: False)
    monkeypatch.setattr(normalise, "on_host", lambda tensor: False)
    axes, sides, channels = (2, (19, 22), 2) if seed < 100 else (3, (9, 10, 11), 1)
    compare(random_net(seed, axes, sides, channels), images("sparse", (3, channels, *sides), seed))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(100, 105))
def test_random_networks_in_three_dimensions(seed, kind, caplog):
    net = random_net(seed, 3, (9, 10, 11), 1)
    with caplog.at_level(logging.INFO, "dmcnn"):
        compare(net, images(kind, (2, 1, 9, 10, 11), seed))
    assert not caplog.records


@pytest.mark.parametrize("block", [1, rows.BLOCK])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_either_order_of_a_convolution_for_one_image_or_several_at_once(seed, first, block, monkeypatch):
    monkeypatch.setattr(convolution, "multiplies_first", lambda *_: first)
    monkeypatch.setattr(rows, "BLOCK", block)
    compare(random_net(seed, 2, (19, 22), 2), images("sparse", (3, 2, 19, 22), seed))


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6])
@pytest.mark.parametrize("seed", SEEDS)
def test_goes_on_dense_from_crowded_maps_on(seed, share, monkeypatch, caplog):
    monkeypatch.setattr(
        Maps, "is_crowded", property(lambda maps: maps.places.rows >= share * maps.places.number.size)
    )
    for kind in ("sparse", "empty", "one pixel", "full"):
        with caplog.at_level(logging.INFO, "dmcnn"):
            compare(random_net(seed, 2, (19, 22), 2), images(kind, (3, 2, 19, 22), seed))
    assert not caplog.records  # no layer is named, for rows could have followed all of them


@pytest.mark.slow
def test_deep_maps_of_a_residual_network_are_dense():
    torch.manual_seed(3)
    net, given = MODELS["resnet18"](height=128, width=128).eval(), torch.zeros(2, 1, 128, 128)
    given[:, 0, 60, 40:70] = torch.rand(2, 30)
    dense: list[str] = []

    def observe(layer, args, output):
        """Note the layers that take dense maps and make them."""
        if all(isinstance(x, torch.Tensor) and x.ndim == 4 for x in (args[0], output)):
            dense.append(layer.name)

    fast = sparse(net)
    with torch.inference_mode():
        assert fast.watch(given, observe)
        assert {"layer4.0.conv1", "layer4.1.conv2", "avgpool"} < set(dense)
        assert not any(name.startswith(("conv1", "layer1")) for name in dense)
        assert torch.allclose(fast(given), net(given), rtol=1e-4, atol=1e-5)


def test_the_order_of_a_convolution_is_that_with_less_work():
    places, _ = input_places(images("one pixel", (2, 1, 9, 9))[:, 0].numpy() != 0, blank=True)
    around = Stencil((3, 3), (1, 1), (1, 1), (1, 1), (1, 1), (0, 0))
    _, links = places.windows(around, zeros=True)
    assert links.rows[-1] < len(links.index)
    assert multiplies_first(links, 64, 64, 4)
    assert not multiplies_first(links, 1, 64, 4)  # products would be 64 times as many numbers
    assert not multiplies_first(places.unmoved, 64, 64, 4)  # a kernel of one place has nothing to gather


NETS = ["mpid", "lariat", "cnn3d", "calorimeter_resnet", "smartpixel"]
SLOW_NETS = ["resnet18", "resnet18 group", "resnet34", "resnet34 group"]
SLOW_PAIRS = [("empty", "mpid"), ("one pixel", "mpid"), ("background", "mpid")]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        pytest.param(
            kind, name, marks=pytest.mark.slow if name in SLOW_NETS or (kind, name) in SLOW_PAIRS else ()
        )
        for kind in ("sparse", "empty", "one pixel", "background")
        for name in (*NETS, *SLOW_NETS)
    ],
)
def test_networks_of_the_package(name, kind):
    torch.manual_seed(1)
    shapes = {"mpid": (2, 1, 128, 130), "lariat": (2, 1, 60, 62), "smartpixel": (2, 2, 13, 21),
              "resnet18": (2, 1, 66, 70), "resnet34": (2, 1, 66, 70)}  # fmt: skip
    shape = shapes.get(name.partition(" ")[0], (2, 7, 16, 17))
    name, *norm = name.split()
    options = {"norm": norm[0]} if norm else {}
    net = MODELS[name](channels=shape[1], height=shape[2], width=shape[3], **options)
    for module in net.modules():
        if isinstance(module, nn.GroupNorm):
            # of a constant map it multiplies rounding by 1 / sqrt(eps), and two dense runs have no digit in common
            module.eps = 0.1
    compare(net, images(kind, shape))


@pytest.mark.slow
def test_float32_is_as_near_to_float64_as_the_dense_network():
    torch.manual_seed(2)
    net = MODELS["mpid"](height=128, width=128).eval()
    given = images("sparse", (2, 1, 128, 128)).float() * 50
    exact = flat(run(copy.deepcopy(net).double(), given.double()))
    dense = flat(run(net, given))
    fast = flat(run(sparse(net), given))
    for name, value in exact.items():
        most = float(value.abs().max())
        errors = [float((x[name].double() - value).abs().max()) for x in (fast, dense)]
        if most > 1e-9:  # a bias before a normalisation has no gradient but rounding
            assert errors[0] <= 3 * errors[1] + 1e-6 * most, name


def test_sparse_images_and_dense_ones_are_the_same():
    given = images("sparse", (3, 2, 20, 21)).float()
    net = random_net(3, 2, (20, 21), 2).eval()
    whole = sparse(net)(given)
    torch.testing.assert_close(sparse(net)(sparse_images(given.numpy())), whole, rtol=0, atol=0)
    alone = torch.cat([sparse(net)(given[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(alone, whole, rtol=1e-5, atol=1e-6)


def test_threads_change_nothing(monkeypatch):
    given = images("sparse", (3, 2, 30, 31)).float()
    net = random_net(4, 2, (30, 31), 2)
    found = []
    for n in ("1", "2", "5"):
        monkeypatch.setenv("DMCNN_NUM_THREADS", n)
        found.append(flat(run(sparse(copy.deepcopy(net)), given)))
    for other in found[1:]:
        assert_close(other, found[0], 0)


def test_shares_parameters_names_and_mode():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 1))
    fast = sparse(net)
    assert isinstance(fast, SparseNet)
    assert sparse(fast) is fast
    assert list(fast.state_dict()) == list(net.state_dict())
    assert all(a is b for a, b in zip(fast.parameters(), net.parameters(), strict=True))
    assert [name for name, _ in fast.named_parameters()] == [name for name, _ in net.named_parameters()]
    fast.eval()
    assert not net.training
    assert not net[1].training
    fast.double()
    assert net[0].weight.dtype == torch.float64
    given = torch.randn(2, 1, 4, 4, dtype=torch.float64)
    for copied in (copy.deepcopy(fast), pickle.loads(pickle.dumps(fast))):
        torch.testing.assert_close(copied(given), fast(given))
        with torch.no_grad():
            next(iter(copied.parameters())).zero_()
        torch.testing.assert_close(copied(given), copied.dense(given))
        assert not torch.equal(copied(given), fast(given))


def test_what_a_class_adds_is_still_there():
    net = MODELS["lariat"](height=60, width=60)
    assert sparse(net).penalty() == net.penalty()
    with pytest.raises(AttributeError, match="nonsense"):
        sparse(net).nonsense  # noqa: B018


@pytest.mark.parametrize(
    ("middle", "said"),
    [
        (nn.LocalResponseNorm(2), "dense from 2 (LocalResponseNorm) on"),
        (nn.ConvTranspose2d(3, 3, 3), "dense from 2 (ConvTranspose2d) on"),
        (nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect"), "dense from 2 (Conv2d) on"),
        (nn.Upsample(scale_factor=2), "dense from 2 (Upsample) on"),
    ],
)
def test_goes_on_dense_where_rows_cannot_follow(middle, said, caplog):
    net = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(), middle, nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(2), nn.Flatten()
    )
    with caplog.at_level(logging.INFO, "dmcnn"):
        compare(net, images("sparse", (2, 1, 16, 16)))
    assert {record.message for record in caplog.records} == {
        f"sparse engine: {said}, which rows cannot follow"
    }


def test_element_dropout_takes_the_same_random_numbers(caplog):
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(3, 2, 3), nn.Flatten())
    with caplog.at_level(logging.INFO, "dmcnn"):
        compare(net, images("sparse", (2, 1, 16, 16)))
    assert [record.message for record in caplog.records] == [
        "sparse engine: dense from 2 (Dropout) on, which rows cannot follow"
    ]


def test_hooks_see_dense_maps(caplog):
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten())
    given, seen = images("sparse", (2, 1, 8, 8)).float(), []
    handle = net[0].register_forward_hook(lambda *args: seen.append(args[2].shape))
    fast = sparse(net)
    with caplog.at_level(logging.INFO, "dmcnn"):
        fast(given), fast(given)
    assert seen == [(2, 3, 6, 6)] * 2
    assert [record.message for record in caplog.records] == ["sparse engine: dense, for 0 carries a hook"]
    handle.remove()
    fast(given)
    assert len(seen) == 2


def test_images_that_need_a_gradient_get_all_of_it(caplog):
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten())
    given = images("sparse", (2, 1, 8, 8)).float().requires_grad_()
    with caplog.at_level(logging.INFO, "dmcnn"):
        sparse(net)(given).sum().backward()
    assert given.grad.count_nonzero() == given.numel()
    assert "the images need a gradient" in caplog.text


class Branching(nn.Module):
    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return maps if maps.sum() > 0 else -maps


class Aliased(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu = nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        maps = self.conv(maps)
        vectors = maps.flatten(1)
        self.relu(vectors)
        return maps.sum(dim=(2, 3))


class Rebound(nn.Module):
    """What an in-place module leaves in its argument is what later steps see."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu = nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        maps = self.conv(maps) - 0.1
        self.relu(maps)
        return maps.sum(dim=(2, 3))


@pytest.mark.parametrize("net", [Branching(), Aliased()], ids=lambda net: type(net).__name__)
def test_what_cannot_be_traced_is_dense(net, caplog):
    with caplog.at_level(logging.INFO, "dmcnn"):
        given = images("sparse", (2, 1, 8, 8)).float()
        torch.testing.assert_close(sparse(net)(given), net(given), rtol=0, atol=0)
    assert f"sparse engine: dense, for {type(net).__name__}: " in caplog.text


def test_in_place_modules_are_followed():
    compare(Rebound(), images("sparse", (2, 1, 8, 8)))


class Functional(nn.Module):
    """Functions and methods in place of modules."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.conv(x.sign() * (x.abs() / 0.1).log1p()))
        x = 1 - x * 2 + x.clamp(min=0.1)
        x = F.dropout2d(F.leaky_relu(x, 0.1), 0.3, self.training)
        x = F.max_pool2d(x, 2, 1) + F.avg_pool2d(x, (2, 2), 1).relu_()
        x.add_(1)
        x = operator.iadd(x, F.hardtanh(x, -1, 0.5, True))
        x = x / (1 + x.mean(dim=(2, 3), keepdim=True).abs())
        x = torch.cat([F.adaptive_max_pool2d(x, 3), F.adaptive_avg_pool2d(x, 3)], dim=1)
        return F.relu(torch.flatten(x, 1) - 0.1, True) * x.shape[1] + x.view(x.size(0), -1).sigmoid()


@pytest.mark.slow
def test_functions_and_methods(caplog):
    with caplog.at_level(logging.INFO, "dmcnn"):
        for kind in KINDS:
            compare(Functional(), images(kind, (2, 2, 9, 8)))
    assert not caplog.records


@pytest.mark.slow
@pytest.mark.parametrize("is_fast", [True, False])
def test_bfloat16_under_autocast_is_near(is_fast, monkeypatch):
    """And not used for products of rows where the hardware would emulate it."""
    monkeypatch.setattr("dmcnn.engines.convolution.bf16_is_fast", lambda device: is_fast)
    torch.manual_seed(0)
    net = MODELS["mpid"](height=128, width=128).eval()
    given = images("sparse", (8, 1, 128, 128)).float() * 50
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        fast, dense = sparse(net)(given).float(), net(given).float()
        assert matrix_dtype(given) == (torch.bfloat16 if is_fast else torch.float32)
    with torch.no_grad():
        exact = net.double()(given.double())
    # over 16 outputs, for the largest error alone depends on the processor
    errors = [float((out - exact).square().mean().sqrt() / exact.abs().max()) for out in (fast, dense)]
    assert 0 < errors[0] < max(2 * errors[1], 0.02)


@pytest.mark.slow
@pytest.mark.parametrize("is_fast", [True, False])
def test_crowded_maps_under_autocast_are_dense_where_bfloat16_is_fast(is_fast, monkeypatch):
    """Where only products are rounded, so that the network is no further from float64 than on rows alone."""
    monkeypatch.setattr("dmcnn.engines.maps.bf16_is_fast", lambda device: is_fast)
    monkeypatch.setattr("dmcnn.engines.convolution.bf16_is_fast", lambda device: True)
    torch.manual_seed(0)
    net, given = MODELS["mpid"](height=128, width=128).eval(), images("full", (4, 1, 128, 128)).float()
    fast, kinds = sparse(net), {torch.Tensor: [], Maps: []}

    def observe(layer, args, output):
        """Note the dtypes of what layers make, of either kind."""
        kinds[type(output)].append(output.dtype)

    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert fast.watch(given, observe)
        assert set(kinds[torch.Tensor] + kinds[Maps]) == {torch.float32}
        found = fast(given)
        with monkeypatch.context() as patch:
            patch.setattr(Maps, "is_crowded", property(lambda maps: False))
            rows = fast(given)
    with torch.no_grad():
        exact = copy.deepcopy(net).double()(given.double())
    errors = [float((out - exact).square().mean().sqrt()) for out in (found, rows)]
    assert 0 < errors[0] < 2 * errors[1]
    # of the flattened maps on the network is dense in any case
    assert (len(kinds[torch.Tensor]) > len(kinds[Maps])) == is_fast


def train(engine, dtype, steps=200):
    """Return the losses of a network with dropout of channels, on batches of 4 of 40 images."""
    torch.manual_seed(7)
    layers = [
        nn.Conv2d(1, 6, 3, padding=1),
        nn.ReLU(),
        nn.GroupNorm(6, 6),
        nn.Dropout2d(0.2),
        nn.AvgPool2d(2),
    ]
    layers += [nn.Conv2d(6, 6, 3), nn.ReLU(), nn.GroupNorm(3, 6), nn.Flatten(), nn.Linear(6 * 14 * 14, 2)]
    net = engine(nn.Sequential(*layers).to(dtype))
    given, truth = images("sparse", (40, 1, 32, 32)).to(dtype) * 20, torch.arange(40) // 3 % 2
    optimiser, losses = torch.optim.Adam(net.parameters(), 1e-3), []
    for number in range(steps):
        batch = torch.arange(4 * number, 4 * number + 4) % 40
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(net(given[batch]), truth[batch])
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    return np.array(losses)


@pytest.mark.slow
def test_two_hundred_steps_follow_the_dense_ones():
    """In float64 step by step; in float32 as near to that as the dense training is."""
    exact = train(lambda net: net, torch.float64)
    assert exact[-40:].mean() < 0.5 * exact[:40].mean()
    np.testing.assert_allclose(train(sparse, torch.float64), exact, rtol=1e-6, atol=1e-9)
    dense, rows = (np.abs(train(engine, torch.float32) - exact).max() for engine in (lambda net: net, sparse))
    assert rows <= 3 * dense + 1e-6


@pytest.mark.slow
def test_training_follows_the_dense_one():
    given = images("sparse", (4, 1, 128, 128)).float() * 20
    truth = torch.tensor([0, 1, 0, 1])
    losses = []
    for engine in (lambda net: net, sparse):
        torch.manual_seed(7)
        net = engine(MODELS["mpid"](height=128, width=128))
        optimiser = torch.optim.Adam(net.parameters(), 1e-4)
        own = []
        for _ in range(4):
            optimiser.zero_grad()
            loss = nn.functional.cross_entropy(net(given), truth)
            loss.backward()
            optimiser.step()
            own.append(float(loss.detach()))
        losses.append(own)
    np.testing.assert_allclose(losses[1], losses[0], rtol=2e-3, atol=1e-4)


def test_linear_layers_are_one_where_nothing_is_learned():
    layers = [nn.Linear(64, 40), nn.Dropout(0.5), nn.Linear(40, 30, bias=False), nn.Linear(30, 2)]
    net = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), *layers, nn.Tanh(), nn.Linear(2, 2)).double().eval()
    fast, given = sparse(net), images("sparse", (3, 1, 8, 8))
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            torch.testing.assert_close(fast(given), net(given), rtol=1e-12, atol=1e-12)
    with torch.no_grad():
        net[4].weight.mul_(2)
        torch.testing.assert_close(fast(given), net(given), rtol=1e-12, atol=1e-12)
        net[3].train()
        torch.manual_seed(1)
        noisy = fast(given)
        torch.manual_seed(1)
        torch.testing.assert_close(noisy, net(given), rtol=1e-12, atol=1e-12)
        assert not torch.equal(noisy, fast(given))


def test_two_images_whose_background_differs_do_not_share_rows():
    net = nn.Sequential(Skip(nn.Conv2d(1, 1, 3, padding=1), nn.Identity(), "add"), nn.Flatten())
    compare(net, images("backgrounds", (3, 1, 7, 9)))
