"""Images that files are checked with, where there are none at hand."""

from __future__ import annotations

import torch
from torch import nn

from dmcnn.checkpoints.card import Card
from dmcnn.quantisation.quantisers import QuantisedBits, rounds

GRID = 4
"""Bits of the pixels of a quantised network whose card does not say."""


def random(net: nn.Module, card: Card, count: int, seed: int) -> torch.Tensor:
    """(count, C, H, W) float32 images as the network of a card takes them: the second full, the others sparse.

    Pixels are uniform up to ``adc_hi``, or to 1. Those of networks that round are of both signs and on their grid,
    and the first image is empty: others may not be asked for that, for a normalisation enlarges rounding errors where
    a map is the same everywhere.
    """
    shape = count, *card.shape
    generator = torch.Generator().manual_seed(seed)
    share = 0.01 + 0.29 * torch.rand(count, 1, 1, 1, generator=generator)
    share[1:2] = 1
    pixels = torch.rand(shape, generator=generator) * (torch.rand(shape, generator=generator) < share)
    if not rounds(net):
        return pixels * float(card.reading.get("adc_hi") or 1)
    pixels[0] = 0
    signs = torch.randint(0, 2, shape, generator=generator) * 2.0 - 1
    return QuantisedBits(card.reading.get("charge_bits") or GRID).rounded(pixels * signs)
