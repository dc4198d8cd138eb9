"""The quantised network for frames of a smart pixel sensor, whose outputs are a Gaussian over track parameters."""

from __future__ import annotations

import math
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn

from dmcnn.quantisation.quantisers import QConv2d, QLinear, QuantisedBits, QuantisedTanh, Quantiser, rounded

NORMAL = 0.87962566103423978
"""Standard deviation of a normal distribution that is cut off at two of its own."""


class SmartPixel(nn.Module):
    """A separable convolution, a 1x1 convolution, average pooling and three dense layers, all in a few bits.

    Layers, their initialisation and where numbers are rounded are those of the QKeras network of the smart pixel
    users: 2,029 parameters for 2 time slices, 2,281 for 20. Weights and activations have ``bits_1`` bits up to the
    pooling and ``bits_2`` after it; the outputs are not rounded. Where the pixels are on a grid of 4 bits, every
    result is exact in float32. The depthwise and the pointwise convolution are computed as the one convolution that
    they are, without the rows and columns that the pooling drops at the end. The first dense layer takes the maps in
    torch's order (maps, rows, columns); Keras has (rows, columns, maps).

    Args:
        num_class: number of outputs; 14 for mean and Cholesky factor of four targets.
        channels: time slices.
        height: rows of pixels (y).
        width: columns of pixels (x).
        filters_1: maps of the convolutions.
        kernel_1: [pixels] side of the first one's window; borders are not padded.
        pool: [pixels] side of the squares that are averaged.
        dense_1, dense_2: units of the hidden dense layers.
        bits_1, bits_2: 2 to 16; 0 = float numbers.
    """

    def __init__(
        self,
        num_class: int = 14,
        channels: int = 2,
        height: int = 13,
        width: int = 21,
        filters_1: int = 5,
        kernel_1: int = 3,
        pool: int = 3,
        dense_1: int = 16,
        dense_2: int = 16,
        bits_1: int = 4,
        bits_2: int = 8,
    ) -> None:
        super().__init__()
        sizes = (num_class, channels, filters_1, kernel_1, pool, dense_1, dense_2)
        if min(sizes) < 1:
            raise ValueError(f"sizes {sizes}, expected positive numbers")
        rows, columns = ((length - kernel_1 + 1) // pool for length in (height, width))
        if min(rows, columns) < 1:
            raise ValueError(f"SmartPixel cannot take {height} x {width} pixels: they vanish on the way")
        self.read = rows * pool + kernel_1 - 1, columns * pool + kernel_1 - 1
        kernel, bias, dense = (_weights(bits_1, True), _weights(bits_1), _weights(bits_2))
        self.depthwise = QConv2d(
            channels, channels, kernel_1, groups=channels, bias=False, weight_quantiser=kernel
        )
        self.pointwise = QConv2d(channels, filters_1, 1, weight_quantiser=kernel, bias_quantiser=bias)
        self.act_1 = _activation(bits_1)
        self.conv = QConv2d(filters_1, filters_1, 1, weight_quantiser=bias, bias_quantiser=bias)
        self.act_2 = _activation(bits_1)
        self.pool = nn.AvgPool2d(pool)
        self.pool_quantiser = _weights(bits_2) or nn.Identity()
        self.flatten = nn.Flatten()
        quantisers = {"weight_quantiser": dense, "bias_quantiser": dense}
        self.dense_1 = QLinear(filters_1 * rows * columns, dense_1, **quantisers)
        self.act_3 = _activation(bits_2)
        self.dense_2 = QLinear(dense_1, dense_2, **quantisers)
        self.act_4 = _activation(bits_2)
        self.output = QLinear(dense_2, num_class, **quantisers)
        self.initialise()

    def initialise(self) -> None:
        """New weights as QKeras begins: Glorot-uniform for the first two layers, then He-normal; biases of zero."""
        for layer in self.modules():
            if isinstance(layer, QConv2d | QLinear):
                _begin(layer, layer in (self.depthwise, self.pointwise))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, channels, height, width) float pixels, standardised -> (B, num_class) outputs."""
        rows, columns = self.read
        pixels = images[:, :, :rows, :columns].contiguous(memory_format=torch.channels_last)
        maps = self.act_1(F.conv2d(pixels, *self.fused()))
        pooled = self.pool_quantiser(self.pool(self.act_2(self.conv(maps))))
        values = self.act_3(self.dense_1(self.flatten(pooled)))
        out: torch.Tensor = self.output(self.act_4(self.dense_2(values)))
        return out

    def layers(self) -> nn.Sequential:
        """The same network and weights one layer after another, without the shortcuts of ``forward``.

        Exporting and counting go by it; the maps have the pixels that the pooling drops.
        """
        return nn.Sequential(OrderedDict(self.named_children()))

    def fused(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(filters_1, channels, k, k) kernel and (filters_1,) bias of the first two layers in one, as deployed."""
        each, _ = rounded(self.depthwise)  # (channels, 1, k, k)
        mix, bias = rounded(self.pointwise)  # (filters_1, channels, 1, 1)
        return mix * each.transpose(0, 1), bias


def _weights(bits: int, symmetric: bool = False) -> Quantiser | None:
    return QuantisedBits(bits, symmetric) if bits else None


def _activation(bits: int) -> nn.Module:
    return QuantisedTanh(bits) if bits else nn.Hardtanh()


@torch.no_grad()
def _begin(layer: QConv2d | QLinear, glorot: bool) -> None:
    """One layer's first weights, in -1 .. 1; Keras counts the fans of a depthwise kernel with all its channels."""
    weight, area = layer.weight, layer.weight[0, 0].numel()
    fan_in, fan_out = weight.shape[1] * area, weight.shape[0] * area
    if isinstance(layer, QConv2d) and layer.groups > 1:
        fan_in, fan_out = layer.in_channels * area, area
    spread = math.sqrt(2 / (fan_in + fan_out if glorot else fan_in))
    if glorot:
        nn.init.uniform_(weight, -math.sqrt(3) * spread, math.sqrt(3) * spread)
    else:
        normal = spread / NORMAL
        nn.init.trunc_normal_(weight, 0, normal, -2 * normal, 2 * normal)
    if layer.weight_quantiser is not None and spread < 2.0**-layer.weight_quantiser.bits:
        _widen(weight, layer.weight_quantiser)
    weight.clamp_(-1, 1)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def _widen(weight: torch.Tensor, quantiser: Quantiser) -> None:
    """Enlarge weights that are finer than their last bit, as QKeras does, so that not all are rounded to zero."""
    coarse = quantiser.rounded(weight)
    ratio = coarse.square().sum() / (coarse * weight).sum()  # NaN if nothing is left
    ratio = torch.where(ratio.isnan(), weight.square().mean().rsqrt(), ratio)
    weight.mul_(ratio.clamp(min=1).sqrt())
