"""Arithmetic on maps that are kept as rows: functions of every number, sums of maps, reductions over places.

A rule takes None (a layer's rule: its module) and the arguments of the function; it returns NotImplemented where only
dense maps will do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from dmcnn.engines.autograd import apply
from dmcnn.engines.maps import Images, Maps
from dmcnn.engines.rows import gather_sum

Rule = Callable[..., Any]


def spread(function: Callable[..., Any], maps: Maps, other: torch.Tensor, swapped: bool = False) -> Any:
    """Apply ``function`` to maps and a tensor that is the same at all places: () or broadcasting to (B, C, 1, …).

    The tensor is the first argument if ``swapped``, else the second.
    """
    axes = len(maps.places.shape)
    if other.ndim == 0:
        own = other
    elif other.ndim <= axes + 2 and all(side == 1 for side in other.shape[-axes:]):
        own = other.reshape(*(1,) * (axes + 2 - other.ndim), *other.shape).flatten(1)  # (1 or B, 1 or C)
        several, batch = len(own) > 1, maps.places.images
        maps = maps.whole() if several else maps
        if own.shape[1] not in (1, maps.shape[1]) or len(own) not in (1, batch, maps.places.images):
            return NotImplemented
        if several:
            own = own[-maps.places.images :].index_select(0, maps.image)
    else:
        return NotImplemented
    return Maps(function(own, maps.rows) if swapped else function(maps.rows, own), maps.places)


def combine(function: Callable[..., Any], left: Any, right: Any) -> Any:
    """Apply ``function`` to two operands, at least one of which is ``Maps``."""
    if isinstance(left, Maps) and isinstance(right, Maps):
        left, right = alike(left, right)
        one = {1}  # a map of one place, such as a gate, meets all places of the other
        if left.places is right.places:
            return Maps(function(left.rows, right.rows), left.places)
        if set(left.places.shape) == one:
            return combine(function, left.dense(), right)
        if set(right.places.shape) == one:
            return combine(function, left, right.dense())
        if left.places.shape != right.places.shape or left.places.images != right.places.images:
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


def alike(left: Maps, right: Maps) -> tuple[Maps, Maps]:
    """Return maps of which either both hold all rows of variants of an image, or both but those that differ."""
    same = left.places.images == right.places.images
    return (left, right) if same else (left.whole(), right.whole())


def linked(rows: torch.Tensor, links: Any) -> torch.Tensor:
    """Return (n, C): the row that each row of a join is made of."""
    out: torch.Tensor = rows if links.is_identity else gather_sum(rows, links)
    return out


def arithmetic(function: Callable[..., Any]) -> Rule:
    """Return the rule of a binary operator."""

    def rule(_: None, left: Any, right: Any, *, alpha: Any = 1, **more: Any) -> Any:
        return NotImplemented if more or alpha != 1 else combine(function, left, right)

    return rule


def pointwise(function: Callable[..., Any]) -> Rule:
    """Return the rule of a function that does the same to every number."""

    def rule(_: None, maps: Any, *args: Any, **kwargs: Any) -> Any:
        kwargs.pop("inplace", None)  # rows are never changed in place, for gradients need them
        if not isinstance(maps, Maps) or any(
            isinstance(x, torch.Tensor | Maps) for x in (*args, *kwargs.values())
        ):
            return NotImplemented
        return Maps(function(maps.rows, *args, **kwargs), maps.places)

    return rule


def activation(module: Any, maps: Maps) -> Maps:
    """Apply an activation module, which never changes the rows in place, for gradients need them."""
    rows = maps.rows.clone() if getattr(module, "inplace", False) else maps.rows
    return Maps(module(rows), maps.places)


def concatenate(_: None, tensors: Any, dim: int = 0, **more: Any) -> Any:
    """Concatenate the channels of several maps."""
    tensors = list(tensors)
    if more or not all(isinstance(x, Maps) for x in tensors):
        return NotImplemented
    axes = len(tensors[0].shape)
    if dim % axes != 1 or any(x.places.shape != tensors[0].places.shape for x in tensors):
        return NotImplemented
    together = tensors[0]
    for maps in tensors[1:]:
        together, maps = alike(together, maps)
        if maps.places is together.places:
            together = Maps(torch.cat([together.rows, maps.rows], 1), together.places)
            continue
        places, ours, theirs = together.places.join(maps.places)
        together = Maps(torch.cat([linked(together.rows, ours), linked(maps.rows, theirs)], 1), places)
    return together


def over_places(maps: Maps, dim: Any) -> bool:
    """Return whether ``dim`` names all axes of a map and no other."""
    axes = len(maps.shape)
    dims = (dim,) if isinstance(dim, int) else tuple(dim or ())
    return sorted(d % axes for d in dims) == list(range(2, axes))


def per_image(function: Callable[[Maps], torch.Tensor]) -> Rule:
    """Return the rule of a reduction over all places: (B, C), or (B, C, 1, …) with ``keepdim``."""

    def rule(_: None, maps: Any, dim: Any = None, keepdim: bool = False, **more: Any) -> Any:
        if more or not isinstance(maps, Maps) or not over_places(maps, dim):
            return NotImplemented
        out = function(maps.whole())
        return out.view(*out.shape, *(1,) * len(maps.places.shape)) if keepdim else out

    return rule


def sum_places(maps: Maps) -> torch.Tensor:
    """Return (B, C): sum over the places of each image."""
    rows = (maps.rows * maps.weight).to(maps.rows.dtype)
    return rows.new_zeros((maps.places.images, rows.shape[1])).index_add(0, maps.image, rows)


def mean_places(maps: Maps) -> torch.Tensor:
    """Return (B, C): mean over the places of each image."""
    return sum_places(maps) / int(np.prod(maps.places.shape))


def maximum_places(maps: Maps) -> torch.Tensor:
    """Return (B, C): maximum over the places of each image; equal ones share the gradient, as in torch."""
    out: torch.Tensor = apply(MaximumPlaces, maps.rows, maps.image, maps.weight, maps.places.images)
    return out


class MaximumPlaces(torch.autograd.Function):
    """Maximum over the rows of each image; a row's share of the gradient is the number of its places."""

    @staticmethod
    def forward(
        ctx: Any, rows: torch.Tensor, image: torch.Tensor, weight: torch.Tensor, batch: int
    ) -> torch.Tensor:
        """Return the (B, C) maxima of (rows, C)."""
        index = image[:, None].expand_as(rows)
        out = rows.new_full((batch, rows.shape[1]), -torch.inf).scatter_reduce(0, index, rows, "amax")
        ctx.save_for_backward(rows, image, weight, out)
        return out

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        """Share the gradient (B, C) among the places that hold the maximum: (rows, C)."""
        rows, image, weight, out = ctx.saved_tensors
        share = torch.where(rows == out[image], weight, 0)
        total = torch.zeros_like(out).index_add(0, image, share)
        return share * (slope / total)[image], None, None, None


def unflatten(module: Any, images: Any) -> Any:
    """Turn the channels of images into a further axis of the map; NotImplemented for feature maps."""
    if not isinstance(images, Images) or module.dim != 1:
        return NotImplemented
    made = torch.empty(images.shape[1], device="meta").view(module.unflattened_size).shape
    return images.reshape((*made, *images.sides[1:]))


def unsqueeze(_: None, images: Any, dim: int) -> Any:
    """Insert an axis of one channel into images, whose channels become an axis of the map; else NotImplemented."""
    if not isinstance(images, Images) or dim % (len(images.shape) + 1) != 1:
        return NotImplemented
    return images.reshape((1, *images.sides))


def item(_: None, images: Any, index: Any) -> Any:
    """Insert an axis of one channel, as ``images[:, None]``; NotImplemented for all other indices."""
    return unsqueeze(None, images, 1) if index == (slice(None), None) else NotImplemented


def size(_: None, maps: Any, dim: int | None = None) -> Any:
    """Return the shape of the dense tensor, or its length along ``dim``."""
    return maps.shape if dim is None else maps.shape[dim]


def attribute(_: None, maps: Any, name: str) -> Any:
    """Return the shape, ndim or dtype of the dense tensor: what does not depend on its numbers."""
    known = {"shape": maps.shape, "ndim": len(maps.shape), "dtype": maps.dtype}
    return known.get(name, NotImplemented)


def unchanged(_: Any, maps: Any, *args: Any) -> Any:
    """Return the same maps."""
    return maps
