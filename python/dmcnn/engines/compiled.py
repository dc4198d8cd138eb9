"""Dense network that torch.compile has compiled, where it can."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from copy import deepcopy
from typing import Any

import torch
from torch import nn

log = logging.getLogger("dmcnn")


def compiled(
    net: nn.Module, images: torch.Tensor, context: Callable[[], AbstractContextManager[Any]]
) -> nn.Module:
    """Return ``net`` compiled for training; ``net`` itself, and one line why, where torch cannot compile it.

    A copy is compiled first, so that a failure leaves no trace in the statistics of ``net``.

    Args:
        net: network on its device, whose parameters and buffers the result shares.
        images: (B, C, H, W) images of a step, on that device.
        context: makes the context of a forward pass, such as autocast.
    """
    try:
        trial = torch.compile(deepcopy(net))
        with context():
            loss = trial(images).float().sum()
        loss.backward()
    except Exception as error:  # torch raises a dozen kinds, those of compilers that are not there among them
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        log.warning("warning: compile = True: the network stays as it is: %s", reason)
        return net
    torch._dynamo.config.suppress_errors = True  # what fails later is evaluated plainly, too
    return _OfOneSize(net, len(images))


class _OfOneSize(nn.Module):
    """Network compiled for batches of one size; others, such as the last one of an epoch, are evaluated plainly.

    To compile it again for them takes minutes, and makes all steps slower.
    """

    def __init__(self, net: nn.Module, size: int) -> None:
        super().__init__()
        self.plain, self.compiled, self.size = net, torch.compile(net), size

    def forward(self, images: torch.Tensor) -> Any:
        """Return the outputs of the network."""
        return (self.compiled if len(images) == self.size else self.plain)(images)
