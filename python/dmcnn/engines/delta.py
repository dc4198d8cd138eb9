"""Differences of variants of an image to the image, through all rows: products in bfloat16, statistics exact.

A convolution of maps acts on differences, so that what bfloat16 rounds off is a share of the difference, not of the
value. Every other layer acts on the sum of untouched value and difference in the dtype of the network, and gives the
difference to its untouched output: nothing is frozen, and normalisations see the statistics of the variant. So do
convolutions of the image itself: they cost little, and where a window takes the whole charge from a channel, what was
rounded off would be all that is left of it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import fx, nn

from dmcnn._common.errors import InputError
from dmcnn.engines.fusion import CONVOLUTIONS
from dmcnn.engines.hardware import bf16_is_fast
from dmcnn.engines.layers import convolution
from dmcnn.engines.maps import Images, Maps
from dmcnn.engines.normalise import image_norms
from dmcnn.engines.sparse import SparseNet
from dmcnn.engines.variants import PixelChanges, VariedImages
from dmcnn.layers import IMAGES, Layer

ADDITIVE = (
    nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d,
    nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.Flatten, nn.Identity,
)  # fmt: skip
"""Layers, in evaluation, whose output for a sum is the sum of their outputs: they act on differences alone."""

NUMBERS = 1.3
"""Numbers read and written outside of products, over those of a pass on values, by measurement of MPID."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Differences(VariedImages):
    """Variants of one image, as differences to it."""

    @cached_property
    def maps(self) -> Maps:
        """All rows of every variant, less those of the image."""
        maps: Maps = _minus(super().maps, self.image.maps)
        return maps


@dataclass(frozen=True, eq=False)
class Untouched:
    """A layer of the untouched image.

    Attributes:
        inputs: its arguments, and what stands in lists of them, in order.
        output: its output.
        linear: of a convolution, its sums before a ReLU.
    """

    inputs: list[Any]
    output: Any
    linear: Any = None


class Delta:
    """Outputs of a network for variants of one image, by way of their differences to the image.

    Args:
        net: network in evaluation mode.
        image: the image, from ``net.images``; pixels that change have rows of their own.
        rounds: whether factors of convolutions are rounded to bfloat16; hardware without bfloat16 multiplies rounded
            numbers in float32, in which their products are exact.

    Raises:
        InputError: the network has no normalisation by the statistics of an image.
    """

    def __init__(self, net: SparseNet, image: Images, *, rounds: bool = True) -> None:
        if not image_norms(net.layers()):
            raise InputError(
                "delta: no layer normalises by the statistics of an image; incremental is exact and cheaper"
            )
        self._net, self._image, self._rounds = net, image, rounds
        self._layers: dict[str, Untouched] = {}
        self._parts: dict[str, Any] = {}
        self._images = {IMAGES}  # and layers that change nothing but its shape
        self._in_hardware = rounds and bf16_is_fast(image.device)
        self.base: torch.Tensor = net.run(image, rule=self._store)[0].double()

    def outputs(self, changes: PixelChanges) -> torch.Tensor:
        """Return (m, outputs) float64 outputs."""
        varied = Differences.make(self._image, changes, whole=True)
        differences: torch.Tensor = self._net.run(varied, rule=self._differ)
        return self.base + differences.double()

    def _store(self, layer: Layer, args: Any, kwargs: Any) -> Any:
        """Evaluate a layer of the untouched image, and store what differences need of it."""
        inputs = _leaves(args, kwargs)
        if isinstance(layer.call, CONVOLUTIONS) and "positive" in kwargs:
            linear = self._net.call(layer, args, {})
            output = replace(linear, rows=linear.rows.relu()) if isinstance(linear, Maps) else linear.relu()
            self._layers[layer.name] = Untouched(inputs, output, linear)
        else:
            self._layers[layer.name] = Untouched(inputs, self._net.call(layer, args, kwargs))
        output = self._layers[layer.name].output
        if isinstance(output, Images):
            self._images.add(layer.name)
        return output

    def _differ(self, layer: Layer, args: Any, kwargs: Any) -> Any:
        """Return the differences of the output of a layer whose arguments are differences."""
        untouched = self._layers[layer.name]
        if isinstance(layer.call, CONVOLUTIONS) and self._images.isdisjoint(layer.inputs):
            sums = self._convolve(layer, args[0])
            if sums is not NotImplemented:
                return sums if untouched.linear is None else _positive(sums, untouched)
        if isinstance(layer.call, ADDITIVE):
            return NotImplemented
        before = iter(untouched.inputs)
        args, kwargs = fx.node.map_aggregate((args, kwargs), lambda x: _plus(next(before), x))
        return _minus(self._net.call(layer, args, kwargs), untouched.output)

    def _convolve(self, layer: Layer, maps: Any) -> Any:
        """Convolve differences without the bias, which has no difference."""
        if not isinstance(maps, Maps):
            return NotImplemented
        if layer.name not in self._parts:
            self._parts[layer.name] = self._part(layer.module)
        if self._rounds and not self._in_hardware:
            maps = replace(maps, rows=maps.rows.bfloat16().to(maps.dtype))
        with torch.autocast(maps.rows.device.type, torch.bfloat16, enabled=self._in_hardware):
            sums = convolution(self._parts[layer.name], maps)
        return sums if sums is NotImplemented else replace(sums, rows=sums.rows.to(maps.dtype))

    def _part(self, module: Any) -> Any:
        """Return a convolution without its bias, of rounded weights where the hardware does not round them."""
        part, weight = copy.copy(module), module.weight.detach()
        if self._rounds and not self._in_hardware:
            weight = weight.bfloat16().to(weight.dtype)
        part._parameters = {"weight": nn.Parameter(weight, requires_grad=False), "bias": None}
        return part


def _leaves(*values: Any) -> list[Any]:
    """Return what stands in nested lists, in order."""
    leaves: list[Any] = []
    fx.node.map_aggregate(values, leaves.append)
    return leaves


def _copies(maps: Maps) -> torch.Tensor:
    """Return rows of m variants as (m, n, C)."""
    return maps.rows.view(maps.places.images, -1, maps.rows.shape[1])


def _positive(sums: Maps, untouched: Untouched) -> Maps:
    """Return the differences after a ReLU, and overwrite those of the sums before."""
    rows = _copies(sums).add_(untouched.linear.rows).relu_().sub_(untouched.output.rows)
    return replace(sums, rows=rows.flatten(0, 1))


def _plus(untouched: Any, difference: Any) -> Any:
    """Return the values of variants, of maps or tensors; all else as it is."""
    if isinstance(difference, Maps):
        return replace(difference, rows=(_copies(difference) + untouched.rows).flatten(0, 1))
    return untouched + difference if isinstance(difference, torch.Tensor) else difference


def _minus(values: Any, untouched: Any) -> Any:
    """Return the differences of variants, whose maps are overwritten; what is no map or tensor as it is."""
    if isinstance(values, tuple | list):
        return type(values)([_minus(*pair) for pair in zip(values, untouched, strict=True)])
    if isinstance(values, Maps):
        _copies(values).sub_(untouched.rows)
        return values
    return values - untouched if isinstance(values, torch.Tensor) else values
