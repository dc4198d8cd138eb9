"""Path integral of a gradient between two images, with nodes on the scale on which the network answers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn.attribution.base import Explained, Method, in_float64, value_and_gradient
from dmcnn.attribution.target import Target
from dmcnn.layers import evaluation_mode

Floats = NDArray[np.float64]
Slope = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""Explained number with its gradient: (n, C, H, W) float64 images -> (n,) and (n, C, H, W) float64.

The second argument is bool: the pixels whose gradient is needed."""

FAINTEST = 1e-12
"""Share of the path that stands for its start, where a unit without a bias is neither on nor off."""

FAINT = 1e-2
"""Pixels of an image within FAINT of the start need float64. What such an image adds to biases of 0.1 to 1 is rounded
in float32, and a network that normalises every image by itself (GroupNorm) multiplies what it adds until it is as
large as that of a bright image: of MPID, gradients in float32 are 2e-3 off at 3e-4 ADC and wrong at 3e-8 ADC."""

ROOT = 1.5
"""Nodes are even in the root of this degree below the onset: a compromise between units that switch evenly along the
path (1 is best) and most of all where the image is about as large as the biases (2 is better)."""


def path_nodes(count: int, onset: float) -> Floats:
    """Place (count,) nodes on a path, ascending: the first at FAINTEST, the last at 1.

    Far below the onset they are even in a root of the share of the path, far above it in its logarithm. Without
    normalisation the onset is about 1 and units switch all along the path. Where every image is normalised by itself,
    each decade above the onset may hold as much of the integral as the last.
    """
    onset = min(max(onset, FAINTEST), 1 / FAINTEST)
    even = np.linspace(0, 1, count) * np.arcsinh(onset ** (-1 / ROOT))
    nodes = FAINTEST + (1 - FAINTEST) * onset * np.sinh(even) ** ROOT
    nodes[-1] = 1
    return np.asarray(nodes)


def trapezoid(nodes: Floats, every: int = 1) -> Floats:
    """Return the (m,) weights of ascending nodes, of which the last is 1; 0 for those that ``every`` leaves out.

    From 0 to the first node the gradient counts as that of the first.
    """
    used = slice((len(nodes) - 1) % every, None, every)
    lengths = np.diff(nodes[used], prepend=0)
    weights = np.zeros_like(nodes)
    weights[used] = (lengths + np.append(lengths[1:], 0)) / 2
    weights[used.start] += lengths[0] / 2
    return weights


def path_integral(
    slope: Slope,
    exact: Slope,
    start: torch.Tensor,
    image: torch.Tensor,
    count: int,
    at_once: int,
    *,
    every: int = 1,
) -> torch.Tensor:
    """Integrate the gradient at start + t (image - start) over t from 0 to 1, and multiply by (image - start).

    The nodes depend on one number, the onset, which follows from both ends. Their gradients are nodes themselves and
    are computed in float64, so that rounding moves no node. Weights are those of the trapezoid rule: no value of the
    network enters them, so that whether the map adds up says something.

    Args:
        slope: in the precision of the method.
        exact: in float64.
        start, image: (C, H, W) both ends.
        count: gradients.
        at_once: most images in one pass.
        every: 2 leaves every other node out, with weights to match.

    Returns:
        (C, H, W) float64 map.
    """
    origin, way = start.double(), image.double() - start.double()

    def along(function: Slope, shares: Floats) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for some in torch.split(torch.from_numpy(shares), at_once) if len(shares) else ():
            yield from zip(*function(origin + some.to(way).view(-1, 1, 1, 1) * way, way != 0), strict=True)

    ends = [*along(exact, np.array([FAINTEST, 1])[-count:])]
    nodes = path_nodes(count, _onset(ends, way))
    weights = trapezoid(nodes, every)
    inner = np.flatnonzero(weights[1:-1]) + 1
    is_faint = nodes[inner] * float(way.abs().max()) < FAINT
    order = np.concatenate([[0, count - 1][-count:], inner[is_faint], inner[~is_faint]])
    others = chain(along(exact, nodes[inner[is_faint]]), along(slope, nodes[inner[~is_faint]]))
    total = torch.zeros_like(way)
    for weight, (_, gradient) in zip(weights[order], chain(ends, others), strict=True):
        total += float(weight) * gradient
    return way * total


def _onset(ends: list[tuple[torch.Tensor, torch.Tensor]], way: torch.Tensor) -> float:
    """Return the share of the path at which the network begins to bend, from numbers and gradients at both ends.

    Kept up along the path, the gradient of the start would move the explained number by ``first``; that of the image
    moves it by ``last`` only, or by as much as it did move, if it has saturated since (a score near 0 or 1).
    """
    first, last = (float((gradient * way).abs().sum()) for _, gradient in (ends[0], ends[-1]))
    last = max(last, abs(float(ends[-1][0] - ends[0][0])))
    return 2 * last / first if first > 0 and np.isfinite(last) else 1.0


class PathMethod(Method):
    """A method that integrates gradients along paths, and knows what half of them would have given."""

    def integrals(
        self, explained: Explained, starts: torch.Tensor, images: torch.Tensor, count: int, *, every: int = 1
    ) -> torch.Tensor:
        """Return (n, C, H, W) path integrals from starts to images; every pair has nodes of its own."""

        def slope_of(
            function: Explained, points: torch.Tensor, where: torch.Tensor
        ) -> tuple[torch.Tensor, torch.Tensor]:
            values, gradients = value_and_gradient(function, points, where)
            return values.double(), gradients.double()

        def slope(points: torch.Tensor, where: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return slope_of(explained, points.to(images.dtype), where)

        exact = in_float64(explained, slope_of, images.dtype)
        at_once = self.at_once(images)
        maps = [
            path_integral(slope, exact, *pair, count, at_once, every=every)
            for pair in zip(starts, images, strict=True)
        ]
        return torch.stack(maps).to(images.dtype)

    @property
    def revision(self) -> int:
        """Return 3; revisions 1 and 2 placed nodes where the number, or the gradient in float32, changed."""
        return 3

    @abstractmethod
    def half_maps(self, explained: Explained, images: torch.Tensor) -> torch.Tensor:
        """Make (n, C, H, W) maps of half as many gradients, NaN if that is less than one."""

    def halving_change(
        self, net: nn.Module, inputs: torch.Tensor, maps: torch.Tensor, target: Target
    ) -> torch.Tensor:
        """Return (B,) ||map of half the gradients - map|| / ||map||, L2 norms over all pixels.

        It estimates the error of the map: where integrals with thousands of gradients told the error, it was 1 to 5
        times that. Completeness is no such estimate, for errors of pixels cancel in the sum.
        """
        with evaluation_mode(net):
            explained = Explained(net, target, self.precision)
            parts = torch.split(inputs.detach(), self.at_once(inputs)) if len(inputs) else ()
            halves = [self.half_maps(explained, images.clone()) for images in parts]
        off = torch.cat([maps[:0], *halves]) - maps
        norms: list[torch.Tensor] = [
            torch.linalg.vector_norm(values, dim=(1, 2, 3), dtype=torch.float64) for values in (off, maps)
        ]
        return norms[0] / norms[1]
