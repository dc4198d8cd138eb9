"""Deletion and insertion: the target while active pixels are removed or inserted, highest attribution first.

V. Petsiuk, A. Das, K. Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models",
arXiv:1806.07421. Only active (non-zero) pixels are removed and inserted: on a sparse image 99 % of the steps of
the original would take away pixels that are empty already, and change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn._common.errors import InputError
from dmcnn.attribution.target import Target
from dmcnn.engines.dense import forward
from dmcnn.layers import evaluation_mode

Floats = NDArray[np.float64]

RANDOM, CHARGE = "random", "charge"
"""Names kept for what every map is compared with: random orders, and the image itself, brightest first."""


@dataclass(frozen=True, eq=False)
class Curves:
    """Target of one event against the fraction of its active pixels that are removed or inserted.

    Attributes:
        fraction: (s+1,) float64 rising from 0 to 1.
        deletion: name of a map, or "charge" -> (s+1,) float64 from ``base`` to ``removed``: lower is better.
        insertion: name of a map, or "charge" -> (s+1,) float64 from ``removed`` to ``base``: higher is better.
        random: (r, s+1) float64 deletion curves of r random orders. Read from right to left, over 1 - fraction,
            each is the insertion curve of the reversed order, so that the areas are those of both directions.
        base: the target of the image as it is.
        removed: the target with all active pixels removed.
    """

    fraction: Floats
    deletion: dict[str, Floats]
    insertion: dict[str, Floats]
    random: Floats
    base: float
    removed: float

    def share(self, curve: Floats) -> Floats:
        """Return the curve (or an area below one) on a scale of 0 = all removed to 1 = untouched.

        NaN where the charge does not raise the target: lower and higher would change places. Where it hardly does,
        the share is large and tells little.
        """
        span = self.base - self.removed
        return (curve - self.removed) / span if span > 0 else np.full_like(curve, np.nan)


def area(fraction: Floats, curve: Floats) -> Floats:
    """Return the area under (..., s+1) curves over the (s+1,) fractions, by trapezoids."""
    return np.asarray(((curve[..., 1:] + curve[..., :-1]) / 2 * np.diff(fraction)).sum(axis=-1))


def order(values: NDArray[Any], seed: int) -> NDArray[np.int64]:
    """Return the (n,) places of the (n,) values, highest first, ties in a random order.

    In the order of the pixels, the ties of a map that is zero almost everywhere would sweep the image row by row.
    """
    return np.lexsort((np.random.default_rng(seed).random(len(values)), -values.astype(np.float64)))


def measure(
    net: nn.Module,
    inputs: torch.Tensor,
    maps: Mapping[str, NDArray[Any]],
    target: Target,
    *,
    steps: int = 32,
    n_random: int = 10,
    seed: int = 1,
    baseline: float = 0.0,
    internal_batch: int = 8,
    precision: str = "32",
) -> Curves:
    """Measure deletion and insertion curves of every map of one event, of its charge, and of random orders.

    Args:
        net: runs in evaluation mode, and is left as it was.
        inputs: (C, H, W) the image.
        maps: name -> (C, H, W) attribution; positive supports the target. Pixels of one attribution go in a random
            order. The curves of a map that is not finite are NaN, as are all curves of an image without charge.
        steps: into so many equal parts the active pixels are divided; fewer where there are fewer pixels.
        n_random: random orders to compare with.
        seed: of the random orders, and of the order of ties.
        baseline: what a removed pixel becomes.
        internal_batch: at most so many images in one forward pass.
        precision: "32" or "bf16".
    """
    if steps < 1 or n_random < 1 or internal_batch < 1:
        raise InputError(
            f"steps = {steps}, n_random = {n_random}, internal_batch = {internal_batch}: all must be >= 1"
        )
    for name, values in maps.items():
        if values.shape != inputs.shape or name in (RANDOM, CHARGE):
            raise InputError(
                f"map {name!r} of shape {values.shape}: expected the image's {tuple(inputs.shape)}, "
                f"and another name than {RANDOM!r} or {CHARGE!r}"
            )
    maps = {**maps, CHARGE: inputs.cpu().numpy()}
    remover = _Remover(net, inputs, target, baseline, internal_batch, precision)
    n = len(remover.active)
    counts = np.unique(np.round(np.arange(steps + 1) * n / steps).astype(np.int64)) if n else np.arange(2)
    unknown = np.full(len(counts), np.nan)
    base, removed = remover.targets(np.array([[True], [False]]).repeat(n, axis=1)).tolist()
    deletion, insertion = {}, {}
    for name, values in maps.items():
        deletion[name] = insertion[name] = unknown
        if n and np.isfinite(values).all():
            late = _late(order(values.reshape(-1)[remover.active], seed), counts)
            deletion[name] = np.array([base, *remover.targets(late), removed])
            insertion[name] = np.array([removed, *remover.targets(~late), base])
    orders = [np.random.default_rng((seed, nth)).permutation(n) for nth in range(n_random if n else 0)]
    random = [np.array([base, *remover.targets(_late(places, counts)), removed]) for places in orders]
    return Curves(
        counts / counts[-1], deletion, insertion, np.stack(random or [unknown] * n_random), base, removed
    )


def _late(places: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return (s-1, n) bool: pixels that are not among the first k of (n,) ``places``, for each k strictly inside."""
    rank = np.empty_like(places)
    rank[places] = np.arange(len(places))
    return np.asarray(rank >= counts[1:-1, np.newaxis])


class _Remover:
    """Image of which some active pixels are removed, with its target."""

    def __init__(
        self,
        net: nn.Module,
        inputs: torch.Tensor,
        target: Target,
        baseline: float,
        internal_batch: int,
        precision: str,
    ) -> None:
        self.net, self.target, self.precision = net, target, precision
        self.shape, self.batch = inputs.shape, internal_batch
        self.image = inputs.detach().flatten()
        self.active = np.flatnonzero(self.image.cpu().numpy())
        self.place = torch.from_numpy(self.active).to(inputs.device)
        self.empty = self.image.index_fill(0, self.place, baseline)

    def targets(self, mask: NDArray[np.bool_]) -> Floats:
        """Return the (m,) float64 target of the image with only the ``mask`` (m, n) of its n active pixels."""
        parts = []
        for start in range(0, len(mask), self.batch):
            part = torch.from_numpy(mask[start : start + self.batch]).to(self.image.device)
            images = self.empty.repeat(len(part), 1)
            images[:, self.place] = torch.where(part, self.image[self.place], self.empty[self.place])
            with evaluation_mode(self.net):
                outputs = forward(self.net, images.view(-1, *self.shape), self.precision)
            parts.append(self.target(torch.from_numpy(outputs)).double().numpy())
        return np.concatenate([np.zeros(0), *parts])
