"""Rules by which modules, functions and methods are evaluated on rows, in one table."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import nn

from dmcnn.engines.arithmetic import (
    Rule,
    activation,
    arithmetic,
    attribute,
    concatenate,
    item,
    maximum_places,
    mean_places,
    per_image,
    pointwise,
    size,
    sum_places,
    unchanged,
    unflatten,
    unsqueeze,
)
from dmcnn.engines.layers import (
    adaptive_average_pool,
    adaptive_maximum_pool,
    average_pool,
    batch_norm,
    channel_dropout,
    convolution,
    element_dropout,
    group_norm,
    instance_norm,
    maximum_pool,
)
from dmcnn.layers.functional import ACTIVATIONS, MODULES

RESHAPES: frozenset[Any] = frozenset({nn.Flatten, "view", "reshape", torch.reshape, "squeeze", torch.squeeze})
"""Where maps end: what reshapes them takes dense ones, and that is as it should be."""

OF_IMAGES: frozenset[Any] = frozenset(
    {nn.Unflatten, "unsqueeze", torch.unsqueeze, operator.getitem, "size", getattr, "dim"}
)
"""Steps that do not look at the numbers of the images."""

_POINTWISE = (
    "abs", "sign", "log1p", "log", "exp", "expm1", "sqrt", "square", "neg", "clamp", "pow", "sin", "cos", "erf",
)  # fmt: skip

_METHODS = ("float", "double", "contiguous", "detach", "clone")

RULES: dict[Any, Rule] = {
    **dict.fromkeys((nn.Conv1d, nn.Conv2d, nn.Conv3d), convolution),
    **dict.fromkeys((nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d), average_pool),
    **dict.fromkeys((nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d), maximum_pool),
    **dict.fromkeys((nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d), adaptive_average_pool),
    **dict.fromkeys((nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d), adaptive_maximum_pool),
    nn.GroupNorm: group_norm,
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d), batch_norm),
    **dict.fromkeys((nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d), instance_norm),
    nn.Dropout: element_dropout,
    nn.AlphaDropout: element_dropout,
    **dict.fromkeys((nn.Dropout1d, nn.Dropout2d, nn.Dropout3d), channel_dropout),
    nn.Identity: unchanged,
    **dict.fromkeys((MODULES[name] for name in ACTIVATIONS), activation),
    nn.PReLU: activation,
    **{name: pointwise(getattr(torch.Tensor, name)) for name in (*_POINTWISE, *_METHODS)},
    **{getattr(torch, name): pointwise(getattr(torch, name)) for name in _POINTWISE},
    **{getattr(operator, word): arithmetic(getattr(operator, word)) for word in ("add", "sub", "mul", "truediv")},
    **{function: arithmetic(getattr(torch, word)) for word in ("add", "sub", "mul", "div", "maximum", "minimum")
       for function in (word, getattr(torch, word))},
    operator.neg: pointwise(operator.neg),
    operator.pow: pointwise(operator.pow),
    torch.cat: concatenate,
    **dict.fromkeys(("sum", torch.sum), per_image(sum_places)),
    **dict.fromkeys(("mean", torch.mean), per_image(mean_places)),
    **dict.fromkeys(("amax", torch.amax), per_image(maximum_places)),
    nn.Unflatten: unflatten,
    **dict.fromkeys(("unsqueeze", torch.unsqueeze), unsqueeze),
    operator.getitem: item,
    "size": size,
    "dim": lambda _, maps: len(maps.shape),
    getattr: attribute,
}  # fmt: skip
