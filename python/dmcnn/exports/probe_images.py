"""Random images on which exported files are compared with the network."""

from __future__ import annotations

import torch
from torch import nn

from dmcnn.checkpoints.card import Card
from dmcnn.quantisation.quantisers import QuantisedBits, has_quantisers

GRID = 4
"""Bits of the pixels of a quantised network without ``charge_bits`` on its card."""


def random_images(net: nn.Module, card: Card, count: int, seed: int) -> torch.Tensor:
    """Draw (count, C, H, W) float32 images for a network: the second image full, the others sparse.

    Pixels are uniform up to ``adc_hi``, or to 1. For a network with quantisers they have both signs and lie on the
    grid of its pixels, and the first image is empty. Other networks get no empty image, since a normalisation
    enlarges the rounding errors of a constant map.

    Args:
        net: network.
        card: card of the network.
        count: number of images.
        seed: seed of the random numbers.
    """
    shape = count, *card.shape
    generator = torch.Generator().manual_seed(seed)
    share = 0.01 + 0.29 * torch.rand(count, 1, 1, 1, generator=generator)
    share[1:2] = 1
    pixels = torch.rand(shape, generator=generator) * (torch.rand(shape, generator=generator) < share)
    if not has_quantisers(net):
        return pixels * float(card.reading.get("adc_hi") or 1)
    pixels[0] = 0
    signs = torch.randint(0, 2, shape, generator=generator) * 2.0 - 1
    return QuantisedBits(card.reading.get("charge_bits") or GRID).round(pixels * signs)
