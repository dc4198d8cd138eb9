"""MPID against the outputs of the original class of DM-CNN."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from dmcnn.engines.dense import forward, to_tensor
from dmcnn.models.mpid import FILTERS, MPID, map_size
from dmcnn.readers import open_images


def recipe(net: MPID) -> MPID:
    """Fill the parameters with the formula that the oracle was made with."""
    filled = {}
    for i, (name, tensor) in enumerate(net.state_dict().items()):
        s = np.sin(0.7 * np.arange(tensor.numel(), dtype=np.float64) + i).reshape(tuple(tensor.shape))
        is_norm = name.startswith("features") and tensor.ndim == 1 and _is_norm(net, name)
        if is_norm:
            value = 1 + 0.1 * s if name.endswith("weight") else 0.1 * s
        elif name.endswith("bias"):
            value = 0.05 * s
        else:
            value = s * np.sqrt(1.5 / np.prod(tensor.shape[1:]))
        filled[name] = torch.from_numpy(value).float()
    net.load_state_dict(filled)
    return net.eval()


def _is_norm(net: MPID, name: str) -> bool:
    return isinstance(net.features[int(name.split(".")[1])], torch.nn.GroupNorm)


def test_is_the_network_of_dm_cnn() -> None:
    state = MPID().state_dict()
    assert len(state) == 46
    assert sum(tensor.numel() for tensor in state.values()) == 20_631_938
    assert list(state)[:4] == ["features.0.weight", "features.0.bias", "features.2.weight", "features.2.bias"]
    assert list(state)[-2:] == ["classifier.4.weight", "classifier.4.bias"]
    assert state["classifier.1.weight"].shape == (1536, 12288)
    assert MPID(num_class=5).state_dict()["classifier.4.weight"].shape == (5, 192)


@pytest.mark.slow
def test_reproduces_the_outputs_of_dm_cnn(shared_data: Path) -> None:
    oracle = json.loads((shared_data / "mpid" / "oracle.json").read_text())
    net = recipe(MPID())
    for file in sorted({case["file"] for case in oracle}):
        for plane in range(3):
            reader = open_images(
                shared_data / "larcv" / file, plane=plane, xdim=512, ydim=512, adc_lo=10.0, adc_hi=500.0
            )
            cases = [case for case in oracle if case["file"] == file and case["image"] == plane]
            for case in cases:
                images = to_tensor(reader.read(case["entry"], case["entry"] + 1))
                np.testing.assert_allclose(forward(net, images)[0], case["logits"], atol=1e-5, rtol=0)
                with torch.inference_mode():
                    features = net.features(images)
                assert float(features.double().sum()) == pytest.approx(case["features_sum"], abs=1e-3)
                assert float(features.abs().max()) == pytest.approx(case["features_absmax"], abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("height", "width"), [(512, 512), (128, 192), (127, 128), (333, 140)])
def test_map_size_is_what_the_layers_make(height: int, width: int) -> None:
    net = MPID(height=height, width=width).eval()
    with torch.inference_mode():
        maps = net.features(torch.zeros(1, 1, height, width))
        assert net(torch.zeros(1, 1, height, width)).shape == (1, 2)
    assert maps.shape == (1, FILTERS[-1], map_size(height), map_size(width))


def test_too_small_images_are_refused() -> None:
    assert map_size(64) == 0
    with pytest.raises(ValueError, match="64 x 512"):
        MPID(height=64)


def test_every_parameter_gets_a_gradient() -> None:
    net = MPID(height=128, width=128, channels=2, num_class=3)
    net(torch.rand(2, 2, 128, 128)).sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())
    assert all(
        bool(parameter.grad.isfinite().all()) for parameter in net.parameters() if parameter.grad is not None
    )
