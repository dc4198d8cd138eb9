"""Normalisation of rows over the places that they stand for."""

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
from dmcnn.engines.places import Places
from dmcnn.engines.rows import beside, on_host, pixels


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
        """Return the normalised rows (rows, C), and their float64 means and variances (n, C) before normalisation.

        Means and variances are equal for the channels of a group.
        """
        rows = rows.contiguous()
        out, mean, variance = _normalise(rows, offsets, count, groups, eps, weight, bias)
        ctx.save_for_backward(rows, weight, mean, variance)
        ctx.places, ctx.groups, ctx.eps, ctx.bias = (offsets, count), groups, eps, bias is not None
        ctx.mark_non_differentiable(mean, variance)
        return out, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: torch.Tensor, *_: Any) -> tuple[Any, ...]:
        """Return the gradients of the rows, the weight and the bias."""
        rows, weight, mean, variance = ctx.saved_tensors
        arguments = rows, *ctx.places, ctx.groups, ctx.eps, weight, slope.contiguous(), mean, variance
        out, *sums = _slopes(*arguments)
        of_weight, of_bias = (x.sum(0).to(rows.dtype) for x in sums)
        return (
            out,
            None if weight is None else of_weight,
            of_bias if ctx.bias else None,
            None,
            None,
            None,
            None,
        )


def _normalise(
    rows: torch.Tensor,
    offsets: NDArray[np.int64],
    count: NDArray[np.int32],
    groups: int,
    eps: float,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    if not on_host(rows):
        places = beside(offsets, rows), beside(count, rows)
        return torch_rows.normalise_rows(rows, *places, groups, eps, weight, bias)
    out = torch.empty_like(rows)
    factor, shift = (None if x is None else pixels(x) for x in (weight, bias))
    mean, variance = _core.normalise_rows(
        pixels(rows), offsets, count, groups, eps, factor, shift, pixels(out), n_threads=threads()
    )
    return out, torch.from_numpy(mean), torch.from_numpy(variance)


def _slopes(
    rows: torch.Tensor,
    offsets: NDArray[np.int64],
    count: NDArray[np.int32],
    groups: int,
    eps: float,
    weight: torch.Tensor | None,
    slope: torch.Tensor,
    mean: torch.Tensor,
    variance: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    if not on_host(rows):
        places = beside(offsets, rows), beside(count, rows)
        return torch_rows.normalise_slopes(rows, *places, groups, eps, weight, slope, mean, variance)
    out = torch.empty_like(rows)
    of_weight, of_bias = _core.normalise_slopes(
        pixels(rows), offsets, count, groups, eps, None if weight is None else pixels(weight), pixels(slope),
        mean.numpy(), variance.numpy(), pixels(out), n_threads=threads(),
    )  # fmt: skip
    return out, torch.from_numpy(of_weight), torch.from_numpy(of_bias)


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
    """Normalise rows over the places of each image, or of all images ``together``.

    Returns:
        The rows (rows, C), and the float64 means and variances (n, C), n = 1 if ``together``, else B.
    """
    offsets = places.offsets[[0, -1]] if together else places.offsets
    out: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
    out = apply(Normalisation, rows, weight, bias, offsets, places.count, groups, eps)
    return out
