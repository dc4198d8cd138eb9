"""Networks that are judged, each with its seeds and all its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dmcnn.evaluation.regression import quantities as q
from dmcnn.evaluation.regression.predictions import Predictions, join, read, unit
from dmcnn.evaluation.regression.quantities import Combined
from dmcnn.figures.style import label
from dmcnn.metrics import distributions
from dmcnn.metrics.distributions import Estimate, Profile

ALL = "all"
"""Beside the names of targets: all of them together."""

SAME_SCALES = 0.01
"""Difference [nats] of likelihoods in and out of scaled units up to which networks scale their targets alike."""


@dataclass(frozen=True, eq=False)
class Network:
    """A network trained once, or with several seeds.

    Attributes:
        seeds: events of each training.
        events: those of all trainings.
        each: per training, by target or ALL, the numbers.
        found: the same over the trainings.
        zeros: share of zero weights of each training; empty if not known.
    """

    seeds: list[Predictions]
    events: Predictions
    each: list[dict[str, dict[str, Estimate]]]
    found: dict[str, dict[str, Combined]]
    zeros: list[float]

    @classmethod
    def of(cls, seeds: list[Predictions], zeros: list[float], reach: float) -> Network:
        """All numbers of a network; Gaussian fits go ``reach`` sigma to either side of the peak."""
        each = [
            {name: q.of_target(seed, j, reach) for j, name in enumerate(seed.targets)} | {ALL: q.of_all(seed)}
            for seed in seeds
        ]
        found = {name: q.combine([seed[name] for seed in each]) for name in each[0]}
        return cls(seeds, join(seeds), each, found, zeros)

    @property
    def targets(self) -> tuple[str, ...]:
        """Their names."""
        return self.events.targets


Networks = Mapping[str, Network]
Profiles = dict[str, dict[str, list[tuple[Profile, Profile]]]]
"""By variable, network and target: residuals and pulls."""


def open_networks(
    scores: Mapping[str, Sequence[Sequence[str]]], zeros: Mapping[str, list[float]], reach: float
) -> Networks:
    """The networks of score tables (by network, seed and part of a sample), and what is known of their zeros.

    Raises:
        InputError: a table that is not of regression, or that estimates other targets than the first.
    """
    found: dict[str, Network] = {}
    targets: tuple[str, ...] = ()
    for name, samples in scores.items():
        seeds = []
        for paths in samples:
            seeds.append(read(paths, targets))
            targets = targets or seeds[0].targets
        found[name] = Network.of(seeds, zeros.get(name, []), reach)
    return found


def targets_of(networks: Networks) -> tuple[str, ...]:
    """The targets, the same of all networks."""
    return next(iter(networks.values())).targets


def comparable(networks: Networks) -> str:
    """The likelihood that networks are compared by: ``nll``, unless they scale their targets differently."""
    seeds = [seed for network in networks.values() for seed in network.seeds]
    offsets = q.finite(np.array([q.scale_offset(seed) for seed in seeds]))
    known = all(np.isfinite(seed.nll).any() for seed in seeds)
    alike = not len(offsets) or float(np.ptp(offsets)) < SAME_SCALES
    return "nll" if known and alike else "nll_unscaled"


def profile_all(networks: Networks, bins: int) -> Profiles:
    """Residuals and pulls of every target against each true parameter and, where known, the cluster size.

    The bins, at most ``bins``, hold about as many events each and are the same for all networks.
    """
    events = {name: network.events for name, network in networks.items()}
    variables = {
        label(f"True {target}", unit(target)): {name: of.truth[:, j] for name, of in events.items()}
        for j, target in enumerate(targets_of(networks))
    }
    sizes = {name: of.size for name, of in events.items() if of.size is not None}
    if len(sizes) == len(events):
        variables["Cluster size [pixels]"] = sizes
    found: Profiles = {}
    for variable, values in variables.items():
        edges = distributions.quantile_edges(q.finite(np.concatenate(list(values.values()))), bins)
        found[variable] = {
            name: [
                (distributions.profile(x, residual, edges), distributions.profile(x, pull, edges))
                for residual, pull in zip(events[name].residual.T, events[name].pull.T, strict=True)
            ]
            for name, x in values.items()
        }
    return found


def bar(found: Combined) -> float:
    """Half the length of an error bar: the statistical error, or the spread of the seeds where that is larger."""
    return float(np.fmax(found.error, found.spread))
