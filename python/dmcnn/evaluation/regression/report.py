"""Report on regression networks: JSON, table, and log lines."""

from __future__ import annotations

from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn.evaluation import json_number
from dmcnn.evaluation.regression import quantities as q
from dmcnn.evaluation.regression.networks import ALL, Network, Networks, Profiles, error_bar, target_names
from dmcnn.evaluation.regression.predictions import unit
from dmcnn.evaluation.regression.quantities import Combined
from dmcnn.metrics import gaussian
from dmcnn.metrics.distributions import Estimate, Profile, effective, format_estimate
from dmcnn.tables.table import Table


def numbers(networks: Networks, profiles: Profiles, level: float, reach: float) -> dict[str, Any]:
    """Return all numbers for JSON.

    Args:
        networks: networks by name.
        profiles: residuals and pulls against variables.
        level: confidence level of intervals.
        reach: [sigma] half width of the range of Gaussian fits.
    """
    targets = target_names(networks)
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
    """Return the numbers of one network."""
    events, targets = network.events, network.targets
    confidence = {ALL: gaussian.calibration(events.chi2, len(targets), q.CONFIDENCE, weights=events.weight)}
    confidence |= {
        target: gaussian.calibration(pull**2, 1, q.CONFIDENCE, weights=events.weight)
        for target, pull in zip(targets, events.pull.T, strict=True)
    }
    return {
        "seeds": len(network.seeds),
        "events": len(events.truth),
        **(
            {} if events.weight is None else {"effective_events": effective(len(events.truth), events.weight)}
        ),
        "zeros": network.zeros,
        "mean": {
            target: {name: _combined(value) for name, value in group.items()}
            for target, group in network.combined.items()
        },
        "each_seed": [{target: _pairs(group) for target, group in seed.items()} for seed in network.per_seed],
        "pairs": {
            f"{targets[a]}, {targets[b]}": _pairs(q.pair_coverage(events, a, b))
            for a, b in combinations(range(len(targets)), 2)
        },
        "correlation": {kind: _list(matrix) for kind, matrix in q.correlations(events).items()},
        "calibration": {
            "expected": _list(q.CONFIDENCE),
            **{target: _list(interval.value) for target, interval in confidence.items()},
        },
        "profiles": {
            variable: {
                target: {"residual": _profile(residual), "pull": _profile(pull)}
                for target, (residual, pull) in zip(targets, by_network[name], strict=True)
            }
            for variable, by_network in profiles.items()
        },
    }


def _combined(quantity: Combined) -> dict[str, float | None]:
    """Return value, error and spread for JSON."""
    return {name: json_number(value) for name, value in asdict(quantity).items()}


def _pairs(quantities: dict[str, Estimate]) -> dict[str, list[float | None]]:
    """Return [value, error] of each quantity for JSON."""
    return {name: [json_number(one.value), json_number(one.error)] for name, one in quantities.items()}


def _profile(profile: Profile) -> dict[str, list[Any]]:
    """Return the arrays of a profile for JSON."""
    return {name: _list(values) for name, values in vars(profile).items()}


def _list(values: NDArray[Any]) -> list[Any]:
    """Return an array for JSON; NaN becomes None."""
    if values.ndim > 1:
        return [_list(row) for row in values]
    return [value if isinstance(value, int) else json_number(value) for value in values.tolist()]


def table(networks: Networks) -> Table:
    """Return a table with a row per network and target, and a row for all targets; undefined values are empty."""
    rows: list[dict[str, Any]] = []
    several = any(len(network.seeds) > 1 for network in networks.values())
    parts = ["value", "error", *(["spread"] if several else [])]
    for name, network in networks.items():
        zeros = float(np.mean(network.zeros)) if network.zeros else None
        for target, quantities in network.combined.items():
            row = {
                "network": name,
                "seeds": len(network.seeds),
                "events": len(network.events.truth),
                "zeros": zeros,
            }
            row |= {"target": target, "unit": "" if target == ALL else unit(target)}
            for quantity in q.MEANING:
                for part in parts:
                    if part == "error" and quantity in q.WITHOUT_ERROR:
                        continue
                    column = quantity if part == "value" else f"{quantity}_{part}"
                    row[column] = getattr(quantities[quantity], part) if quantity in quantities else None
            rows.append(row)
    return Table.from_columns({column: [row[column] for row in rows] for column in rows[0]})


def lines(networks: Networks, likelihood: str) -> list[str]:
    """Return log lines: rows of the score tables, anomalies, then the results of each network.

    Args:
        networks: networks by name.
        likelihood: "nll" or "nll_unscaled", which compares the networks.
    """
    counts = (
        "{file}: {rows} rows, {used} used, {without_estimate} without estimate, {without_truth} without truth"
    )
    text = []
    for name, network in networks.items():
        text += [counts.format(**file) for file in network.events.files]
        singular = sum(file["not_positive_definite"] for file in network.events.files)
        if singular:
            text.append(
                f"{name}: {singular} covariances are not positive definite: no chi2, no joint coverage of these"
            )
    if likelihood == "nll_unscaled":
        text.append(
            "NLL of the truth in the units of the targets: networks scale differently, or tables have no nll"
        )
    for name, network in networks.items():
        text += _network_lines(name, network, likelihood)
    return text


def _network_lines(name: str, network: Network, likelihood: str) -> list[str]:
    """Return a log line on a network, and a line per target."""
    joint = network.combined[ALL]
    seeds = f"{len(network.seeds)} seeds, " if len(network.seeds) > 1 else ""
    zeros = f", {100 * np.mean(network.zeros):.1f} % of the weights 0" if network.zeros else ""
    text = [
        f"{name} ({seeds}{len(network.events.truth)} events{zeros}): NLL {_rounded(joint[likelihood])} nats per "
        f"event, chi2 {_rounded(joint['chi2_mean'])} (expected {len(network.targets)})"
    ]
    for target in network.targets:
        numbers, symbol = network.combined[target], f" {unit(target)}" if unit(target) else ""
        widths = {"bias": "bias", "rms": "rms", "half_width": "68 % half width"}
        parts = [f"{words} {_rounded(numbers[quantity])}{symbol}" for quantity, words in widths.items()]
        shares = ", ".join(
            f"{100 * numbers[quantity].value:.1f}" for quantity in ("coverage_1", "coverage_2")
        )
        parts += [f"pull width {_rounded(numbers['pull_width'])}", f"within 1, 2 sigma {shares} %"]
        text.append(f"  {target}: {', '.join(parts)}")
    return text


def _rounded(quantity: Combined) -> str:
    """Return value and error of a quantity, rounded to the digits of the error."""
    return format_estimate(quantity.value, error_bar(quantity))
