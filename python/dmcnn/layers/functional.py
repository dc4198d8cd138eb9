"""Functional forms of layers: the module that computes what a function or method of torch does."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

OPERATORS: dict[Any, Callable[..., Any]] = {
    getattr(operator, f"i{name.rstrip('_')}"): function
    for name, function in vars(operator).items()
    if hasattr(operator, f"i{name.rstrip('_')}")
}
"""In-place operator, such as ``operator.iadd`` -> operator with a new result."""

ACTIVATIONS = (
    "relu", "relu6", "elu", "celu", "selu", "leaky_relu", "gelu", "silu", "mish", "tanh", "sigmoid", "softplus",
    "softsign", "hardtanh", "hardswish", "hardsigmoid",
)  # fmt: skip
POOLS = tuple(
    f"{kind}_pool{n}d" for kind in ("max", "avg", "adaptive_max", "adaptive_avg") for n in (1, 2, 3)
)
DROPOUTS = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout")

_CLASSES = {name.lower(): kind for name, kind in vars(nn).items()}

MODULES: dict[Any, type[nn.Module]] = {
    **{getattr(F, name): _CLASSES[name.replace("_", "")] for name in (*ACTIVATIONS, *POOLS, *DROPOUTS)},
    **{
        form: _CLASSES[name.replace("_", "")]
        for name in ("flatten", *ACTIVATIONS)
        for form in (name, f"{name}_", *(getattr(where, word) for where in (torch, F)
                                         for word in (name, f"{name}_") if hasattr(where, word)))
    },
}  # fmt: skip
"""Function, or name of a method -> class of the module."""


def arguments(target: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call by name, without its first one, as far as the names are known."""
    function = getattr(F, f"_{getattr(target, '__name__', '')}", target)  # one of two, chosen by an argument
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError):  # a method or a function without signature: in the order of its module
        names = [*inspect.signature(MODULES[target]).parameters] if target in MODULES else []
        return {**dict(zip(names, args[1:], strict=False)), **kwargs}
    bound.apply_defaults()
    return dict([*bound.arguments.items()][1:])


def module_of(target: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> nn.Module | None:
    """Return the module, never an in-place one, of a call of a function or method; None if there is none."""
    kind = MODULES.get(target)
    if kind is None:
        return None
    named: dict[str, Any] = {"start_dim": 0} if kind is nn.Flatten else {}
    named |= arguments(target, args, kwargs)
    training = named.pop("training", True)
    named.pop("inplace", None)
    try:
        return kind(**named).train(training)
    except (TypeError, ValueError):  # arguments that the function takes and the module does not
        return None
