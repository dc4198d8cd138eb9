"""Systematic uncertainties of a stack: deviations by universe weights, detector variations and normalisation."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError, nearest
from dmcnn.evaluation.rows import Read
from dmcnn.evaluation.stack_samples import StackSample, Variable, clean, read_sample
from dmcnn.evaluation.weights import Rule
from dmcnn.tables import table
from dmcnn.tables.batches import batches, column_groups, column_names
from dmcnn.tables.identity import EventIndex

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Files = Mapping[str, Sequence[str]]
"""Paths of the tables of each sample."""

RESERVED = {"statistical", "total", "mu", "stat", "stat_signal", "lumi"}
"""Names with a meaning of their own in the results, which no source may have."""

LOWEST_COVERED = 0.9
"""Smallest share of the weight of a sample whose events must have universe weights."""


@dataclass(frozen=True)
class Systematics:
    """Description of the systematic uncertainties; every source acts on all its samples at once.

    Attributes:
        universes: source -> pattern of the columns of its weights, such as "flux_*", in all samples that have such
            columns, or {sample: pattern}. A weight multiplies that of the event; the nth column is the same universe
            in every sample.
        universe_files: sample -> tables with these columns, matched by run, subrun and event; default: score tables.
        clean_above: universe weights that are NaN, infinite, <= 0 or above this become 1; None = none.
        variations: source -> {sample: score tables} of the same events, simulated with another detector.
        central_value: sample -> score tables of its events in the unchanged detector; default: those of the sample.
        normalisation: source -> {sample: fractional uncertainty}.
    """

    universes: Mapping[str, str | Mapping[str, str]] = field(default_factory=dict)
    universe_files: Files = field(default_factory=dict)
    clean_above: float | None = None
    variations: Mapping[str, Files] = field(default_factory=dict)
    central_value: Files = field(default_factory=dict)
    normalisation: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class UncertaintySource:
    """Source of uncertainty.

    Attributes:
        name: name of the source.
        kind: "universes", "variation" or "normalisation".
        deviations: (k, s, b) deviations of b bins of s samples; their products, summed over k, are the covariance. Of
            universes each is that from the prediction, over the square root of their number.
        about: counts of events and weights, for JSON.
    """

    name: str
    kind: str
    deviations: Floats
    about: Mapping[str, Any]

    def covariance(self, samples: Sequence[int]) -> Floats:
        """Return the (b, b) covariance of the sum of some samples."""
        shift = self.deviations[:, list(samples)].sum(axis=1)
        return np.asarray(shift.T @ shift)


def sources(
    samples: Mapping[str, StackSample],
    axis: Any,
    variable: Variable,
    rule: Rule,
    systematics: Systematics,
    read: Read = table.read,
) -> tuple[list[UncertaintySource], list[str]]:
    """Return the sources of uncertainty of samples, and log lines on what was matched and cleaned.

    Args:
        samples: name -> sample of the stack, and the signals.
        axis: axis of hist.
        variable: variable on the axis.
        rule: weights of the events, for the tables of ``central_value``.
        systematics: description of the sources.
        read: function that reads a table.

    Raises:
        InputError: an unknown sample, columns that are missing, or events that cannot be matched.
    """
    check_samples(systematics, samples)
    binned = {name: sample.bins(axis) for name, sample in samples.items()}
    plan = _Plan(samples, binned, axis, variable, rule, systematics, read)
    every = [_universes(plan, name, pattern) for name, pattern in systematics.universes.items()]
    every += [_variation(plan, name, files) for name, files in systematics.variations.items()]
    every += [_normalisation(plan, name, shares) for name, shares in systematics.normalisation.items()]
    return every, [line for source in every for line in _lines(source)]


def check_samples(systematics: Systematics, samples: Collection[str]) -> None:
    """Raise InputError for a sample that is none of ``samples``, and for a name of two sources."""
    given = {
        "universes": [s for p in systematics.universes.values() if not isinstance(p, str) for s in p],
        "universe_files": list(systematics.universe_files),
        "variations": [sample for files in systematics.variations.values() for sample in files],
        "central_value": list(systematics.central_value),
        "normalisation": [sample for shares in systematics.normalisation.values() for sample in shares],
    }
    faults = [
        f"{key}: no sample {name!r}{nearest(name, samples)}, expected one of {', '.join(map(repr, samples))}"
        for key, names in given.items()
        for name in dict.fromkeys(names)
        if name not in samples
    ]
    every = [*systematics.universes, *systematics.variations, *systematics.normalisation]
    twice = sorted({name for name in every if every.count(name) > 1})
    faults += [f"two sources of uncertainty are named {name!r}" for name in twice]
    faults += [f"{name!r} cannot name a source of uncertainty" for name in sorted(RESERVED & {*every})]
    if faults:
        raise InputError(*faults)


@dataclass(frozen=True, eq=False)
class _Plan:
    """Samples with their bins, and all that the sources share."""

    samples: Mapping[str, StackSample]
    bins: Mapping[str, NDArray[np.int64]]
    axis: Any
    variable: Variable
    rule: Rule
    systematics: Systematics
    read: Read

    @property
    def size(self) -> int:
        """Number of bins, with those below and above the range."""
        return int(self.axis.size) + 2

    def empty(self, count: int) -> Floats:
        """Return (count, s, b) zeros."""
        return np.zeros((count, len(self.samples), self.size))


def _universes(plan: _Plan, name: str, pattern: str | Mapping[str, str]) -> UncertaintySource:
    """Return the source of the universes whose columns fit a pattern."""
    patterns = dict.fromkeys(plan.samples, pattern) if isinstance(pattern, str) else dict(pattern)
    columns = {sample: _columns(plan, sample, words) for sample, words in patterns.items()}
    if isinstance(pattern, str):
        columns = {sample: names for sample, names in columns.items() if names}
    if any(len(names) < 2 for names in columns.values()) or not columns:
        found = {sample: len(names) for sample, names in columns.items()} or "none in any sample"
        raise InputError(
            f"universes: {name!r}: columns {pattern!r}: found {found}, expected at least 2 universes"
        )
    counts = {sample: len(names) for sample, names in columns.items()}
    if len(set(counts.values())) > 1 or (
        isinstance(pattern, str) and len(set(map(tuple, columns.values()))) > 1
    ):
        raise InputError(
            f"universes: {name!r}: samples have different columns ({counts}), expected the same universes"
        )
    number = next(iter(counts.values()))
    deviations, about = plan.empty(number), {}
    for at, sample in enumerate(plan.samples):
        if sample in columns:
            sums, about[sample] = _universe_sums(plan, sample, columns[sample], name)
            deviations[:, at] = (sums - _sums(plan, sample)[:, None]).T / np.sqrt(number)
    return UncertaintySource(name, "universes", deviations, {"universes": number, "samples": about})


def _columns(plan: _Plan, sample: str, pattern: str) -> list[str]:
    """Return the columns of the tables of a sample that fit a pattern, in the order of the numbers in their names."""
    names = [
        [column for column in column_names(path) if fnmatchcase(column, pattern)]
        for path in _paths(plan, sample)
    ]
    if any(set(other) != set(names[0]) for other in names):
        raise InputError(f"universes: tables of {sample!r} have different columns {pattern!r}")
    return sorted(names[0], key=_natural)


def _natural(name: str) -> list[tuple[int, str]]:
    """Return the order of a name, in which universe_2 comes before universe_10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _paths(plan: _Plan, sample: str) -> list[str]:
    """Return the tables that hold the universe weights of a sample."""
    own = [rows.path for rows in plan.samples[sample].tables]
    return list(plan.systematics.universe_files.get(sample, own))


def _universe_sums(
    plan: _Plan, name: str, columns: Sequence[str], source: str
) -> tuple[Floats, dict[str, Any]]:
    """Return the (b, u) sums of the weights of a sample in every universe, and counts of events and weights."""
    sample, bins = plan.samples[name], plan.bins[name]
    parts, cleaned, events = [], 0, None
    for group in column_groups(_paths(plan, name), columns):
        sums, events, count = _group_sums(plan, name, group, source, events)
        parts.append(sums)
        cleaned += count
    assert events is not None
    covered = np.zeros(len(sample), np.bool_)
    covered[events[events >= 0]] = True
    share = float(np.abs(sample.weight[covered]).sum() / (np.abs(sample.weight).sum() or 1.0))
    if share < LOWEST_COVERED:
        raise InputError(
            f"universes: {source!r}: {int(covered.sum())} of {len(sample)} events of {name!r} have universe weights, "
            f"{100 * share:.3g} % of the weight, expected at least {100 * LOWEST_COVERED:g} %"
        )
    rest = ~covered & (bins >= 0)
    unchanged = np.bincount(bins[rest], sample.weight[rest], plan.size)
    about = {"rows": len(events), "events": len(sample), "matched": int(covered.sum())}
    if plan.systematics.clean_above is not None:
        about |= {"cleaned": cleaned, "values": len(events) * len(columns)}
    return np.concatenate(parts, axis=1) + unchanged[:, None], about


def _group_sums(
    plan: _Plan, name: str, columns: Sequence[str], source: str, events: Ints | None
) -> tuple[Floats, Ints, int]:
    """Return the (b, k) sums of the weights of some universes, the event of each row, and how many were cleaned.

    Args:
        plan: samples with their bins.
        name: name of the sample.
        columns: columns of the universes.
        source: name of the source.
        events: (n,) number of the event of each row of the tables, -1 = none, as another group of columns has told;
            None matches the rows.
    """
    sample, bins = plan.samples[name], plan.bins[name]
    index = EventIndex(sample.ids) if events is None and name in plan.systematics.universe_files else None
    sums, parts, rows, cleaned = np.zeros((plan.size + 1, len(columns))), [], 0, 0
    for path in _paths(plan, name):
        for ids, weights in batches(path, columns, ids=index is not None):
            stop = rows + len(weights[0])
            if index is not None and ids is not None:
                at = index.partners(ids)
            else:
                at = np.arange(rows, stop) if events is None else events[rows:stop]
            parts.append(at)
            rows = stop
            used = (at >= 0) & (bins[at] >= 0)
            # rows without an event, and events outside of all bins, are counted in one more bin, which is left out
            place, factor = np.where(used, bins[at], plan.size), sample.weight[at]
            for nth, weight in enumerate(weights):
                usable, count = _usable(weight, plan.systematics.clean_above, f"{path}: {source!r}")
                sums[:, nth] += np.bincount(place, factor * usable, plan.size + 1)
                cleaned += count
    return sums[:-1], np.concatenate(parts) if parts else np.zeros(0, np.int64), cleaned


def _usable(weight: NDArray[Any], above: float | None, where: str) -> tuple[NDArray[Any], int]:
    """Return the weights of a universe, cleaned if asked, and the count of cleaned ones; InputError if not finite."""
    if above is not None:
        return clean(weight.astype(np.float64), above)
    if not np.isfinite(weight).all():
        raise InputError(
            f"{where}: a universe weight is empty, NaN or infinite; clean_weights=50 sets these, those <= 0 and "
            "those above 50 to 1"
        )
    return weight, 0


def _sums(plan: _Plan, name: str) -> Floats:
    """Return the (b,) sums of the weights of a sample."""
    some = plan.bins[name] >= 0
    return np.asarray(
        np.bincount(plan.bins[name][some], plan.samples[name].weight[some], plan.size), np.float64
    )


def _variation(plan: _Plan, name: str, files: Files) -> UncertaintySource:
    """Return the source of a detector variation: shifts of the bins between the same events, scaled to all events."""
    deviations, about = plan.empty(1), {}
    for at, sample in enumerate(plan.samples):
        if sample in files:
            deviations[0, at], about[sample] = _shift(plan, name, sample, files[sample])
    return UncertaintySource(name, "variation", deviations, {"samples": about})


def _shift(plan: _Plan, name: str, sample: str, paths: Sequence[str]) -> tuple[Floats, dict[str, Any]]:
    """Return the (b,) shift of the bins of a sample by a variation, and counts of events."""
    whole, other = plan.samples[sample], read_sample(sample, paths, plan.variable, read=plan.read)[0]
    reference, bins = whole, plan.bins[sample]
    if sample in plan.systematics.central_value:
        central = plan.systematics.central_value[sample]
        reference = read_sample(sample, central, plan.variable, plan.rule, read=plan.read)[0]
        bins = reference.bins(plan.axis)
    partner = EventIndex(reference.ids).partners(other.ids)
    varied, matched = np.flatnonzero(partner >= 0), partner[partner >= 0]
    weight = reference.weight[matched]
    if not weight.sum():
        raise InputError(
            f"variations: {name!r}: no event of {', '.join(map(str, paths))} is one of {sample!r} by run, subrun and "
            "event; central_value names the tables of its events in the unchanged detector"
        )
    scale = whole.weight.sum() / weight.sum()
    shift = np.zeros(plan.size)
    for sign, place in ((1, other.bins(plan.axis)[varied]), (-1, bins[matched])):
        shift += sign * scale * np.bincount(place[place >= 0], weight[place >= 0], plan.size)
    counts = {"events": len(other), "matched": len(matched), "unmatched": len(other) - len(matched)}
    return shift, counts | {"unmatched_of_sample": len(reference) - len(matched)}


def _normalisation(plan: _Plan, name: str, shares: Mapping[str, float]) -> UncertaintySource:
    """Return the source of an uncertain normalisation, the same factor in all bins."""
    deviations = plan.empty(1)
    for at, sample in enumerate(plan.samples):
        deviations[0, at] = shares.get(sample, 0.0) * _sums(plan, sample)
    return UncertaintySource(name, "normalisation", deviations, {"samples": dict(shares)})


def _lines(source: UncertaintySource) -> list[str]:
    """Return log lines on what was matched and cleaned."""
    lines = []
    for name, counts in source.about["samples"].items() if source.kind != "normalisation" else ():
        words = ", ".join(f"{value} {key.replace('_', ' ')}" for key, value in counts.items())
        lines.append(f"{source.name}: {name}: {words}")
    return lines
