"""Initial weights and constants of Keras, for networks that were first trained in it."""

from __future__ import annotations

from torch import nn

EPSILON = 1e-3
"""Epsilon of BatchNormalization in Keras. Its momentum, 0.99 (0.01 in torch), is not used: after a few hundred steps
the moving statistics would still be close to their initial values."""


def initialise(net: nn.Module) -> None:
    """Initialise the weights of a network as Keras does: Glorot-uniform kernels, zero biases."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
