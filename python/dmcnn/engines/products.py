"""Products of rows and matrices; in bfloat16 of numbers of rows that come again."""

from __future__ import annotations

import torch

STEP, PIECE = 64, 2048
"""What the number of rows of a product in bfloat16 is a multiple of, and the most of them.

oneDNN compiles a kernel for every number of rows that it meets, which takes a fifth of the time of a product. Images
differ in their numbers of rows; so rounded up they meet a few hundred kernels, which are kept.
"""


def room(n: int, dtype: torch.dtype) -> int:
    """Return the rows of a buffer for n rows that are multiplied in a dtype."""
    return -(-n // STEP) * STEP if dtype == torch.bfloat16 else n


def with_room(rows: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return (n or more, C): n rows in a dtype, and zeros behind them, so that any part of them has room."""
    if dtype != torch.bfloat16:
        return rows.to(dtype)
    padded = rows.new_empty((len(rows) + STEP, rows.shape[1]), dtype=dtype)
    padded[: len(rows)].copy_(rows)
    padded[len(rows) :].zero_()
    return padded


def _pieces(n: int, dtype: torch.dtype) -> list[tuple[int, int]]:
    """Return (first, end) row numbers of the products that n rows take, the last of which may lie behind them."""
    end = room(n, dtype)
    size = PIECE if dtype == torch.bfloat16 else max(1, end)
    return [(first, min(end, first + size)) for first in range(0, end, size)]


def product(left: torch.Tensor, right: torch.Tensor, n: int) -> torch.Tensor:
    """Return (n or more, m): n rows of ``left``, which has room for them, times ``right``."""
    out = left.new_empty((room(n, left.dtype), right.shape[1]))
    for first, last in _pieces(n, left.dtype):
        torch.mm(left[first:last], right, out=out[first:last])
    return out


def write_product(out: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> None:
    """Compute out = left @ right of the rows of out, behind which left has room; out may have more bits."""
    if left.dtype == out.dtype:
        torch.mm(left, right, out=out)
    else:
        out.copy_(product(left, right, len(out))[: len(out)])


def add_product(out: torch.Tensor, left: torch.Tensor, right: torch.Tensor, n: int) -> None:
    """Compute out += left.t() @ right over n rows, behind which either has zeros; out may have more bits."""
    for first, last in _pieces(n, left.dtype):
        part = left[first:last].t(), right[first:last]
        if left.dtype == out.dtype:
            out.addmm_(*part)
        else:
            out += torch.mm(*part)
