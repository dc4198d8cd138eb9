"""Occlusion as a method against one forward pass per pixel."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from attribution.nets import FRAMES, SHAPE, Frames, images, plain
from dmcnn._common.errors import InputError
from dmcnn.attribution import Target
from dmcnn.attribution.methods.occlusion import Occlusion

TARGET = Target(1, "score", "softmax")


@pytest.mark.parametrize(("net", "shape"), [(plain(), SHAPE), (Frames(), FRAMES)], ids=["2-D", "3-D"])
def test_equals_a_loop_over_pixels(net: nn.Module, shape: tuple[int, int, int]) -> None:
    inputs = images(2, shape)
    found = Occlusion(k=2, internal_batch=5)(net, inputs, TARGET)
    net.eval()
    expected = torch.zeros_like(inputs)
    with torch.no_grad():
        for i, image in enumerate(inputs):
            base = net(image[None]).softmax(dim=1)[0, 1]
            for row, column in (image != 0).any(dim=0).nonzero().tolist():
                hidden = image.clone()
                hidden[:, max(0, row - 2) : row + 3, max(0, column - 2) : column + 3] = 0
                expected[i, :, row, column] = base - net(hidden[None]).softmax(dim=1)[0, 1]
    assert float(expected.abs().max()) > 1e-3
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)


def test_a_stride_fills_cells_and_a_fill_changes_the_map() -> None:
    net, inputs = plain(), images(1)
    coarse = Occlusion(k=1, stride=4)(net, inputs, TARGET)[0, 0]
    cells = coarse.view(3, 4, 4, 4).transpose(1, 2).flatten(2)
    assert bool((cells == cells[..., :1]).all())
    assert not torch.equal(
        Occlusion(k=1, fill="mean")(net, inputs, TARGET), Occlusion(k=1)(net, inputs, TARGET)
    )


def test_a_depth_makes_a_map_per_frame() -> None:
    net, inputs = Frames(), images(1, FRAMES)
    found = Occlusion(k=1, depth=1, internal_batch=7)(net, inputs, TARGET)[0]
    net.eval()
    expected = torch.zeros_like(inputs[0])
    with torch.no_grad():
        base = net(inputs).softmax(dim=1)[0, 1]
        for frame, row, column in inputs[0].nonzero().tolist():
            hidden = inputs.clone()
            box = (slice(max(0, at - 1), at + 2) for at in (frame, row, column))
            hidden[(0, *box)] = 0
            expected[frame, row, column] = base - net(hidden).softmax(dim=1)[0, 1]
    assert not torch.equal(expected[0], expected[1])
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)
    with pytest.raises(InputError, match="depth = -1"):
        Occlusion(depth=-1)
