"""Arithmetic on rows of feature maps, forward and backward.

A row stands for all places of an image that look alike; its gradient is the sum of theirs. So plain reverse-mode
differentiation of what is done to rows gives the gradient of the dense network.
"""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch.autograd.function import once_differentiable

from dmcnn import _core
from dmcnn.engines.autograd import apply
from dmcnn.engines.places import Ints, Links
from dmcnn.threads import threads


def pixels(tensor: torch.Tensor) -> NDArray[Any]:
    """The numbers of a contiguous tensor on the host, those of bfloat16 as the uint16 of their bits."""
    tensor = tensor.detach()
    return (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()


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
    """Sums over the rows in each window, see ``_core.gather_rows``; ``apart`` keeps them apart, (n, k, C)."""
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
    which: Ints | None = None,
    first: int = 0,
) -> torch.Tensor:
    """Sums over the users of each row, see ``_core.scatter_rows``."""
    _core.scatter_rows(pixels(source), *users, pixels(out), which, first, n_threads=threads())
    return out


class Gather(torch.autograd.Function):
    """(rows, C) -> (n, C) sums over windows, or (n, k, C)."""

    @staticmethod
    def forward(ctx: Any, source: torch.Tensor, links: Links, apart: bool) -> torch.Tensor:
        """Sum, and remember the links."""
        ctx.links = links
        return gather(source.contiguous(), links.index, apart=apart)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        """Sum over the users of each row."""
        rows = slope.new_empty((int(ctx.links.rows[-1]), slope.shape[-1]))
        return scatter(slope.contiguous(), ctx.links.users, rows), None, None


class Maximum(torch.autograd.Function):
    """(rows, C) -> (n, C) maxima over windows; the first of equal places takes the gradient, as in torch."""

    @staticmethod
    def forward(ctx: Any, source: torch.Tensor, links: Links) -> torch.Tensor:
        """Take the maximum, and remember where it was."""
        source = source.contiguous()
        out = source.new_empty((len(links.index), source.shape[1]))
        ctx.links, ctx.which = (
            links,
            _core.max_rows(pixels(source), links.index, pixels(out), n_threads=threads()),
        )
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Give the gradient of each maximum to the row that had it."""
        rows = slope.new_empty((int(ctx.links.rows[-1]), slope.shape[1]))
        return scatter(slope.contiguous(), ctx.links.users, rows, ctx.which), None


def gather_sum(source: torch.Tensor, links: Links) -> torch.Tensor:
    """(n, C): sum over the rows (rows, C) in each window."""
    out: torch.Tensor = apply(Gather, source, links, False)
    return out


def gather_apart(source: torch.Tensor, links: Links) -> torch.Tensor:
    """(n, k, C): the rows (rows, C) in each window."""
    out: torch.Tensor = apply(Gather, source, links, True)
    return out


def gather_maximum(source: torch.Tensor, links: Links) -> torch.Tensor:
    """(n, C): maximum over the rows (rows, C) in each window."""
    out: torch.Tensor = apply(Maximum, source, links)
    return out
