"""User's own quantised network with a skip, a stride, padding, and a layer that is called twice."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from dmcnn.quantisation.quantisers import QConv2d, QLinear, QuantisedBits, QuantisedTanh

SHAPE = (2, 8, 12)


class OwnNetwork(nn.Module):
    """Network of a stem that halves the maps, a convolution applied twice beside a shortcut, and dense layers."""

    def __init__(
        self, num_class: int = 3, channels: int = 2, height: int = 8, width: int = 12, bits: int = 5
    ) -> None:
        super().__init__()
        whole = {"weight_quantiser": QuantisedBits(bits, True), "bias_quantiser": QuantisedBits(bits)}
        self.stem = QConv2d(channels, 4, (3, 2), stride=(2, 1), padding=1, dilation=(1, 2), **whole)
        self.act = QuantisedTanh(bits)
        self.mix = QConv2d(4, 4, 3, padding=1, groups=2, bias=False, weight_quantiser=QuantisedBits(bits))
        self.pool = nn.Sequential(nn.MaxPool2d((1, 2)), nn.AvgPool2d(2), QuantisedBits(bits + 2))
        self.drop = nn.Dropout(0.5)
        self.dense = QLinear(4 * (height // 4) * (width // 4), 6, **whole)
        self.output = QLinear(6, num_class, **whole)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute (B, num_class) outputs of (B, channels, height, width) pixels."""
        maps = self.act(self.stem(images))
        maps = self.act(self.mix(F.relu(self.mix(maps)))) + maps
        values = self.dense(self.drop(self.pool(maps).flatten(1)))
        out: torch.Tensor = self.output(self.act(values))
        return out
