"""Path integral of a gradient between two images, with nodes placed where the gradient changes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn.attribution.base import Explained, Method, gradient
from dmcnn.attribution.target import Target
from dmcnn.layers import evaluation_mode

Floats = NDArray[np.float64]

GRADING = 12
"""Fixed nodes lie at t = (k / n) ** GRADING. A network that normalises every image by itself (GroupNorm) sees a
full image where there is hardly any charge: every decade of t from 1e-12 to 1 may hold as much of the integral as the
last, so these nodes reach from 1e-12 to 1."""

FEWEST, SHARE = 10, 5
"""Fixed nodes: one in SHARE of all, but FEWEST of them, where they are no more than half of all."""


def path_integral(
    explained: Explained,
    start: torch.Tensor,
    image: torch.Tensor,
    count: int,
    at_once: int,
    *,
    every: int = 1,
) -> torch.Tensor:
    """Integrate the gradient at start + t (image - start) over t from 0 to 1, and multiply by (image - start).

    A few fixed nodes show where the gradient changes. The others are spread between them such that every interval
    has about the same share of the error: over many jumps of random sign (units that switch), a density of nodes that
    goes with the power 2/3 of ``_errors`` is best. The nodes follow the gradients continuously, so that rounding,
    which is all that the rest of a batch changes of them, moves the nodes by as little. Weights are those of the
    trapezoid rule: no value of the network enters them, so that whether the map adds up says something.

    Args:
        start, image: (C, H, W) both ends.
        count: gradients.
        at_once: most images in one pass.
        every: 2 leaves every other node out, with weights to match.

    Returns:
        (C, H, W) map.
    """
    way = image - start

    def along(nodes: Floats) -> Iterator[torch.Tensor]:
        for k in range(0, len(nodes), at_once):
            some = torch.from_numpy(nodes[k : k + at_once]).to(way)
            yield from gradient(explained, start + some.view(-1, 1, 1, 1) * way, way != 0)

    fixed = max(count // SHARE, min(FEWEST, (count + 1) // 2))
    first = (np.arange(1, fixed + 1) / fixed) ** GRADING
    slopes = [*along(first)]
    errors = _errors(first, [slope * way for slope in slopes])
    nodes = np.append(first, _spread(first, errors, count - fixed))
    weights = _trapezoid(nodes, every)
    others = np.flatnonzero(weights[fixed:]) + fixed
    total = torch.zeros_like(way)
    pairs = zip([*weights[:fixed], *weights[others]], chain(slopes, along(nodes[others])), strict=True)
    for weight, slope in pairs:  # one by one: a sum over a batch would round with the size of the batch
        total += float(weight) * slope
    return way * total


def _norm(values: torch.Tensor) -> float:
    return float(torch.linalg.vector_norm(values, dtype=torch.float64))


def _errors(nodes: Floats, slopes: Sequence[torch.Tensor]) -> Floats:
    """Estimate the (m,) errors of the trapezoid rule in the intervals that end at the (m,) nodes, the first at 0.

    The error is about the length times the jump of the slope g, but no more than what the interval may hold: the
    larger t g of both ends times the length in ln t. Where the image is faint g is huge, and rounding in float32.
    """
    norms = np.array([_norm(slope) for slope in slopes])
    jumps = np.array([_norm(after - before) for before, after in pairwise(slopes)])
    held = nodes * norms
    most = np.maximum(held[1:], held[:-1]) * np.diff(np.log(nodes))
    return np.append(held[0], np.minimum(jumps * np.diff(nodes), most))


def _spread(first: Floats, errors: Floats, count: int) -> Floats:
    """Place (count,) nodes in the intervals that end at the (m,) nodes ``first``, by their (m,) errors.

    What is worth less than half a node gets none, so that rounding in such an interval moves no node elsewhere.
    """
    ends = np.append(0, first)
    shares = errors ** (2 / 3)
    if not 0 < shares.sum() < np.inf:  # a gradient that is zero, or not finite
        shares = np.ones_like(first)
    shares = np.maximum(0, shares - shares.sum() / max(2 * count, len(shares) + 1))
    quantiles = np.append(0, np.cumsum(shares)) / shares.sum()
    graded = np.interp((np.arange(count) + 0.5) / count, quantiles, ends ** (1 / GRADING))
    return np.asarray(graded**GRADING)


def _trapezoid(nodes: Floats, every: int) -> Floats:
    """Return (m,) weights of nodes in any order, of which the largest is 1; 0 for those left out.

    From 0 to the first node the gradient counts as that of the first.
    """
    order = np.argsort(nodes, kind="stable")
    used = order[(len(nodes) - 1) % every :: every]
    lengths = np.diff(nodes[used], prepend=0)
    weights = np.zeros_like(nodes)
    weights[used] = lengths / 2
    weights[used[0]] = lengths[0]
    weights[used[:-1]] += lengths[1:] / 2
    return weights


class PathMethod(Method):
    """A method that integrates gradients along paths, and knows what half of them would have given."""

    def integrals(
        self, explained: Explained, starts: torch.Tensor, images: torch.Tensor, count: int, *, every: int = 1
    ) -> torch.Tensor:
        """Return (n, C, H, W) path integrals from starts to images; every pair has nodes of its own."""
        at_once = self.at_once(images)
        pairs = zip(starts, images, strict=True)
        return torch.stack([path_integral(explained, *pair, count, at_once, every=every) for pair in pairs])

    @property
    def revision(self) -> int:
        """Return 2; revision 1 chose nodes and weights by the change of the explained number, or at random."""
        return 2

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
