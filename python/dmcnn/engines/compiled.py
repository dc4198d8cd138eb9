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
    except (
        Exception
    ) as error:  # torch raises errors of a dozen kinds, of compilers that are not there among them
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        log.warning("warning: compile = True: the network stays as it is: %s", reason)
        return net
    torch._dynamo.config.suppress_errors = (
        True  # a later batch of another size, too, is then evaluated plainly
    )
    result: nn.Module = torch.compile(net)  # type: ignore[assignment]  # a module of a module
    return result
