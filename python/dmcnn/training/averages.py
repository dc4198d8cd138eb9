"""Moving averages of the weights of a network during its training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn

WARMUP = 10
"""After step s the averages leave at most (1 + s) / (WARMUP + s) of themselves, so that the weights of the first
steps do not stay in them; as TensorFlow's."""


class Averages:
    """Exponential moving averages of all weights and buffers; of whole numbers the last ones.

    Args:
        net: network in training, on its device.
        share: share of the averages that a step leaves; the rest is that of the new weights.
        values: averages so far by the name of the tensor; None = the weights of ``net``.
    """

    def __init__(
        self, net: nn.Module, share: float, values: Mapping[str, torch.Tensor] | None = None
    ) -> None:
        self.net, self.share = net, share
        state = net.state_dict()
        self.values = {
            name: (values or state)[name].detach().to(now.device).clone() for name, now in state.items()
        }

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the averages towards the weights after a step (from 0); the host does not wait for the device."""
        share = min(self.share, (1 + step) / (WARMUP + step))
        old, new = [], []
        for name, now in self.net.state_dict().items():
            if now.is_floating_point():
                old.append(self.values[name])
                new.append(now)
            else:
                self.values[name].copy_(now)
        torch._foreach_lerp_(old, new, 1 - share)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the network hold the averages while the block runs."""
        trained = {name: now.clone() for name, now in self.net.state_dict().items()}
        self.net.load_state_dict(self.values)
        try:
            yield
        finally:
            self.net.load_state_dict(trained)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return the averages by the name of the tensor."""
        return self.values
