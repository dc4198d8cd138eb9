"""Comparison of data with a stack of samples: histograms, uncertainties, chi2, totals, and inputs of a limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dmcnn._common.errors import InputError, nearest
from dmcnn._common.extras import need
from dmcnn.evaluation import EvaluationResult, json_number, limit_inputs
from dmcnn.evaluation.prediction import Observation, Prediction
from dmcnn.evaluation.rows import Read
from dmcnn.evaluation.stack_samples import StackSample, Variable, hidden_bins, make_axis, read_sample
from dmcnn.evaluation.systematics import Files, Systematics, check_samples, sources
from dmcnn.evaluation.weights import Rule
from dmcnn.figures import stack as figures
from dmcnn.metrics.histograms import chi2, correlation, fractional
from dmcnn.tables import table
from dmcnn.tables.table import Table

Floats = NDArray[np.float64]

RESERVED = {"bin_low", "bin_high", "expected", "statistical", "systematic", "data"}
"""Names of columns, which no sample may have."""


def judge(
    stack: Files,
    data: Sequence[str] = (),
    signal: Files | None = None,
    *,
    variable: Variable,
    bins: int | Sequence[float] = 20,
    reach: Sequence[float] | None = None,
    event_weight: Rule = None,
    scale: Mapping[str, float] | None = None,
    signal_scale: float = 1.0,
    clean_above: float | None = None,
    systematics: Systematics | None = None,
    read: Read = table.read,
) -> EvaluationResult:
    """Compare data with a stack of samples.

    Args:
        stack: sample -> score tables, from the bottom of the stack to its top.
        data: score tables of the data, every event of which counts 1.
        signal: name -> score tables of signals, drawn over the stack.
        variable: variable on the axis, and the score above which data stay hidden.
        bins: number of bins, or their edges.
        reach: range of the axis.
        event_weight: weights of the simulated events.
        scale: sample -> factor of all its weights.
        signal_scale: factor by which signals are drawn larger; it is in no number.
        clean_above: see ``stack_samples.clean``, of event weights.
        systematics: sources of systematic uncertainty.
        read: function that reads a table.

    Raises:
        InputError: a sample without events, one name for two samples, an unknown sample, or as in ``sources``.
    """
    signal, scale, systematics = signal or {}, scale or {}, systematics or Systematics()
    _check_names(stack, signal, scale)
    check_samples(systematics, [*stack, *signal])
    need("mplhep")  # before anything is read
    samples, lines = {}, []
    for name, paths in {**stack, **signal}.items():
        samples[name], remarks = read_sample(
            name, paths, variable, event_weight, scale.get(name, 1.0), clean_above, read
        )
        lines += [
            f"{name}: {len(samples[name])} events, {samples[name].unscored} without a value or hidden",
            *remarks,
        ]
    _check_column(event_weight, samples)
    axis = make_axis([samples[name] for name in stack], variable, bins, reach)
    causes, remarks = sources(samples, axis, variable, event_weight, systematics, read)
    prediction = Prediction(axis, samples, list(stack), causes)
    observed = _observe(data, variable, axis, read)
    numbers = _numbers(prediction, observed, variable)
    if signal:
        numbers["observations_of_workspaces"] = "data" if observed.is_whole else "expectation"
    return EvaluationResult(
        {"stack": numbers},
        _figures(prediction, observed, variable, numbers, signal_scale),
        [*lines, *remarks, *_summary(numbers)],
        {"stack": _bin_table(prediction, observed), "stack_totals": _total_table(numbers)},
        limit_inputs.files(prediction, observed),
    )


def _check_names(stack: Files, signal: Files, scale: Mapping[str, float]) -> None:
    """Raise InputError for a name of two samples, and for a scale of none."""
    names = [*stack, *signal]
    if taken := sorted(RESERVED & {*names}):
        raise InputError(
            f"{taken[0]!r} cannot be the name of a sample: it has a meaning of its own in the tables"
        )
    if both := sorted(set(stack) & set(signal)):
        raise InputError(f"signal and stack both have a sample {both[0]!r}: give them different names")
    for name in scale:
        if name not in names:
            known = ", ".join(map(repr, names))
            raise InputError(
                f"sample_scale: no sample {name!r}{nearest(name, names)}, expected one of {known}"
            )


def _check_column(rule: Rule, samples: Mapping[str, StackSample]) -> None:
    """Raise InputError if no table has the column of the weights."""
    tables = [rows for sample in samples.values() for rows in sample.tables]
    if isinstance(rule, str) and not any(rule in rows.columns for rows in tables):
        tables[0].need([rule])


def _observe(data: Sequence[str], variable: Variable, axis: Any, read: Read) -> Observation:
    """Return the data in the bins of an axis; hidden bins are emptied before anything else sees them."""
    hidden = hidden_bins(axis, variable.cut)
    if not data:
        return Observation(None, hidden)
    sample, _ = read_sample("data", data, variable, read=read)
    counts = np.asarray(sample.histogram(axis).values(flow=True))
    return Observation(np.where(hidden, np.nan, counts), hidden, sample.unscored)


def _numbers(prediction: Prediction, observed: Observation, variable: Variable) -> dict[str, Any]:
    """Return all numbers for JSON."""
    shown, parts = ~observed.hidden, prediction.covariances
    total, expected = prediction.total(), parts["total"]
    numbers: dict[str, Any] = {
        "variable": variable.name,
        "blind_above": variable.blind_above,
        "bin_low": [None, *prediction.axis.edges.tolist()],
        "bin_high": [*prediction.axis.edges.tolist(), None],
        "samples": {name: _sample_numbers(prediction, [name]) for name in prediction.background},
        "signals": {name: _sample_numbers(prediction, [name]) for name in prediction.signals},
        "expected": _sample_numbers(prediction, prediction.background),
        "sources": {
            source.name: {
                "kind": source.kind,
                "uncertainty_of_total": _sigma(parts[source.name]),
                **source.about,
            }
            for source in prediction.sources
        },
        "covariance": {name: matrix.tolist() for name, matrix in parts.items()},
        "fractional_covariance": _json_matrix(fractional(expected, total)),
        "correlation": _json_matrix(correlation(expected)),
    }
    if observed.counts is not None:
        result = chi2(observed.counts[shown], total[shown], expected[np.ix_(shown, shown)])
        numbers["data"] = {
            "counts": [json_number(count) for count in observed.counts],
            "hidden_bins": int(observed.hidden.sum()),
            "observed_in_shown_bins": float(observed.counts[shown].sum()),
            "expected_in_shown_bins": float(total[shown].sum()),
            "uncertainty_in_shown_bins": _sigma(expected[np.ix_(shown, shown)]),
            "events_without_prediction": float(observed.counts[shown][total[shown] <= 0].sum()),
            "chi2": json_number(result.value),
            "ndf": result.ndf,
            "p_value": json_number(result.p_value),
        }
    return numbers


def _sample_numbers(prediction: Prediction, names: Sequence[str]) -> dict[str, Any]:
    """Return events, total and values per bin of a sum of samples, with their uncertainties."""
    statistical, systematic = prediction.statistical(names), prediction.systematic(names)
    values = prediction.total(names)
    return {
        "events": sum(len(prediction.samples[name]) for name in names),
        "total": float(values.sum()),
        "statistical": _sigma(statistical),
        "systematic": _sigma(systematic),
        "values": values.tolist(),
        "statistical_per_bin": np.sqrt(np.diag(statistical)).tolist(),
        "systematic_per_bin": np.sqrt(np.diag(systematic)).tolist(),
    }


def _sigma(covariance: Floats) -> float:
    """Return the standard deviation of the sum of the bins; rounding may leave a variance just below 0."""
    return float(np.sqrt(max(covariance.sum(), 0.0)))


def _json_matrix(matrix: Floats) -> list[list[float | None]]:
    """Return a matrix for JSON."""
    return [[json_number(value) for value in row] for row in matrix]


def _figures(
    prediction: Prediction,
    observed: Observation,
    variable: Variable,
    numbers: Mapping[str, Any],
    signal_scale: float,
) -> dict[str, Figure]:
    """Return the figures by the ending of their file names."""
    edges, total = prediction.axis.edges, prediction.total()
    parts = prediction.covariances
    scene = figures.Scene(
        edges=edges,
        label=variable.label,
        samples={name: prediction.values(name) for name in prediction.background},
        statistical=np.sqrt(np.diag(parts["statistical"])),
        total=np.sqrt(np.diag(parts["total"])),
        data=observed.counts,
        hidden=observed.hidden,
        signals={name: signal_scale * prediction.values(name) for name in prediction.signals},
        signal_scale=signal_scale,
        note=_selection(variable),
        chi2=_chi2_words(numbers),
    )
    drawings: dict[str, Figure] = {"stack": figures.stack(scene), "stack_log": figures.stack(scene, log=True)}
    if prediction.sources:
        shares = {name: np.sqrt(np.diag(matrix)) for name, matrix in parts.items()}
        drawings["stack_uncertainties"] = figures.uncertainties(edges, variable.label, total, shares)
        drawings["stack_correlation"] = figures.correlation(
            edges, variable.label, correlation(parts["total"])
        )
    places = prediction.places()
    shifts = {
        source.name: source.deviations[0, places].sum(axis=0)
        for source in prediction.sources
        if source.kind == "variation"
    }
    if shifts:
        error = np.sqrt(np.diag(parts["statistical"]))
        drawings["stack_variations"] = figures.variations(edges, variable.label, total, error, shifts)
    return drawings


def _selection(variable: Variable) -> str:
    """Return the text on events that are left out on both sides."""
    if variable.blind_above is None or variable.cut is not None:
        return ""
    return f"score ≤ {variable.blind_above:g}"


def _chi2_words(numbers: Mapping[str, Any]) -> str:
    """Return chi2 over its degrees of freedom, and its probability."""
    data = numbers.get("data")
    if data is None or data["chi2"] is None:
        return ""
    return f"χ²/ndf = {data['chi2']:.1f}/{data['ndf']},  p = {data['p_value']:.2g}"


def _summary(numbers: Mapping[str, Any]) -> list[str]:
    """Return the log lines on expectation and data."""
    expected = {key: _short(numbers["expected"][key]) for key in ("total", "statistical", "systematic")}
    words = "expected {total} ± {statistical} (stat) ± {systematic} (syst)".format(**expected)
    if "data" not in numbers:
        return [words]
    data = numbers["data"]
    lines = [
        words,
        f"in shown bins: expected {_short(data['expected_in_shown_bins'])} ± "
        f"{_short(data['uncertainty_in_shown_bins'])}, "
        f"observed {data['observed_in_shown_bins']:g}; {data['hidden_bins']} bins of the data stay hidden",
        _chi2_words(numbers),
    ]
    if data["events_without_prediction"]:
        lines.append(
            f"warning: {data['events_without_prediction']:g} events of the data lie in bins without any prediction"
        )
    return [line for line in lines if line]


def _short(value: float) -> str:
    """Return a number of events with three digits, or all before its point."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _bin_table(prediction: Prediction, observed: Observation) -> Table:
    """Return a row per bin: edges, samples, uncertainties and data; what stays hidden is empty."""
    edges = [f"{edge:.9g}" for edge in prediction.axis.edges]
    expected = _sample_numbers(prediction, prediction.background)
    columns: dict[str, list[Any]] = {"bin_low": ["", *edges], "bin_high": [*edges, ""]}
    columns |= {name: prediction.values(name).tolist() for name in prediction.samples}
    columns |= {
        "expected": expected["values"],
        "statistical": expected["statistical_per_bin"],
        "systematic": expected["systematic_per_bin"],
    }
    if observed.counts is not None:
        columns["data"] = ["" if np.isnan(count) else int(count) for count in observed.counts]
    return Table.from_columns(columns)


def _total_table(numbers: Mapping[str, Any]) -> Table:
    """Return a row per sample, then the expectation and the data in bins that are shown."""
    rows = [*numbers["samples"].items(), ("expected", numbers["expected"]), *numbers["signals"].items()]
    columns: dict[str, list[Any]] = {"sample": [name for name, _ in rows]}
    for key in ("events", "total", "statistical", "systematic"):
        columns[key] = [row[key] for _, row in rows]
    if data := numbers.get("data"):
        columns["sample"] += ["expected in shown bins", "data in shown bins"]
        columns["events"] += ["", int(data["observed_in_shown_bins"])]
        columns["total"] += [data["expected_in_shown_bins"], data["observed_in_shown_bins"]]
        columns["statistical"] += ["", ""]
        columns["systematic"] += ["", ""]
    return Table.from_columns(columns)
