"""Functions with a gradient of our own, called without torch's bookkeeping where nothing is differentiated."""

from __future__ import annotations

from typing import Any

import torch


class _Nothing:
    """What a forward pass remembers where there is no backward pass."""

    def save_for_backward(self, *tensors: Any) -> None:
        """Forget."""

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Forget."""


def apply(function: type[torch.autograd.Function], *args: Any) -> Any:
    """The result of ``function``; half the time of torch's own call for small images if gradients are off."""
    if torch.is_grad_enabled():
        return function.apply(*args)  # type: ignore[no-untyped-call]
    return function.forward(_Nothing(), *args)
