"""Integrated gradients, with nodes where the explained number changes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from dmcnn._common.errors import InputError
from dmcnn.attribution.base import Explained, Method, value_and_gradient
from dmcnn.attribution.methods.gradients import reference
from dmcnn.attribution.target import Target
from dmcnn.layers import evaluation_mode

FIRST = (0.0, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 0.1, 0.5, 1.0)
"""The first nodes. A net that normalises every image by itself sees a full image where there is hardly any charge:
most of the change from an empty image may lie within 1e-9 of the path. Closer to 0 float32 is too coarse."""

WIDE = 4.0
"""Intervals whose ends differ by more than this factor are halved on a logarithmic scale."""

ROUND = 8
"""Intervals that are halved at a time."""

NARROW, NARROW_FAINT, FAINT = 1.01, 1.5, 1e-6
"""Intervals whose ends differ by less than this factor stay: what is missed there is rounding, and more of it where
the image is faint. MPID, from an empty image, amplifies the last bit of its first layer."""

MISSING = 0.003
"""Share of the whole change that may stay unaccounted for."""

REACH = 1.0
"""How far beyond 0..1 the share of an end of an interval may go to account for the change."""


@dataclass(kw_only=True, eq=False)
class IntegratedGradients(Method):
    """Integrated gradients (arXiv:1703.01365) along the straight path from a baseline to the image.

    The change of the explained number between two nodes of the path is known, from the same passes as the gradients.
    Nodes are added where the trapezoid rule misses most of it. At the end the two gradients of every interval are
    weighted such that they account for the change as far as they can, with bounded weights that add to 1.
    captum's fixed nodes (50 of Gauss and Legendre) miss what MPID does close to an empty image.
    Maps are signed and in the units of the explained number: no absolute value, and no scaling of the input other
    than that of the training.

    Attributes:
        baseline: a number, "zero", or a (C, H, W) image.
        n_steps: most gradients per image.
        tolerance: no more nodes once the trapezoid rule misses less than this share of the whole change.
    """

    name = "integrated_gradients"
    title = "Integrated gradients"
    signed = True
    complete = True

    baseline: float | torch.Tensor | str = 0.0
    n_steps: int = 50
    tolerance: float = 0.001

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_steps < len(FIRST):
            raise InputError(f"n_steps = {self.n_steps}, expected at least {len(FIRST)}")

    def explain(self, explained: Explained, images: torch.Tensor) -> torch.Tensor:
        """Return the (n, C, H, W) maps; every image has nodes of its own."""
        starts = reference(self.baseline, images)
        return torch.stack([self._one(explained, *pair) for pair in zip(starts, images, strict=True)])

    def completeness(
        self, net: nn.Module, inputs: torch.Tensor, maps: torch.Tensor, target: Target
    ) -> torch.Tensor:
        """Return the (B,) |sum of the map - change of the explained number| / |that change|."""
        with evaluation_mode(net):
            explained = Explained(net, target, self.precision)
            ends = [
                explained.values(images) - explained.values(reference(self.baseline, images))
                for images in torch.split(inputs.detach(), self.at_once(inputs))
            ]
        change = torch.cat(ends).double()
        return (maps.double().sum(dim=(1, 2, 3)) - change).abs() / change.abs()

    def _one(self, explained: Explained, start: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """Return the (C, H, W) map of one image."""
        path = _Path(explained, start, image - start, self.at_once(image[None]))
        path.add(torch.tensor(FIRST, dtype=torch.float64))
        while (room := self.n_steps - len(path.nodes)) > 0:
            missed = path.missed()
            if missed.sum() <= self.tolerance * (path.values[-1] - path.values[0]).abs():
                break
            worst = missed.argsort(descending=True)[: min(room, ROUND)]
            middles = path.middles()[worst[missed[worst] > 0]]
            if not len(middles):
                break
            path.add(middles)
        return path.integral(MISSING)


class _Path:
    """Nodes on the straight path from ``start`` along ``way``, both (C, H, W), and what is known there.

    Attributes:
        nodes: (m,) float64, 0 at the start and 1 at the image, ascending.
        values: (m,) float64 explained numbers.
        slopes: (m,) float64 derivatives of the explained number by the node.
        gradients: (m, C, H, W).
    """

    def __init__(self, explained: Explained, start: torch.Tensor, way: torch.Tensor, batch: int) -> None:
        self.explained, self.start, self.way, self.batch = explained, start, way, batch
        self.nodes = self.values = self.slopes = torch.zeros(0, dtype=torch.float64)
        self.gradients = way.new_zeros(0, *way.shape)

    def add(self, nodes: torch.Tensor) -> None:
        """Evaluate at (m,) more nodes."""
        for some in torch.split(nodes, self.batch):
            images = self.start + some.to(self.way).view(-1, 1, 1, 1) * self.way
            values, gradients = value_and_gradient(self.explained, images)
            slopes = (gradients.double() * self.way).sum(dim=(1, 2, 3))
            self.nodes, order = torch.cat([self.nodes, some]).sort()
            self.values = torch.cat([self.values, values.double().cpu()])[order]
            self.slopes = torch.cat([self.slopes, slopes.cpu()])[order]
            self.gradients = torch.cat([self.gradients, gradients])[order.to(gradients.device)]

    def middles(self) -> torch.Tensor:
        """Return the (m-1,) nodes at which the intervals would be halved."""
        low, high = self.nodes[:-1], self.nodes[1:]
        scale = torch.where(low > 0, (low * high).sqrt(), high / WIDE)
        return torch.where(high > WIDE * low, scale, (low + high) / 2)

    def missed(self) -> torch.Tensor:
        """Return the (m-1,) change that the trapezoid rule misses in every interval that can be halved."""
        low, high = self.nodes[:-1], self.nodes[1:]
        ruled = (self.slopes[:-1] + self.slopes[1:]) / 2 * self.nodes.diff()
        fixed = (high <= FIRST[1]) | (high < low * torch.where(high < FAINT, NARROW_FAINT, NARROW))
        return (self.values.diff() - ruled).abs().masked_fill(fixed, 0)

    def integral(self, tolerance: float) -> torch.Tensor:
        """Return the (C, H, W) integral of the gradient along the path, times the path."""
        weights = _weights(self.nodes, self.values, self.slopes, tolerance).to(self.gradients)
        mean: torch.Tensor = torch.tensordot(weights, self.gradients, dims=1)
        return self.way * mean


def _weights(
    nodes: torch.Tensor, values: torch.Tensor, slopes: torch.Tensor, tolerance: float
) -> torch.Tensor:
    """Return the (m,) weights of the gradients at the nodes, all (m,) float64, that add to the length of the path.

    A node next to an interval whose two slopes cannot account for its change is left out (weight 0), so that a longer
    interval is accounted for, until no more than ``tolerance`` of the whole change is missing.
    """
    used = torch.arange(len(nodes))
    missing = _missing(nodes, values, slopes)
    while len(used) > 2 and missing.sum() > tolerance * (values[-1] - values[0]).abs():
        worst = int(missing.argmax())
        choices = [torch.cat([used[:k], used[k + 1 :]]) for k in (worst, worst + 1) if 0 < k < len(used) - 1]
        rest = [_missing(nodes[some], values[some], slopes[some]) for some in choices]
        used, missing = min(zip(choices, rest, strict=True), key=lambda choice: float(choice[1].sum()))
    lengths, share = nodes[used].diff(), _shares(nodes[used], values[used], slopes[used])
    weights = torch.zeros_like(nodes)
    weights[used[:-1]] += share * lengths
    weights[used[1:]] += (1 - share) * lengths
    return weights


def _shares(nodes: torch.Tensor, values: torch.Tensor, slopes: torch.Tensor) -> torch.Tensor:
    """Return the (m-1,) share of the slope at the lower end of every interval, the rest being that of the upper."""
    low, high = slopes[:-1], slopes[1:]
    mean = values.diff() / nodes.diff()
    return torch.where(low != high, (mean - high) / (low - high), 0.5).clamp(-REACH, 1 + REACH)


def _missing(nodes: torch.Tensor, values: torch.Tensor, slopes: torch.Tensor) -> torch.Tensor:
    """Return the (m-1,) change of every interval that its two slopes do not account for."""
    share = _shares(nodes, values, slopes)
    return (values.diff() - (share * slopes[:-1] + (1 - share) * slopes[1:]) * nodes.diff()).abs()
