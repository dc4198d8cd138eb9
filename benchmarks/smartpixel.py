"""Frames of a pixel sensor through the quantised network: training steps and predictions, one thread, CPU time.

The baseline is the network as one writes it in torch: a grouped convolution before a 1x1 convolution on whole NCHW
frames, and quantisers of elementary functions. Both hold the same weights and give the same outputs, exactly.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from timing import Timing, paired
from torch import nn

from dmcnn.models.smartpixel import SmartPixel

BATCH = 5000
"""As the users of the network train it."""

TRAIN = {2: 1.3, 20: 2.5}
PREDICT = {2: 1.5, 20: 1.5}
"""Time slices -> how many times as fast as the baseline."""


def bits(x: torch.Tensor, count: int, symmetric: bool = False) -> torch.Tensor:
    """Rounded values whose gradient is that of ``x``."""
    half = 2.0 ** (count - 1)
    return x + ((x * half).round().clamp(symmetric - half, half - 1) / half - x).detach()


def tanh(x: torch.Tensor, count: int) -> torch.Tensor:
    """A rounded hard tanh."""
    half = 2.0 ** (count - 1)
    x = 2 * (0.5 * x + 0.5).clamp(0, 1) - 1
    return (x + ((x * half).round() / half - x).detach()).clamp(1 / half - 1, 1 - 1 / half)


class Plain(nn.Module):
    """The network layer by layer, on the weights of another one."""

    def __init__(self, net: SmartPixel) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, channels, rows, columns) -> (B, outputs)."""
        net = self.net
        x = F.conv2d(x, bits(net.depthwise.weight, 4, True), groups=x.shape[1])
        for layer, symmetric in ((net.pointwise, True), (net.conv, False)):
            x = tanh(F.conv2d(x, bits(layer.weight, 4, symmetric), bits(layer.bias, 4)), 4)
        x = bits(F.avg_pool2d(x, net.pool.kernel_size), 8).flatten(1)
        for layer in (net.dense_1, net.dense_2):
            x = tanh(F.linear(x, bits(layer.weight, 8), bits(layer.bias, 8)), 8)
        return F.linear(x, bits(net.output.weight, 8), bits(net.output.bias, 8))


def frames(slices: int, count: int = BATCH) -> torch.Tensor:
    """(count, slices, 13, 21) pixels on the grid of 4 bits, one in eight with charge."""
    generator = torch.Generator().manual_seed(slices)
    shape = (count, slices, 13, 21)
    charged = torch.rand(shape, generator=generator) < 1 / 8
    return torch.randint(-8, 8, shape, generator=generator) / 8 * charged


def step(net: nn.Module, images: torch.Tensor, weight: torch.Tensor) -> None:
    """Outputs and the gradients of all parameters."""
    for parameter in net.parameters():
        parameter.grad = None
    net(images).backward(weight)


@torch.inference_mode()
def predict(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Outputs alone."""
    out: torch.Tensor = net(images)
    return out


def rows() -> list[Timing]:
    """Two rows for 2 time slices, two for 20."""
    found = []
    for slices in TRAIN:
        torch.manual_seed(slices)
        ours = SmartPixel(channels=slices)
        other, images = Plain(ours), frames(slices)
        assert torch.equal(predict(ours, images), predict(other, images))
        weight = torch.randn(BATCH, ours.output.out_features)
        what = f"{BATCH} pixel frames of {slices} slices"
        found += [
            paired(
                f"{what}: forward, backward", "torch, layer by layer",
                lambda ours=ours, images=images, weight=weight: step(ours, images, weight),
                lambda other=other, images=images, weight=weight: step(other, images, weight),
                target=TRAIN[slices], rounds=7,
            ),
            paired(
                f"{what}: prediction", "torch, layer by layer",
                lambda ours=ours, images=images: predict(ours, images),
                lambda other=other, images=images: predict(other, images),
                target=PREDICT[slices], rounds=7,
            ),
        ]  # fmt: skip
    return found
