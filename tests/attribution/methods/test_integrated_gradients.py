"""Integrated gradients of MPID, which sees most of an image where there is hardly any charge."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from captum.attr import IntegratedGradients as CaptumIntegratedGradients

from conftest import toy_images
from dmcnn.attribution import Target
from dmcnn.attribution.base import Explained
from dmcnn.attribution.methods.integrated_gradients import IntegratedGradients, _weights
from dmcnn.engines.dense import to_tensor
from dmcnn.models.mpid import MPID
from dmcnn.readers import open_images
from models.test_mpid import recipe

TARGET = Target(0)


@pytest.fixture(scope="module")
def trained() -> MPID:
    """MPID after a few steps on toy images: it tells blocks from lines, mostly."""
    torch.manual_seed(1)
    net = MPID(height=128, width=128)
    images = toy_images(16, seed=3)
    classes = torch.tensor([0, 1] * 2)
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-4)
    for start in range(0, 16, 4):
        optimiser.zero_grad()
        outputs = net(to_tensor(images.take(slice(start, start + 4))))
        torch.nn.functional.cross_entropy(outputs, classes).backward()
        optimiser.step()
    optimiser.zero_grad()
    return net.eval()


def error(net: MPID, inputs: torch.Tensor, method: IntegratedGradients) -> float:
    """The largest completeness error."""
    return float(method.completeness(net, inputs, method(net, inputs, TARGET), TARGET).max())


@pytest.mark.slow
def test_complete_within_a_percent_when_trained(trained: MPID) -> None:
    inputs = to_tensor(toy_images(1, seed=9))
    assert error(trained, inputs, IntegratedGradients()) < 0.01
    evenly = CaptumIntegratedGradients(Explained(trained, TARGET)).attribute(inputs, internal_batch_size=8)
    assert float(IntegratedGradients().completeness(trained, inputs, evenly, TARGET).max()) > 0.05


@pytest.mark.slow
def test_complete_within_a_percent_on_real_images(shared_data: Path) -> None:
    net = recipe(MPID(height=128, width=128))
    file = shared_data / "larcv" / "electron.root"
    reader = open_images(file, plane=0, xdim=128, ydim=128, adc_lo=10.0, adc_hi=500.0)
    images = [to_tensor(reader.read(entry, entry + 1)) for entry in range(8)]
    inputs = torch.cat([image for image in images if image.count_nonzero() > 20][:1])
    assert len(inputs) == 1
    assert error(net, inputs, IntegratedGradients()) < 0.01


def test_weights_add_to_the_path_and_account_for_the_change() -> None:
    nodes = torch.tensor([0, 0.1, 0.3, 0.6, 1.0]).double()
    exact = _weights(nodes, nodes**2, 2 * nodes, 0.0)
    assert float(exact.sum()) == pytest.approx(1)
    assert float((exact * 2 * nodes).sum()) == pytest.approx(1)
    values = nodes**2
    values[2] += 0.3  # as rounding does: no slope explains it
    weights = _weights(nodes, values, 2 * nodes, 1e-3)
    assert weights[2] == 0
    assert float(weights.sum()) == pytest.approx(1)
    assert float((weights * 2 * nodes).sum()) == pytest.approx(1, abs=1e-3)
