"""First-order outputs for variants of an image: normalisations keep its statistics, and their changes count linearly.

Only rows that a changed pixel reaches are evaluated, up to the last activation; from there the outputs follow by the
gradient of the network. What the variant does to the mean and variance of a normalisation is taken from the evaluated
rows, and multiplied with the gradient of the outputs by scale and shift.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from dmcnn._common.errors import InputError
from dmcnn.engines.fusion import LinearChain
from dmcnn.engines.maps import Images, Maps
from dmcnn.engines.normalise import NORMS
from dmcnn.engines.rows import beside
from dmcnn.engines.sparse import SparseNet
from dmcnn.engines.variants import PixelChanges, Variants, VariedImages
from dmcnn.layers import Layer

LINEAR = (
    nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d, nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.Flatten, nn.Linear,
    LinearChain, nn.Dropout, nn.Identity, *NORMS,
)  # fmt: skip
"""Layers that are linear in evaluation, normalisations to first order."""


@dataclass(frozen=True)
class Slopes:
    """A normalisation of the untouched image, and how the outputs depend on it.

    Attributes:
        mean, variance: (C,) float64, equal for the channels of a group.
        of_scale, of_shift: (outputs, C) float64, gradients by the weight times the weight, and by the bias.
    """

    mean: torch.Tensor
    variance: torch.Tensor
    of_scale: torch.Tensor
    of_shift: torch.Tensor


class FirstOrder:
    """First-order outputs of a network for variants of one image.

    Args:
        net: network in evaluation mode.
        image: the image, from ``net.images``, made outside of torch.inference_mode; pixels that change have rows of
            their own.

    Raises:
        InputError: the network has no normalisation by the statistics of an image, or one without weights or used
            twice.
    """

    def __init__(self, net: SparseNet, image: Images) -> None:
        self._net, self._image = net, image
        layers = net.layers()
        norms = {layer.name: layer.module for layer in layers if isinstance(layer.call, NORMS)}
        if reason := obstacle(layers):
            raise InputError(f"first order: {reason}")
        self._last = last_activation(layers)
        maps: dict[str, Maps] = {}

        def observe(layer: Layer, args: tuple[Any, ...], output: Any) -> None:
            """Store the maps before normalisations, and those after the last activation."""
            kept = args[0] if layer.name in norms else output if layer.name == self._last else None
            if isinstance(kept, Maps):
                maps[layer.name] = kept

        weights = [weight for norm in norms.values() for weight in (norm.weight, norm.bias)]
        with torch.inference_mode(False), torch.enable_grad(), _gradients_of(weights):
            outputs = net.run(image, observe)[0]
            self._end = maps.pop(self._last, None)
            by = [*weights, *([] if self._end is None else [self._end.rows])]
            slopes = [torch.autograd.grad(output, by, retain_graph=True) for output in outputs]
        self.base = outputs.detach().double()
        parts = [torch.stack(part).detach() for part in zip(*slopes, strict=True)]
        self._slopes_of_rows = None if self._end is None else parts.pop()
        self._slopes = {
            name: Slopes(
                *_moments(maps[name], norm),
                parts[2 * i].double() * norm.weight.detach(),
                parts[2 * i + 1].double(),
            )
            for i, (name, norm) in enumerate(norms.items())
            if name in maps
        }
        if self._end is not None:
            self._end = Maps(self._end.rows.detach(), self._end.places)

    @torch.no_grad()
    def outputs(self, changes: PixelChanges) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (m, outputs) float64 outputs, and (m,) float64 relative changes of the normalisations.

        The latter, on which the error depends, is the mean over normalisations of the rms over channels of the
        relative change of 1 / sqrt(variance + eps).
        """
        sums = self.base.repeat(len(changes), 1)
        relative: list[torch.Tensor] = []

        def rule(layer: Layer, args: Any, kwargs: Any) -> Any:
            """Normalise by the statistics of the image, and add what their changes do to the outputs."""
            if layer.name not in self._slopes or not isinstance(args[0], Maps):
                return NotImplemented
            slopes = self._slopes[layer.name]
            output, scale, shift = _normalise(layer.module, args[0], slopes)
            sums.add_(scale @ slopes.of_scale.T + shift @ slopes.of_shift.T)
            relative.append(scale.square().mean(1).sqrt())
            return output

        varied = VariedImages.make(self._image, changes, whole=False)
        end = self._net.run(varied, rule=rule, until=self._last)
        if self._end is None or self._slopes_of_rows is None:
            sums += end[1:].double() - self.base
        else:
            change, row, _ = _differences(end, self._end.rows)
            for output, slope in enumerate(self._slopes_of_rows):
                _add_by_variant(end, (change * slope[row]).sum(1, keepdim=True), sums[:, output : output + 1])
        return sums, torch.stack(relative).mean(0)


def _normalise(norm: Any, maps: Maps, slopes: Slopes) -> tuple[Maps, torch.Tensor, torch.Tensor]:
    """Normalise rows of variants by the statistics of the image.

    Returns:
        The rows, and (m, C) float64 changes that the statistics of the variants would make: relative ones of the
        scale, and those of the shift.
    """
    channels = maps.rows.shape[1]
    root = (slopes.variance + norm.eps).rsqrt()
    weight, bias = norm.weight.double(), norm.bias.double()
    factor = (weight * root).to(maps.dtype)
    added = (bias - weight * root * slopes.mean).to(maps.dtype)
    image = maps.places.image.rows  # type: ignore[attr-defined]
    change, row, count = _differences(maps, maps.rows[:image])
    first, second = (
        maps.rows.new_zeros((maps.places.images - 1, channels), dtype=torch.float64) for _ in "12"
    )
    weighed = change * count
    _add_by_variant(maps, weighed, first)
    _add_by_variant(maps, weighed * (change + 2 * (maps.rows[row] - slopes.mean.to(maps.dtype))), second)
    groups = getattr(norm, "num_groups", channels)
    numbers = math.prod(maps.places.shape) * (channels // groups)
    first, second = (
        (x.view(-1, groups, channels // groups).sum(2) / numbers).repeat_interleave(channels // groups, 1)
        for x in (first, second)
    )
    variance = (slopes.variance + second - first.square()).clamp_min(0)
    ratio = ((slopes.variance + norm.eps) / (variance + norm.eps)).sqrt()
    return Maps(maps.rows * factor + added, maps.places), ratio - 1, -first * weight * root * ratio


def _differences(maps: Maps, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return (n, C) changes of rows to the (rows, C) ones of the image, their (n,) rows there, and (n, 1) counts."""
    places = maps.places
    assert isinstance(places, Variants)
    row = beside(places.row, maps.rows).long()
    count = beside(places.count, maps.rows)[row, None].to(maps.dtype)
    return maps.rows[len(image) :] - image[row], row, count


def _add_by_variant(maps: Maps, changed: torch.Tensor, out: torch.Tensor) -> None:
    """Add numbers (n, C) of changed rows to those (m, C) of their variants."""
    out.index_add_(
        0, maps.image[-len(changed) :] - 1 if len(changed) else maps.image[:0], changed.to(out.dtype)
    )


def _moments(maps: Maps, norm: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the (C,) float64 mean and variance of a group of channels over the places of one image."""
    rows, channels = maps.rows.detach().double(), maps.rows.shape[1]
    groups = getattr(norm, "num_groups", channels)
    places, weight = math.prod(maps.places.shape), maps.weight.double()
    mean = (rows * weight).sum(0).view(groups, -1).mean(1).repeat_interleave(channels // groups) / places
    variance = ((rows - mean).square() * weight).sum(0).view(groups, -1).mean(1)
    return mean, variance.repeat_interleave(channels // groups) / places


def last_activation(layers: Sequence[Layer]) -> str:
    """Return the name of the last layer that is not linear, if all outputs follow from it alone; else ""."""
    for number in range(len(layers) - 1, -1, -1):
        layer = layers[number]
        if not isinstance(layer.call, LINEAR) or "positive" in layer.kwargs:
            after = {other.name for other in layers[number:]}
            alone = all(set(other.inputs) <= after for other in layers[number + 1 :])
            return layer.name if alone else ""
    return ""


def obstacle(layers: Sequence[Layer]) -> str:
    """Return why layers have no first order; "" if they have one."""
    norms = [layer for layer in layers if isinstance(layer.call, NORMS)]
    if not norms:
        return "no layer normalises by the statistics of an image; incremental is exact"
    for layer in norms:
        if (
            layer.module.weight is None
            or layer.name != layer.path
            or getattr(layer.module, "track_running_stats", False)
        ):
            return f"{layer.path} ({type(layer.call).__name__}) has no weights, is used twice, or is fixed"
    return ""


@contextmanager
def _gradients_of(weights: Sequence[torch.Tensor]) -> Iterator[None]:
    """Let weights have gradients."""
    before = [weight.requires_grad for weight in weights]
    try:
        for weight in weights:
            weight.requires_grad_()
        yield
    finally:
        for weight, learns in zip(weights, before, strict=True):
            weight.requires_grad_(learns)
