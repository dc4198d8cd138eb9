"""Fixed-point networks against the float networks of the same weights, and networks that cannot be converted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dmcnn._common.errors import InputError
from dmcnn.images.sparse import SparseImages, sparse
from dmcnn.models import smartpixel
from dmcnn.quantisation.fixedpoint import PARAMETERS, STEPS, Codes, FixedPoint
from reference.predict import predict as twin

SHAPE = (2, 7, 9)
BITS = dict.fromkeys(STEPS, 4)
SIZES = {
    "depthwise.weight": (2, 1, 3, 3),
    "pointwise.weight": (5, 2, 1, 1),
    "pointwise.bias": (5,),
    "conv.weight": (5, 5, 1, 1),
    "conv.bias": (5,),
    "dense_1.weight": (6, 30),
    "dense_1.bias": (6,),
    "dense_2.weight": (4, 6),
    "dense_2.bias": (4,),
    "output.weight": (3, 4),
    "output.bias": (3,),
}


def layers() -> dict[str, Codes]:
    rng = np.random.default_rng(0)
    return {name: Codes(rng.integers(-8, 8, size, np.int8), 4) for name, size in SIZES.items()}


def frames() -> SparseImages:
    rng = np.random.default_rng(1)
    values = np.where(rng.random((40, *SHAPE)) < 0.2, rng.normal(0, 0.5, (40, *SHAPE)), 0)
    return sparse(values.astype(np.float32))


def test_sparse_and_dense_are_the_twin() -> None:
    some, images = layers(), frames()
    net = FixedPoint(some, shape=SHAPE, pool=2, bits=BITS)
    expected = twin(
        images.dense(),
        2,
        (some["depthwise.weight"].integers[:, 0], 4),
        (some["pointwise.weight"].integers[:, :, 0, 0], 4),
        some["pointwise.bias"],
        (some["conv.weight"].integers[:, :, 0, 0], 4),
        some["conv.bias"],
        [(some[f"{name}.weight"], some[f"{name}.bias"], 4) for name in ("dense_1", "dense_2", "output")],
        **dict.fromkeys(("input_bits", "act_1_bits", "act_2_bits", "pool_bits"), 4),
    )
    for found in (net(images), net(images.dense(), n_threads=2), net(np.asfortranarray(images.dense()))):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("sizes", "grid"),
    [
        ({}, 4),
        ({"channels": 20, "filters_1": 8}, 4),
        (
            {
                "height": 16,
                "width": 16,
                "kernel_1": 5,
                "pool": 4,
                "dense_1": 33,
                "dense_2": 7,
                "num_class": 2,
            },
            6,
        ),
        ({"channels": 1, "filters_1": 1, "kernel_1": 1, "pool": 1, "bits_1": 8, "bits_2": 3}, 2),
        ({"bits_1": 2, "bits_2": 8, "pool": 2}, 8),
    ],
)
def test_same_as_the_network(sizes: dict[str, int], grid: int) -> None:
    """With random weights and pixels on the grid the float network is exact."""
    torch.manual_seed(3)
    net = smartpixel.SmartPixel(**sizes)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.uniform_(-1, 1)
    shape = (sizes.get("channels", 2), sizes.get("height", 13), sizes.get("width", 21))
    pixels = (
        torch.randn(64, *shape).mul_(2 ** (grid - 2)).round_().clamp_(-(2 ** (grid - 1)), 2 ** (grid - 1) - 1)
    )
    pixels = pixels.div_(2 ** (grid - 1)).where(torch.rand(64, *shape) < 0.3, torch.zeros(()))
    with torch.no_grad():
        expected = net(pixels).numpy()
    found = FixedPoint.from_network(net, shape, input_bits=grid)(pixels.numpy())
    np.testing.assert_array_equal(found, expected)
    assert len(np.unique(found)) > 1


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"bits_1": 0}, "depthwise.weight is not rounded"),
        ({"bits_2": 0}, "dense_1.weight is not rounded"),
        ({"bits_2": 9}, "dense_1.weight has 9 bits, expected at most 8"),
        ({"width": 15}, r"dense weight has shape \(16, 60\), expected \(any, 90\)"),
    ],
)
def test_refuses_networks(sizes: dict[str, int], said: str) -> None:
    with pytest.raises(InputError, match=said):
        FixedPoint.from_network(smartpixel.SmartPixel(**sizes), (2, 13, 21), input_bits=4)


def test_the_bits_of_the_pixels_have_no_default() -> None:
    """Four bits for a network that was trained with eight: outputs off by 0.74, in silence."""
    net = smartpixel.SmartPixel()
    with pytest.raises(TypeError, match="input_bits"):
        FixedPoint.from_network(net, (2, 13, 21))  # type: ignore[call-arg]
    with pytest.raises(InputError, match="pixels that are not rounded"):
        FixedPoint.from_network(net, (2, 13, 21), input_bits=None)


@pytest.mark.parametrize("name", PARAMETERS)
def test_refuses_parameters(name: str) -> None:
    integers, bits = layers()[name]
    some = {name: Codes(integers.astype(np.int16), bits)}
    with pytest.raises(InputError, match=f"{name} is int16, expected int8"):
        FixedPoint({**layers(), **some}, shape=SHAPE, pool=2, bits=BITS)
    with pytest.raises(InputError, match="expected"):
        FixedPoint({**layers(), name: Codes(integers[..., None], bits)}, shape=SHAPE, pool=2, bits=BITS)
    with pytest.raises(InputError, match=f"no values for {name}; expected depthwise.weight"):
        FixedPoint({k: v for k, v in layers().items() if k != name}, shape=SHAPE, pool=2, bits=BITS)


def test_refuses_bits_and_frames() -> None:
    with pytest.raises(InputError, match="no values for act_4"):
        FixedPoint(layers(), shape=SHAPE, pool=2, bits={key: 4 for key in STEPS if key != "act_4"})
    with pytest.raises(InputError, match="input bits 13, expected 2 to 12"):
        FixedPoint(layers(), shape=SHAPE, pool=2, bits={**BITS, "input": 13})
    net = FixedPoint(layers(), shape=SHAPE, pool=2, bits=BITS)
    with pytest.raises(InputError, match="frames of float64, expected float32"):
        net(np.zeros((1, *SHAPE)))  # type: ignore[arg-type]
    for shape in ((1, 2, 7, 8), (2, 7, 9), (0,)):
        with pytest.raises(InputError, match=r"frames of shape .*, expected \(2, 7, 9\)"):
            net(np.zeros(shape, np.float32))
    with pytest.raises(InputError, match=r"frames of shape \(1, 7, 9\)"):
        net(sparse(np.zeros((1, 1, 7, 9), np.float32)))
