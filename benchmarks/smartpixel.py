"""Timing of the quantised pixel network: training steps and predictions on one thread, in CPU time.

The baseline is a plain implementation in torch: a grouped convolution before a 1x1 convolution on whole NCHW frames,
and quantisers of elementary functions. Both have the same weights and give exactly the same outputs.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from timing import Timing, paired
from torch import nn

from dmcnn.models.smartpixel import SmartPixel

BATCH = 5000
"""Batch size with which the network is usually trained."""

TRAIN = {2: 1.3, 20: 2.5}
PREDICT = {2: 1.5, 20: 1.5}
"""Time slices -> required ratio to the baseline."""


def bits(x: torch.Tensor, count: int, symmetric: bool = False) -> torch.Tensor:
    """Round ``x`` to ``count`` bits, with the gradient of the identity."""
    half = 2.0 ** (count - 1)
    return x + ((x * half).round().clamp(symmetric - half, half - 1) / half - x).detach()


def tanh(x: torch.Tensor, count: int) -> torch.Tensor:
    """Compute the hard tanh of ``x``, rounded to ``count`` bits."""
    half = 2.0 ** (count - 1)
    x = 2 * (0.5 * x + 0.5).clamp(0, 1) - 1
    return (x + ((x * half).round() / half - x).detach()).clamp(1 / half - 1, 1 - 1 / half)


class Plain(nn.Module):
    """Network in plain torch, layer by layer, with the weights of another network."""

    def __init__(self, net: SmartPixel) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute (B, outputs) of (B, channels, rows, columns) pixels."""
        net = self.net
        x = F.conv2d(x, bits(net.depthwise.weight, 4, True), groups=x.shape[1])
        for layer, symmetric in ((net.pointwise, True), (net.conv, False)):
            x = tanh(F.conv2d(x, bits(layer.weight, 4, symmetric), bits(layer.bias, 4)), 4)
        x = bits(F.avg_pool2d(x, net.pool.kernel_size), 8).flatten(1)
        for layer in (net.dense_1, net.dense_2):
            x = tanh(F.linear(x, bits(layer.weight, 8), bits(layer.bias, 8)), 8)
        return F.linear(x, bits(net.output.weight, 8), bits(net.output.bias, 8))


def frames(slices: int, count: int = BATCH) -> torch.Tensor:
    """Draw (count, slices, 13, 21) float32 pixels on the grid of 4 bits, one in eight with charge."""
    generator = torch.Generator().manual_seed(slices)
    shape = (count, slices, 13, 21)
    charged = torch.rand(shape, generator=generator) < 1 / 8
    return torch.randint(-8, 8, shape, generator=generator) / 8 * charged


def step(net: nn.Module, images: torch.Tensor, weight: torch.Tensor) -> None:
    """Compute the outputs and the gradients of all parameters."""
    for parameter in net.parameters():
        parameter.grad = None
    net(images).backward(weight)


@torch.inference_mode()
def predict(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Compute the outputs."""
    out: torch.Tensor = net(images)
    return out


def rows() -> list[Timing]:
    """Time training and prediction with 2 and with 20 time slices."""
    timings = []
    for slices in TRAIN:
        torch.manual_seed(slices)
        ours = SmartPixel(channels=slices)
        other, images = Plain(ours), frames(slices)
        assert torch.equal(predict(ours, images), predict(other, images))
        weight = torch.randn(BATCH, ours.output.out_features)
        what = f"{BATCH} pixel frames of {slices} slices"
        timings += [
            paired(
                f"{what}: forward and backward", "torch, layer by layer",
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
    return timings
