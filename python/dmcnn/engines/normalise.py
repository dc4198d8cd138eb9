"""Normalisation of rows over the places that they stand for."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.autograd.function import once_differentiable

from dmcnn import _core
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
        places = _places(offsets, count)
        mean, squares = map(
            torch.from_numpy, _core.measure_rows(pixels(rows), offsets, count, n_threads=threads())
        )
        by_group = mean.view(len(mean), groups, -1)
        centre = by_group.mean(2, keepdim=True)
        variance = (squares / places).view(by_group.shape) + (by_group - centre).square()
        mean = centre.expand(by_group.shape).reshape(mean.shape)
        variance = variance.mean(2, keepdim=True).expand(by_group.shape).reshape(mean.shape)
        rate = (variance + eps).rsqrt()
        scale = rate if weight is None else rate * weight
        shift = torch.zeros_like(scale) if bias is None else bias.expand(scale.shape)
        out = torch.empty_like(rows)
        mean_in_rows = mean.to(rows.dtype)
        # what rounding took from the mean goes into the shift
        shift = shift + (mean_in_rows - mean) * scale
        numbers = _in_rows(rows, mean_in_rows, scale, shift)
        _core.scale_rows(pixels(rows), offsets, count, *numbers, pixels(out), n_threads=threads())
        ctx.save_for_backward(rows, weight, mean, rate)
        ctx.offsets, ctx.count, ctx.groups, ctx.bias = offsets, count, groups, bias is not None
        ctx.mark_non_differentiable(mean, variance)
        return out, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: torch.Tensor, *_: Any) -> tuple[Any, ...]:
        """Gradients of the rows, the weight and the bias."""
        rows, weight, mean, rate = ctx.saved_tensors
        centre = mean.to(rows.dtype).contiguous()
        x, offsets, count = pixels(rows), ctx.offsets, ctx.count
        g, m = pixels(slope.contiguous()), pixels(centre)
        sums, products = map(
            torch.from_numpy, _core.measure_slopes(x, offsets, count, g, m, n_threads=threads())
        )
        products = (products - sums * (mean - centre)) * rate  # of the slope and the normalised row
        scale = rate if weight is None else rate * weight

        def over_group(numbers: torch.Tensor) -> torch.Tensor:
            """(n, C): mean over the places and channels of a group, of what the weights make of (n, C) sums."""
            by_group = (numbers if weight is None else numbers * weight).view(len(mean), ctx.groups, -1)
            total = by_group.sum(2, keepdim=True).expand(by_group.shape).reshape(numbers.shape)
            return total / (_places(offsets, count) * by_group.shape[2])

        tilt = over_group(products) * rate.square()
        shift = over_group(sums) * rate - tilt * (mean - centre)
        of_rows = torch.empty_like(rows)
        a, b, t = _in_rows(rows, scale, shift, tilt)
        _core.scale_slopes(x, offsets, count, g, m, a, b, t, pixels(of_rows), n_threads=threads())
        of_weight = None if weight is None else products.sum(0).to(weight.dtype)
        of_bias = sums.sum(0).to(rows.dtype) if ctx.bias else None
        return of_rows, of_weight, of_bias, None, None, None, None


def _in_rows(rows: torch.Tensor, *numbers: torch.Tensor) -> tuple[Any, Any, Any]:
    """Three tensors in the dtype of the rows, for the kernels."""
    first, second, third = (pixels(x.to(rows.dtype).contiguous()) for x in numbers)
    return first, second, third


def _places(offsets: NDArray[np.int64], count: NDArray[np.int32]) -> torch.Tensor:
    """(n, 1) float64: places of each image."""
    ends = np.concatenate([[0], np.cumsum(count, dtype=np.int64)])[offsets]
    return torch.from_numpy(np.diff(ends).astype(np.float64))[:, None]


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
    out = Normalisation.apply(  # type: ignore[no-untyped-call]
        rows, weight, bias, offsets, places.count, groups, eps
    )
    return out
