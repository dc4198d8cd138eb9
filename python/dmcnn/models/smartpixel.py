"""Quantised network for frames of a smart pixel sensor, whose outputs are a Gaussian over track parameters."""

from __future__ import annotations

import math
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn

from dmcnn.quantisation.quantisers import (
    QConv2d,
    QLinear,
    QuantisedBits,
    QuantisedTanh,
    Quantiser,
    deployed_weights,
)

NORMAL = 0.87962566103423978
"""Standard deviation of a unit Gaussian truncated at two standard deviations, from which Keras draws kernels."""


class SmartPixel(nn.Module):
    """Network of a separable and a 1x1 convolution, average pooling and three dense layers, all with few bits.

    Layers, initialisation and rounding are those of the original smart pixel network in QKeras: 2,029 parameters for
    2 time slices, 2,281 for 20. Weights and activations have ``bits_1`` bits up to the pooling and ``bits_2`` after
    it; the outputs are not rounded. With pixels on a grid of 4 bits every result is exact in float32. The depthwise
    and the pointwise convolution are computed as one convolution, without the last rows and columns, which the
    pooling drops. The first dense layer takes the maps in the order of torch (maps, rows, columns); Keras has (rows,
    columns, maps).

    Args:
        num_class: number of outputs; 14 for mean and Cholesky factor of four targets.
        channels: time slices.
        height: rows of pixels (y).
        width: columns of pixels (x).
        filters_1: feature maps of the convolutions.
        kernel_1: side of the kernel of the first convolution [pixels]; borders are not padded.
        pool: side of the pooling window [pixels].
        dense_1, dense_2: units of the hidden dense layers.
        bits_1, bits_2: numbers of bits, 2 to 16; 0 for float numbers.

    Attributes:
        read_shape: (rows, columns) of the pixels that reach the outputs.
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
            raise ValueError(
                f"frames of {height} x {width} pixels are too small: SmartPixel pools them to nothing"
            )
        self.read_shape = rows * pool + kernel_1 - 1, columns * pool + kernel_1 - 1
        kernel, bias, dense = (_quantiser(bits_1, True), _quantiser(bits_1), _quantiser(bits_2))
        self.depthwise = QConv2d(
            channels, channels, kernel_1, groups=channels, bias=False, weight_quantiser=kernel
        )
        self.pointwise = QConv2d(channels, filters_1, 1, weight_quantiser=kernel, bias_quantiser=bias)
        self.act_1 = _activation(bits_1)
        self.conv = QConv2d(filters_1, filters_1, 1, weight_quantiser=bias, bias_quantiser=bias)
        self.act_2 = _activation(bits_1)
        self.pool = nn.AvgPool2d(pool)
        self.pool_quantiser = _quantiser(bits_2) or nn.Identity()
        self.flatten = nn.Flatten()
        quantisers = {"weight_quantiser": dense, "bias_quantiser": dense}
        self.dense_1 = QLinear(filters_1 * rows * columns, dense_1, **quantisers)
        self.act_3 = _activation(bits_2)
        self.dense_2 = QLinear(dense_1, dense_2, **quantisers)
        self.act_4 = _activation(bits_2)
        self.output = QLinear(dense_2, num_class, **quantisers)
        self.initialise()

    def initialise(self) -> None:
        """Initialise as QKeras does: kernels Glorot-uniform in the first two layers, then He-normal; zero biases."""
        for layer in self.modules():
            if isinstance(layer, QConv2d | QLinear):
                _initialise_layer(layer, layer in (self.depthwise, self.pointwise))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute (B, num_class) outputs of (B, channels, height, width) float pixels of standardised charge."""
        rows, columns = self.read_shape
        pixels = images[:, :, :rows, :columns].contiguous(memory_format=torch.channels_last)
        maps = self.act_1(
            F.conv2d(pixels, *self.fused_kernel())
        )  # (B, filters_1, rows - k + 1, columns - k + 1)
        pooled = self.pool_quantiser(self.pool(self.act_2(self.conv(maps))))
        values = self.act_3(self.dense_1(self.flatten(pooled)))
        out: torch.Tensor = self.output(self.act_4(self.dense_2(values)))
        return out

    def layers(self) -> nn.Sequential:
        """Return the layers of the network in order, with the same weights, without the shortcuts of ``forward``.

        Exports and costs are those of these layers, whose maps include the pixels that the pooling drops.
        """
        return nn.Sequential(OrderedDict(self.named_children()))

    def fused_kernel(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return (filters_1, channels, k, k) kernel and (filters_1,) bias of the first two layers as one, rounded."""
        each, _ = deployed_weights(self.depthwise)  # (channels, 1, k, k)
        mix, bias = deployed_weights(self.pointwise)  # (filters_1, channels, 1, 1)
        return mix * each.transpose(0, 1), bias


def _quantiser(bits: int, symmetric: bool = False) -> Quantiser | None:
    """Return a quantiser of weights; None for 0 bits."""
    return QuantisedBits(bits, symmetric) if bits else None


def _activation(bits: int) -> nn.Module:
    """Return a hard tanh, rounded unless ``bits`` is 0."""
    return QuantisedTanh(bits) if bits else nn.Hardtanh()


@torch.no_grad()
def _initialise_layer(layer: QConv2d | QLinear, glorot: bool) -> None:
    """Draw the initial weights of one layer, in -1 .. 1.

    Args:
        layer: layer with a kernel and perhaps a bias.
        glorot: Glorot-uniform kernel instead of a truncated He-normal one.
    """
    weight, area = layer.weight, layer.weight[0, 0].numel()
    fan_in, fan_out = weight.shape[1] * area, weight.shape[0] * area
    if isinstance(layer, QConv2d) and layer.groups > 1:
        fan_in, fan_out = layer.in_channels * area, area  # Keras counts all channels of a depthwise kernel
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
    """Enlarge weights smaller than their last bit, as QKeras does, so that not all are rounded to zero."""
    coarse = quantiser.round(weight)
    ratio = coarse.square().sum() / (coarse * weight).sum()  # NaN if all are rounded to zero
    ratio = torch.where(ratio.isnan(), weight.square().mean().rsqrt(), ratio)
    weight.mul_(ratio.clamp(min=1).sqrt())
