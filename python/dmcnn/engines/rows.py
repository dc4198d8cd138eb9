"""Arithmetic on rows of feature maps, forward and backward.

A row stands for all places of an image that look alike; its gradient is the sum of theirs. So plain reverse-mode
differentiation of what is done to rows gives the gradient of the dense network.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.autograd.function import once_differentiable

from dmcnn import _core
from dmcnn._common.threads import threads
from dmcnn.engines import torch_rows
from dmcnn.engines.autograd import apply
from dmcnn.engines.places import Ints, Links

BLOCK = 1 << 22
"""Bytes of gathered rows that are worked on at once: few enough to stay in a cache."""


def images_at_once(offsets: NDArray[np.int64], width: int, start: int = 0) -> list[tuple[int, int]]:
    """Return (first, end) image numbers of blocks of consecutive images, from the image ``start`` on.

    The rows of a block, times ``width`` bytes, make at most BLOCK bytes, unless it is a single image.

    Args:
        offsets: (B+1,) first row of every image, and their number.
        width: bytes of a row.
        start: number of an image.
    """
    blocks, first = [], start
    for image in range(start + 1, len(offsets)):
        if image == len(offsets) - 1 or (offsets[image + 1] - offsets[first]) * width > BLOCK:
            blocks.append((first, image))
            first = image
    return blocks


def pixels(tensor: torch.Tensor) -> NDArray[Any]:
    """Return the numbers of a contiguous tensor on the host; those of bfloat16 as the uint16 of their bits."""
    tensor = tensor.detach()
    return (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()


def on_host(tensor: torch.Tensor) -> bool:
    """Return whether the kernels can work on a tensor; elsewhere torch operations do the same."""
    return tensor.device.type == "cpu"


def beside(array: NDArray[Any], tensor: torch.Tensor) -> torch.Tensor:
    """Return an array as a tensor on the device of ``tensor``."""
    return torch.from_numpy(array).to(tensor.device)


def gather(
    source: torch.Tensor,
    index: Ints,
    *,
    apart: bool = False,
    out: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    positive: bool = False,
    first: int = 0,
) -> torch.Tensor:
    """Sum the rows in each window, see ``_core.gather_rows``.

    Returns:
        (n, C) sums, or with ``apart`` the (n, k, C) summands.
    """
    if not on_host(source):
        links = beside(np.ascontiguousarray(index), source)
        apart = apart or (out is not None and out.ndim == 3)
        made = torch_rows.gather_rows(source, links, apart=apart, bias=bias, positive=positive, first=first)
        return made if out is None else out.copy_(made)
    if out is None:
        middle = (index.shape[1],) if apart else ()
        dtype = torch.float32 if source.dtype == torch.bfloat16 else source.dtype
        out = source.new_empty((len(index), *middle, source.shape[-1]), dtype=dtype)
    added = None if bias is None else pixels(bias)
    _core.gather_rows(pixels(source), index, pixels(out), added, positive, first, n_threads=threads())
    return out


def scatter(
    source: torch.Tensor,
    users: tuple[Ints, Ints],
    out: torch.Tensor,
    which: torch.Tensor | None = None,
    first: int = 0,
) -> torch.Tensor:
    """Sum over the users of each row, see ``_core.scatter_rows``."""
    start, user = users
    if not on_host(source):
        links = beside(np.ascontiguousarray(start), source), beside(user, source)
        apart = out.ndim == 3
        made = torch_rows.scatter_rows(source, *links, rows=len(out), apart=apart, which=which, first=first)
        return out.copy_(made)
    only = None if which is None else which.numpy()
    _core.scatter_rows(pixels(source), start, user, pixels(out), only, first, n_threads=threads())
    return out


def maximum(source: torch.Tensor, index: Ints) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (n, C) maxima over the rows in each window and the places that hold them, see ``_core.max_rows``."""
    if not on_host(source):
        return torch_rows.max_rows(source, beside(index, source))
    out = source.new_empty((len(index), source.shape[1]))
    which = _core.max_rows(pixels(source), index, pixels(out), n_threads=threads())
    return out, torch.from_numpy(which)


class Gather(torch.autograd.Function):
    """(rows, C) -> (n, C) sums over windows, or (n, k, C)."""

    @staticmethod
    def forward(ctx: Any, source: torch.Tensor, links: Links, apart: bool) -> torch.Tensor:
        """Sum the rows in each window, and store the links for the backward pass."""
        ctx.links = links
        return gather(source.contiguous(), links.index, apart=apart)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        """Sum the gradients over the users of each row."""
        rows = slope.new_empty((int(ctx.links.rows[-1]), slope.shape[-1]))
        return scatter(slope.contiguous(), ctx.links.users, rows), None, None


class Maximum(torch.autograd.Function):
    """(rows, C) -> (n, C) maxima over windows; the first of equal places takes the gradient, as in torch."""

    @staticmethod
    def forward(ctx: Any, source: torch.Tensor, links: Links) -> torch.Tensor:
        """Take the maximum over each window, and store where it was."""
        out, ctx.which = maximum(source.contiguous(), links.index)
        ctx.links = links
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Add the gradient of each maximum to the row that held it."""
        rows = slope.new_empty((int(ctx.links.rows[-1]), slope.shape[1]))
        return scatter(slope.contiguous(), ctx.links.users, rows, ctx.which), None


class Spread(torch.autograd.Function):
    """(rows, C) -> (B, C, places): dense maps."""

    @staticmethod
    def forward(ctx: Any, source: torch.Tensor, links: Links) -> torch.Tensor:
        """Write every place, a few images at once, so that what is swapped is still in a cache."""
        source = source.contiguous()
        batch, channels = len(links.offsets) - 1, source.shape[1]
        out = source.new_empty((batch, channels, len(links.index) // max(1, batch)))
        for first, last in images_at_once(links.offsets, channels * source.element_size()):
            places = gather(source, links.index[slice(*links.offsets[[first, last]])])
            swap(places.view(last - first, -1, channels), out[first:last])
        ctx.links = links
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Sum the gradients over the places of each row."""
        slope, (rows, offsets) = slope.contiguous(), (ctx.links.rows, ctx.links.offsets)
        channels, size = slope.shape[1:]
        out = slope.new_empty((int(rows[-1]), channels))
        start, user = ctx.links.users
        for first, last in images_at_once(offsets, channels * slope.element_size()):
            places = slope.new_empty((last - first, size, channels))
            swap(slope[first:last], places)
            here = slice(*rows[[first, last]])
            own = start[here.start : here.stop + 1], user
            scatter(places.view(-1, channels), own, out[here], first=int(offsets[first]))
        return out, None


def swap(tables: torch.Tensor, out: torch.Tensor) -> None:
    """Write (n, rows, columns) tables with their last two axes swapped, see ``_core.swap_axes``."""
    if on_host(tables):
        _core.swap_axes(pixels(tables), pixels(out), n_threads=threads())
    else:
        out.copy_(tables.transpose(1, 2))


def spread(source: torch.Tensor, every_place: Links) -> torch.Tensor:
    """Return (B, C, places): dense maps of rows (rows, C)."""
    out: torch.Tensor = apply(Spread, source, every_place)
    return out


def gather_sum(source: torch.Tensor, links: Links) -> torch.Tensor:
    """Return (n, C): sum over the rows (rows, C) in each window."""
    out: torch.Tensor = apply(Gather, source, links, False)
    return out


def gather_apart(source: torch.Tensor, links: Links) -> torch.Tensor:
    """Return (n, k, C): the rows (rows, C) in each window."""
    out: torch.Tensor = apply(Gather, source, links, True)
    return out


def gather_maximum(source: torch.Tensor, links: Links) -> torch.Tensor:
    """Return (n, C): maximum over the rows (rows, C) in each window."""
    out: torch.Tensor = apply(Maximum, source, links)
    return out
