"""What was found of regression networks, as JSON, as a table, and in words."""

from __future__ import annotations

from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn.evaluation import plain
from dmcnn.evaluation.regression import quantities as q
from dmcnn.evaluation.regression.networks import ALL, Network, Networks, Profiles, bar, targets_of
from dmcnn.evaluation.regression.predictions import unit
from dmcnn.evaluation.regression.quantities import Combined
from dmcnn.metrics import gaussian
from dmcnn.metrics.distributions import Estimate, Profile, rounded
from dmcnn.tables.table import Table


def numbers(networks: Networks, profiles: Profiles, level: float, reach: float) -> dict[str, Any]:
    """Every number, for JSON.

    Args:
        level: confidence level of intervals.
        reach: of the Gaussian fits [sigma].
    """
    targets = targets_of(networks)
    expected = {
        name: gaussian.content(np.square(gaussian.RADII), k).tolist()
        for name, k in (("target", 1), ("pair", 2), (ALL, len(targets)))
    }
    return {
        "targets": list(targets),
        "units": [unit(target) for target in targets],
        "confidence": level,
        "fit_range": reach,
        "meaning": q.MEANING,
        "expected_coverage_of_1_and_2_sigma": expected,
        "networks": {name: _network(name, network, profiles) for name, network in networks.items()},
        "files": [
            {"network": name, "seed": seed, **file}
            for name, network in networks.items()
            for seed, events in enumerate(network.seeds)
            for file in events.files
        ],
    }


def _network(name: str, network: Network, profiles: Profiles) -> dict[str, Any]:
    """The numbers of one network."""
    events, targets = network.events, network.targets
    confidence = {ALL: gaussian.calibration(events.chi2, len(targets), q.CONFIDENCE)}
    confidence |= {
        target: gaussian.calibration(pull**2, 1, q.CONFIDENCE)
        for target, pull in zip(targets, events.pull.T, strict=True)
    }
    return {
        "seeds": len(network.seeds),
        "events": len(events.truth),
        "zeros": network.zeros,
        "mean": {
            of: {what: _named(one) for what, one in found.items()} for of, found in network.found.items()
        },
        "each_seed": [{of: _pairs(found) for of, found in seed.items()} for seed in network.each],
        "pairs": {
            f"{targets[a]}, {targets[b]}": _pairs(q.of_pair(events, a, b))
            for a, b in combinations(range(len(targets)), 2)
        },
        "correlation": {kind: _list(matrix) for kind, matrix in q.correlations(events).items()},
        "calibration": {
            "expected": _list(q.CONFIDENCE),
            **{of: _list(found.value) for of, found in confidence.items()},
        },
        "profiles": {
            variable: {
                target: {"residual": _profile(residual), "pull": _profile(pull)}
                for target, (residual, pull) in zip(targets, found[name], strict=True)
            }
            for variable, found in profiles.items()
        },
    }


def _named(found: Combined) -> dict[str, float | None]:
    return {name: plain(value) for name, value in asdict(found).items()}


def _pairs(found: dict[str, Estimate]) -> dict[str, list[float | None]]:
    return {what: [plain(one.value), plain(one.error)] for what, one in found.items()}


def _profile(found: Profile) -> dict[str, list[Any]]:
    return {name: _list(values) for name, values in vars(found).items()}


def _list(values: NDArray[Any]) -> list[Any]:
    """An array for JSON, which has no NaN."""
    if values.ndim > 1:
        return [_list(row) for row in values]
    return [value if isinstance(value, int) else plain(value) for value in values.tolist()]


def table(networks: Networks) -> Table:
    """One row per network and target, and one for all targets together; what is not defined is empty."""
    rows: list[dict[str, Any]] = []
    ends = (
        ("value", "error", "spread")
        if any(len(one.seeds) > 1 for one in networks.values())
        else ("value", "error")
    )
    for name, network in networks.items():
        zeros = float(np.mean(network.zeros)) if network.zeros else None
        for target, found in network.found.items():
            row = {
                "network": name,
                "seeds": len(network.seeds),
                "events": len(network.events.truth),
                "zeros": zeros,
            }
            row |= {"target": target, "unit": "" if target == ALL else unit(target)}
            for what in q.MEANING:
                for end in ends:
                    if end == "error" and what in q.WITHOUT_ERROR:
                        continue
                    column = what if end == "value" else f"{what}_{end}"
                    row[column] = getattr(found[what], end) if what in found else None
            rows.append(row)
    return Table.of({column: [row[column] for row in rows] for column in rows[0]})


def lines(networks: Networks, likelihood: str) -> list[str]:
    """For people: what was read, then what was found; ``likelihood`` is the one that networks are compared by."""
    counts = (
        "{file}: {rows} rows, {used} used, {without_estimate} without estimate, {without_truth} without truth"
    )
    told = []
    for name, network in networks.items():
        told += [counts.format(**file) for file in network.events.files]
        lost = sum(file["not_positive_definite"] for file in network.events.files)
        if lost:
            told.append(
                f"{name}: {lost} covariances are not positive definite: no chi2, no joint coverage of those"
            )
    if likelihood == "nll_unscaled":
        told.append(
            "NLL of the truth in the units of the targets: networks scale differently, or tables have no nll"
        )
    for name, network in networks.items():
        told += _told(name, network, likelihood)
    return told


def _told(name: str, network: Network, likelihood: str) -> list[str]:
    """A network in a line, and one per target."""
    together = network.found[ALL]
    of = f"{len(network.seeds)} seeds, " if len(network.seeds) > 1 else ""
    zeros = f", {100 * np.mean(network.zeros):.1f} % of the weights 0" if network.zeros else ""
    found = [
        f"{name} ({of}{len(network.events.truth)} events{zeros}): NLL {_told_one(together[likelihood])} nats per "
        f"event, chi2 {_told_one(together['chi2_mean'])} (expected {len(network.targets)})"
    ]
    for target in network.targets:
        one, symbol = network.found[target], f" {unit(target)}" if unit(target) else ""
        widths = {"bias": "bias", "rms": "rms", "half_width": "68 % half width"}
        parts = [f"{words} {_told_one(one[what])}{symbol}" for what, words in widths.items()]
        shares = ", ".join(f"{100 * one[what].value:.1f}" for what in ("coverage_1", "coverage_2"))
        parts += [f"pull width {_told_one(one['pull_width'])}", f"within 1, 2 sigma {shares} %"]
        found.append(f"  {target}: {', '.join(parts)}")
    return found


def _told_one(found: Combined) -> str:
    return rounded(found.value, bar(found))
