"""Initial weights and constants of networks that their users trained in Keras."""

from __future__ import annotations

from torch import nn

EPSILON = 1e-3
"""Keras' default of BatchNormalization. Its momentum is not taken over: after a few hundred steps at 0.99 (0.01 as
torch counts) the statistics that evaluation uses are still those of the initialisation."""


def initialise(net: nn.Module) -> None:
    """The weights that Keras begins with: Glorot-uniform, and biases of zero."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
