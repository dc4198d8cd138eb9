"""Base class of the export formats: writing a network, running the file, comparing the outputs."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn._common.errors import InputError
from dmcnn._common.files import atomic_file
from dmcnn.checkpoints.card import Card
from dmcnn.layers import IMAGES, Layer, outputs, trace
from dmcnn.layers.division import Division
from dmcnn.quantisation.quantisers import (
    QConv2d,
    QLinear,
    apply_layer,
    deployed_weights,
    has_quantisers,
    is_quantised,
)

TOLERANCE = 1e-4
"""Largest allowed difference of float32 outputs between programs, as a share of the largest output."""

MAX_FLIPS = 0.02
"""Largest share of images on which a rounded network whose sums are not exact may differ: sums beside a tie."""

FLOAT32_BITS = 24
"""Bits of the largest integers that float32 represents exactly."""

SAME_GRID = ("relu", "hardtanh", "maxpool", "flatten", "cat", "identity", "dropout")
"""Kinds of layers without sums, whose outputs lie on the grid of their inputs."""

CARD_FIELDS = (
    "model", "arguments", "classes", "signal", "activation", "reading", "scaling", "targets", "target_scales",
    "diagonal", "covariance", "temperature",
)  # fmt: skip
"""Fields of a card that a file holds: all that is needed to prepare images and to interpret outputs."""


class ExportFormat(ABC):
    """Format of exported files; outputs are those of the network, before the activation that gives scores.

    Scores are the activation of outputs / ``temperature`` of the card in the file.

    Attributes:
        ending: ending of the file names, after the stem.
        quantised: whether the format holds only networks with all parameters rounded.
        divides: whether the outputs are divided by the temperature of the network, and that in the file is 1.
        library: library without which the format is left out by default; "" = none.
    """

    ending: ClassVar[str]
    quantised: ClassVar[bool] = False
    divides: ClassVar[bool] = False
    library: ClassVar[str] = ""

    @abstractmethod
    def write(self, path: Path, net: nn.Module, card: Card) -> None:
        """Write a network in evaluation mode on the CPU."""

    @abstractmethod
    def run(self, path: Path, images: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Compute the (n, outputs) outputs of a written file for (n, C, H, W) images; None if it cannot be run."""

    def export(self, path: Path, net: nn.Module, card: Card, images: torch.Tensor) -> str:
        """Write a file, run it, and give it its name if the outputs agree; return a sentence on the agreement.

        Args:
            path: path of the file.
            net: network in evaluation mode on the CPU.
            card: card of the network.
            images: (n, C, H, W) float32 images on which outputs are compared, scaled for the network.

        Returns:
            Text for the log; "" if the file cannot be run.

        Raises:
            InputError: the network does not fit the format, or the file gives other outputs.
        """
        if self.quantised and not is_quantised(net):
            raise InputError(
                f"{path.name}: the network has float parameters, expected all of them to be quantised"
            )
        if self.divides and card.temperature != 1:
            net, card = nn.Sequential(net, Division(card.temperature)).eval(), replace(card, temperature=1.0)
        with atomic_file(path) as temporary:
            self.write(temporary, net, card)
            results = self.run(temporary, images.numpy())
            return "" if results is None else compare(net, images, results, str(path))


def card_json(card: Card) -> str:
    """Return the CARD_FIELDS of a card as JSON."""
    return json.dumps({name: getattr(card, name) for name in CARD_FIELDS})


def compare(net: nn.Module, images: torch.Tensor, results: NDArray[np.float32], where: str) -> str:
    """Compare outputs of a file with those of the network; return a sentence on the agreement.

    A network with quantisers may differ on a few images (MAX_FLIPS), but on none if all its sums are exact.

    Args:
        net: network in evaluation mode.
        images: (n, C, H, W) float32 images.
        results: (n, outputs) outputs of the file.
        where: path of the file, for errors.

    Raises:
        InputError: the outputs differ.
    """
    with torch.inference_mode():
        expected = net(images).numpy()
    if results.shape != expected.shape:
        raise InputError(f"{where}: gives outputs of shape {results.shape}, the network {expected.shape}")
    off = np.abs(results.astype(np.float64) - expected).max(axis=1)  # (n,)
    off[np.isnan(off)] = np.inf
    exact = is_quantised(net) and is_exact(net, images)
    limit = 0.0 if exact else TOLERANCE * max(float(np.abs(expected).max()), 1.0)
    differ = int((off > limit).sum())
    if differ > (MAX_FLIPS * len(off) if has_quantisers(net) and not exact else 0):
        raise InputError(
            f"{where}: {differ} of {len(off)} images give other outputs than the network, by up to {off.max():.3g}"
        )
    same = "equal to" if not off.any() else f"within {off.max():.2g} of"
    return f"{same} the network on {len(off)} images"


@torch.no_grad()
def is_exact(net: nn.Module, images: torch.Tensor) -> bool:
    """Return whether float32 holds every sum of a quantised network for these images exactly, in any order of terms.

    Returns:
        False also if that is not known: for another kind of layer, or a network that cannot be traced.
    """
    try:
        layers = trace(net)
    except InputError:
        return False
    grid = (bits for bits in range(FLOAT32_BITS) if torch.equal(images * 2**bits, (images * 2**bits).round()))
    sums = {IMAGES: SumBound(images.abs(), next(grid, FLOAT32_BITS))}
    for layer, values in outputs(layers, images):
        bound = _bound(layer, values, [sums[name] for name in layer.inputs])
        if bound is None:
            return False
        sums[layer.name] = bound
    return sums[layers[-1].name].point < math.inf


class SumBound(NamedTuple):
    """Bound on the sums of a layer.

    Attributes:
        size: (n, …) upper limits of the absolute values of the sums.
        point: number of binary digits after the point; inf for numbers on no grid.
    """

    size: torch.Tensor
    point: float

    def fits_float32(self, terms: int = 1) -> bool:
        """Return whether float32 holds a sum of ``terms`` such numbers exactly."""
        return terms * float(self.size.max()) * math.pow(2, self.point) < 2.0**FLOAT32_BITS


def _bound(layer: Layer, values: Any, inputs: Sequence[SumBound]) -> SumBound | None:
    """Return the bound on the sums of one layer; None if float32 does not hold them, or if that is not known."""
    module, kind = layer.module, layer.kind
    if not inputs:
        return None
    size, point = inputs[0].size, max(bound.point for bound in inputs)
    if isinstance(module, QConv2d | QLinear) and module.weight_quantiser is not None:
        kernel, bias = deployed_weights(module)
        size = apply_layer(module, size, kernel.abs(), None if bias is None else bias.abs())
        bound = SumBound(size, point + module.weight_quantiser.bits - 1)
        return bound if bound.fits_float32() else None
    if kind == "add" and len(inputs) == 2 and not layer.kwargs:
        bound = SumBound(size + inputs[1].size, point)
        return bound if bound.fits_float32() else None
    if kind == "quantiser":
        return SumBound(values.abs(), module.bits - 1)
    if kind == "avgpool" and module is not None:  # a mean lies on no grid before it is rounded
        terms = math.prod(axis_pair(module.kernel_size))
        return SumBound(values.abs(), math.inf) if inputs[0].fits_float32(terms) else None
    return SumBound(values.abs(), point) if kind in SAME_GRID else None


def axis_pair(sides: int | Sequence[int]) -> tuple[int, ...]:
    """Return (rows, columns) of an attribute that a layer of torch keeps as one number or as two."""
    return (sides, sides) if isinstance(sides, int) else tuple(sides)
