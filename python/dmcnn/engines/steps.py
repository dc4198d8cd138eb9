"""What the steps of a network do to feature maps that are kept as rows.

``RULES`` names the rule of every module, function and method that rows can follow. A rule takes the module (or None)
and the arguments; it gives ``Maps`` or a tensor without places, or NotImplemented where only dense maps will do.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from dmcnn.engines.autograd import apply
from dmcnn.engines.convolution import convolve
from dmcnn.engines.maps import Images, Maps
from dmcnn.engines.normalise import normalise
from dmcnn.engines.places import Stencil
from dmcnn.engines.rows import beside, gather_maximum, gather_sum

Rule = Callable[..., Any]


def numbers(value: Any, axes: int) -> tuple[int, ...]:
    """One number per axis."""
    return (int(value),) * axes if isinstance(value, int) else tuple(int(x) for x in value)


def convolution(module: Any, maps: Maps, *, positive: bool = False) -> Any:
    """Convolution with zero padding, of any geometry and number of groups."""
    axes = len(maps.places.shape)
    if (
        len(module.kernel_size) != axes
        or module.padding_mode != "zeros"
        or maps.shape[1] != module.in_channels
    ):
        return NotImplemented
    kernel, stride = module.kernel_size, module.stride
    dilation = module.dilation
    if module.padding == "same":
        total = tuple(d * (k - 1) for d, k in zip(dilation, kernel, strict=True))
        before, after = tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)
    else:
        before = after = numbers(0 if module.padding == "valid" else module.padding, axes)
    stencil = Stencil(kernel, stride, dilation, before, after, (0,) * axes)
    places, links = maps.places.windows(stencil, zeros=maps.blank)
    rows = convolve(maps.rows, module.weight, module.bias, links, groups=module.groups, positive=positive)
    return Maps(rows, places)


def pool_stencil(module: Any, sides: tuple[int, ...]) -> Stencil:
    """Geometry of a pool, with what a rounded-up number of windows looks at behind the padding."""
    axes = len(sides)
    kernel = numbers(module.kernel_size, axes)
    stride = numbers(kernel if module.stride is None else module.stride, axes)
    padding, dilation = numbers(module.padding, axes), numbers(getattr(module, "dilation", 1), axes)
    beyond = []
    for size, k, s, p, d in zip(sides, kernel, stride, padding, dilation, strict=True):
        reach, padded = d * (k - 1) + 1, size + 2 * p
        out = (padded - reach) // s + 1
        if module.ceil_mode and out * s + reach > padded and (padded - reach) % s:
            out += out * s < size + p  # a window must begin within the map or the padding before it
        beyond.append(max(0, (out - 1) * s + reach - padded))
    return Stencil(kernel, stride, dilation, padding, padding, tuple(beyond))


def average_pool(module: Any, maps: Maps) -> Any:
    """Mean over the places in a window; padding counts if the module says so, what lies behind it never."""
    stencil = pool_stencil(module, maps.places.shape)
    places, links = maps.places.windows(stencil, zeros=False)
    sums = gather_sum(maps.rows, links)
    if getattr(module, "divisor_override", None):
        return Maps(sums / module.divisor_override, places)
    if module.count_include_pad and not any(stencil.beyond):
        return Maps(sums / links.index.shape[1], places)
    counted = (links.index >= (-1 if module.count_include_pad else 0)).sum(1)
    return Maps(sums / beside(counted, sums)[:, None].to(sums.dtype), places)


def maximum_pool(module: Any, maps: Maps) -> Any:
    """Maximum over the places in a window; padding is less than any number."""
    if module.return_indices:
        return NotImplemented
    places, links = maps.places.windows(pool_stencil(module, maps.places.shape), zeros=False)
    return Maps(gather_maximum(maps.rows, links), places)


def adaptive_size(module: Any, maps: Maps) -> tuple[int, ...]:
    """Size of the maps that an adaptive pool makes."""
    size = module.output_size
    size = (size,) * len(maps.places.shape) if size is None or isinstance(size, int) else size
    return tuple(s if out is None else int(out) for out, s in zip(size, maps.places.shape, strict=True))


def adaptive_average_pool(module: Any, maps: Maps) -> Any:
    """Mean over regions."""
    places, links = maps.places.regions(adaptive_size(module, maps))
    sums = gather_sum(maps.rows, links)
    return Maps(sums / beside((links.index >= 0).sum(1), sums)[:, None].to(sums.dtype), places)


def adaptive_maximum_pool(module: Any, maps: Maps) -> Any:
    """Maximum over regions."""
    if module.return_indices:
        return NotImplemented
    places, links = maps.places.regions(adaptive_size(module, maps))
    return Maps(gather_maximum(maps.rows, links), places)


def group_norm(module: nn.GroupNorm, maps: Maps) -> Any:
    """Statistics of groups of channels over the places of each image."""
    out, *_ = normalise(
        maps.rows, maps.places, module.weight, module.bias, module.eps, groups=module.num_groups
    )
    return Maps(out, maps.places)


def batch_norm(module: Any, maps: Maps) -> Any:
    """Statistics over the places of all images, or those that training has collected."""
    if not module.training and module.running_mean is not None:
        return Maps(F.batch_norm(maps.rows, module.running_mean, module.running_var, module.weight, module.bias,
                                 False, 0.0, module.eps), maps.places)  # fmt: skip
    channels, places = maps.shape[1], len(maps.places.number) * int(np.prod(maps.places.shape))
    if places == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {maps.shape}")
    out, mean, variance = normalise(
        maps.rows, maps.places, module.weight, module.bias, module.eps, groups=channels, together=True
    )
    if module.training and module.track_running_stats:
        module.num_batches_tracked.add_(1)
        collect(module, mean[0], variance[0] * (places / (places - 1)))
    return Maps(out, maps.places)


def instance_norm(module: Any, maps: Maps) -> Any:
    """Statistics of every channel over the places of each image, or those that training has collected."""
    if not module.training and module.track_running_stats:
        return batch_norm(module, maps)
    places = int(np.prod(maps.places.shape))
    if places == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {maps.shape}")
    out, mean, variance = normalise(
        maps.rows, maps.places, module.weight, module.bias, module.eps, groups=maps.shape[1]
    )
    if module.training and module.track_running_stats:
        collect(module, mean.mean(0), variance.mean(0) * (places / (places - 1)))
    return Maps(out, maps.places)


@torch.no_grad()
def collect(module: Any, mean: torch.Tensor, variance: torch.Tensor) -> None:
    """Let the statistics of a module follow those of a batch, as torch does."""
    share = 1 / float(module.num_batches_tracked) if module.momentum is None else module.momentum
    for kept, new in ((module.running_mean, mean), (module.running_var, variance)):
        kept.copy_((1 - share) * kept + share * new)


def element_dropout(module: Any, maps: Maps) -> Any:
    """Nothing in evaluation. In training every place gets random numbers of its own, which no row can hold."""
    return NotImplemented if module.training and module.p > 0 else maps


def channel_dropout(module: Any, maps: Maps) -> Any:
    """Whole channels of an image dropped, by the random numbers that a dense map would take."""
    if not module.training or module.p == 0:
        return maps
    batch, channels = maps.shape[:2]
    kept = module(maps.rows.new_ones((batch, channels, *(1,) * len(maps.places.shape))))
    return spread(operator.mul, maps, kept)


def spread(function: Callable[..., Any], maps: Maps, other: torch.Tensor, swapped: bool = False) -> Any:
    """``function`` of maps and a tensor that is the same at all places: () or broadcasting to (B, C, 1, …)."""
    axes = len(maps.places.shape)
    if other.ndim == 0:
        own = other
    elif other.ndim <= axes + 2 and all(side == 1 for side in other.shape[-axes:]):
        per_image = other.reshape(*(1,) * (axes + 2 - other.ndim), *other.shape).flatten(
            1
        )  # (1 or B, 1 or C)
        if per_image.shape[1] not in (1, maps.shape[1]) or len(per_image) not in (1, len(maps.places.number)):
            return NotImplemented
        own = per_image if len(per_image) == 1 else per_image.index_select(0, maps.image)
    else:
        return NotImplemented
    return Maps(function(own, maps.rows) if swapped else function(maps.rows, own), maps.places)


def combine(function: Callable[..., Any], left: Any, right: Any) -> Any:
    """``function`` of two operands, at least one of which are maps."""
    if isinstance(left, Maps) and isinstance(right, Maps):
        one = {1}  # a map of one place, such as a gate, meets all places of the other
        if left.places is right.places:
            return Maps(function(left.rows, right.rows), left.places)
        if set(left.places.shape) == one:
            return combine(function, left.dense(), right)
        if set(right.places.shape) == one:
            return combine(function, left, right.dense())
        if left.places.shape != right.places.shape or len(left.places.number) != len(right.places.number):
            return NotImplemented
        places, ours, theirs = left.places.join(right.places)
        return Maps(function(linked(left.rows, ours), linked(right.rows, theirs)), places)
    if isinstance(left, Maps):
        if isinstance(right, torch.Tensor):
            return spread(function, left, right)
        return (
            Maps(function(left.rows, right), left.places)
            if isinstance(right, int | float)
            else NotImplemented
        )
    if isinstance(left, torch.Tensor):
        return spread(function, right, left, swapped=True)
    return Maps(function(left, right.rows), right.places) if isinstance(left, int | float) else NotImplemented


def linked(rows: torch.Tensor, links: Any) -> torch.Tensor:
    """(n, C): the row that each place of a join is made of."""
    out: torch.Tensor = rows if links.is_identity else gather_sum(rows, links)
    return out


def arithmetic(function: Callable[..., Any]) -> Rule:
    """The rule of a binary operator."""

    def rule(_: None, left: Any, right: Any, *, alpha: Any = 1, **more: Any) -> Any:
        return NotImplemented if more or alpha != 1 else combine(function, left, right)

    return rule


def pointwise(function: Callable[..., Any]) -> Rule:
    """The rule of a function that does the same to every number."""

    def rule(_: None, maps: Any, *args: Any, **kwargs: Any) -> Any:
        kwargs.pop("inplace", None)  # rows are never changed in place, for gradients need them
        if not isinstance(maps, Maps) or any(
            isinstance(x, torch.Tensor | Maps) for x in (*args, *kwargs.values())
        ):
            return NotImplemented
        return Maps(function(maps.rows, *args, **kwargs), maps.places)

    return rule


def activation(names: tuple[str, ...], function: Callable[..., Any]) -> Rule:
    """The rule of an activation module: ``function`` with the attributes of these names."""

    def rule(module: Any, maps: Maps) -> Any:
        return Maps(function(maps.rows, *(getattr(module, name) for name in names)), maps.places)

    return rule


def gelu(module: nn.GELU, maps: Maps) -> Maps:
    """GELU, exact or by tanh."""
    return Maps(F.gelu(maps.rows, approximate=module.approximate), maps.places)


def concatenate(_: None, tensors: Any, dim: int = 0, **more: Any) -> Any:
    """Channels of several maps side by side."""
    tensors = list(tensors)
    if more or not all(isinstance(x, Maps) for x in tensors):
        return NotImplemented
    axes = len(tensors[0].shape)
    if dim % axes != 1 or any(x.places.shape != tensors[0].places.shape for x in tensors):
        return NotImplemented
    together = tensors[0]
    for maps in tensors[1:]:
        if maps.places is together.places:
            together = Maps(torch.cat([together.rows, maps.rows], 1), together.places)
            continue
        places, ours, theirs = together.places.join(maps.places)
        together = Maps(torch.cat([linked(together.rows, ours), linked(maps.rows, theirs)], 1), places)
    return together


def over_places(maps: Maps, dim: Any) -> bool:
    """Whether ``dim`` means all axes of a map and no other."""
    axes = len(maps.shape)
    dims = (dim,) if isinstance(dim, int) else tuple(dim or ())
    return sorted(d % axes for d in dims) == list(range(2, axes))


def per_image(function: Callable[[Maps], torch.Tensor]) -> Rule:
    """The rule of a reduction over all places: (B, C), or (B, C, 1, …) with ``keepdim``."""

    def rule(_: None, maps: Any, dim: Any = None, keepdim: bool = False, **more: Any) -> Any:
        if more or not isinstance(maps, Maps) or not over_places(maps, dim):
            return NotImplemented
        out = function(maps)
        return out.view(*out.shape, *(1,) * len(maps.places.shape)) if keepdim else out

    return rule


def sum_places(maps: Maps) -> torch.Tensor:
    """(B, C): sum over the places of each image."""
    rows = (maps.rows * maps.weight).to(maps.rows.dtype)
    return rows.new_zeros((len(maps.places.number), rows.shape[1])).index_add(0, maps.image, rows)


def mean_places(maps: Maps) -> torch.Tensor:
    """(B, C): mean over the places of each image."""
    return sum_places(maps) / int(np.prod(maps.places.shape))


def maximum_places(maps: Maps) -> torch.Tensor:
    """(B, C): maximum over the places of each image; equal ones share the gradient, as in torch."""
    out: torch.Tensor = apply(MaximumPlaces, maps.rows, maps.image, maps.weight, len(maps.places.number))
    return out


class MaximumPlaces(torch.autograd.Function):
    """Maximum over the rows of each image; a row's share of the gradient is the number of its places."""

    @staticmethod
    def forward(
        ctx: Any, rows: torch.Tensor, image: torch.Tensor, weight: torch.Tensor, batch: int
    ) -> torch.Tensor:
        """(B, C) of (rows, C)."""
        index = image[:, None].expand_as(rows)
        out = rows.new_full((batch, rows.shape[1]), -torch.inf).scatter_reduce(0, index, rows, "amax")
        ctx.save_for_backward(rows, image, weight, out)
        return out

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        """Share the gradient among the places that hold the maximum."""
        rows, image, weight, out = ctx.saved_tensors
        share = torch.where(rows == out[image], weight, 0)
        total = torch.zeros_like(out).index_add(0, image, share)
        return share * (slope / total)[image], None, None, None


def unflatten(module: Any, images: Any) -> Any:
    """Channels as a further axis of the map, of the images alone."""
    if not isinstance(images, Images) or module.dim != 1:
        return NotImplemented
    made = torch.empty(images.shape[1], device="meta").view(module.unflattened_size).shape
    return images.reshape((*made, *images.sides[1:]))


def unsqueeze(_: None, images: Any, dim: int) -> Any:
    """A first channel, of which the channels become a further axis of the map, of the images alone."""
    if not isinstance(images, Images) or dim % (len(images.shape) + 1) != 1:
        return NotImplemented
    return images.reshape((1, *images.sides))


def size(_: None, maps: Any, dim: int | None = None) -> Any:
    """Shape of the dense tensor, or one side of it."""
    return maps.shape if dim is None else maps.shape[dim]


def attribute(_: None, maps: Any, name: str) -> Any:
    """What code asks of a tensor that does not depend on its numbers."""
    known = {"shape": maps.shape, "ndim": len(maps.shape), "dtype": maps.dtype}
    return known.get(name, NotImplemented)


def unchanged(_: Any, maps: Any, *args: Any) -> Any:
    """The same maps."""
    return maps


RESHAPES: frozenset[Any] = frozenset(
    {nn.Flatten, torch.flatten, "flatten", "view", "reshape", torch.reshape, "squeeze", torch.squeeze}
)
"""Where maps end: what reshapes them takes dense ones, and that is as it should be."""

OF_IMAGES: frozenset[Any] = frozenset({nn.Unflatten, "unsqueeze", torch.unsqueeze, "size", getattr, "dim"})
"""Steps that do not look at the numbers of the images."""

_POINTWISE = (
    "relu", "abs", "sign", "log1p", "log", "exp", "expm1", "sqrt", "tanh", "sigmoid", "square", "neg", "clamp", "pow",
    "sin", "cos", "erf",
)  # fmt: skip

_METHODS = ("float", "double", "contiguous", "detach")

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
    nn.ReLU: activation((), F.relu),
    nn.ReLU6: activation((), F.relu6),
    nn.LeakyReLU: activation(("negative_slope",), F.leaky_relu),
    nn.PReLU: activation(("weight",), F.prelu),
    nn.ELU: activation(("alpha",), F.elu),
    nn.CELU: activation(("alpha",), F.celu),
    nn.SELU: activation((), F.selu),
    nn.GELU: gelu,
    nn.SiLU: activation((), F.silu),
    nn.Mish: activation((), F.mish),
    nn.Tanh: activation((), torch.tanh),
    nn.Sigmoid: activation((), torch.sigmoid),
    nn.Softplus: activation(("beta", "threshold"), F.softplus),
    nn.Softsign: activation((), F.softsign),
    nn.Hardtanh: activation(("min_val", "max_val"), F.hardtanh),
    nn.Hardswish: activation((), F.hardswish),
    nn.Hardsigmoid: activation((), F.hardsigmoid),
    **{name: pointwise(getattr(torch.Tensor, name)) for name in (*_POINTWISE, *_METHODS)},
    **{getattr(torch, name): pointwise(getattr(torch, name)) for name in _POINTWISE},
    **{function: pointwise(function) for function in (F.relu, F.elu, F.leaky_relu, F.gelu, F.silu, F.softplus)},
    **{function: arithmetic(getattr(operator, word)) for word in ("add", "sub", "mul", "truediv")
       for function in (getattr(operator, word), getattr(operator, f"i{word}"))},
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
    "size": size,
    "dim": lambda _, maps: len(maps.shape),
    getattr: attribute,
}  # fmt: skip
