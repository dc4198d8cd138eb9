"""Quantisers against outputs and gradients of QKeras, and the deployed parameters of networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn.quantisation.quantisers import (
    QConv2d,
    QLinear,
    QuantisedBits,
    QuantisedTanh,
    Quantiser,
    deployed_parameters,
    zero_fraction,
    zero_fractions,
)

LIKE_QKERAS: dict[str, Quantiser] = {
    "qb8": QuantisedBits(8),
    "qb4s": QuantisedBits(4, symmetric=True),
    "qb4": QuantisedBits(4),
    "qt8": QuantisedTanh(8),
    "qt4": QuantisedTanh(4),
}


@pytest.mark.parametrize("name", LIKE_QKERAS)
def test_values_and_gradients_are_those_of_qkeras(name: str, shared_data: Path) -> None:
    """The numbers are random, on the grid, on every tie, the floats beside it, and far outside the limits."""
    oracle = np.load(shared_data / "smartpixels" / "qkeras_quantizer_oracle.npz")
    quantiser, x = LIKE_QKERAS[name], torch.from_numpy(oracle["x"]).requires_grad_()
    out = quantiser(x)
    out.sum().backward()
    np.testing.assert_array_equal(out.detach(), oracle[name])
    np.testing.assert_array_equal(x.grad, oracle[f"{name}_grad"])
    with torch.no_grad():
        np.testing.assert_array_equal(quantiser(x), oracle[name])
    codes = quantiser.codes(x)
    assert codes.dtype == torch.int32
    np.testing.assert_array_equal(codes.numpy() * quantiser.step, oracle[name])


def rounded(x: NDArray[np.float64], bits: int, low: int) -> NDArray[np.float64]:
    scale = 2 ** (bits - 1)
    found: NDArray[np.float64] = np.clip(np.rint(x * scale), low, scale - 1) / scale
    return found


@pytest.mark.parametrize("bits", [2, 3, 6, 11, 16])
def test_any_number_of_bits(bits: int) -> None:
    """The results are those of NumPy in float64, for numbers that float32 and x/2 + 1/2 hold exactly."""
    x = np.random.default_rng(bits).integers(-3 * 2**18, 3 * 2**18, 4000) / 2**18
    tensor = torch.from_numpy(x).float().requires_grad_()
    half = 2 ** (bits - 1)
    np.testing.assert_array_equal(QuantisedBits(bits)(tensor).detach(), rounded(x, bits, -half))
    np.testing.assert_array_equal(QuantisedBits(bits, True)(tensor).detach(), rounded(x, bits, 1 - half))
    out = QuantisedTanh(bits)(tensor)
    np.testing.assert_array_equal(out.detach(), rounded(x, bits, 1 - half))
    out.backward(torch.full_like(out, 3.0))
    np.testing.assert_array_equal(tensor.grad, 3.0 * (np.abs(x) < 1 - 0.5 / half))


def test_infinite_numbers_reach_the_limits() -> None:
    ends = torch.tensor([-np.inf, np.inf])
    for quantiser in LIKE_QKERAS.values():
        assert quantiser(ends).tolist() == [quantiser.low * quantiser.step, quantiser.high * quantiser.step]


@pytest.mark.parametrize("bits", [-1, 0, 1, 17])
def test_bits_that_no_number_has(bits: int) -> None:
    for kind in (QuantisedBits, QuantisedTanh):
        with pytest.raises(ValueError, match=f"^{bits} bits, expected 2 to 16"):
            kind(bits)


def test_layers_see_rounded_weights_and_train_float_ones() -> None:
    torch.manual_seed(0)
    coarse, fine = QuantisedBits(3), QuantisedBits(6)
    layers: list[tuple[QConv2d | QLinear, nn.Module, torch.Tensor]] = [
        (QLinear(5, 4, weight_quantiser=coarse, bias_quantiser=fine), nn.Linear(5, 4), torch.randn(3, 5)),
        (QConv2d(2, 4, 3, groups=2, weight_quantiser=coarse), nn.Conv2d(2, 4, 3, groups=2), torch.randn(3, 2, 6, 5)),
    ]  # fmt: skip
    for layer, plain, values in layers:
        plain.load_state_dict({
            "weight": coarse.round(layer.weight.detach()),
            "bias": layer.bias.detach() if layer.bias_quantiser is None else fine.round(layer.bias.detach()),
        })  # fmt: skip
        assert not torch.equal(plain.weight, layer.weight)
        results = [one(values) for one in (layer, plain)]
        torch.testing.assert_close(*results, rtol=0, atol=0)
        for one, result in zip((layer, plain), results, strict=True):
            result.square().sum().backward()
            assert one.weight.grad is not None
        torch.testing.assert_close(layer.weight.grad, plain.weight.grad, rtol=0, atol=0)
        torch.testing.assert_close(layer.bias.grad, plain.bias.grad, rtol=0, atol=0)


def test_what_is_deployed_and_how_much_of_it_is_zero() -> None:
    net = nn.Sequential(
        QLinear(2, 2, weight_quantiser=QuantisedBits(4), bias_quantiser=QuantisedBits(8)), nn.BatchNorm1d(2)
    )
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1 / 16, -1 / 16], [0.0626, 0.0]]))  # a tie is rounded to even
        net[0].bias.copy_(torch.tensor([0.004, 0.003]))
        net[1].weight.copy_(torch.tensor([0.0009, -0.0011]))
    kinds = {name: (parameter, quantiser) for name, parameter, quantiser in deployed_parameters(net)}
    assert list(kinds) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert kinds["0.weight"] == (net[0].weight, net[0].weight_quantiser)
    assert kinds["0.bias"][1] is net[0].bias_quantiser
    assert kinds["1.weight"][1] is kinds["1.bias"][1] is None
    assert zero_fractions(net) == {"0.weight": 0.75, "0.bias": 0.5, "1.weight": 0.5, "1.bias": 1.0}
    assert zero_fraction(net) == 7 / 10
