"""Kernels for rows as torch operations, for tensors that are not on the host.

Sums over users are segment sums in a fixed order, not atomic additions. Each function does what the kernel of its
name in ``dmcnn._core`` does, but for the order in which a window is summed.
"""

from __future__ import annotations

import torch


def gather_rows(
    source: torch.Tensor,
    index: torch.Tensor,
    *,
    apart: bool,
    bias: torch.Tensor | None = None,
    positive: bool = False,
    first: int = 0,
) -> torch.Tensor:
    """Return (n, C) sums, or (n, k, C) summands, of source (rows, C) or (rows, k, C) for index (n, k)."""
    at = (index.long() - first).clamp(min=0)
    place = torch.arange(index.shape[1], device=index.device)
    taken = source[at, place] if source.ndim == 3 else source[at]
    taken = taken.masked_fill((index < 0)[:, :, None], 0)
    if apart:
        return taken
    sums = (taken.float() if taken.dtype == torch.bfloat16 else taken).sum(1)
    sums = sums if bias is None else sums + bias
    return sums.relu() if positive else sums


def scatter_rows(
    source: torch.Tensor,
    start: torch.Tensor,
    user: torch.Tensor,
    *,
    rows: int,
    apart: bool,
    which: torch.Tensor | None = None,
    first: int = 0,
) -> torch.Tensor:
    """Return sums over users, (rows, C), or (rows, k, C) if ``apart``, of source (n, C) or (n, k, C)."""
    segments = len(start) - 1
    length = segments // rows if rows else 1
    start = start.long()
    own = user[start[0] : start[-1]].long() - first
    number = torch.arange(segments, device=start.device).repeat_interleave(start.diff())
    place = number % max(length, 1)
    taken = source[own, place] if source.ndim == 3 else source[own]
    taken = taken.float() if taken.dtype == torch.bfloat16 else taken
    if which is not None:
        taken = taken.masked_fill(which[own] != place[:, None], 0)
    sums = torch.segment_reduce(taken, "sum", offsets=start - start[0], axis=0, initial=0)
    sums = sums.view(rows, length, source.shape[-1])
    return sums if apart else sums.sum(1)


def max_rows(source: torch.Tensor, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (n, C) maxima and, int32, the first place k that holds each, or the last place of NaN.

    A window without rows has maximum -inf and place -1.
    """
    taken = source[index.long().clamp(min=0)]
    taken = taken.masked_fill((index < 0)[:, :, None], -torch.inf)
    most = taken.amax(1)
    place = torch.arange(index.shape[1], device=index.device)[:, None]
    held = (taken == most[:, None]) & (index >= 0)[:, :, None]
    which = torch.where(held, place, index.shape[1]).amin(1)
    which = torch.where(most.isnan(), torch.where(taken.isnan(), place, -1).amax(1), which)
    return most, torch.where(which == index.shape[1], -1, which).int()


def normalise_rows(
    rows: torch.Tensor,
    offsets: torch.Tensor,
    count: torch.Tensor,
    groups: int,
    eps: float,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Normalise rows; return them and the float64 means and variances (n, C) of their images."""
    image = torch.arange(len(offsets) - 1, device=rows.device).repeat_interleave(offsets.diff())
    share = count.double()[:, None] / _per_image(count.double()[:, None], offsets)[image]
    mean = _per_group(_per_image(rows.double() * share, offsets), groups)
    apart = rows.double() - mean[image]
    variance = _per_group(_per_image(apart.square() * share, offsets), groups)
    out = apart * (variance + eps).rsqrt()[image]
    out = out if weight is None else out * weight
    out = out if bias is None else out + bias
    return out.to(rows.dtype), mean, variance


def normalise_slopes(
    rows: torch.Tensor,
    offsets: torch.Tensor,
    count: torch.Tensor,
    groups: int,
    eps: float,
    weight: torch.Tensor | None,
    slope: torch.Tensor,
    mean: torch.Tensor,
    variance: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the gradients of rows (rows, C), and those of weight and bias (n, C), float64, of each image."""
    image = torch.arange(len(offsets) - 1, device=rows.device).repeat_interleave(offsets.diff())
    rate = (variance + eps).rsqrt()[image]
    own, slopes = (rows.double() - mean[image]) * rate, slope.double()
    of_weight, of_bias = _per_image(slopes * own, offsets), _per_image(slopes, offsets)
    places = _per_image(count.double()[:, None], offsets)
    factor = 1.0 if weight is None else weight.double()
    first, second = (_per_group(x * factor, groups) / places for x in (of_bias, of_weight))
    out = rate * (slopes * factor - count[:, None] * (first[image] + own * second[image]))
    return out.to(rows.dtype), of_weight, of_bias


def _per_image(rows: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """Return (n, C): sum over the rows of each image."""
    return torch.segment_reduce(rows, "sum", offsets=offsets.long(), axis=0, initial=0)


def _per_group(numbers: torch.Tensor, groups: int) -> torch.Tensor:
    """Return (n, C): mean over the channels of a group, the same for each of them."""
    by_group = numbers.view(len(numbers), groups, -1)
    return by_group.mean(2, keepdim=True).expand(by_group.shape).reshape(numbers.shape)
