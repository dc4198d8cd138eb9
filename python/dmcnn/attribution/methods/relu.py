"""Methods with other gradients of ReLUs: guided backpropagation, deconvolution, RectGrad."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import nn

from dmcnn._common.errors import InputError
from dmcnn.attribution.base import Explained, Method, gradient

log = logging.getLogger("dmcnn")

Rule = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Output of a ReLU and the gradient that reaches it, (n, …) both -> the gradient that it passes on."""


class _Ruled(torch.autograd.Function):
    """ReLU whose gradient follows a rule."""

    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, rule: Rule) -> torch.Tensor:
        output = inputs.relu()
        ctx.save_for_backward(output)
        ctx.rule = rule
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        (output,) = ctx.saved_tensors
        return ctx.rule(output, gradients[0]), None


@contextmanager
def ruled(net: nn.Module, rule: Rule) -> Iterator[None]:
    """Replace the gradient of every call of an ``nn.ReLU`` in ``net`` by ``rule`` within the block.

    InputError if there is no such module: the map would be the plain gradient.
    """
    relus = [module for module in net.modules() if isinstance(module, nn.ReLU)]
    if not relus:
        raise InputError(f"{type(net).__name__} has no nn.ReLU module, which this method is about")

    def hooked(module: nn.Module, inputs: tuple[torch.Tensor], output: Any) -> torch.Tensor:
        passed: torch.Tensor = _Ruled.apply(inputs[0], rule)  # type: ignore[no-untyped-call]
        return passed

    with ExitStack() as hooks:
        for module in relus:
            hooks.callback(module.register_forward_hook(hooked).remove)
        yield


class _Rectified(Method):
    """Gradient with another rule at every ReLU.

    captum's guided backpropagation and deconvolution act on the gradient of the tensor that a ReLU reads. Where that
    tensor also feeds a skip connection its gradient is the sum of both, so these two are not taken from there.
    """

    signed = True

    @staticmethod
    @abstractmethod
    def rule(output: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
        """Return the gradient that a ReLU passes on, see ``Rule``."""

    def explain(self, explained: Explained, images: torch.Tensor) -> torch.Tensor:
        """Return the (n, C, H, W) gradients by the rule."""
        with ruled(explained.net, self.rule):
            return gradient(explained, images)


class GuidedBackprop(_Rectified):
    """Guided backpropagation (arXiv:1412.6806): every active ReLU passes positive gradients only."""

    name = "guided_backprop"
    title = "Guided backpropagation"

    @staticmethod
    def rule(output: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
        """Return the positive gradients of active units."""
        return gradients.relu().mul_(output > 0)


class Deconvolution(_Rectified):
    """Deconvolution (arXiv:1311.2901): every ReLU, active or not, passes positive gradients only."""

    name = "deconvolution"
    title = "Deconvolution"

    @staticmethod
    def rule(output: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
        """Return the positive gradients."""
        return gradients.relu()


@dataclass(kw_only=True, eq=False)
class RectGrad(Method):
    """Rectified gradient (arXiv:1902.04893): every ReLU passes R where a R is above a percentile of its layer.

    a is the output of the ReLU, R the gradient that reaches it, and the threshold is the percentile of a R over all
    units of the layer, image by image. At the input the map is input x R, as in the paper. Its two refinements,
    proportional redistribution in max pooling and zeroed borders of padded convolutions, are left out.

    Attributes:
        percentile: [%] of the units of a layer that pass nothing.
    """

    name = "rect_grad"
    title = "RectGrad"
    signed = True

    percentile: float = 98.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.percentile < 100:
            raise InputError(f"percentile = {self.percentile}, expected at least 0 and below 100")

    def explain(self, explained: Explained, images: torch.Tensor) -> torch.Tensor:
        """Return the (n, C, H, W) input x rectified gradient."""
        blocked: list[int] = []

        def rule(output: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
            units = output[0].numel()
            blocked.extend([units] if self.rank(units) == units else [])
            return self.rule(output, gradients)

        with ruled(explained.net, rule):
            maps = images * gradient(explained, images)
        if blocked:
            _warn(self.percentile, min(blocked))
        return maps

    def rank(self, units: int) -> int:
        """Return the rank, 1 to ``units``, of the value that is the threshold of a layer."""
        return round(self.percentile / 100 * (units - 1)) + 1

    def rule(self, output: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
        """Return the gradients of units whose output x gradient lies above the percentile (of nearest rank)."""
        importance = (output.float() * gradients).flatten(1)
        rank = self.rank(importance.shape[1])
        threshold = importance.kthvalue(rank, dim=1, keepdim=True).values
        return gradients * (importance > threshold).view_as(gradients)


@cache
def _warn(percentile: float, units: int) -> None:
    """Warn, once, that RectGrad ends at a layer of so many units, and say what percentile passes one of them."""
    advice = "it cannot explain such a network"
    if units > 1:
        advice = f"expected at most {np.floor(1000 * (units - 1.5) / (units - 1)) / 10:g}"
    log.warning(
        "warning: RectGrad: percentile = %g lets nothing through a ReLU layer of %d units, and a map behind it is "
        "zero; %s", percentile, units, advice,
    )  # fmt: skip
