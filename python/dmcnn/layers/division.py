"""Division of outputs by a number, such as the temperature that calibrates logits."""

from __future__ import annotations

import torch
from torch import nn


class Division(nn.Module):
    """Layer that divides its input by a number."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return the outputs over the number."""
        return outputs / self.value
