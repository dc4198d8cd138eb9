"""Regression networks by their residuals and uncertainties, one or several side by side, each with its seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from dmcnn.evaluation import Evaluation
from dmcnn.evaluation.regression import quantities as q
from dmcnn.evaluation.regression import report, sparsity
from dmcnn.evaluation.regression.networks import (
    ALL,
    Networks,
    Profiles,
    bar,
    comparable,
    open_networks,
    profile_all,
    targets_of,
)
from dmcnn.evaluation.regression.predictions import SIZE, unit
from dmcnn.figures import calibration, regression
from dmcnn.figures.style import label

LIKELIHOODS = {"nll": "NLL [nats per event]", "nll_unscaled": "NLL in target units [nats per event]"}


def judge(
    scores: Mapping[str, Sequence[Sequence[str]]],
    weights: Mapping[str, Sequence[str]] | None = None,
    *,
    level: float = 0.95,
    reach: float = 2.0,
    bins: int = 12,
) -> Evaluation:
    """Numbers, tables and figures of networks.

    Args:
        scores: by network and seed, the paths of its score tables, which are parts of one sample.
        weights: by network, the weight file of each seed.
        level: confidence level of intervals.
        reach: Gaussian fits go this many sigma to either side of the peak.
        bins: of profiles.

    Raises:
        InputError: a table that is not of regression, networks of different targets, or a file that is no weights.
    """
    deployed = {name: [sparsity.read(path) for path in paths] for name, paths in (weights or {}).items()}
    zeros = {name: [sparsity.share(tensors) for tensors in seeds] for name, seeds in deployed.items()}
    networks = open_networks(scores, zeros, reach)
    likelihood, profiles = comparable(networks), profile_all(networks, bins)
    return Evaluation(
        report.numbers(networks, profiles, level, reach),
        {**_figures(networks, profiles, likelihood, level, reach), **sparsity.drawn(deployed)},
        report.lines(networks, likelihood),
        {"targets": report.table(networks)} | ({"weights": sparsity.table(deployed)} if deployed else {}),
    )


def _figures(
    networks: Networks, profiles: Profiles, likelihood: str, level: float, reach: float
) -> dict[str, Figure]:
    """Every figure but those of weights."""
    targets = targets_of(networks)
    units = [unit(target) for target in targets]
    residuals = {name: network.events.residual for name, network in networks.items()}
    pulls = {name: network.events.pull for name, network in networks.items()}
    chi2 = {name: network.events.chi2 for name, network in networks.items()}
    matrices = {name: q.correlations(network.events) for name, network in networks.items()}
    figures = {
        "residuals": regression.residuals(residuals, targets, units, reach),
        "residuals_log": regression.residuals(residuals, targets, units, reach, log=True),
        "pulls": regression.pulls(pulls, targets, reach),
        "pulls_log": regression.pulls(pulls, targets, reach, log=True),
        "calibration": calibration.calibration(pulls, chi2, targets, level),
        "chi2": calibration.chi2(chi2, len(targets)),
        "correlation": calibration.correlations(matrices, targets),
        "comparison": _comparison(networks, likelihood),
    }
    for name, (variable, of) in zip([*targets, SIZE], profiles.items(), strict=False):
        figures[f"profile_{sparsity.file_name(name)}"] = regression.profiles(of, variable, targets, units)
    if sum(len(network.zeros) for network in networks.values()) > 1:
        figures["front"] = front(networks, likelihood)
    return figures


def _comparison(networks: Networks, likelihood: str) -> Figure:
    """Bias, width and pulls of every target, a row each, with a number of all targets at the end of the row."""
    targets = targets_of(networks)
    rows = {"bias": "bias", "half_width": "68 % half width", "pull_width": "pull width"}
    last = {
        likelihood: LIKELIHOODS[likelihood],
        "chi2_mean": "mean χ²",
        "calibration_error": "calibration error",
    }
    shown: dict[str, tuple[str, str]] = {}
    for (what, words), (together, more) in zip(rows.items(), last.items(), strict=True):
        for target in targets:
            shown[label(f"{target}\n{words}", "" if what == "pull_width" else unit(target))] = (target, what)
        shown[f"all targets\n{more}"] = (ALL, together)
    ideal = {"bias": 0.0, "pull_width": 1.0, "chi2_mean": float(len(targets))}
    return regression.comparison(
        list(networks),
        {
            words: [[seed[of][what].value for seed in network.each] for network in networks.values()]
            for words, (of, what) in shown.items()
        },
        {
            words: [bar(network.found[of][what]) for network in networks.values()]
            for words, (of, what) in shown.items()
        },
        columns=len(targets) + 1,
        ideal={words: ideal[what] for words, (_, what) in shown.items() if what in ideal},
    )


def front(networks: Networks, likelihood: str) -> Figure:
    """What zeros cost, one point per training."""
    each = [
        (name, share, seed)
        for name, network in networks.items()
        for share, seed in zip(network.zeros, network.each, strict=False)  # none where they are not known
    ]
    targets = targets_of(networks)
    return regression.front(
        [share for _, share, _ in each],
        [seed[ALL][likelihood].value for _, _, seed in each],
        {target: [seed[target]["half_width"].value for _, _, seed in each] for target in targets},
        [name for name, _, _ in each],
        units={target: unit(target) for target in targets},
        likelihood=LIKELIHOODS[likelihood],
    )
