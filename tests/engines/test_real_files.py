"""The sparse engine on real events, against the logits of DM-CNN's own class and the network in float64."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from dmcnn.engines.sparse import sparse
from dmcnn.models import MODELS
from dmcnn.readers import open_images
from engines.nets import images
from models.test_mpid import recipe


def events(folder: Path, file: str, plane: int, first: int, last: int):
    """Events first to last - 1 of a file, in 512 x 512."""
    reader = open_images(folder / "larcv" / file, plane=plane, xdim=512, ydim=512, adc_lo=10.0, adc_hi=500.0)
    return reader.read(first, last)


@pytest.mark.slow
def test_reproduces_the_logits_of_dm_cnn(shared_data: Path) -> None:
    oracle = json.loads((shared_data / "mpid" / "oracle.json").read_text())
    net = sparse(recipe(MODELS["mpid"]()))
    for case in oracle:
        event = events(shared_data, case["file"], case["image"], case["entry"], case["entry"] + 1)
        with torch.inference_mode():
            np.testing.assert_allclose(net(event)[0], case["logits"], atol=1e-5, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("file", ["electron.root", "proton.root"])
def test_gradients_are_nearer_to_float64_than_those_of_the_dense_network(
    shared_data: Path, file: str
) -> None:
    torch.manual_seed(3)
    net = MODELS["mpid"]().eval()
    event = events(shared_data, file, 0, 0, 1)
    given = torch.from_numpy(event.dense())
    gradients = []
    for one, what in ((net, given), (sparse(net), event), (copy.deepcopy(net).double(), given.double())):
        one.zero_grad()
        one(what)[0, 1].backward()
        gradients.append({name: p.grad.double().clone() for name, p in one.named_parameters()})
    dense, fast, exact = gradients
    most = max(float(value.abs().max()) for value in exact.values())
    for name, value in exact.items():
        errors = [float((found[name] - value).abs().max()) for found in (fast, dense)]
        assert errors[0] <= 3 * errors[1] + 1e-6 * max(float(value.abs().max()), 1e-3 * most), name


def test_lariat_images_have_a_background_that_is_not_zero() -> None:
    from dmcnn.images.scaling import scale_

    torch.manual_seed(4)
    net = MODELS["lariat"]().eval()
    given = scale_(images("sparse", (2, 1, 240, 146)).float().abs(), "minmax")
    assert float(given.min()) == pytest.approx(0.1)
    with torch.inference_mode():
        exact = copy.deepcopy(net).double()(given.double())
        errors = [float((one(given) - exact).abs().max()) for one in (sparse(net), net)]
    assert errors[0] <= 3 * errors[1] + 1e-6 * float(exact.abs().max())
