"""Layers on rows: convolutions, pools, normalisations and dropout.

A rule takes the module and its arguments; it returns ``Maps``, or NotImplemented where only dense maps will do.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from dmcnn.engines.arithmetic import spread
from dmcnn.engines.convolution import convolve
from dmcnn.engines.maps import Maps
from dmcnn.engines.normalise import normalise
from dmcnn.engines.places import Stencil
from dmcnn.engines.rows import beside, gather_maximum, gather_sum


def numbers(value: Any, axes: int) -> tuple[int, ...]:
    """Return one integer per axis; a single number holds for all axes."""
    return (int(value),) * axes if isinstance(value, int) else tuple(int(x) for x in value)


def convolution(module: Any, maps: Maps, *, positive: bool = False) -> Any:
    """Convolve maps, zero-padded, with any geometry and number of groups."""
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
    """Return the geometry of a pool, and the places behind the padding that a rounded-up number of windows covers."""
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
    """Average over the places in a window.

    Padding counts if the module says so; places behind the padding never count.
    """
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
    """Take the maximum over the places in a window; padding is less than any number."""
    if module.return_indices:
        return NotImplemented
    places, links = maps.places.windows(pool_stencil(module, maps.places.shape), zeros=False)
    return Maps(gather_maximum(maps.rows, links), places)


def adaptive_size(module: Any, maps: Maps) -> tuple[int, ...]:
    """Return the size of the maps that an adaptive pool makes."""
    size = module.output_size
    size = (size,) * len(maps.places.shape) if size is None or isinstance(size, int) else size
    return tuple(s if out is None else int(out) for out, s in zip(size, maps.places.shape, strict=True))


def adaptive_average_pool(module: Any, maps: Maps) -> Any:
    """Average over the regions of an adaptive pool."""
    places, links = maps.places.regions(adaptive_size(module, maps))
    sums = gather_sum(maps.rows, links)
    return Maps(sums / beside((links.index >= 0).sum(1), sums)[:, None].to(sums.dtype), places)


def adaptive_maximum_pool(module: Any, maps: Maps) -> Any:
    """Take the maximum over the regions of an adaptive pool."""
    if module.return_indices:
        return NotImplemented
    places, links = maps.places.regions(adaptive_size(module, maps))
    return Maps(gather_maximum(maps.rows, links), places)


def group_norm(module: nn.GroupNorm, maps: Maps) -> Any:
    """Normalise by the statistics of groups of channels over the places of each image."""
    maps = maps.whole()
    out, *_ = normalise(
        maps.rows, maps.places, module.weight, module.bias, module.eps, groups=module.num_groups
    )
    return Maps(out, maps.places)


def batch_norm(module: Any, maps: Maps) -> Any:
    """Normalise by the statistics over the places of all images, or by the running ones of the module."""
    if not module.training and module.running_mean is not None:
        return Maps(F.batch_norm(maps.rows, module.running_mean, module.running_var, module.weight, module.bias,
                                 False, 0.0, module.eps), maps.places)  # fmt: skip
    maps = maps.whole()
    channels, places = maps.shape[1], maps.places.images * int(np.prod(maps.places.shape))
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
    """Normalise by the statistics of every channel over the places of each image, or by the running ones."""
    if not module.training and module.track_running_stats:
        return batch_norm(module, maps)
    maps = maps.whole()
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
    """Update the running statistics of a module with those (C,) of a batch, as torch does."""
    share = 1 / float(module.num_batches_tracked) if module.momentum is None else module.momentum
    for statistic, new in ((module.running_mean, mean), (module.running_var, variance)):
        statistic.copy_((1 - share) * statistic + share * new)


def element_dropout(module: Any, maps: Maps) -> Any:
    """Return the maps unchanged in evaluation, and NotImplemented in training.

    In training every place gets random numbers of its own, which no row can hold.
    """
    return NotImplemented if module.training and module.p > 0 else maps


def channel_dropout(module: Any, maps: Maps) -> Any:
    """Drop whole channels of an image, by the random numbers that a dense map would take."""
    if not module.training or module.p == 0:
        return maps
    batch, channels = maps.shape[:2]
    mask = module(maps.rows.new_ones((batch, channels, *(1,) * len(maps.places.shape))))
    return spread(operator.mul, maps, mask)
