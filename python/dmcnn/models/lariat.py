"""LArIAT's particle identification network, as first trained in Keras."""

from __future__ import annotations

import torch
from torch import nn

from dmcnn.models import keras

FILTERS = (16, 32, 64)
"""Feature maps of the three blocks."""

DENSE = (64, 32)
"""Units of the hidden dense layers."""


def map_size(pixels: int) -> int:
    """Return the length of the last feature map along an axis of ``pixels``: 28 for 240, 16 for 146."""
    for _ in FILTERS:
        pixels = max(pixels - 2, 0) // 2
    return pixels


class LArIAT(nn.Module):
    """Network of three blocks of 3x3 convolution, normalisation and maximum pooling, then three dense layers.

    Initialisation and epsilon are those of Keras. It has 1,861,094 parameters for six classes on 240 x 146 pixels, if
    the 224 moving statistics are counted, as Keras does. Images are scaled to 0.1 .. 1.1, see dmcnn.images.scaling.

    Args:
        num_class: number of logits.
        drop_out: dropout probability after the hidden dense layers.
        channels: planes of the input image.
        height: rows = drift ticks of the input image.
        width: columns = wires of the input image.
        l2: weight of the ``penalty``.
    """

    def __init__(
        self,
        num_class: int = 6,
        drop_out: float = 0.5,
        channels: int = 1,
        height: int = 240,
        width: int = 146,
        l2: float = 0.001,
    ) -> None:
        super().__init__()
        rows, columns = map_size(height), map_size(width)
        if min(rows, columns) < 1:
            raise ValueError(
                f"images of {height} x {width} pixels are too small: LArIAT pools them to nothing"
            )
        self.l2 = l2
        layers: list[nn.Module] = []
        for before, filters in zip((channels, *FILTERS), FILTERS, strict=False):
            layers += [nn.Conv2d(before, filters, 3), nn.ReLU()]
            layers += [nn.BatchNorm2d(filters, eps=keras.EPSILON), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers)
        layers, before = [nn.Flatten()], FILTERS[-1] * rows * columns
        for units in DENSE:
            layers += [nn.Linear(before, units), nn.ReLU(), nn.Dropout(drop_out)]
            before = units
        self.classifier = nn.Sequential(*layers, nn.Linear(before, num_class))
        keras.initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute (B, num_class) logits of (B, channels, height, width) float images in 0.1 .. 1.1."""
        logits: torch.Tensor = self.classifier(self.features(images))
        return logits

    def penalty(self) -> torch.Tensor:
        """Compute the scalar that a training adds to its loss: l2 times the sum of the squared hidden dense kernels.

        It is Keras' ``kernel_regularizer``: biases and the last layer have no penalty.
        """
        hidden = [layer for layer in self.classifier if isinstance(layer, nn.Linear)][:-1]
        return self.l2 * torch.stack([layer.weight.square().sum() for layer in hidden]).sum()
