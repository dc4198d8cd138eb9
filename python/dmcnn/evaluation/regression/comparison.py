"""Comparison of regression networks, each with its seeds: numbers, tables and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from dmcnn.evaluation import EvaluationResult
from dmcnn.evaluation.regression import quantities as q
from dmcnn.evaluation.regression import report, sparsity
from dmcnn.evaluation.regression.networks import (
    ALL,
    Networks,
    Profiles,
    common_likelihood,
    error_bar,
    open_networks,
    profile_all,
    target_names,
)
from dmcnn.evaluation.regression.predictions import SIZE, unit
from dmcnn.evaluation.rows import Read
from dmcnn.evaluation.weights import Rule
from dmcnn.figures import calibration, regression
from dmcnn.figures.style import label
from dmcnn.tables import table

if TYPE_CHECKING:
    from dmcnn.checkpoints.card import Own

MANY = 6
"""Number of targets beyond which each is drawn against its own truth alone: the panels of all grow as its square."""

LIKELIHOODS = {"nll": "NLL [nats per event]", "nll_unscaled": "NLL in target units [nats per event]"}


def judge(
    scores: Mapping[str, Sequence[Sequence[str]]],
    weights: Mapping[str, Sequence[str]] | None = None,
    *,
    level: float = 0.95,
    reach: float = 2.0,
    bins: int = 12,
    event_weight: Rule = None,
    own: Own = None,
    read_table: Read = table.read,
) -> EvaluationResult:
    """Evaluate and compare networks.

    Args:
        scores: paths of the score tables by network and seed; those of one seed are parts of one sample.
        weights: weight file of each seed, by network.
        level: confidence level of intervals.
        reach: [sigma] half width of the range of Gaussian fits around the peak.
        bins: number of bins of profiles.
        event_weight: weights of the events.
        own: user's own models in the weight files, see ``Card.build``.
        read_table: function that reads a table.

    Raises:
        InputError: a table that is not of regression, networks of different targets, or a file without weights.
    """
    deployed = {name: [sparsity.read(path, own) for path in paths] for name, paths in (weights or {}).items()}
    zeros = {name: [sparsity.share(tensors) for tensors in seeds] for name, seeds in deployed.items()}
    networks = open_networks(scores, zeros, reach, event_weight, read_table)
    likelihood, profiles = common_likelihood(networks), profile_all(networks, bins)
    return EvaluationResult(
        report.numbers(networks, profiles, level, reach),
        {**_figures(networks, profiles, likelihood, level, reach), **sparsity.draw(deployed)},
        [*report.lines(networks, likelihood), *_left_out(networks)],
        {"targets": report.table(networks)} | ({"weights": sparsity.table(deployed)} if deployed else {}),
    )


def _left_out(networks: Networks) -> list[str]:
    """Return a log line if not every target is drawn against every other."""
    count = len(target_names(networks))
    if count <= MANY:
        return []
    return [
        f"{count} targets: each is drawn against its own truth alone; the JSON has it against that of all"
    ]


def _figures(
    networks: Networks, profiles: Profiles, likelihood: str, level: float, reach: float
) -> dict[str, Figure]:
    """Return all figures except those of weights."""
    targets = target_names(networks)
    units = [unit(target) for target in targets]
    residuals = {name: network.events.residual for name, network in networks.items()}
    pulls = {name: network.events.pull for name, network in networks.items()}
    weight = {name: network.events.weight for name, network in networks.items()}
    chi2 = {name: network.events.chi2 for name, network in networks.items()}
    matrices = {name: q.correlations(network.events) for name, network in networks.items()}
    figures = {
        "residuals": regression.residuals(residuals, targets, units, reach, weights=weight),
        "residuals_log": regression.residuals(residuals, targets, units, reach, log=True, weights=weight),
        "pulls": regression.pulls(pulls, targets, reach, weights=weight),
        "pulls_log": regression.pulls(pulls, targets, reach, log=True, weights=weight),
        "calibration": calibration.calibration(pulls, chi2, targets, level, weight),
        "chi2": calibration.chi2(chi2, len(targets), weight),
        "correlation": calibration.correlations(matrices, targets),
    }
    if sum(len(network.per_seed) for network in networks.values()) > 1:
        figures["comparison"] = _comparison(networks, likelihood)
    for number, (name, (variable, by_network)) in enumerate(
        zip([*targets, SIZE], profiles.items(), strict=False)
    ):
        own = [number] if len(targets) > MANY and name != SIZE else range(len(targets))
        figures[f"profile_{sparsity.file_name(name)}"] = regression.profiles(
            {network: [pairs[j] for j in own] for network, pairs in by_network.items()},
            variable,
            [targets[j] for j in own],
            [units[j] for j in own],
        )
    if sum(len(network.zeros) for network in networks.values()) > 1:
        figures["front"] = front(networks, likelihood)
    return figures


def _comparison(networks: Networks, likelihood: str) -> Figure:
    """Return a figure with rows of bias, width and pull width of every target, and a joint number at the end."""
    targets = target_names(networks)
    rows = {"bias": "bias", "half_width": "68 % half width", "pull_width": "pull width"}
    last = {
        likelihood: LIKELIHOODS[likelihood],
        "chi2_mean": "mean χ²",
        "calibration_error": "calibration error",
    }
    panels: dict[str, tuple[str, str]] = {}
    for (quantity, title), (joint, joint_title) in zip(rows.items(), last.items(), strict=True):
        for target in targets:
            panels[label(f"{target}\n{title}", "" if quantity == "pull_width" else unit(target))] = (
                target,
                quantity,
            )
        panels[f"all targets\n{joint_title}"] = (ALL, joint)
    ideal = {"bias": 0.0, "pull_width": 1.0, "chi2_mean": float(len(targets))}
    return regression.comparison(
        list(networks),
        {
            title: [
                [seed[target][quantity].value for seed in network.per_seed] for network in networks.values()
            ]
            for title, (target, quantity) in panels.items()
        },
        {
            title: [error_bar(network.combined[target][quantity]) for network in networks.values()]
            for title, (target, quantity) in panels.items()
        },
        columns=len(targets) + 1,
        ideal={title: ideal[quantity] for title, (_, quantity) in panels.items() if quantity in ideal},
    )


def front(networks: Networks, likelihood: str) -> Figure:
    """Return a figure of likelihood and widths against the share of zero weights, one point per training."""
    trainings = [
        (name, share, seed)
        for name, network in networks.items()
        for share, seed in zip(
            network.zeros, network.per_seed, strict=False
        )  # no training where the zeros are unknown
    ]
    targets = target_names(networks)
    return regression.front(
        [share for _, share, _ in trainings],
        [seed[ALL][likelihood].value for _, _, seed in trainings],
        {target: [seed[target]["half_width"].value for _, _, seed in trainings] for target in targets},
        [name for name, _, _ in trainings],
        units={target: unit(target) for target in targets},
        likelihood=LIKELIHOODS[likelihood],
    )
