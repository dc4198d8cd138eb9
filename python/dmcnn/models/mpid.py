"""MPID, the LArTPC particle identification network (arXiv:2010.08653), as DM-CNN trains it."""

from __future__ import annotations

import torch
from torch import nn

FILTERS = (64, 96, 128, 160, 192)
"""Feature maps of the five stages."""


def map_size(pixels: int) -> int:
    """Return the length of the last feature map along an axis of ``pixels``: 8 for 512, 0 for too small images."""
    pixels = (pixels + 1) // 2
    for _ in FILTERS:
        if pixels < 4:  # the normalisation after the second convolution needs more than one pixel
            return 0
        pixels = (pixels - 2) // 2 + 1
    return pixels


class MPID(nn.Module):
    """Network of five stages of two 3x3 convolutions, GroupNorm and average pooling, then three linear layers.

    GroupNorm has one channel per group: every channel is normalised over its own image. Parameter names, order and
    shapes are those of DM-CNN, so that its ``.pwf`` files load: 46 tensors, 20,631,938 parameters for two classes on
    512 x 512 pixels.

    Args:
        num_class: number of logits.
        drop_out: dropout probability (DM-CNN trains with 0.5).
        channels: planes of the input image.
        height: rows = drift ticks of the input image.
        width: columns = wires of the input image.
    """

    def __init__(
        self,
        num_class: int = 2,
        drop_out: float = 0.5,
        channels: int = 1,
        height: int = 512,
        width: int = 512,
    ) -> None:
        super().__init__()
        rows, columns = map_size(height), map_size(width)
        if min(rows, columns) < 1:
            raise ValueError(f"images of {height} x {width} pixels are too small: MPID pools them to nothing")
        layers: list[nn.Module] = []
        before = channels
        for stage, filters in enumerate(FILTERS):
            first = stage == 0
            last = stage == len(FILTERS) - 1
            layers += [nn.Conv2d(before, filters, 3, stride=2 if first else 1, padding=1), nn.ReLU()]
            layers += [nn.GroupNorm(filters, filters), nn.Conv2d(filters, filters, 3)]
            layers += [] if last else [nn.ReLU()]
            layers += [nn.GroupNorm(filters, filters), nn.AvgPool2d(2, padding=1)]
            before = filters
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(drop_out)
        self.classifier = nn.Sequential(
            nn.Dropout(drop_out),
            nn.Linear(FILTERS[-1] * rows * columns, FILTERS[-1] * 8),
            nn.Dropout(drop_out),
            nn.Linear(FILTERS[-1] * 8, FILTERS[-1]),
            nn.Linear(FILTERS[-1], num_class),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute (B, num_class) logits of (B, channels, height, width) float images of thresholded charge [ADC]."""
        features: torch.Tensor = self.features(images)
        logits: torch.Tensor = self.classifier(self.dropout(features.flatten(1)))
        return logits
