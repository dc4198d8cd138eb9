"""Layers with maps: their order, the default, and layers that do not exist."""

from __future__ import annotations

import pytest
from torch import nn

from attribution.nets import FRAMES, SHAPE, Frames, Twice, plain, state
from dmcnn._common.errors import InputError
from dmcnn.attribution.layers import MapLayer, find, layers
from dmcnn.models.mpid import MPID


def test_layers_stand_in_the_order_of_the_pass() -> None:
    found = layers(plain(), SHAPE)
    assert [layer.name for layer in found] == ["0", "1", "2", "3", "4", "5", "6"]
    assert found[3] == MapLayer("3", (6, 8), 4)
    assert [layer.size for layer in found][-2:] == ["6x8", "3x4"]
    names = [layer.name for layer in layers(Frames(), FRAMES)]
    assert names == [*(f"features.{i}" for i in range(5)), "activation"]
    assert [layer.name for layer in layers(Twice(), SHAPE)] == ["first", "second", "relu"]


def test_the_network_is_not_changed() -> None:
    net = plain()
    before = state(net)
    layers(net, SHAPE)
    assert state(net) == before


@pytest.mark.slow
def test_the_default_of_mpid_is_32_by_32() -> None:
    net = MPID()
    found = find(net, (1, 512, 512))
    assert (found.grid, found.channels) == ((32, 32), 160)
    assert isinstance(net.get_submodule(found.name), nn.GroupNorm)
    assert find(net, (1, 512, 512), "32x32") == found
    assert find(net, (1, 512, 512), "16x16").channels == 192
    assert find(net, (1, 512, 512), "features.4") == MapLayer("features.4", (254, 254), 64)
    assert find(MPID(height=128, width=192), (1, 128, 192)).grid == (8, 12)


def test_the_default_depends_on_every_axis() -> None:
    assert find(Frames(), FRAMES).name == "activation"
    assert find(Frames(), FRAMES, "4x8x6").name == "features.2"
    deep = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.AvgPool2d((2, 32)), nn.AvgPool2d(2))
    assert find(deep, (1, 64, 256)).name == "0"


def test_an_unknown_layer_is_refused_with_the_nearest() -> None:
    net = Frames()
    with pytest.raises(
        InputError, match=r"'4x8x7'.*did you mean '4x8x6'.*sizes: 4x8x6, 2x4x3; names: features.0"
    ):
        find(net, FRAMES, "4x8x7")
    with pytest.raises(InputError, match="did you mean 'activation'"):
        find(net, FRAMES, "activatoin")
    with pytest.raises(InputError, match="'8x6': Frames has none; sizes"):
        find(net, FRAMES, "8x6")
    with pytest.raises(InputError, match="no layer with maps"):
        find(nn.Sequential(nn.Flatten(), nn.Linear(4, 1)), (1, 2, 2))
