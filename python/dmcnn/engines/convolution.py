"""Convolution of rows, forward and backward: our kernels gather, torch multiplies matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch.autograd.function import once_differentiable
from torch.utils.weak import WeakTensorKeyDictionary

from dmcnn.engines.autograd import apply
from dmcnn.engines.hardware import bf16_is_fast
from dmcnn.engines.places import Links
from dmcnn.engines.products import add_product, product, room, with_room, write_product
from dmcnn.engines.rows import BLOCK, gather, gather_apart, images_at_once, scatter

PRODUCTS = 1 << 26
"""Bytes of the products of an image's rows with a kernel, above which rows are gathered before multiplying."""

NARROW = 8
"""Filters by channel from which on rows are gathered before multiplying: products would be so many more numbers."""


class Convolution(torch.autograd.Function):
    """(rows, C) -> (n, filters): a convolution, its bias, and the positive part if asked for.

    A kernel of k places is k matrices. Either the rows in a window are gathered and multiplied at once, or every row
    is multiplied with the k matrices first and the products are gathered and summed. The one costs n products, the
    other as many as there are rows before, so that the smaller number counts, unless rows are narrow; likewise
    backwards.
    """

    @staticmethod
    def forward(
        ctx: Any,
        source: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        links: Links,
        positive: bool,
        first: bool,
        matrix: torch.Tensor,
    ) -> torch.Tensor:
        """Convolve rows (rows, C); ``weight`` is (filters, C, *kernel), ``matrix`` from ``_matrix``."""
        rows = source.detach().contiguous()
        out = rows.new_empty((len(links.index), len(weight)))
        if first:
            rows = with_room(rows, matrix.dtype)  # of which the gradient of the kernel is made, too
            _products_first(rows, matrix, bias, links, positive, out)
        else:
            _rows_first(rows, matrix, bias, links, positive, out)
        ctx.save_for_backward(rows, weight, out if positive else None)
        ctx.links, ctx.dtype, ctx.first, ctx.bias = links, matrix.dtype, first, bias is not None
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[Any, ...]:
        """Return the gradients of the rows, the weight and the bias."""
        rows, weight, out = ctx.saved_tensors
        slope = slope.contiguous()
        if out is not None:
            slope = torch.ops.aten.threshold_backward(slope, out, 0)
        kernel = weight.flatten(2).to(ctx.dtype)
        shape = int(ctx.links.rows[-1]), rows.shape[1]
        of_rows = slope.new_empty(shape) if ctx.needs_input_grad[0] else None
        backward = _slopes_first if ctx.first else _products_of_slopes
        of_kernel = backward(rows, kernel, slope, ctx.links, of_rows, learns=ctx.needs_input_grad[1])
        if of_kernel is not None:
            of_kernel = of_kernel.reshape(weight.shape).to(weight.dtype)
        of_bias = slope.sum(0) if ctx.bias else None
        return of_rows, of_kernel, of_bias, None, None, None, None


def multiplies_first(links: Links, channels: int, filters: int, size: int) -> bool:
    """Return whether to multiply before gathering: where that is fewer rows, and their products fit ``PRODUCTS``.

    Args:
        links: of the convolution.
        channels, filters: numbers of a row before and after.
        size: bytes of a number.
    """
    if links.is_identity or filters >= NARROW * channels:
        return False
    before, after = int(links.rows[-1]), len(links.index)
    most = int(np.diff(links.rows).max(initial=0))
    return before <= after and most * links.index.shape[1] * filters * size <= PRODUCTS


def blocks(n: int, width: int) -> list[tuple[int, int]]:
    """Return (first, end) row numbers of blocks of about BLOCK bytes with ``width`` bytes a row."""
    size = max(256, BLOCK // max(width, 1))
    return [(at, min(n, at + size)) for at in range(0, n, size)]


@torch.inference_mode(False)  # what is kept may serve a pass with gradients
@torch.no_grad()
def _make_matrix(weight: torch.Tensor, first: bool, dtype: torch.dtype) -> torch.Tensor:
    kernel = weight.flatten(2).to(dtype)
    filters, channels, length = kernel.shape
    if first:
        return kernel.permute(1, 2, 0).reshape(channels, length * filters)
    return kernel.permute(2, 1, 0).reshape(length * channels, filters)


def _matrix(weight: torch.Tensor, first: bool, dtype: torch.dtype) -> torch.Tensor:
    """Return the kernel as (C, k * filters) if products come ``first``, else as (k * C, filters).

    It is cached if the weight does not learn.
    """
    if (torch.is_grad_enabled() and weight.requires_grad) or weight.is_inference():
        return _make_matrix(weight, first, dtype)
    state = first, dtype, weight.data_ptr(), weight._version
    if weight not in _MATRICES or _MATRICES[weight][0] != state:
        _MATRICES[weight] = state, _make_matrix(weight, first, dtype)
    matrix: torch.Tensor = _MATRICES[weight][1]
    return matrix


_MATRICES = WeakTensorKeyDictionary()


def _products_first(
    rows: torch.Tensor,
    matrix: torch.Tensor,
    bias: torch.Tensor | None,
    links: Links,
    positive: bool,
    out: torch.Tensor,
) -> None:
    if links.shares_first:
        _shared_products_first(rows, matrix, bias, links, positive, out)
        return
    filters, length = out.shape[1], links.index.shape[1]
    for first, last in images_at_once(links.rows, length * filters * matrix.element_size()):
        here, there = slice(*links.rows[[first, last]]), slice(*links.offsets[[first, last]])
        products = product(rows[here.start :], matrix, here.stop - here.start).view(-1, length, filters)
        gather(
            products, links.index[there], out=out[there], bias=bias, positive=positive, first=int(here.start)
        )


def _shared_products_first(
    rows: torch.Tensor,
    matrix: torch.Tensor,
    bias: torch.Tensor | None,
    links: Links,
    positive: bool,
    out: torch.Tensor,
) -> None:
    """Compute ``_products_first`` with the rows of the first image once, and those of others behind them."""
    filters, length = out.shape[1], links.index.shape[1]
    shared = int(links.rows[1])
    width = length * filters * matrix.element_size()
    others = images_at_once(links.rows, width, start=1)
    most = max((int(links.rows[last] - links.rows[first]) for first, last in others), default=0)
    products = rows.new_empty((shared + most, length * filters))
    torch.mm(rows[:shared], matrix, out=products[:shared])
    for first, last in [(0, 1), *others]:
        here, there = slice(*links.rows[[first, last]]), slice(*links.offsets[[first, last]])
        index, end = links.index[there], shared
        if first:
            end += int(here.stop - here.start)
            torch.mm(rows[here], matrix, out=products[shared:end])
            index = np.where(index < shared, index, index - np.int32(here.start - shared))
        summands = products[:end].view(end, length, filters)
        gather(summands, index, out=out[there], bias=bias, positive=positive)


def _rows_first(
    rows: torch.Tensor,
    matrix: torch.Tensor,
    bias: torch.Tensor | None,
    links: Links,
    positive: bool,
    out: torch.Tensor,
) -> None:
    for first, last in blocks(len(out), len(matrix) * matrix.element_size()):
        part = out[first:last]
        write_product(part, _windows(rows, links, first, last, matrix.dtype), matrix)
        if bias is not None:
            part += bias.detach()
        if positive:
            part.relu_()


def _windows(rows: torch.Tensor, links: Links, first: int, last: int, dtype: torch.dtype) -> torch.Tensor:
    """Return (last - first or more, k * C): the rows in the windows from ``first`` to before ``last``, side by side.

    Behind them are zeros.
    """
    if links.is_identity:
        return with_room(rows[first:last], dtype)
    n = last - first
    taken = rows.new_empty((room(n, dtype), links.index.shape[1], rows.shape[1]), dtype=dtype)
    gather(rows, links.index[first:last], apart=True, out=taken[:n])
    taken[n:].zero_()
    return taken.flatten(1)


def _slopes_first(
    rows: torch.Tensor,
    kernel: torch.Tensor,
    slope: torch.Tensor,
    links: Links,
    of_rows: torch.Tensor | None,
    *,
    learns: bool,
) -> torch.Tensor | None:
    """Write the gradient of the rows into ``of_rows``, unless None; return that of the kernel if it ``learns``.

    The latter is (filters, C, k). Gradients are gathered by row and place before they are multiplied. The rows have
    the dtype of the kernel, and room behind them.
    """
    filters, channels, length = kernel.shape
    matrix = kernel.permute(2, 0, 1).reshape(length * filters, channels)
    of_kernel = slope.new_zeros((channels, length * filters)) if learns else None
    start, user = links.users
    for first, last in blocks(int(links.rows[-1]), length * filters * kernel.element_size()):
        n = last - first
        sums = kernel.new_empty((room(n, kernel.dtype), length, filters))
        scatter(slope, (start[first * length : last * length + 1], user), sums[:n])
        sums[n:].zero_()
        flat = sums.flatten(1)
        if of_kernel is not None:
            add_product(of_kernel, rows[first:], flat, n)
        if of_rows is not None:
            write_product(of_rows[first:last], flat, matrix)
    return None if of_kernel is None else of_kernel.view(channels, length, filters).permute(2, 0, 1)


def _products_of_slopes(
    rows: torch.Tensor,
    kernel: torch.Tensor,
    slope: torch.Tensor,
    links: Links,
    of_rows: torch.Tensor | None,
    *,
    learns: bool,
) -> torch.Tensor | None:
    """Write and return what ``_slopes_first`` does, with gradients multiplied first, and products summed by row."""
    filters, channels, length = kernel.shape
    matrix = kernel.permute(0, 2, 1).reshape(filters, length * channels)
    after = with_room(slope, kernel.dtype)
    if of_rows is not None:
        if links.is_identity:
            write_product(of_rows, after, matrix)
        else:
            _scatter_products(after, matrix, links, of_rows)
    if not learns:
        return None
    of_kernel = rows.new_zeros((length * channels, filters))
    for first, last in blocks(len(slope), length * channels * kernel.element_size()):
        taken = _windows(rows, links, first, last, kernel.dtype)
        add_product(of_kernel, taken, after[first:], last - first)
    return of_kernel.view(length, channels, filters).permute(2, 1, 0)


def _scatter_products(after: torch.Tensor, matrix: torch.Tensor, links: Links, of_rows: torch.Tensor) -> None:
    length, channels = links.index.shape[1], of_rows.shape[1]
    start, user = links.users
    for first, last in images_at_once(links.offsets, length * channels * after.element_size()):
        here, there = slice(*links.rows[[first, last]]), slice(*links.offsets[[first, last]])
        products = product(after[there.start :], matrix, there.stop - there.start).view(-1, length, channels)
        own = start[here.start * length : here.stop * length + 1]
        scatter(products, (own, user), of_rows[here], first=int(there.start))


def matrix_dtype(rows: torch.Tensor) -> torch.dtype:
    """Return the dtype of matrix products: that of the rows, or bfloat16 under torch.autocast with it.

    Where the hardware would have to emulate bfloat16, the products stay float32, which is faster and more exact.
    """
    kind = rows.device.type
    if rows.dtype == torch.float32 and torch.is_autocast_enabled(kind):
        chosen: torch.dtype = torch.get_autocast_dtype(kind)
        return chosen if chosen == torch.bfloat16 and bf16_is_fast(rows.device) else rows.dtype
    return rows.dtype


def convolve(
    rows: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    links: Links,
    *,
    groups: int = 1,
    positive: bool = False,
) -> torch.Tensor:
    """Return (n, filters) rows of a convolution of (rows, C), with ``weight`` (filters, C / groups, *kernel)."""
    if groups == 1:
        first = multiplies_first(links, rows.shape[1], len(weight), rows.element_size())
        matrix = _matrix(weight, first, matrix_dtype(rows))
        out: torch.Tensor = apply(Convolution, rows, weight, bias, links, positive, first, matrix)
        return out
    taken = gather_apart(rows, links)
    n, length, channels = taken.shape
    taken = taken.view(n, length, groups, channels // groups).permute(2, 0, 3, 1).flatten(2)
    matrix = weight.flatten(1).view(groups, -1, math.prod(weight.shape[1:])).transpose(1, 2)
    out = torch.bmm(taken, matrix).transpose(0, 1).reshape(n, -1)
    out = out if bias is None else out + bias
    return out.relu() if positive else out
