"""What all formats share: writing a network, running what was written, and comparing."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
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
from dmcnn.quantisation.quantisers import QConv2d, QLinear, is_quantised, product, rounded, rounds

TOLERANCE = 1e-4
"""Largest difference between float32 results of different programs, as share of the largest output."""

FLIPS = 0.02
"""Share of images on which a rounded network whose sums are not exact may differ: a sum lay beside a tie."""

HELD = 24
"""Bits of a whole number that float32 holds."""

SAME_GRID = ("relu", "hardtanh", "maxpool", "flatten", "cat", "identity", "dropout")
"""Kinds of layers that sum nothing and give numbers as fine as those that they take."""

ABOUT = (
    "model", "arguments", "classes", "signal", "activation", "reading", "scaling", "targets", "target_scales",
    "diagonal", "covariance",
)  # fmt: skip
"""What of a card goes into the files: all that is needed to prepare images and to read the outputs."""


class Format(ABC):
    """A kind of file that holds a network; its outputs are those of the network, before any activation of scores.

    Attributes:
        ending: of the names of these files, after the stem.
        quantised: whether only networks can be written that round all their numbers.
    """

    ending: ClassVar[str]
    quantised: ClassVar[bool] = False

    @abstractmethod
    def write(self, path: Path, net: nn.Module, card: Card) -> None:
        """Write a network in evaluation mode on the CPU."""

    @abstractmethod
    def run(self, path: Path, images: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """The (n, outputs) outputs of a written file for (n, C, H, W) images; None if it cannot be run."""

    def export(self, path: Path, net: nn.Module, card: Card, images: torch.Tensor) -> str:
        """Write, run and only then put in place; what was found, for people.

        Args:
            path: of the file.
            images: (n, C, H, W) float32 images to compare the outputs on, as the network takes them.

        Raises:
            InputError: the network does not fit the format, or the file gives other outputs.
        """
        if self.quantised and not is_quantised(net):
            raise InputError(
                f"{path.name}: the network has float numbers, expected all of them to have a few bits"
            )
        with atomic_file(path) as temporary:
            self.write(temporary, net, card)
            found = self.run(temporary, images.numpy())
            return "" if found is None else compare(net, images, found, str(path))


def about(card: Card) -> str:
    """The part of a card that goes into a file, as JSON."""
    return json.dumps({name: getattr(card, name) for name in ABOUT})


def compare(net: nn.Module, images: torch.Tensor, found: NDArray[np.float32], where: str) -> str:
    """How well outputs agree with those of the network, for people; InputError if they do not.

    A network that rounds may differ on a few images, unless all its sums are exact: then it may on none.
    """
    with torch.inference_mode():
        expected = net(images).numpy()
    if found.shape != expected.shape:
        raise InputError(f"{where}: gives outputs of shape {found.shape}, the network {expected.shape}")
    off = np.abs(found.astype(np.float64) - expected).max(axis=1)
    off[np.isnan(off)] = np.inf
    exact = is_quantised(net) and is_exact(net, images)
    limit = 0.0 if exact else TOLERANCE * max(float(np.abs(expected).max()), 1.0)
    differ = int((off > limit).sum())
    if differ > (FLIPS * len(off) if rounds(net) and not exact else 0):
        raise InputError(
            f"{where}: {differ} of {len(off)} images give other outputs than the network, by up to {off.max():.3g}"
        )
    same = "equal to" if not off.any() else f"within {off.max():.2g} of"
    return f"{same} the network on {len(off)} images"


@torch.no_grad()
def is_exact(net: nn.Module, images: torch.Tensor) -> bool:
    """Whether float32 holds every sum of a quantised network for these images, in whatever order it is formed.

    False also where that is not known: of a layer of another kind, and of a network that cannot be traced.
    """
    try:
        layers = trace(net)
    except InputError:
        return False
    grid = (bits for bits in range(HELD) if torch.equal(images * 2**bits, (images * 2**bits).round()))
    sums = {IMAGES: Sum(images.abs(), next(grid, HELD))}
    for layer, values in outputs(layers, images):
        found = _sum(layer, values, [sums[name] for name in layer.inputs])
        if found is None:
            return False
        sums[layer.name] = found
    return sums[layers[-1].name].point < math.inf


class Sum(NamedTuple):
    """Absolute values that the sums behind (n, …) numbers do not exceed, and bits behind their point."""

    size: torch.Tensor
    point: float

    def is_held(self, terms: int = 1) -> bool:
        """Whether float32 holds the sum of so many of them."""
        return terms * float(self.size.max()) * math.pow(2, self.point) < 2.0**HELD


def _sum(layer: Layer, values: Any, inputs: Sequence[Sum]) -> Sum | None:
    """The sums of one layer; None if float32 does not hold them, or that is not known."""
    module, kind = layer.module, layer.kind
    if not inputs:
        return None
    size, point = inputs[0].size, max(one.point for one in inputs)
    if isinstance(module, QConv2d | QLinear) and module.weight_quantiser is not None:
        kernel, bias = rounded(module)
        size = product(module, size, kernel.abs(), None if bias is None else bias.abs())
        found = Sum(size, point + module.weight_quantiser.bits - 1)
        return found if found.is_held() else None
    if kind == "add" and len(inputs) == 2 and not layer.kwargs:
        found = Sum(size + inputs[1].size, point)
        return found if found.is_held() else None
    if kind == "quantiser":
        return Sum(values.abs(), module.bits - 1)
    if kind == "avgpool" and module is not None:  # a quotient is on no grid before it is rounded
        terms = math.prod(pair(module.kernel_size))
        return Sum(values.abs(), math.inf) if inputs[0].is_held(terms) else None
    return Sum(values.abs(), point) if kind in SAME_GRID else None


def pair(sides: int | Sequence[int]) -> tuple[int, ...]:
    """What a layer of torch keeps as one number for both axes, or as two."""
    return (sides, sides) if isinstance(sides, int) else tuple(sides)
