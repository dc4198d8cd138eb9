"""SmartPixel against the outputs, inner values and gradients of its QKeras original, and its weight files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from checkpoints.saved_by_keras import layer, save
from dmcnn._common.errors import InputError
from dmcnn.checkpoints import load
from dmcnn.checkpoints.card import Card
from dmcnn.models.smartpixel import SmartPixel
from dmcnn.quantisation.quantisers import (
    QuantisedBits,
    QuantisedTanh,
    deployed_parameters,
    zero_fraction,
    zero_fractions,
)
from dmcnn.tasks import task_of

ORACLES = ["2t_baseline_636eb1c6", "2t_mdmm_076ea794", "20t_type6_c8fe3c7d"]
INNER = {
    "act_1": "q_activation", "conv": "q_conv2d", "act_2": "q_activation_1", "pool_quantiser": "q_activation_2",
    "dense_1": "q_dense", "act_3": "q_activation_3", "dense_2": "q_dense_1", "act_4": "q_activation_4",
    "output": "q_dense_2",
}  # fmt: skip
"""Module -> layer of the original; all but the pooling itself, which divides by 9."""


def nchw(frames: NDArray[np.float32]) -> torch.Tensor:
    """Return a (B, H, W, C) array of Keras as a (B, C, H, W) tensor."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(frames, -1, 1)))


def original(shared_data: Path, name: str) -> tuple[SmartPixel, Card, dict[str, NDArray[np.float32]]]:
    folder = shared_data / "smartpixels"
    net, card = load.load(folder / f"keras_{name.rpartition('_')[2]}.hdf5")
    assert isinstance(net, SmartPixel)
    return net, card, dict(np.load(folder / f"qkeras_oracle_{name}.npz"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ORACLES)
def test_outputs_are_those_of_qkeras_bit_for_bit(name: str, shared_data: Path) -> None:
    net, card, oracle = original(shared_data, name)
    with torch.inference_mode():
        np.testing.assert_array_equal(net(nchw(oracle["Xq"])), oracle["out_q"])
        np.testing.assert_array_equal(net(nchw(oracle["X"])), oracle["out_f"])
    assert (card.model, card.classes, card.signal, card.diagonal) == ("smartpixel", [], None, "relu")
    assert card.targets == ["x-midplane", "y-midplane", "cotAlpha", "cotBeta"]
    assert card.target_scales == [75, 18.75, 8.0, 0.5]
    slices = {"2t": [0, 19], "20t": list(range(20))}[name.partition("_")[0]]
    assert card.reading == {"slices": slices, "charge": "standardised", "charge_bits": 4}
    assert task_of(card).outputs == card.arguments["num_class"] == 14


@pytest.mark.slow
@pytest.mark.parametrize("name", ORACLES)
def test_inner_values_are_those_of_qkeras(name: str, shared_data: Path) -> None:
    net, _, oracle = original(shared_data, name)
    seen: dict[str, torch.Tensor] = {}
    for key in [*INNER, "pool"]:
        net.get_submodule(key).register_forward_hook(
            lambda _, inputs, out, key=key: seen.update(
                {key: out.clone(), f"before {key}": inputs[0].clone()}
            )
        )
    for kind, frames in (("inter_q", "Xq"), ("inter_f", "X")):
        with torch.inference_mode():
            net(nchw(oracle[frames][oracle["keep"]]))
        for key, theirs in INNER.items():
            value = oracle[f"{kind}/{theirs}"]
            value = nchw(value)[:, :, :9, :18] if value.ndim == 4 and "pool" not in key else value
            value = nchw(value) if key == "pool_quantiser" else value
            np.testing.assert_array_equal(seen[key], value, err_msg=f"{kind} {key}")
        first = nchw(oracle[f"{kind}/q_separable_conv2d"])[:, :, :9, :18]
        if kind == "inter_q":
            np.testing.assert_array_equal(seen["before act_1"], first)
        else:  # two sums in another order
            np.testing.assert_allclose(seen["before act_1"], first, atol=4e-6, rtol=0)
        mean = nchw(oracle[f"{kind}/average_pooling2d"])
        np.testing.assert_allclose(seen["pool"], mean, atol=6e-8, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", ORACLES)
def test_gradients_are_those_of_qkeras(name: str, shared_data: Path) -> None:
    net, _, oracle = original(shared_data, name)
    net(nchw(oracle["Xq"])).backward(torch.from_numpy(oracle["dnll_dout"]))
    for key, parameter in net.named_parameters():
        theirs = oracle[f"grad/{KERAS[key]}"]
        found = as_keras(key, parameter.grad.numpy(), net)
        # float32 sums over frames and places, whose order is up to the processor and its threads: 1.04e-5 was seen
        np.testing.assert_allclose(found, theirs, rtol=0, atol=4e-5 * np.abs(theirs).max(), err_msg=key)


KERAS = {
    "depthwise.weight": "q_separable_conv2d/depthwise_kernel",
    "pointwise.weight": "q_separable_conv2d/pointwise_kernel",
    "pointwise.bias": "q_separable_conv2d/bias",
    **{f"{ours}.{kind}": f"{theirs}/{'kernel' if kind == 'weight' else kind}"
       for ours, theirs in (("conv", "q_conv2d"), ("dense_1", "q_dense"), ("dense_2", "q_dense_1"),
                            ("output", "q_dense_2"))
       for kind in ("weight", "bias")},
}  # fmt: skip
"""Parameter -> weight of the original."""


def as_keras(key: str, value: NDArray[np.float32], net: SmartPixel) -> NDArray[np.float32]:
    """Return a parameter in the axis order of Keras."""
    if key == "depthwise.weight":
        return value.transpose(2, 3, 0, 1)
    if key == "dense_1.weight":
        rows, columns = (
            (length - net.depthwise.kernel_size[0] + 1) // net.pool.kernel_size for length in net.read_shape
        )
        maps = value.reshape(len(value), -1, rows, columns)
        return maps.transpose(2, 3, 1, 0).reshape(-1, len(value))
    return value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T


def test_zeros_of_the_sparse_original(shared_data: Path) -> None:
    """The shares of zeros are those published for these layers."""
    net, _, _ = original(shared_data, "2t_mdmm_076ea794")
    found = zero_fractions(net)
    kernels = ("depthwise", "conv", "dense_1", "dense_2", "output")
    assert [round(found[f"{name}.weight"], 3) for name in kernels] == [0.056, 0.56, 0.738, 0.91, 0.754]
    counts = {name: parameter.numel() for name, parameter, _ in deployed_parameters(net)}
    zeros = sum(found[name] * count for name, count in counts.items() if name.endswith("weight"))
    assert zeros / sum(count for name, count in counts.items() if name.endswith("weight")) == pytest.approx(
        0.751, abs=5e-4
    )
    assert zero_fraction(net) == pytest.approx(
        sum(found[name] * count for name, count in counts.items()) / 2029
    )


def test_published_parameter_counts() -> None:
    def layers(**sizes: int) -> list[int]:
        parts = (("depthwise", "pointwise"), ("conv",), ("dense_1",), ("dense_2",), ("output",))
        net = SmartPixel(**sizes)
        return [
            sum(p.numel() for name in part for p in net.get_submodule(name).parameters()) for part in parts
        ]

    assert layers() == [33, 30, 1456, 272, 238]
    assert layers(channels=20) == [285, 30, 1456, 272, 238]
    assert sum(layers(channels=20, filters_1=8)) == 3250


def plainly(net: SmartPixel, images: torch.Tensor) -> torch.Tensor:
    """Compute the outputs layer by layer with all pixels, and quantisers as in the published formulas."""

    def bits(x: torch.Tensor, bits: int, symmetric: bool = False) -> torch.Tensor:
        half = 2.0 ** (bits - 1)
        return x + ((x * half).round().clamp(-half + symmetric, half - 1) / half - x).detach() if bits else x

    def tanh(x: torch.Tensor, count: int) -> torch.Tensor:
        half, x = 2.0 ** (count - 1), x.clamp(-1, 1)
        coarse = x + ((x * half).round() / half - x).detach()
        return coarse.clamp(-1 + 1 / half, 1 - 1 / half) if count else x

    one, two = (getattr(quantiser, "bits", 0) for quantiser in (net.act_1, net.act_3))
    x = F.conv2d(images, bits(net.depthwise.weight, one, True), groups=images.shape[1])
    x = tanh(F.conv2d(x, bits(net.pointwise.weight, one, True), bits(net.pointwise.bias, one)), one)
    x = tanh(F.conv2d(x, bits(net.conv.weight, one), bits(net.conv.bias, one)), one)
    x = bits(F.avg_pool2d(x, net.pool.kernel_size), two).flatten(1)
    for dense in (net.dense_1, net.dense_2):
        x = tanh(F.linear(x, bits(dense.weight, two), bits(dense.bias, two)), two)
    return F.linear(x, bits(net.output.weight, two), bits(net.output.bias, two))


SIZES: list[dict[str, int]] = [
    {},
    {"channels": 20, "filters_1": 8},
    {"height": 16, "width": 16, "kernel_1": 2, "pool": 4, "dense_1": 7, "num_class": 5},
    {"height": 12, "width": 9, "kernel_1": 5, "pool": 2, "filters_1": 3, "bits_1": 6, "bits_2": 5},
    {"height": 7, "width": 11, "kernel_1": 1, "pool": 1, "channels": 3, "bits_1": 3},
    {"bits_1": 0, "bits_2": 0},
    {"bits_1": 0},
]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_shortcuts_change_nothing(sizes: dict[str, int]) -> None:
    """Two layers as one and fewer pixels give the same outputs, exactly on a grid, and gradients up to rounding."""
    torch.manual_seed(4)
    net = SmartPixel(**sizes)
    for name, parameter in net.named_parameters():
        if name.endswith("bias"):
            nn.init.uniform_(parameter, -0.3, 0.3)
    shape = (40, *(sizes.get(key, value) for key, value in (("channels", 2), ("height", 13), ("width", 21))))
    images = torch.randint(-8, 8, shape) / 8 * (torch.rand(shape) < 0.4)
    found, expected = net(images), plainly(net, images)
    exact = sizes.get("bits_1", 4) and sizes.get("bits_2", 8)
    torch.testing.assert_close(found, expected, rtol=0, atol=0 if exact else 1e-6)
    weight = torch.randn_like(found)
    pairs = zip(
        *(torch.autograd.grad(out, [*net.parameters()], weight) for out in (found, expected)), strict=True
    )
    for (name, _), (ours, plain) in zip(net.named_parameters(), pairs, strict=True):
        assert ours.any(), name
        torch.testing.assert_close(ours, plain, rtol=0, atol=2e-5 * float(plain.abs().max()), msg=name)


@pytest.mark.parametrize("sizes", SIZES[:5], ids=str)
def test_pixels_that_are_left_out_never_matter(sizes: dict[str, int]) -> None:
    """Pixels beyond ``read_shape`` do not reach the outputs of the network without shortcuts, those inside do."""
    torch.manual_seed(5)
    net = SmartPixel(**sizes | {"bits_1": 0, "bits_2": 0})
    height, width = sizes.get("height", 13), sizes.get("width", 21)
    images = torch.rand(8, sizes.get("channels", 2), height, width, requires_grad=True)
    plainly(net, images).square().sum().backward()
    used = images.grad.abs().sum(dim=(0, 1)) > 0
    rows, columns = net.read_shape
    assert not used[rows:].any()
    assert not used[:, columns:].any()
    assert used[rows - 1].any()
    assert used[:, columns - 1].any()


def test_the_unquantised_twin_has_the_same_parameters() -> None:
    twin, net = SmartPixel(bits_1=0, bits_2=0), SmartPixel()
    twin.load_state_dict(net.state_dict())
    assert {quantiser for _, _, quantiser in deployed_parameters(twin)} == {None}
    assert not any(isinstance(module, QuantisedBits | QuantisedTanh) for module in twin.modules())
    kinds = {name: str(quantiser) for name, _, quantiser in deployed_parameters(net)}
    symmetric, four, eight = (str(QuantisedBits(*bits)) for bits in ((4, True), (4,), (8,)))
    assert kinds["depthwise.weight"] == kinds["pointwise.weight"] == symmetric
    assert kinds["pointwise.bias"] == kinds["conv.weight"] == kinds["conv.bias"] == four
    assert {kinds[name] for name in kinds if name.startswith(("dense", "output"))} == {eight}


def test_begins_as_qkeras_does() -> None:
    """Kernels are Glorot-uniform, then Gaussian truncated at two sigma, with the fans of Keras, and at most 1."""
    torch.manual_seed(6)
    net = SmartPixel(channels=60, filters_1=40, dense_1=300, dense_2=200, bits_1=8)
    for part, limit in ((net.depthwise, 6 / (9 * 60 + 9)), (net.pointwise, 6 / (60 + 40))):
        weight = part.weight.detach()
        assert 0.98 * limit**0.5 < weight.abs().max() <= limit**0.5 * 1.000001
        assert weight.std() == pytest.approx((limit / 3) ** 0.5, rel=0.1)
    for name, fan in (("conv", 40), ("dense_1", 40 * 18), ("dense_2", 300), ("output", 200)):
        weight, spread = net.get_submodule(name).weight.detach(), (2 / fan) ** 0.5
        assert weight.std() == pytest.approx(spread, rel=0.05)
        assert 2 * spread < weight.abs().max() <= 2.2737 * spread
    assert not any(parameter.any() for name, parameter in net.named_parameters() if name.endswith("bias"))
    assert max(SmartPixel(filters_1=1).conv.weight.abs().item() for _ in range(40)) == 1.0


def test_weights_finer_than_their_last_bit_are_enlarged() -> None:
    """The factor is the root of the ratio that fits the weights to the rounded ones."""
    nets = []
    for bits in (8, 2):
        torch.manual_seed(7)
        nets.append(SmartPixel(bits_2=bits))
    before, after = (net.dense_1.weight.detach().double().numpy() for net in nets)
    coarse = np.clip(np.rint(before * 2), -2, 1) / 2
    factor = (coarse**2).sum() / (coarse * before).sum()
    assert factor > 1.2
    np.testing.assert_allclose(after, np.clip(before * factor**0.5, -1, 1), rtol=1e-6)


def keras_layers(net: SmartPixel) -> list[dict[str, Any]]:
    """Return the layers with weights in the order of Keras, and one layer without."""
    kept: dict[str, dict[str, NDArray[np.float32]]] = {"input_1": {}}
    for key, parameter in net.state_dict().items():
        name, _, weight = KERAS[key].partition("/")
        kept.setdefault(name, {})[weight] = as_keras(key, parameter.numpy(), net)
    return [layer("Q", name, {}, **arrays) for name, arrays in kept.items()]


@pytest.mark.parametrize("sizes", [{"channels": 3, "filters_1": 8, "dense_1": 9, "dense_2": 7, "num_class": 9},
                                   {"height": 16, "width": 16, "kernel_1": 4, "pool": 2}], ids=str)  # fmt: skip
def test_sizes_are_found_in_the_file(sizes: dict[str, int], tmp_path: Path) -> None:
    torch.manual_seed(8)
    net = SmartPixel(**sizes)
    loaded, card = load.load(save(tmp_path / "x.hdf5", keras_layers(net), None))
    images = torch.rand(3, card.arguments["channels"], card.arguments["height"], card.arguments["width"])
    with torch.inference_mode():
        torch.testing.assert_close(loaded(images), net(images), rtol=0, atol=0)
    assert card.arguments.items() >= sizes.items()
    assert task_of(card).outputs == sizes.get("num_class", 14)
    assert len(card.targets) == (3 if "num_class" in sizes else 4)
    assert card.reading["slices"] == ([0, 1, 2] if "channels" in sizes else [0, 19])


def put(name: str, **arrays: Any) -> Callable[[list[dict[str, Any]]], None]:
    return lambda layers: next(one for one in layers if one["config"]["name"] == name)["weights"].update(
        arrays
    )


FAULTS: dict[str, tuple[Callable[[list[dict[str, Any]]], Any], str]] = {
    "missing": (lambda layers: layers.pop(), "expected a separable and a 1x1 convolution and three dense layers"),
    "not separable": (
        lambda layers: layers[1]["weights"].pop("pointwise_kernel"),
        "found weights of 'q_separable_conv2d', 'q_conv2d'",
    ),
    "window": (put("q_dense", kernel=np.zeros((91, 16))), "13 x 21 or 16 x 16 pixels leaves 91 inputs"),
    "outputs": (
        put("q_dense_2", kernel=np.zeros((16, 13)), bias=np.zeros(13)),
        "13 outputs are no means with a full covariance",
    ),
    "shape": (
        put("q_conv2d", kernel=np.zeros((1, 1, 5, 6))),
        r"layer 'q_conv2d': kernel has shape \(1, 1, 5, 6\), SmartPixel expects \(1, 1, 5, 5\)",
    ),
    "depth": (
        put("q_separable_conv2d", depthwise_kernel=np.zeros((3, 3, 2, 2))),
        r"'q_separable_conv2d/depthwise': kernel has shape \(3, 3, 1, 4\), SmartPixel expects \(3, 3, 1, 2\)",
    ),
    "nothing": (put("q_separable_conv2d", depthwise_kernel=np.zeros((0, 3, 2, 1))), "has shape|sizes|leaves"),
    "not finite": (put("q_dense_1", bias=np.full(16, np.nan)), "layer 'q_dense_1': bias holds NaN"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_not_this_network(fault: str, tmp_path: Path) -> None:
    change, words = FAULTS[fault]
    layers = keras_layers(SmartPixel())
    change(layers)
    with pytest.raises(InputError, match=words) as error:
        load.load(save(tmp_path / "x.hdf5", layers, None))
    assert str(error.value).startswith(str(tmp_path / "x.hdf5"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("sizes", "words"),
    [({"height": 4}, "4 x 21 pixels"), ({"bits_1": 1}, "1 bits"), ({"bits_2": 17}, "17 bits"),
     ({"filters_1": 0}, "expected positive"), ({"pool": 0}, "expected positive")],
)  # fmt: skip
def test_sizes_that_no_network_has(sizes: dict[str, int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SmartPixel(**sizes)
