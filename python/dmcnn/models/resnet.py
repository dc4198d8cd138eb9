"""ResNet18 and ResNet34, residual networks (arXiv:1512.03385) for images of any size and number of planes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import torch
from torch import nn

from dmcnn._common.errors import nearest

FILTERS = (64, 128, 256, 512)
"""Feature maps of the four stages, at 1/4, 1/8, 1/16 and 1/32 of the size of the image."""

STRIDES = (1, 2, 2, 2)
"""Strides of the first blocks of the stages."""

GROUPS = 32
"""Groups of channels of a GroupNorm (arXiv:1803.08494)."""

NORMS: dict[str, Callable[[int, int], nn.Module]] = {
    "batch": lambda groups, filters: nn.BatchNorm2d(filters),
    "group": nn.GroupNorm,
}
"""Normalisation by name: function of the number of groups and of the feature maps."""

Norm = Callable[[int], nn.Module]
"""Function of the number of feature maps that makes their normalisation."""


def convolution(before: int, after: int, side: int, stride: int) -> nn.Conv2d:
    """Return a convolution without bias, padded so that a stride of 1 keeps the size of the maps."""
    return nn.Conv2d(before, after, side, stride=stride, padding=side // 2, bias=False)


class BasicBlock(nn.Module):
    """Residual block of two 3x3 convolutions; where the maps change shape, a 1x1 convolution is the shortcut.

    Args:
        before, after: feature maps of input and output.
        stride: stride of the first convolution.
        norm: what makes the normalisation.
    """

    def __init__(self, before: int, after: int, stride: int, norm: Norm) -> None:
        super().__init__()
        self.conv1, self.bn1 = convolution(before, after, 3, stride), norm(after)
        self.relu1 = nn.ReLU()
        self.conv2, self.bn2 = convolution(after, after, 3, 1), norm(after)
        self.downsample: nn.Module = nn.Identity()
        if before != after or stride != 1:
            self.downsample = nn.Sequential(convolution(before, after, 1, stride), norm(after))
        self.relu2 = nn.ReLU()

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Compute (B, after, H / stride, W / stride) maps, rounded up, of (B, before, H, W) maps."""
        body = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(maps)))))
        out: torch.Tensor = self.relu2(body + self.downsample(maps))
        return out


class ResNet(nn.Module):
    """Network of a 7x7 convolution and maximum pooling, four stages of residual blocks, the mean, and a linear layer.

    Names, order, shapes and initialisation of the parameters are those of torchvision, with one output per class and
    one input per plane: its state dicts load where these numbers agree. Every ReLU is a module of its own, because
    attribution methods change them one by one.

    Args:
        num_class: number of logits.
        drop_out: dropout probability before the linear layer; torchvision has none.
        channels: planes or time frames of the input image.
        height: rows of the input image.
        width: columns of the input image.
        norm: "batch", or "group", which normalises every image by itself: for small batches, and for images whose
            statistics differ from the mean of the training.
        gn_groups: groups of channels of a normalisation by "group".
    """

    BLOCKS: ClassVar[tuple[int, int, int, int]]
    """Residual blocks of each stage."""

    def __init__(
        self,
        num_class: int = 2,
        drop_out: float = 0.0,
        channels: int = 1,
        height: int = 512,
        width: int = 512,
        norm: str = "batch",
        gn_groups: int = GROUPS,
    ) -> None:
        super().__init__()
        if norm not in NORMS:
            listed = " or ".join(map(repr, NORMS))
            raise ValueError(f"norm = {norm!r}{nearest(norm, NORMS)}, expected {listed}")
        if gn_groups < 1 or FILTERS[0] % gn_groups:
            raise ValueError(f"gn_groups = {gn_groups}, expected a divisor of {FILTERS[0]}")
        layer = partial(NORMS[norm], gn_groups)
        if min(height, width) < 1:
            raise ValueError(f"{type(self).__name__} cannot take images of {height} x {width} pixels")
        self.conv1, self.bn1 = convolution(channels, FILTERS[0], 7, 2), layer(FILTERS[0])
        self.relu, self.maxpool = nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            nn.Sequential(
                BasicBlock(before, after, stride, layer),
                *(BasicBlock(after, after, 1, layer) for _ in range(blocks - 1)),
            )
            for before, after, stride, blocks in zip(
                (FILTERS[0], *FILTERS), FILTERS, STRIDES, self.BLOCKS, strict=False
            )
        )
        self.avgpool, self.dropout = nn.AdaptiveAvgPool2d(1), nn.Dropout(drop_out)
        self.fc = nn.Linear(FILTERS[-1], num_class)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute (B, num_class) logits of (B, channels, height, width) float images."""
        maps = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        maps = self.layer4(self.layer3(self.layer2(self.layer1(maps))))
        logits: torch.Tensor = self.fc(self.dropout(self.avgpool(maps).flatten(1)))
        return logits


class ResNet18(ResNet):
    """ResNet18: two blocks in every stage, 11.2 million parameters."""

    BLOCKS = (2, 2, 2, 2)


class ResNet34(ResNet):
    """ResNet34: three to six blocks in every stage, 21.3 million parameters."""

    BLOCKS = (3, 4, 6, 3)
