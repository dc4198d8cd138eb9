"""Layout channels_last: bfloat16 scores are as near to float64 as those of contiguous maps, whatever the network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from conftest import toy_images
from dmcnn.engines import channels_last, dense
from dmcnn.engines.channels_last import ChannelsLastPass
from dmcnn.engines.dense import forward, to_tensor
from dmcnn.engines.sparse import sparse
from dmcnn.models import MODELS


class Views(nn.Module):
    """A network that asks for contiguous maps, with groups of two channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.linear = nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.Linear(4 * 30 * 30, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = F.relu(self.norm(self.conv(images)))
        out: torch.Tensor = self.linear(maps.view(len(images), -1))
        return out


def errors(net: nn.Module, images: torch.Tensor) -> NDArray[np.float64]:
    """Return the differences of bfloat16 scores from those in float64."""
    own = forward(net, images, "bf16")
    difference: NDArray[np.float64] = own - forward(net.double(), images.double())
    net.float()
    return difference


def rms(numbers: NDArray[np.float64]) -> float:
    """Return the root of the mean square."""
    return float(np.sqrt(np.square(numbers).mean()))


def test_views_and_groups() -> None:
    torch.manual_seed(0)
    net, images = Views().eval(), torch.rand(3, 1, 32, 32)
    assert np.abs(errors(net, images)).max() < 0.02
    strides: list[tuple[int, ...]] = []
    net.conv.register_forward_pre_hook(lambda _, given: strides.append(given[0].stride()))
    for precision in ("bf16", "32"):  # float32 stays as it was
        forward(net, images, precision)
    assert strides == [(1024, 1, 32, 1), images.stride()]


def test_what_is_no_dense_map_is_left_alone() -> None:
    """Rows, and frames whose convolutions have three axes."""
    torch.manual_seed(0)
    net, images = Views().eval(), torch.rand(3, 1, 32, 32)
    assert channels_last.serves(net, images)
    assert not channels_last.serves(sparse(net), images)
    frames = MODELS["cnn3d"](num_class=2, channels=5, height=32, width=32)
    assert not channels_last.serves(frames, torch.rand(2, 5, 32, 32))


def test_layout_changes_no_pixel() -> None:
    for images in (torch.rand(3, 1, 5, 4), torch.rand(2, 3, 4, 5), torch.rand(2, 3, 4, 5).mT):
        inner = channels_last.channels_last(images)
        assert torch.equal(inner, images)
        assert inner.stride(1) == 1


def test_statistics_of_images_far_from_zero() -> None:
    """Where E[x^2] - E[x]^2 in float32 has no right digit, and a map of one place."""
    maps = (torch.randn(2, 4, 64, 64) + 3000).contiguous(memory_format=torch.channels_last)
    exact = F.group_norm(maps.double(), 4)
    with torch.inference_mode(), ChannelsLastPass():
        own = F.group_norm(maps, 4)
        assert torch.equal(torch.group_norm(maps, 4, None, None, 1e-5, True), own)
        assert own.is_contiguous(memory_format=torch.channels_last)
        one_place = F.group_norm(maps[:, :, :1, :1] - 3000, 4, bias=torch.ones(4))
        torch.testing.assert_close(one_place, torch.ones(2, 4, 1, 1))
    torch.testing.assert_close(own.double(), exact, atol=0.02, rtol=0)


@pytest.mark.slow
def test_scores_are_as_near_as_those_of_contiguous_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(2)
    net, images = MODELS["mpid"](height=128, width=128).eval(), to_tensor(toy_images(12, seed=1))
    own = rms(errors(net, images))
    monkeypatch.setattr(dense, "serves", lambda *_: False)
    assert 0 < own < 1.1 * rms(errors(net, images))
