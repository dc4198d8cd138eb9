"""Methods with other gradients of ReLUs: guided backpropagation, deconvolution, RectGrad."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from dmcnn._common.errors import InputError
from dmcnn.attribution.base import Explained, Method

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


RELUS = (F.relu, F.relu_, torch.relu, torch.Tensor.relu, torch.Tensor.relu_)
CLAMPS = (
    torch.clamp, torch.clamp_, torch.clamp_min, torch.clamp_min_,
    torch.Tensor.clamp, torch.Tensor.clamp_, torch.Tensor.clamp_min, torch.Tensor.clamp_min_,
)  # fmt: skip
OTHERS = ("celu", "elu", "gelu", "hardswish", "hardtanh", "leaky_relu", "mish", "prelu", "rrelu", "selu", "silu",
          "softplus", "tanh", "threshold")  # fmt: skip
"""Names of activations to which no rule of a ReLU applies."""


class Ruled(TorchFunctionMode):
    """Mode in which every ReLU has a gradient by a rule, whether a module, a function or a clamp at 0 computes it.

    Attributes:
        rule: the rule.
        calls: number of ReLUs so far.
        others: names of the other activations so far, whose gradients stay as they are.
    """

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.rule, self.calls, self.others = rule, 0, set[str]()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Evaluate a function of torch, or replace a ReLU."""
        kwargs = kwargs or {}
        if not _is_relu(func, args, kwargs):
            name = getattr(func, "__name__", "").removesuffix("_")
            self.others |= {name} & set(OTHERS)
            return func(*args, **kwargs)
        self.calls += 1
        inputs = args[0] if args else kwargs["input"]
        output = _Ruled.apply(inputs, self.rule)  # type: ignore[no-untyped-call]
        in_place = func.__name__.endswith("_") or kwargs.get("inplace", False)
        return inputs.copy_(output) if in_place else output


def _is_relu(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Return whether a call of a function of torch computes a ReLU."""
    if func not in CLAMPS:
        return func in RELUS
    low, high = [*args[1:], None, None][:2]
    low, high = kwargs.get("min", low), kwargs.get("max", high)
    return high is None and isinstance(low, int | float) and low == 0


def ruled_gradient(explained: Explained, images: torch.Tensor, rule: Rule) -> torch.Tensor:
    """Return the (n, C, H, W) gradients of the explained numbers with another rule at every ReLU.

    Raises:
        InputError: the network has no ReLU: the map would be the plain gradient.
    """
    leaf = images.detach().requires_grad_()
    with Ruled(rule) as relus:
        values = explained(leaf)
    name = type(explained.net).__name__
    if not relus.calls:
        raise InputError(f"{name} has no ReLU (nn.ReLU, F.relu, clamp at 0), which this method is about")
    if relus.others:
        _warn_others(name, ", ".join(sorted(relus.others)))
    (gradients,) = torch.autograd.grad(values.sum(), leaf)
    return gradients


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
        return ruled_gradient(explained, images, self.rule)


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

        maps = images * ruled_gradient(explained, images, rule)
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


@cache
def _warn_others(net: str, names: str) -> None:
    """Warn, once, that a network has activations to which the rule does not apply."""
    log.warning("warning: %s also has %s: only gradients of ReLUs follow the rule of the method", net, names)
