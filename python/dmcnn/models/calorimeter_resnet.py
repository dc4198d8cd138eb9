"""Residual network for calorimeter images with time frames, whose energies span decades."""

from __future__ import annotations

import torch
from torch import nn

FILTERS = (24, 48, 96)
"""Feature maps at full, half and quarter resolution."""

FLOOR = 1e-3
"""Energy below which the scale of ``Decades`` is linear: the noise of a crystal in the published images [50 GeV]."""


class Decades(nn.Module):
    """Energy scale that is linear up to a floor and logarithmic above it; an odd function.

    A ratio of energies becomes a difference, which a convolution can compute, and the tail of a shower in single
    crystals stays visible beside its core.

    Args:
        floor: energy at which the scale becomes logarithmic.
    """

    def __init__(self, floor: float = FLOOR) -> None:
        super().__init__()
        self.floor = floor

    def forward(self, energy: torch.Tensor) -> torch.Tensor:
        """Compute sign(e) log(1 + |e| / floor) of energies of any shape, in the unit of the floor."""
        return energy.sign() * (energy.abs() / self.floor).log1p()


class Residual(nn.Module):
    """Residual block: two 3x3 convolutions beside a shortcut (He et al., arXiv:1512.03385).

    Args:
        before, after: feature maps of input and output.
        stride: stride of the first convolution; 2 halves the resolution.
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
        )
        same = before == after and stride == 1
        self.shortcut = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.BatchNorm2d(after))
        )
        self.act = nn.ReLU()

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Compute (B, after, H / stride, W / stride) maps, rounded up, of (B, before, H, W) maps."""
        out: torch.Tensor = self.act(self.body(maps) + self.shortcut(maps))
        return out


class CalorimeterResNet(nn.Module):
    """Network of a pulse-shape stage in every crystal, a residual stage over the crystals, and the summed energies.

    1x1 convolutions mix the time frames of a crystal before 3x3 convolutions reach its neighbours: the factors of a
    (2+1)-D convolution (arXiv:1711.11248) at a fraction of the cost of CNN3D. The dense layers take averages and
    maxima of the last maps together with the energy sum of every frame, since an average over mostly empty crystals
    says little about the energy of the shower.

    Args:
        num_class: number of logits.
        drop_out: dropout probability before each of the two dense layers.
        channels: time frames of the input image.
        height: rows of crystals.
        width: columns of crystals.
        floor: energy where the scale becomes logarithmic, in the unit of the images.
    """

    def __init__(
        self,
        num_class: int = 2,
        drop_out: float = 0.2,
        channels: int = 21,
        height: int = 32,
        width: int = 32,
        floor: float = FLOOR,
    ) -> None:
        super().__init__()
        if min(channels, height, width) < 1 or not floor > 0:
            raise ValueError(
                f"{channels} frames of {height} x {width} above {floor}, expected positive numbers"
            )
        first, *later = FILTERS
        self.decades = Decades(floor)
        self.pulse = nn.Sequential(
            nn.Conv2d(channels, first, 1, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(),
            nn.Conv2d(first, first, 1, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(),
        )
        blocks = [Residual(first, first, 1)]
        for before, after in zip(FILTERS, later, strict=False):
            blocks += [Residual(before, after, 2), Residual(after, after, 1)]
        self.features = nn.Sequential(*blocks)
        self.classifier = nn.Sequential(
            nn.Dropout(drop_out),
            nn.Linear(2 * FILTERS[-1] + channels, 64),
            nn.ReLU(),
            nn.Dropout(drop_out),
            nn.Linear(64, num_class),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute (B, num_class) logits of (B, channels, height, width) float energies per time frame, not scaled."""
        maps = self.features(self.pulse(self.decades(images)))  # (B, 96, height / 4, width / 4)
        sums = self.decades(images.sum(dim=(2, 3)))  # (B, channels)
        summary = torch.cat(
            [maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3)), sums], dim=1
        )  # (B, 192 + channels)
        logits: torch.Tensor = self.classifier(summary)
        return logits
