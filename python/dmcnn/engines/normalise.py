"""Normalisation of rows over the places that they stand for."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.autograd.function import once_differentiable

from dmcnn import _core
from dmcnn.engines.autograd import apply
from dmcnn.engines.places import Places
from dmcnn.engines.rows import pixels
from dmcnn.threads import threads


class Normalisation(torch.autograd.Function):
    """(row - mean) / sqrt(variance + eps), with the statistics of groups of channels over the places of images."""

    @staticmethod
    def forward(
        ctx: Any,
        rows: torch.Tensor,
        weight: torch.Tensor | None,
        bias: torch.Tensor | None,
        offsets: NDArray[np.int64],
        count: NDArray[np.int32],
        groups: int,
        eps: float,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Rows (rows, C), and the float64 means and variances (n, C), equal in a group, that they were given."""
        rows = rows.contiguous()
        out = torch.empty_like(rows)
        factor, shift = (None if x is None else pixels(x) for x in (weight, bias))
        mean, variance = _core.normalise_rows(
            pixels(rows), offsets, count, groups, eps, factor, shift, pixels(out), n_threads=threads()
        )
        ctx.save_for_backward(rows, weight)
        ctx.places, ctx.groups, ctx.eps, ctx.moments = (offsets, count), groups, eps, (mean, variance)
        ctx.bias = bias is not None
        moments = torch.from_numpy(mean), torch.from_numpy(variance)
        ctx.mark_non_differentiable(*moments)
        return out, *moments

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: torch.Tensor, *_: Any) -> tuple[Any, ...]:
        """Gradients of the rows, the weight and the bias."""
        rows, weight = ctx.saved_tensors
        out = torch.empty_like(rows)
        factor = None if weight is None else pixels(weight)
        (offsets, count), (mean, variance) = ctx.places, ctx.moments
        sums = _core.normalise_slopes(
            pixels(rows), offsets, count, ctx.groups, ctx.eps, factor, pixels(slope.contiguous()), mean, variance,
            pixels(out), n_threads=threads(),
        )  # fmt: skip
        of_weight, of_bias = (torch.from_numpy(x.sum(0)).to(rows.dtype) for x in sums)
        return (
            out,
            None if weight is None else of_weight,
            of_bias if ctx.bias else None,
            None,
            None,
            None,
            None,
        )


def normalise(
    rows: torch.Tensor,
    places: Places,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
    eps: float,
    *,
    groups: int,
    together: bool = False,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rows normalised over the places of each image, or of all images ``together``, with the means and variances."""
    offsets = places.offsets[[0, -1]] if together else places.offsets
    out: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
    out = apply(Normalisation, rows, weight, bias, offsets, places.count, groups, eps)
    return out
