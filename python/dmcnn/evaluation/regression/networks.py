"""Regression networks with their seeds, numbers and profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dmcnn.evaluation.regression import quantities as q
from dmcnn.evaluation.regression.predictions import Predictions, join, read, unit
from dmcnn.evaluation.regression.quantities import Combined
from dmcnn.evaluation.rows import Read
from dmcnn.evaluation.weights import Rule, check_patterns
from dmcnn.figures.style import label
from dmcnn.metrics import distributions
from dmcnn.metrics.distributions import Estimate, Profile
from dmcnn.tables import table

ALL = "all"
"""Key of joint quantities of all targets, beside the names of targets."""

SAME_SCALES = 0.01
"""[nats] Largest spread of the offset between scaled and unscaled likelihood of networks with equal scales."""


@dataclass(frozen=True, eq=False)
class Network:
    """Network that was trained once, or with several seeds.

    Attributes:
        seeds: events of each training.
        events: events of all trainings.
        per_seed: quantities of each training, by target or ALL.
        combined: quantities over all trainings, by target or ALL.
        zeros: share of zero weights of each training; empty if unknown.
    """

    seeds: list[Predictions]
    events: Predictions
    per_seed: list[dict[str, dict[str, Estimate]]]
    combined: dict[str, dict[str, Combined]]
    zeros: list[float]

    @classmethod
    def from_seeds(cls, seeds: list[Predictions], zeros: list[float], reach: float) -> Network:
        """Compute all quantities of a network; Gaussian fits extend ``reach`` sigma around the peak."""
        per_seed = [
            {name: q.target_quantities(seed, j, reach) for j, name in enumerate(seed.targets)}
            | {ALL: q.joint_quantities(seed)}
            for seed in seeds
        ]
        combined = {name: q.combine([seed[name] for seed in per_seed]) for name in per_seed[0]}
        return cls(seeds, join(seeds), per_seed, combined, zeros)

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the targets."""
        return self.events.targets


Networks = Mapping[str, Network]
Profiles = dict[str, dict[str, list[tuple[Profile, Profile]]]]
"""Profiles of residuals and pulls by variable, network and target."""


def open_networks(
    scores: Mapping[str, Sequence[Sequence[str]]],
    zeros: Mapping[str, list[float]],
    reach: float,
    event_weight: Rule = None,
    read_table: Read = table.read,
) -> Networks:
    """Read the score tables of networks and compute their numbers.

    Args:
        scores: paths by network, seed and part of a sample.
        zeros: share of zero weights of each seed, by network; empty if unknown.
        reach: [sigma] half width of the range of Gaussian fits around the peak.
        event_weight: weights of the events.
        read_table: function that reads a table.

    Raises:
        InputError: a table that is not of regression, or that estimates other targets than the first.
    """
    check_patterns(event_weight, [path for seeds in scores.values() for paths in seeds for path in paths])
    networks: dict[str, Network] = {}
    targets: tuple[str, ...] = ()
    for name, samples in scores.items():
        seeds = []
        for paths in samples:
            seeds.append(read(paths, targets, event_weight, read_table))
            targets = targets or seeds[0].targets
        networks[name] = Network.from_seeds(seeds, zeros.get(name, []), reach)
    return networks


def target_names(networks: Networks) -> tuple[str, ...]:
    """Return the names of the targets, which are those of all networks."""
    return next(iter(networks.values())).targets


def common_likelihood(networks: Networks) -> str:
    """Return the likelihood for comparisons: ``nll``, or ``nll_unscaled``.

    ``nll`` needs networks that scale targets alike, and a number for every event with a likelihood: a mean over the
    parts of a sample that have one would be that of other events.
    """
    seeds = [seed for network in networks.values() for seed in network.seeds]
    offsets = q.finite(np.array([q.scale_offset(seed) for seed in seeds]))
    known = all(np.isfinite(seed.nll[np.isfinite(seed.factor[:, 0, 0])]).all() for seed in seeds)
    equal = not len(offsets) or float(np.ptp(offsets)) < SAME_SCALES
    return "nll" if known and equal else "nll_unscaled"


def profile_all(networks: Networks, bins: int) -> Profiles:
    """Return residuals and pulls of every target against each true parameter and, where known, the cluster size.

    At most ``bins`` bins hold about the same number of events each, enough for a width; they are the same for all
    networks.
    """
    events = {name: network.events for name, network in networks.items()}
    variables = {
        label(f"True {target}", unit(target)): {name: sample.truth[:, j] for name, sample in events.items()}
        for j, target in enumerate(target_names(networks))
    }
    sizes = {name: sample.size for name, sample in events.items() if sample.size is not None}
    if len(sizes) == len(events):
        variables["Cluster size [pixels]"] = sizes
    profiles: Profiles = {}
    for variable, values in variables.items():
        most = min(map(len, values.values())) // (
            distributions.MIN_ENTRIES + 1
        )  # with fewer entries a bin is empty
        pooled = q.finite(np.concatenate(list(values.values())))
        edges = distributions.quantile_edges(pooled, max(1, min(bins, most)))
        profiles[variable] = {
            name: [
                (distributions.profile(x, residual, edges, w), distributions.profile(x, pull, edges, w))
                for residual, pull in zip(events[name].residual.T, events[name].pull.T, strict=True)
            ]
            for name, x in values.items()
            for w in [events[name].weight]
        }
    return profiles


def error_bar(quantity: Combined) -> float:
    """Return half the length of an error bar: the larger of the statistical error and the spread of the seeds."""
    return float(np.fmax(quantity.error, quantity.spread))
