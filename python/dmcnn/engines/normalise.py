"""Normalisation of rows over the places that they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.autograd.function import once_differentiable

from dmcnn import _core
from dmcnn._common.threads import threads
from dmcnn.engines import torch_rows
from dmcnn.engines.autograd import apply
from dmcnn.engines.places import Places
from dmcnn.engines.rows import beside, on_host, pixels
from dmcnn.layers import Layer

NORMS = (nn.GroupNorm, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
"""Normalisations by the statistics of an image."""


def image_norms(layers: Sequence[Layer]) -> list[Layer]:
    """Return the layers that normalise by the statistics of an image in evaluation, too."""
    return [
        layer
        for layer in layers
        if isinstance(layer.call, NORMS) and not getattr(layer.call, "track_running_stats", False)
    ]


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
        if on_host(rows):
            out = torch.empty_like(rows)
            factor, shift = (None if x is None else pixels(x) for x in (weight, bias))
            moments = _core.normalise_rows(
                pixels(rows), offsets, count, groups, eps, factor, shift, pixels(out), n_threads=threads()
            )
            mean, variance = map(torch.from_numpy, moments)
        else:
            places = beside(offsets, rows), beside(count, rows)
            out, mean, variance = torch_rows.normalise_rows(rows, *places, groups, eps, weight, bias)
        ctx.save_for_backward(rows, weight, mean, variance)
        ctx.places, ctx.groups, ctx.eps, ctx.bias = (offsets, count), groups, eps, bias is not None
        ctx.mark_non_differentiable(mean, variance)
        return out, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: torch.Tensor, *_: Any) -> tuple[Any, ...]:
        """Return the gradients of the rows, the weight and the bias."""
        rows, weight, mean, variance = ctx.saved_tensors
        slope = slope.contiguous()
        offsets, count = ctx.places
        sums: Any
        if on_host(rows):
            out, factor = torch.empty_like(rows), None if weight is None else pixels(weight)
            sums = _core.normalise_slopes(
                pixels(rows), offsets, count, ctx.groups, ctx.eps, factor, pixels(slope), mean.numpy(),
                variance.numpy(), pixels(out), n_threads=threads(),
            )  # fmt: skip
            sums = map(torch.from_numpy, sums)
        else:
            places = beside(offsets, rows), beside(count, rows)
            out, *sums = torch_rows.normalise_slopes(
                rows, *places, ctx.groups, ctx.eps, weight, slope, mean, variance
            )
        of_weight, of_bias = (x.sum(0).to(rows.dtype) for x in sums)
        return out, None if weight is None else of_weight, of_bias if ctx.bias else None, *(None,) * 4


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
